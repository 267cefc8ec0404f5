"""The ledger: an account of every entry, in batches, for one run at a time."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import tracemalloc

import pytest

from pdl.errors import DestinationError, Kind
from pdl.model import Partial, Result
from pdl.storage import database
from pdl.storage.database import SCHEMA_VERSION, storable, translated
from pdl.storage.ledger import LedgerWriter

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "dest"


@pytest.fixture
def ledger(dest):
    ledger = LedgerWriter(str(dest))
    yield ledger
    ledger.close()


def append(ledger, count, start=1):
    numbers = range(start, start + count)
    ledger.append(
        [2**64 - number for number in numbers],
        [f"http://h/{number}" for number in numbers],
        [None] * count,
        [f"{number}" for number in numbers],
    )


def seen_by_others(dest, statement="SELECT COUNT(*) FROM entry"):
    """What another process can read: committed rows only."""
    connection = sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def failed(row, **more):
    return Result(index=row, status="failed", url=f"http://h/{row}", path=f"{row}", kind=Kind.DNS, **more)


def test_the_folder_is_private_and_hidden_from_version_control(dest, ledger):
    folder = dest / ".pdl"
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (folder / "parts").is_dir()
    if os.name != "nt":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_row_i_is_entry_i(dest, ledger):
    append(ledger, 3)
    append(ledger, 120, start=4)
    assert ledger.last == 123
    assert [known.row for known in ledger.known(1, 200)] == list(range(1, 124))
    assert [known.url for known in ledger.known(3, 2)] == ["http://h/3", "http://h/4"]
    assert ledger.owners(120, 2) == [(121, 2**64 - 121, "121"), (122, 2**64 - 122, "122")]


def test_nothing_to_append_appends_nothing(ledger):
    ledger.append([], [], [], [])
    ledger.readmit([])
    ledger.record()
    assert ledger.last == 0


def test_an_entry_is_found_by_its_identity(ledger):
    append(ledger, 3)
    ledger.identities.add({2**64 - number: number for number in (1, 2, 3)})
    found = ledger.find([2**64 - 2, 5, 2**64 - 3])
    assert {identity: known.url for identity, known in found.items()} == {
        2**64 - n: f"http://h/{n}" for n in (2, 3)
    }
    assert [known.url for known in ledger.candidates(2**64 - 2)] == ["http://h/2"]
    assert list(ledger.candidates(5)) == []


def test_many_entries_are_found_at_once(ledger):
    append(ledger, 500)
    ledger.identities.add({2**64 - number: number for number in range(1, 501)})
    found = ledger.find(2**64 - number for number in range(1, 501, 3))
    assert {identity: known.row for identity, known in found.items()} == {2**64 - n: n for n in range(1, 501, 3)}


def test_changes_are_committed_together(dest, ledger):
    append(ledger, 10)
    ledger.flush_if_due(100.0)
    assert seen_by_others(dest) == [(0,)]
    ledger.flush_if_due(100.9)
    assert seen_by_others(dest) == [(0,)]
    assert ledger.committed == 0
    ledger.flush_if_due(101.0)
    assert seen_by_others(dest) == [(10,)]
    assert ledger.committed == 10


def test_a_thousand_changes_need_not_wait(dest, ledger):
    ledger.flush()
    append(ledger, 999)
    ledger.flush_if_due(100.0)
    assert seen_by_others(dest) == [(0,)]
    append(ledger, 1, start=1000)
    ledger.flush_if_due(100.0)
    assert seen_by_others(dest) == [(1000,)]


def test_a_second_is_counted_from_the_first_change_after_a_commit(dest, ledger):
    append(ledger, 1)
    ledger.flush_if_due(100.0)
    ledger.flush_if_due(101.0)
    append(ledger, 1, start=2)
    ledger.flush_if_due(101.5)
    assert seen_by_others(dest) == [(1,)]


def test_closing_commits_and_removes_sqlite_s_own_files(dest):
    ledger = LedgerWriter(str(dest))
    append(ledger, 5)
    ledger.record(failed(3))
    ledger.close()
    ledger.close()
    assert seen_by_others(dest, "SELECT row FROM entry WHERE status = 'failed'") == [(3,)]
    assert not list(dest.glob(".pdl/ledger.sqlite3-*"))
    assert not (dest / ".pdl" / "holder").exists()


def test_a_later_run_goes_on_after_the_last_row(dest):
    for run in (1, 2):
        ledger = LedgerWriter(str(dest))
        assert (ledger.run, ledger.last) == (run, 5 * (run - 1))
        append(ledger, 5, start=ledger.last + 1)
        ledger.close()
    assert seen_by_others(dest, "SELECT run, COUNT(*) FROM entry GROUP BY run") == [(1, 5), (2, 5)]


def test_results_are_recorded_by_row(dest, ledger):
    append(ledger, 2)
    done = Result(
        index=1,
        status="done",
        url="http://h/1",
        path="renamed",
        http_status=200,
        size=12,
        attempts=2,
        final_url="http://g/1",
        seconds=0.5,
    )
    ledger.record(done, Result(index=2, status="skipped", url="http://h/2", reason="exists", size=7))
    one, two = ledger.known(1, 2)
    assert (one.path, one.status, one.size, one.finished_size) == ("renamed", "done", 12, 12)
    assert (two.path, two.status, two.reason, two.size, two.finished_size) == ("2", "skipped", "exists", 7, None)
    ledger.flush()
    columns = "path, status, http_status, size, attempts, final_url, seconds, message"
    assert seen_by_others(dest, f"SELECT {columns} FROM entry WHERE row = 1") == [
        ("renamed", "done", 200, 12, 2, "http://g/1", 0.5, None)
    ]


@pytest.mark.parametrize(
    ("reason", "finished"), [("done", 7), ("not-modified", 7), ("exists", None), ("duplicate", None)]
)
def test_what_was_finished_stays_finished_when_it_is_skipped(ledger, reason, finished):
    append(ledger, 1)
    ledger.record(Result(index=1, status="skipped", url="http://h/1", reason=reason, size=7))
    assert ledger.known(1, 1)[0].finished_size == finished


def test_a_moved_entry_is_committed_at_once(dest, ledger):
    append(ledger, 3)
    ledger.move(2, "elsewhere")
    assert seen_by_others(dest, "SELECT row, path FROM entry") == [(1, "1"), (2, "elsewhere"), (3, "3")]
    assert ledger.committed == 3
    ledger.record(Result(index=2, status="done", url="http://h/2", path="elsewhere", size=1))
    assert [known.path for known in ledger.known(1, 3)] == ["1", "elsewhere", "3"]


def test_a_readmitted_entry_is_left_again_under_its_path(dest):
    ledger = LedgerWriter(str(dest))
    append(ledger, 2)
    ledger.record(failed(1, message="no"), failed(2))
    ledger.close()
    ledger = LedgerWriter(str(dest))
    ledger.readmit([2])
    assert [(known.status, known.run, known.path) for known in ledger.known(1, 2)] == [
        ("failed", 1, "1"),
        (None, 2, "2"),
    ]
    assert list(ledger.failures()) == []
    ledger.close()


def test_a_confirmed_entry_is_skipped_as_done_and_keeps_the_rest(dest):
    ledger = LedgerWriter(str(dest))
    append(ledger, 120)
    done = [Result(index=row, status="done", url="", path=f"{row}", size=row, attempts=2) for row in range(1, 121)]
    ledger.record(*done)
    ledger.close()
    ledger = LedgerWriter(str(dest))
    ledger.confirm(range(1, 120))
    *confirmed, other = ledger.known(1, 120)
    assert all((each.status, each.reason, each.run) == ("skipped", "done", 2) for each in confirmed)
    assert [each.finished_size for each in confirmed] == list(range(1, 120))
    assert (other.status, other.run) == ("done", 1)
    ledger.close()
    assert seen_by_others(dest, "SELECT attempts FROM entry WHERE row = 119") == [(2,)]


def test_failures_are_this_run_s_and_outlive_it(dest):
    ledger = LedgerWriter(str(dest))
    append(ledger, 1300)
    results = [
        failed(
            row,
            message="no such host",
            http_status=404,
            attempts=3,
            final_url="http://g/",
            seconds=1.5,
            where="list.txt:7",
        )
        for row in range(2, 1300)
    ]
    ledger.record(*results)
    ledger.record(Result(index=1, status="done", url="http://h/1", path="1"))
    failures = ledger.failures()
    ledger.close()
    assert len(failures) == 1298
    assert list(failures) == results
    assert list(failures) == results
    assert bool(failures)
    later = LedgerWriter(str(dest))
    later.record(failed(1300))
    later.close()
    assert [result.index for result in later.failures()] == [1300]
    assert len(failures) == 1298


def test_a_malformed_line_comes_back_with_its_text(dest):
    ledger = LedgerWriter(str(dest))
    ledger.append([5], ["ht!tp://nonsense"], [None], [None])
    result = Result(index=1, status="failed", url="ht!tp://nonsense", kind=Kind.INPUT, line="ht!tp://nonsense")
    ledger.record(result)
    ledger.close()
    (found,) = ledger.failures()
    assert found == result
    assert found.line == "ht!tp://nonsense"


def test_failures_are_never_held_all_at_once(dest):
    ledger = LedgerWriter(str(dest))
    append(ledger, 20_000)
    ledger.record(*(failed(row, message="x" * 200) for row in range(1, 20_001)))
    ledger.close()
    failures = ledger.failures()
    tracemalloc.start()
    assert sum(1 for _ in failures) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_failures_of_a_ledger_that_is_gone_say_so(dest):
    ledger = LedgerWriter(str(dest))
    ledger.close()
    os.unlink(ledger.path)
    with pytest.raises(DestinationError, match=r"ledger\.sqlite3 cannot be used"):
        len(ledger.failures())


def test_texts_that_are_no_text_are_stored_escaped(dest):
    ledger = LedgerWriter(str(dest))
    ledger.append([1], ["http://h/"], [storable("n\udc80")], ["p"])
    ledger.record(failed(1, message="cannot open 'l\udce9'", where="l\udce9.txt:3"))
    ledger.close()
    (found,) = ledger.failures()
    assert found.message == r"cannot open 'l\udce9'"
    assert found.where == r"l\udce9.txt:3"


@pytest.mark.fault(46)
def test_a_second_run_in_this_process_is_refused_with_the_holder_s_process(dest, ledger):
    with pytest.raises(DestinationError, match=rf"another run \(process {os.getpid()}\) is writing to "):
        LedgerWriter(str(dest))
    append(ledger, 1)


@pytest.mark.fault(46)
def test_a_second_run_in_another_process_is_refused_with_the_holder_s_process(dest, ledger):
    program = "import sys; from pdl.storage.ledger import LedgerWriter; LedgerWriter(sys.argv[1])"
    ended = subprocess.run([sys.executable, "-c", program, str(dest)], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"DestinationError: another run (process {os.getpid()}) is writing to" in ended.stderr


def test_other_destinations_are_free(dest, ledger, tmp_path):
    other = LedgerWriter(str(tmp_path / "other"))
    append(other, 1)
    other.close()


@pytest.mark.fault(43, 46)
def test_a_destination_is_free_again_after_closing_and_after_a_death(dest):
    program = (
        "import os, sys; from pdl.storage.ledger import LedgerWriter; ledger = LedgerWriter(sys.argv[1]);"
        "ledger.append([1, 2], ['http://h/1', 'http://h/2'], [None] * 2, ['a', 'b']); ledger.flush();"
        "ledger.append([3], ['http://h/3'], [None], ['c']); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(dest)], check=False).returncode == 9
    ledger = LedgerWriter(str(dest))
    assert (ledger.run, ledger.last) == (2, 2)
    ledger.close()
    LedgerWriter(str(dest)).close()


def test_the_loop_may_go_from_thread_to_thread(dest):
    ledger = LedgerWriter(str(dest))
    thread = threading.Thread(target=lambda: (append(ledger, 10), ledger.flush(), ledger.close()))
    thread.start()
    thread.join()
    assert seen_by_others(dest) == [(10,)]
    LedgerWriter(str(dest)).close()


@pytest.mark.fault(41)
@posix
def test_a_planted_folder_is_not_followed(dest, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    dest.mkdir()
    (dest / ".pdl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DestinationError, match="is not a folder"):
        LedgerWriter(str(dest))
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.fault(41)
@posix
@pytest.mark.parametrize("name", ["ledger.sqlite3", "ledger.sqlite3-wal", "lock", "holder", ".gitignore"])
def test_planted_files_are_not_written_through(dest, tmp_path, name):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (dest / ".pdl").mkdir(parents=True)
    (dest / ".pdl" / name).symlink_to(precious)
    if name in ("holder", ".gitignore"):
        LedgerWriter(str(dest)).close()
    else:
        with pytest.raises(DestinationError):
            LedgerWriter(str(dest))
    assert precious.read_text() == "precious"


def test_a_file_that_is_no_database_is_named(dest):
    (dest / ".pdl").mkdir(parents=True)
    (dest / ".pdl" / "ledger.sqlite3").write_text("something else, and long enough to be looked at" * 10)
    with pytest.raises(DestinationError, match=r"ledger\.sqlite3 is damaged or not a ledger of pdl"):
        LedgerWriter(str(dest))
    assert (dest / ".pdl" / "ledger.sqlite3").read_text().startswith("something else")


def make_database(dest, script):
    (dest / ".pdl").mkdir(parents=True)
    connection = sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")
    connection.executescript(script)
    connection.close()


def test_another_s_database_is_left_alone(dest):
    make_database(dest, "CREATE TABLE theirs (x)")
    with pytest.raises(DestinationError, match="is not a ledger of pdl"):
        LedgerWriter(str(dest))


def test_the_ledger_of_a_newer_version_is_left_alone(dest):
    make_database(dest, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(DestinationError, match="newer version of pdl"):
        LedgerWriter(str(dest))
    LedgerWriter(str(dest.parent / "other")).close()


def test_a_refused_ledger_holds_nothing(dest):
    make_database(dest, "CREATE TABLE theirs (x)")
    for _ in range(2):
        with pytest.raises(DestinationError, match="is not a ledger"):
            LedgerWriter(str(dest))


@pytest.mark.fault(39)
def test_a_full_disk_is_a_full_disk(dest, ledger):
    pages = ledger._execute("PRAGMA page_count").fetchone()[0]
    ledger._execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match=r"ledger\.sqlite3") as caught:
        append(ledger, 10_000)
    assert caught.value.errno == errno.ENOSPC


def test_a_ledger_that_another_program_has_locked_says_so(dest, ledger):
    ledger.flush()
    ledger._execute("PRAGMA busy_timeout = 0")
    connection = sqlite3.connect(ledger.path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DestinationError, match=r"the ledger .* cannot be used: database is locked"):
            append(ledger, 1)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database or disk is full", OSError),
        ("attempt to write a readonly database", DestinationError),
        ("disk I/O error", DestinationError),
        ("database disk image is malformed", DestinationError),
    ],
)
def test_errors_are_translated_by_what_they_mean_for_a_run(text, kind):
    error = translated(sqlite3.OperationalError(text), "/x/ledger.sqlite3")
    assert type(error) is kind
    assert "/x/ledger.sqlite3" in str(error)


def test_a_destination_that_is_a_file_is_refused(dest):
    dest.write_text("")
    with pytest.raises(DestinationError, match="not a folder"):
        LedgerWriter(str(dest))


def test_odd_names_of_destinations_are_no_options_of_sqlite(tmp_path):
    ledger = LedgerWriter(str(tmp_path / "a?mode=memory&%41 #ü"))
    append(ledger, 1)
    ledger.close()
    assert (tmp_path / "a?mode=memory&%41 #ü" / ".pdl" / "ledger.sqlite3").exists()


# versions of the schema


def test_a_ledger_of_the_first_version_is_brought_up_to_date(dest):
    make_database(dest, "SELECT 1")
    connection = sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")
    connection.executescript(
        f"""BEGIN; {database._STEPS[0]} PRAGMA user_version = 1;
        INSERT INTO run VALUES (1, 0.0);
        INSERT INTO entry(row, hash, url, path, run, status, reason, size) VALUES
            (1, 1, 'http://h/a', 'a', 1, 'done', NULL, 7), (2, 2, 'http://h/b', 'b', 1, 'failed', NULL, 0),
            (3, 3, 'http://h/c', 'c', 1, 'skipped', 'exists', 9), (4, 4, 'http://h/d', 'd', 1, NULL, NULL, NULL);
        COMMIT;"""
    )
    connection.close()
    ledger = LedgerWriter(str(dest))
    assert [(known.row, known.finished_size) for known in ledger.known(1, 9)] == [
        (1, 7),
        (2, None),
        (3, None),
        (4, None),
    ]
    assert ledger.select("SELECT fetched FROM entry WHERE row = 1", ()) == [(1,)]
    ledger.close()
    assert seen_by_others(dest, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_bringing_it_up_to_date_happens_whole_or_not_at_all(dest, monkeypatch):
    make_database(dest, f"BEGIN; {database._STEPS[0]} PRAGMA user_version = 1; COMMIT")
    monkeypatch.setattr(database, "_STEPS", (database._STEPS[0], database._STEPS[1] + "CREATE TABLE entry (x);"))
    with pytest.raises(DestinationError, match="cannot be used"):
        LedgerWriter(str(dest))
    assert seen_by_others(dest, "PRAGMA user_version") == [(1,)]
    monkeypatch.undo()
    LedgerWriter(str(dest)).close()
    assert seen_by_others(dest, "SELECT COUNT(etag) FROM entry") == [(0,)]


# parts


def test_a_part_is_known_by_its_inode(dest, ledger, tmp_path):
    file = tmp_path / "1.part"
    file.write_bytes(b"some")
    found = file.stat()
    partial = Partial(4, '"v"', 9, "http://h/1", "name")
    ledger.keep_part(1, found.st_ino, partial)
    assert ledger.part(1, found) == partial
    assert ledger.part(2, found) is None
    other = os.stat_result((found.st_mode, found.st_ino + 1, *found[2:]))
    assert ledger.part(1, other) is None
    assert ledger.part(1, found) is None  # what did not fit is forgotten


def test_an_inode_may_have_all_of_its_64_bits(ledger, tmp_path):
    (tmp_path / "x").write_bytes(b"some")
    found = (tmp_path / "x").stat()
    huge = os.stat_result((found.st_mode, 2**64 - 5, *found[2:]))
    ledger.keep_part(1, huge.st_ino, Partial(4, '"v"', None, "http://h/1"))
    assert ledger.part(1, huge) == Partial(4, '"v"', None, "http://h/1")
