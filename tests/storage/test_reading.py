"""The ledger as others read it: whole, beside a run, and without a trace."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tracemalloc

import pytest

import pdl
from pdl.errors import DestinationError, Kind
from pdl.model import Digest, Download, Outcome, Result, Verdict
from pdl.progress import fault
from pdl.storage import reading
from pdl.storage.database import SCHEMA_VERSION, storable
from pdl.storage.ledger import LedgerWriter


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "dest"


@pytest.fixture
def writer(dest):
    writer = LedgerWriter(str(dest), "curl")
    yield writer
    writer.close()


def append(writer, *urls):
    rows = range(writer.last + 1, writer.last + 1 + len(urls))
    writer.append(list(rows), urls, [None] * len(urls), [f"p/{row}" for row in rows])


def failed(row, url="http://h/", kind=Kind.DNS, **more):
    return Result(index=row, status="failed", url=url, path=f"p/{row}", kind=kind, **more)


def fetch(writer, row, size=5, **more):
    result = Result(index=row, status="done", url="http://h/", size=size, http_status=200, attempts=1)
    writer.record_fetched([(result, Outcome(Verdict.DONE, **more))])


def everything_in(folder):
    """All that stands in a folder, with what changes if it is written; readers mark their place in the index."""
    paths = sorted(folder.rglob("*"))
    return [(p, None if p.name.endswith("-shm") else (p.stat().st_size, p.stat().st_mtime_ns)) for p in paths]


def test_an_entry_comes_back_with_all_that_is_known(dest, writer):
    writer.append([1], ["http://h/a"], ["given.bin"], ["p/given.bin"])
    mirrors = ("http://m/a", "http://n/a")
    wanted = Digest("md5", "0" * 32)
    writer.give({1: Download("http://h/a", mirrors=mirrors, size=7, digest=wanted)})
    result = Result(
        index=1, status="done", url="http://h/a", path="p/other.bin", http_status=206, size=7, attempts=2,
        final_url="http://m/a", seconds=1.5, where="list.txt:3",
    )  # fmt: skip
    digest = Digest("sha256", "ab" * 32)
    outcome = Outcome(Verdict.DONE, digest=digest, first_byte=1000.5, etag='"v"', last_modified="a date")
    writer.record_fetched([(result, outcome)])
    writer.flush()
    (entry,) = pdl.Ledger(dest)
    assert 1.6e9 < entry.queued <= entry.ended
    assert entry._replace(queued=None, ended=None) == pdl.LedgerEntry(
        row=1, status="done", reason=None, url="http://h/a", mirrors=mirrors, name="given.bin", path="p/other.bin",
        size=7, digest=digest, wanted_size=7, wanted_digest=wanted, kind=None, message="", http_status=206,
        attempts=2, final_url="http://m/a", etag='"v"', last_modified="a date", queued=None, first_byte=1000.5,
        ended=None, seconds=1.5, engine="curl", where="list.txt:3",
    )  # fmt: skip


def test_the_engine_is_the_one_that_brought_the_file(dest, writer):
    append(writer, "http://h/1", "http://h/2")
    fetch(writer, 1)
    writer.close()
    later = LedgerWriter(str(dest), "threads")
    later.confirm([1])
    fetch(later, 2)
    later.close()
    assert [(entry.status, entry.reason, entry.engine) for entry in pdl.Ledger(dest)] == [
        ("skipped", "done", "curl"),
        ("done", None, "threads"),
    ]


def test_what_has_not_ended_is_left_and_a_failure_says_why(dest, writer):
    append(writer, "http://h/1", "http://h/2")
    writer.record(failed(2, kind=Kind.HTTP, http_status=404, message="gone", attempts=1, where="l:2"))
    writer.flush()
    left, gone = pdl.Ledger(dest)
    assert (left.status, left.kind, left.message, left.attempts, left.size) == ("left", None, "", 0, None)
    assert (gone.status, gone.kind, gone.message, gone.http_status) == ("failed", Kind.HTTP, "gone", 404)


def test_entries_come_in_row_order_over_many_batches(dest, writer):
    append(writer, *(f"http://h/{number}" for number in range(1234)))
    writer.close()
    ledger = pdl.Ledger(dest)
    assert [entry.row for entry in ledger] == list(range(1, 1235))
    assert len(ledger) == 1234


def test_a_ledger_without_rows_is_empty(dest, writer):
    writer.flush()
    ledger = pdl.Ledger(dest)
    assert (len(ledger), list(ledger)) == (0, [])
    nothing = pdl.LedgerCounts(0, 0, 0, {}, {}, {}, 0, None)
    assert ledger.counts() == nothing
    writer.close()
    assert pdl.Ledger(dest).counts() == nothing


def test_entries_are_never_held_all_at_once(dest, writer):
    append(writer, *(f"http://h/{number:0200}" for number in range(20_000)))
    writer.close()
    ledger = pdl.Ledger(dest)
    tracemalloc.start()
    assert sum(1 for _ in ledger) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_texts_that_are_no_text_come_back_escaped(dest, writer):
    writer.append([1], ["http://h/%FF"], [storable("n\udcff")], ["n�"])
    result = Result(index=1, status="failed", url="", message="cannot open 'l\udce9'", where="l\udce9.txt:3")
    writer.record(result)
    writer.flush()
    (entry,) = pdl.Ledger(dest)
    assert (entry.name, entry.path, entry.where) == (r"n\udcff", "n�", r"l\udce9.txt:3")
    assert entry.message == r"cannot open 'l\udce9'"


# -- counting


def test_counts_add_up(dest, writer):
    append(writer, *(f"http://h/{number}" for number in range(10)))
    fetch(writer, 1, size=5)
    fetch(writer, 2, size=7)
    skips = zip([3, 4, 5, 6], ["exists", "done", "duplicate", "not-modified"], strict=True)
    writer.record(*(Result(index=row, status="skipped", url="", reason=why, size=100) for row, why in skips))
    writer.record(failed(7), failed(8, size=1000))
    writer.flush()
    counts = pdl.Ledger(dest).counts()
    assert (counts.read, counts.done, counts.skipped, counts.failed, counts.left) == (10, 2, 4, 2, 2)
    assert counts.skipped_by_reason == {"exists": 1, "done": 1, "duplicate": 1, "not-modified": 1}
    assert (counts.files, counts.size) == (5, 312)


def test_failures_are_counted_by_kind_as_the_account_of_a_run_does(dest, writer):
    faults = [(kind, status) for kind in Kind for status in (None, 404, 503)]
    append(writer, *["http://h/"] * len(faults))
    writer.record(*(failed(row, kind=kind, http_status=s) for row, (kind, s) in enumerate(faults, 1)))
    writer.flush()
    names = [fault(kind, status) for kind, status in faults]
    counted = pdl.Ledger(dest).counts().failed_by_kind
    assert counted == {name: names.count(name) for name in names}
    assert list(counted.values()) == sorted(counted.values(), reverse=True)


def test_failures_are_counted_by_host_and_the_most_frequent_come_first(dest, writer):
    urls = ["http://b/x://y/", "https://a:8080/1", "http://b/2", "http://[::1]:80/3", "http://b/3", "http://c/ok"]
    append(writer, *urls)
    writer.record(*(failed(row) for row in range(1, 6)))
    writer.append([7], ["ftp://malformed/x"], [None], [None])
    writer.record(Result(index=7, status="failed", url="ftp://malformed/x", kind=Kind.BLOCKED))
    writer.flush()
    ledger = pdl.Ledger(dest)
    assert list(ledger.counts().failed_by_host.items()) == [("b", 3), ("[::1]:80", 1), ("a:8080", 1)]
    assert ledger.counts(hosts=1).failed_by_host == {"b": 3}


def test_the_oldest_unfinished_entry_is_the_one_that_waits_longest(dest, writer, monkeypatch):
    now = iter([100.0, 200.0, 300.0])
    monkeypatch.setattr("pdl.storage.ledger.time.time", lambda: next(now))
    append(writer, "http://h/1", "http://h/2")
    append(writer, "http://h/3", "http://h/4")
    writer.readmit([1, 2])
    writer.flush()
    oldest = pdl.Ledger(dest).counts().oldest_left
    assert (oldest.row, oldest.url, oldest.queued) == (3, "http://h/3", 200.0)


# -- beside a run, and without a trace


def test_what_a_run_has_committed_is_seen(dest, writer):
    ledger = pdl.Ledger(dest)
    append(writer, "http://h/1")
    assert len(ledger) == 0
    writer.flush()
    assert len(ledger) == 1
    writer.close()
    assert len(ledger) == 1


def test_a_reader_that_takes_its_time_holds_up_no_run(dest, writer):
    append(writer, *["http://h/"] * 600)
    writer.close()
    entries = iter(pdl.Ledger(dest))
    first = next(entries)
    later = LedgerWriter(str(dest))
    append(later, "http://h/later")
    fetch(later, 600)
    later.close()
    rest = list(entries)
    assert (first.row, rest[-2].row, rest[-2].status, rest[-1].row) == (1, 600, "done", 601)


@pytest.mark.parametrize("state", ["open", "closed", "killed"])
def test_reading_leaves_no_trace(dest, state):
    program = (
        "import os, sys; from pdl.storage.ledger import LedgerWriter; writer = LedgerWriter(sys.argv[1]);"
        "writer.append([1], ['http://h/1'], [None], ['a']); writer.flush();"
        "os._exit(9) if sys.argv[2] == 'killed' else writer.close()"
    )
    subprocess.run([sys.executable, "-c", program, str(dest), state], check=False)
    writer = LedgerWriter(str(dest)) if state == "open" else None
    if writer:
        writer.flush()
    before = everything_in(dest)
    assert any(path.name.endswith("-wal") for path, *_ in before) == (state != "closed")
    ledger = pdl.Ledger(dest)
    assert (len(ledger), len(list(ledger)), ledger.counts().left) == (1, 1, 1)
    assert everything_in(dest) == before
    if writer:
        writer.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
def test_a_destination_that_cannot_be_written_can_be_read(dest, killed):
    program = (
        "import os, sys; from pdl.storage.ledger import LedgerWriter; writer = LedgerWriter(sys.argv[1]);"
        "writer.append([1], ['http://h/1'], [None], ['a']); writer.flush();"
        f"os._exit(9) if {killed} else writer.close()"
    )
    subprocess.run([sys.executable, "-c", program, str(dest)], check=False)
    files = [path for path in (dest / ".pdl").iterdir() if path.is_file()]
    for path in files:
        path.chmod(0o400)
    (dest / ".pdl").chmod(0o500)
    dest.chmod(0o500)
    try:
        assert [entry.url for entry in pdl.Ledger(dest)] == ["http://h/1"]
    finally:
        dest.chmod(0o700)
        (dest / ".pdl").chmod(0o700)


def test_a_run_that_comes_and_goes_within_a_reading_is_noticed(dest, writer, monkeypatch):
    append(writer, "http://h/1")
    writer.close()
    ledger = pdl.Ledger(dest)

    def counts_while_a_run_writes(connection, hosts):
        monkeypatch.undo()
        found = reading._counts(connection, hosts)
        later = LedgerWriter(str(dest))
        append(later, "http://h/2")
        later.close()
        return found

    monkeypatch.setattr(reading, "_counts", counts_while_a_run_writes)
    assert ledger.counts().read == 2


# -- what cannot be read


def test_without_a_ledger_there_is_nothing_to_read_and_nothing_is_made(tmp_path):
    for dest in (tmp_path, tmp_path / "missing", tmp_path / "a\0b"):
        with pytest.raises(DestinationError, match="there is no ledger of pdl in "):
            pdl.Ledger(dest)
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_goes_is_missed(dest, writer):
    writer.close()
    ledger = pdl.Ledger(dest)
    os.unlink(ledger.path)
    with pytest.raises(DestinationError, match="there is no ledger of pdl in "):
        len(ledger)


def make_database(dest, script):
    (dest / ".pdl").mkdir(parents=True)
    connection = sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")
    connection.executescript(script)
    connection.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "there is no ledger of pdl in "),
        ("CREATE TABLE theirs (x)", "is not a ledger of pdl"),
        (f"PRAGMA user_version = {SCHEMA_VERSION + 1}", "newer version of pdl; this one cannot read it"),
        ("PRAGMA user_version = 1", "older version of pdl; the next run brings it up to date"),
        (f"PRAGMA user_version = {SCHEMA_VERSION}", "cannot be used: no such table"),
    ],
)
def test_another_s_ledger_says_what_it_is(dest, script, said):
    make_database(dest, script)
    with pytest.raises(DestinationError, match=said):
        pdl.Ledger(dest)


def test_a_damaged_ledger_is_named(dest, writer):
    append(writer, *["http://h/"] * 2000)
    writer.close()
    with open(writer.path, "r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 60_000)
    with pytest.raises(DestinationError, match=r"ledger\.sqlite3 is damaged or not a ledger of pdl"):
        list(pdl.Ledger(dest))
    with open(writer.path, "wb") as file:
        file.write(b"something else, and long enough to be looked at" * 10)
    with pytest.raises(DestinationError, match=r"ledger\.sqlite3 is damaged or not a ledger of pdl"):
        pdl.Ledger(dest)


def test_a_kind_that_is_not_known_is_told(dest, writer):
    append(writer, "http://h/1")
    writer._execute("UPDATE entry SET kind = 'to-come'")
    writer.flush()
    with pytest.raises(DestinationError, match=r"newer version of pdl: 'to-come'"):
        list(pdl.Ledger(dest))


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")
def test_a_planted_link_is_not_followed(dest, tmp_path, writer):
    writer.close()
    (tmp_path / "other" / ".pdl").mkdir(parents=True)
    (tmp_path / "other" / ".pdl" / "ledger.sqlite3").symlink_to(writer.path)
    with pytest.raises(DestinationError, match="is not a regular file"):
        pdl.Ledger(tmp_path / "other")
