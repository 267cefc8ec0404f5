"""Intake: rows, paths, repeats and what is there already, over one run and many."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.intake import Admitted, Intake, NameTaken
from pdl.model import Digest, Download, Malformed, Result
from pdl.naming import Naming, identities, key, with_hash
from pdl.settings import Settings
from pdl.storage import filter as filter_module
from pdl.storage import identities as identities_module
from pdl.storage.ledger import LedgerWriter

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "dest"


@contextmanager
def run(dest, layout="flat", output=None, *, overwrite=False, reserved=(), renames=False):
    """A run in a destination: admits entries, and may record how they ended."""
    ledger = LedgerWriter(str(dest))
    try:
        settings = Settings(
            dest=str(dest), layout=layout, output=output, overwrite=overwrite, content_disposition=renames
        )
        intake = Intake(ledger, Naming(layout, output), settings, reserved)
        yield Run(intake, ledger, dest)
    finally:
        ledger.close()


class Run:
    def __init__(self, intake, ledger, dest):
        self.intake, self.ledger, self.dest = intake, ledger, dest

    def admit(self, *entries, batch=1000):
        given = [Download(entry) if isinstance(entry, str) else entry for entry in entries]
        decided = []
        for start in range(0, len(given), batch):
            decided += self.intake.admit(given[start : start + batch])
        return decided

    def finish(self, admitted, data=b"data"):
        """Publish a file, as a run does."""
        path = self.dest / admitted.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        url = admitted.download.url
        self.ledger.record(
            Result(index=admitted.row, status="done", url=url, path=admitted.path, size=len(data), attempts=1)
        )

    def rename(self, admitted, name):
        """Let a server name a file, as a run does."""
        path = self.intake.rename(admitted.download, admitted.path, name)
        if path != admitted.path:
            self.ledger.move(admitted.row, path)
        return admitted._replace(path=path)

    def fetch(self, *entries):
        decided = self.admit(*entries)
        for each in decided:
            if isinstance(each, Admitted):
                self.finish(each)
        return decided


def told(decided):
    """Decisions as (row, what, path)."""
    return [
        (each.row, "admitted", each.path)
        if isinstance(each, Admitted)
        else (each.index, each.reason or str(each.kind), each.path)
        for each in decided
    ]


def rows(dest, columns="row, url, path, status, reason"):
    connection = sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")
    try:
        return connection.execute(f"SELECT {columns} FROM entry ORDER BY row").fetchall()
    finally:
        connection.close()


def hashed(path, url, name=None):
    return with_hash(path, identities([Download(url, name=name)])[0])


@pytest.fixture
def small_stages(monkeypatch):
    """Filters that fill up and segments that are merged within a test."""
    monkeypatch.setattr(filter_module, "_STAGES", (8,))
    monkeypatch.setattr(filter_module, "_LAST_STAGES", 10)
    monkeypatch.setattr(identities_module, "_GATHERED", 64)
    monkeypatch.setattr(identities_module, "_BLOCK", 8)


# -- one run


def test_new_entries_are_admitted_in_the_order_of_the_list(dest):
    with run(dest) as job:
        assert told(job.admit("http://h/a.jpg", "http://h/b.jpg")) == [
            (1, "admitted", "a.jpg"),
            (2, "admitted", "b.jpg"),
        ]
        assert told(job.admit("http://h/c.jpg")) == [(3, "admitted", "c.jpg")]
        assert job.admit() == []
        assert job.intake.read == 3
    assert rows(dest) == [
        (1, "http://h/a.jpg", "a.jpg", None, None),
        (2, "http://h/b.jpg", "b.jpg", None, None),
        (3, "http://h/c.jpg", "c.jpg", None, None),
    ]


@pytest.mark.fault(57)
def test_a_malformed_line_fails_with_its_place_and_stops_nothing(dest):
    bad = Malformed(
        Kind.BLOCKED, "only http and https are fetched, not ftp", "ftp://h/x", "list.txt:2", raw="ftp://h/x"
    )
    with run(dest) as job:
        first, failed, last = job.admit("http://h/a", bad, "http://h/b")
        failures = job.ledger.failures()
    assert failed == Result(
        index=2,
        status="failed",
        url="ftp://h/x",
        kind=Kind.BLOCKED,
        message=bad.message,
        where="list.txt:2",
        line=bad.raw,
    )
    assert failed.line == "ftp://h/x"
    assert (first.row, last.row) == (1, 3)
    assert list(failures) == [failed]


def test_every_malformed_line_fails_even_if_it_is_repeated(dest):
    bad = Malformed(Kind.INPUT, "not a URL", "nonsense")
    with run(dest) as job:
        assert told(job.admit(bad, bad)) + told(job.admit(bad)) == [(row, "input", None) for row in (1, 2, 3)]


def test_a_malformed_line_is_no_repeat_of_a_url(dest):
    with run(dest) as job:
        entries = ["http://h/a", Malformed(Kind.INPUT, "no", "http://h/a"), "http://h/a"]
        assert [what for _, what, _ in told(job.admit(*entries))] == ["admitted", "input", "duplicate"]


@pytest.mark.fault(35)
@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_an_exact_repeat_is_a_duplicate_of_the_first(dest, batch):
    with run(dest) as job:
        decided = job.admit("http://h/a", "http://h/b", "http://h/a", "http://h/a", batch=batch)
    assert told(decided) == [
        (1, "admitted", "a"),
        (2, "admitted", "b"),
        (3, "duplicate", "a"),
        (4, "duplicate", "a"),
    ]
    assert rows(dest)[2:] == [(row, "http://h/a", "a", "skipped", "duplicate") for row in (3, 4)]


@pytest.mark.parametrize("batch", [1, 1000])
def test_the_same_url_under_another_name_is_another_entry(dest, batch):
    entries = [Download("http://h/a", name=name) for name in (None, "a", "x", "x", None)]
    with run(dest) as job:
        assert told(job.admit(*entries, batch=batch)) == [
            (1, "admitted", "a"),
            (2, "admitted", hashed("a", "http://h/a", "a")),
            (3, "admitted", "x"),
            (4, "duplicate", "x"),
            (5, "duplicate", "a"),
        ]


@pytest.mark.fault(35)
@pytest.mark.parametrize("batch", [1, 1000])
def test_the_first_url_keeps_the_plain_name_and_later_ones_get_their_hash(dest, batch):
    urls = [f"http://h/{number}/image.jpg" for number in range(4)]
    with run(dest) as job:
        decided = job.admit(*urls, batch=batch)
    assert [each.path for each in decided] == ["image.jpg", *(hashed("image.jpg", url) for url in urls[1:])]


@pytest.mark.fault(36)
def test_names_that_only_some_file_systems_tell_apart_collide(dest):
    urls = ["http://h/A.jpg", "http://h/a.JPG", "http://h/%C3%89", "http://h/e%CC%81"]
    with run(dest) as job:
        assert [each.path for each in job.admit(*urls)] == [
            "A.jpg",
            hashed("a.JPG", urls[1]),
            "É",
            hashed("é", urls[3]),
        ]


@pytest.mark.parametrize("batch", [1, 1000])
def test_a_name_that_looks_like_one_with_a_hash_takes_nothing_from_others(dest, batch):
    second = "http://h/2/image.jpg"
    trap = f"http://h/3/{hashed('image.jpg', second)}"
    with run(dest) as job:
        paths = [each.path for each in job.admit("http://h/1/image.jpg", trap, second, batch=batch)]
    assert paths[:2] == ["image.jpg", hashed("image.jpg", second)]
    assert len({*paths}) == 3
    assert paths[2].startswith("image.")


def test_files_and_folders_never_want_the_same_path(dest):
    urls = ["http://h/a", "http://h/a/b", "http://h/a/c", "http://h/d/e", "http://h/d"]
    with run(dest, "tree") as job:
        a, b, c, e, d = [each.path for each in job.admit(*urls)]
    assert a == "h/a"
    assert b.rpartition("/")[0] == c.rpartition("/")[0] != "h/a"
    assert b.startswith("h/a.")
    assert (b[-2:], c[-2:]) == ("/b", "/c")
    assert e == "h/d/e"
    assert d == hashed("h/d", urls[4])


@pytest.mark.fault(36)
def test_folders_collide_by_case_too(dest):
    with run(dest, "tree") as job:
        paths = [each.path for each in job.admit("http://h/A", "http://h/a/b", "http://h/X/1", "http://h/x/1")]
    assert paths[1].startswith("h/a.")
    assert paths[3] == hashed("h/x/1", "http://h/x/1")


@pytest.mark.fault(35, 36)
@pytest.mark.parametrize("layout", ["flat", "tree", "hash"])
def test_no_two_entries_share_a_path_nor_a_file_and_a_folder(dest, layout, small_stages):
    draw = random.Random(3)
    words = ["a", "A", "b", "a.jpg", "B", "é", "É", "con"]
    urls = ["http://h/" + "/".join(draw.choice(words) for _ in range(draw.randint(1, 5))) for _ in range(1500)]
    with run(dest, layout) as job:
        decided = job.admit(*urls, batch=7)
    admitted = [each for each in decided if isinstance(each, Admitted)]
    assert len(admitted) == len(set(urls))
    files = [key(each.path) for each in admitted]
    folders = {file[:place] for file in files for place in range(len(file)) if file[place] == "/"}
    assert len(set(files)) == len(files)
    assert not folders & set(files)


def test_the_job_s_own_files_are_never_a_target(dest, tmp_path):
    dest.mkdir()
    (dest / "urls.txt").write_text("http://h/urls.txt\n")
    own = [str(dest / "urls.txt"), str(dest / "logs" / "failed.txt"), str(tmp_path / "elsewhere.txt")]
    with run(dest, "flat", "{path}/{name}", overwrite=True, reserved=own) as job:
        urls = ["http://h/URLS.TXT", "http://h/logs/failed.txt", "http://h/logs", "http://h/elsewhere.txt"]
        assert [each.path for each in job.admit(*urls)] == [
            hashed("URLS.TXT", urls[0]),
            hashed("logs/failed.txt", urls[1]),
            hashed("logs", urls[2]),
            "elsewhere.txt",
        ]


@posix
def test_a_link_to_the_job_s_own_file_is_never_a_target(dest, tmp_path):
    dest.mkdir()
    (tmp_path / "urls.txt").write_text("")
    (dest / "link.txt").symlink_to(tmp_path / "urls.txt")
    with run(dest, overwrite=True, reserved=[str(dest / "link.txt")]) as job:
        assert [each.path for each in job.admit("http://h/link.txt")] == [hashed("link.txt", "http://h/link.txt")]


def test_a_file_fetched_earlier_that_is_now_the_job_s_own_fails(dest):
    with run(dest) as job:
        job.fetch("http://h/a.txt")
    with run(dest, overwrite=True, reserved=[str(dest / "a.txt")]) as job:
        (result,) = job.admit("http://h/a.txt")
    assert (result.kind, result.message) == (Kind.NAME, "a.txt is a file of the job itself")


# -- what is there already


def test_a_file_that_is_there_is_skipped(dest):
    dest.mkdir()
    (dest / "a.jpg").write_bytes(b"12345")
    with run(dest) as job:
        skipped, admitted = job.admit("http://h/a.jpg", "http://h/b.jpg")
    assert (skipped.status, skipped.reason, skipped.size, skipped.path) == ("skipped", "exists", 5, "a.jpg")
    assert isinstance(admitted, Admitted)
    assert rows(dest)[0] == (1, "http://h/a.jpg", "a.jpg", "skipped", "exists")


def test_overwriting_fetches_what_is_there(dest):
    dest.mkdir()
    (dest / "a.jpg").write_bytes(b"12345")
    with run(dest, overwrite=True) as job:
        assert told(job.admit("http://h/a.jpg")) == [(1, "admitted", "a.jpg")]


SHA = hashlib.sha256(b"12345").hexdigest()


@pytest.mark.parametrize(
    ("download", "message"),
    [
        (Download("http://h/a", size=5), None),
        (Download("http://h/a", digest=Digest("sha256", SHA)), None),
        (
            Download("http://h/a", size=4),
            "a is there with 5 bytes, where the list says 4; --overwrite fetches it again",
        ),
        (
            Download("http://h/a", digest=Digest("sha256", "0" * 64)),
            "a is there with another sha256 than the list says; --overwrite fetches it again",
        ),
    ],
)
def test_a_file_that_is_there_must_be_what_the_list_says(dest, download, message):
    dest.mkdir()
    (dest / "a").write_bytes(b"12345")
    with run(dest) as job:
        (result,) = job.admit(download)
    if message is None:
        assert (result.reason, result.size) == ("done", 5)  # as the list tells
    else:
        assert (result.status, result.kind, result.message) == ("failed", Kind.NAME, message)


def test_a_size_that_differs_spares_reading_the_file(dest, monkeypatch):
    dest.mkdir()
    (dest / "a").write_bytes(b"12345")
    monkeypatch.setattr("pdl.paths.Disk.digest", lambda *_: pytest.fail("it was read"))
    with run(dest) as job:
        (result,) = job.admit(Download("http://h/a", size=4, digest=Digest("sha256", SHA)))
    assert result.kind is Kind.NAME


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_not_what_the_list_says(dest):
    dest.mkdir()
    (dest / "a").write_bytes(b"12345")
    (dest / "a").chmod(0)
    with run(dest) as job:
        (result,) = job.admit(Download("http://h/a", digest=Digest("sha256", SHA)))
    assert "cannot be computed" in result.message


@posix
def test_a_link_counts_as_the_file_and_is_neither_followed_nor_replaced(dest, tmp_path):
    dest.mkdir()
    (tmp_path / "cache").write_bytes(b"12345")
    (dest / "a").symlink_to(tmp_path / "cache")
    (dest / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(dest / "fifo")
    urls = ["http://h/a", "http://h/dangling", "http://h/fifo"]
    with run(dest) as job:
        assert [what for _, what, _ in told(job.admit(*urls))] == ["exists"] * 3
    with run(dest) as job:
        (result,) = job.admit(Download("http://h/a", size=5))
        assert (result.kind, "not checked" in result.message) == (Kind.NAME, True)
    with run(dest, overwrite=True) as job:
        assert [what for _, what, _ in told(job.admit(*urls))] == ["name"] * 3


@posix
def test_a_link_in_the_place_of_what_was_fetched_counts_as_done(dest, tmp_path):
    with run(dest) as job:
        job.fetch("http://h/a")
    (dest / "a").rename(tmp_path / "cache")
    (dest / "a").symlink_to(tmp_path / "cache")
    with run(dest) as job:
        (result,) = job.admit(Download("http://h/a", size=4))
    assert (result.reason, result.size) == ("done", 4)


def test_a_folder_in_the_place_of_a_file_gives_the_file_its_hash(dest):
    (dest / "a").mkdir(parents=True)
    with run(dest) as job:
        assert [each.path for each in job.admit("http://h/a")] == [hashed("a", "http://h/a")]


@pytest.mark.parametrize("kind", ["file", pytest.param("link", marks=posix)])
def test_what_is_no_folder_in_the_place_of_one_gives_the_folder_a_hash(dest, tmp_path, kind):
    (dest / "h").mkdir(parents=True)
    if kind == "file":
        (dest / "h" / "a").write_text("")
    else:
        (dest / "h" / "a").symlink_to(tmp_path)
    with run(dest, "tree") as job:
        one, other = [each.path for each in job.admit("http://h/a/b", "http://h/a/c")]
    assert one.startswith("h/a.")
    assert one[:-1] == other[:-1]


def test_a_folder_in_the_place_of_a_file_that_has_its_name_already_fails_it(dest):
    with run(dest) as job:
        job.admit("http://h/a")
    (dest / "a").mkdir()
    with run(dest) as job:
        (result,) = job.admit("http://h/a")
    assert (result.kind, result.message) == (Kind.NAME, "a folder stands at a; move it away")


def test_a_path_that_cannot_be_looked_at_fails_its_entry_alone(dest, monkeypatch):
    dest.mkdir()
    (dest / "other").write_text("")
    lstat = os.lstat

    def refuse(path):
        if path.endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return lstat(path)

    with run(dest) as job:
        monkeypatch.setattr("os.lstat", refuse)
        failed, admitted = job.admit("http://h/secret", "http://h/a")
    assert (failed.kind, failed.message) == (Kind.NAME, "secret cannot be looked at: Permission denied")
    assert isinstance(admitted, Admitted)


def test_in_an_empty_destination_nothing_is_looked_at(dest, monkeypatch):
    with run(dest) as job:
        monkeypatch.setattr("os.lstat", lambda path: pytest.fail(f"{path} was looked at"))
        job.admit("http://h/a", "http://h/b/a", "http://h/a")


# -- further runs


def test_what_a_run_has_finished_is_done_in_the_next(dest):
    with run(dest) as job:
        job.fetch("http://h/a", "http://h/b", "http://h/a")
    for _ in range(2):
        with run(dest) as job:
            assert told(job.admit("http://h/a", "http://h/b", "http://h/a")) == [
                (1, "done", "a"),
                (2, "done", "b"),
                (3, "duplicate", "a"),
            ]
    assert len(rows(dest)) == 3


def test_a_finished_file_that_has_another_size_now_merely_exists(dest):
    with run(dest) as job:
        job.fetch("http://h/a")
    (dest / "a").write_bytes(b"something else")
    with run(dest) as job:
        (result,) = job.admit("http://h/a")
    assert (result.reason, result.size) == ("exists", 14)


def test_a_finished_file_that_is_gone_is_fetched_again_under_its_row_and_path(dest):
    with run(dest) as job:
        job.fetch("http://h/1/a", "http://h/2/a")
    (dest / "a").unlink()
    with run(dest) as job:
        assert [what for _, what, _ in told(job.admit("http://h/1/a", "http://h/2/a"))] == ["admitted", "done"]
    assert rows(dest, "status, attempts, run")[0] == (None, None, 2)


def test_what_was_left_or_failed_is_admitted_again(dest):
    with run(dest) as job:
        _, failed = job.admit("http://h/a", "http://h/b")
        job.ledger.record(Result(index=failed.row, status="failed", url="http://h/b", path="b", kind=Kind.DNS))
        assert len(job.ledger.failures()) == 0  # not committed yet
    with run(dest) as job:
        assert told(job.admit("http://h/a", "http://h/b")) == [(1, "admitted", "a"), (2, "admitted", "b")]
        job.ledger.flush()
        assert list(job.ledger.failures()) == []


def test_the_same_list_needs_no_filter(dest, monkeypatch):
    urls = [f"http://h/{number % 40}" for number in range(100)]
    with run(dest) as job:
        job.fetch(*urls)
    monkeypatch.setattr("pdl.intake.identities", lambda _: pytest.fail("an identity was computed"))
    with run(dest) as job:
        decided = job.admit(*urls, batch=9)
    assert [each.index for each in decided] == list(range(1, 101))
    assert Counter(each.reason for each in decided) == {"done": 40, "duplicate": 60}


def test_a_list_that_has_grown_goes_on_after_the_last_row(dest):
    urls = [f"http://h/{number}/image.jpg" for number in range(30)]
    with run(dest) as job:
        first = job.fetch(*urls[:20])
    with run(dest) as job:
        decided = job.admit(*urls, urls[3], batch=7)
    assert [(each.index, each.path) for each in decided[:20]] == [(each.row, each.path) for each in first]
    assert told(decided[20:]) == [
        *((21 + number, "admitted", hashed("image.jpg", urls[20 + number])) for number in range(10)),
        (31, "duplicate", first[3].path),
    ]


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_a_shuffled_list_keeps_rows_and_names(dest, batch, small_stages):
    urls = [f"http://h/{number}/image.jpg" for number in range(300)]
    with run(dest) as job:
        before = {each.download.url: (each.row, each.path) for each in job.fetch(*urls)}
    random.Random(1).shuffle(urls)
    with run(dest) as job:
        decided = job.admit(*urls, batch=batch)
        assert {each.url: (each.index, each.path) for each in decided} == before
        assert {each.reason for each in decided} == {"done"}
        assert {what for _, what, _ in told(job.admit(*urls, batch=batch))} == {"duplicate"}


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_identities_that_begin_alike_are_told_apart(dest, batch, small_stages, monkeypatch):
    monkeypatch.setattr(
        "pdl.intake.identities", lambda entries: [mark & 0xFFFFFFFF | 7 << 32 for mark in identities(entries)]
    )
    urls = [f"http://h/{number}" for number in range(200)]
    with run(dest) as job:
        assert {what for _, what, _ in told(job.admit(*urls, batch=batch))} == {"admitted"}
        repeats = job.admit(*urls[::3], batch=batch)
    assert [(each.reason, each.path) for each in repeats] == [("duplicate", url[9:]) for url in urls[::3]]


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_another_list_shares_what_both_name(dest, batch):
    with run(dest) as job:
        job.fetch(*(f"http://h/{number}/image.jpg" for number in range(100)))
    with run(dest) as job:
        decided = job.admit(*(f"http://h/{number}/image.jpg" for number in range(150, 50, -1)), batch=batch)
    shared = [each for each in decided if isinstance(each, Result)]
    assert [each.index for each in shared] == list(range(100, 51, -1))
    assert {each.reason for each in shared} == {"done"}
    assert [each.row for each in decided if isinstance(each, Admitted)] == list(range(101, 152))


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_a_list_that_has_moved_is_followed_again(dest, batch, monkeypatch):
    urls = [f"http://h/{number}" for number in range(200)]
    with run(dest) as job:
        job.fetch(*urls)
    looked_up = []
    find = LedgerWriter.find
    monkeypatch.setattr(LedgerWriter, "find", lambda self, wanted: looked_up.extend(wanted) or find(self, wanted))
    with run(dest) as job:
        decided = job.admit("http://h/new", *urls, *urls[50:60], batch=batch)
    assert told(decided[:3]) == [(201, "admitted", "new"), (1, "done", "0"), (2, "done", "1")]
    assert [each.index for each in decided[1:201]] == list(range(1, 201))
    assert {each.reason for each in decided[201:]} == {"duplicate"}
    assert len(looked_up) < 80


def test_a_repeat_of_what_was_followed_in_the_same_batch_is_a_duplicate(dest):
    with run(dest) as job:
        job.fetch("http://h/a", "http://h/b")
    with run(dest) as job:
        decided = job.admit("http://h/a", "http://h/c", "http://h/a", "http://h/b", "http://h/b")
    assert [what for _, what, _ in told(decided)] == ["done", "admitted", "duplicate", "done", "duplicate"]


def test_an_entry_whose_first_row_was_a_repeat_s_is_not_taken_for_one(dest):
    with run(dest) as job:
        job.fetch("http://h/a", "http://h/b", "http://h/a")
    with run(dest) as job:
        decided = job.admit("http://h/b", "http://h/a", "http://h/a")
    assert told(decided) == [(2, "done", "b"), (1, "done", "a"), (4, "duplicate", "a")]


def test_a_malformed_line_keeps_its_row(dest):
    bad = Malformed(Kind.INPUT, "not a URL", "nonsense")
    with run(dest) as job:
        job.admit("http://h/a", bad)
    with run(dest) as job:
        assert told(job.admit("http://h/a", bad)) == [(1, "admitted", "a"), (2, "input", None)]
    with run(dest) as job:
        assert told(job.admit(bad, "http://h/a", bad)) == [
            (2, "input", None),
            (1, "admitted", "a"),
            (3, "input", None),
        ]
        failures = job.ledger.failures()
    assert [each.index for each in failures] == [2, 3]


def test_a_name_once_given_stays_whatever_a_later_list_says(dest):
    with run(dest) as job:
        job.admit("http://h/2/a.jpg", "http://h/1/a.jpg")
    with run(dest, "tree") as job:
        assert told(job.admit("http://h/1/a.jpg", "http://h/3/a.jpg", "http://h/2/a.jpg")) == [
            (2, "admitted", hashed("a.jpg", "http://h/1/a.jpg")),
            (3, "admitted", "h/3/a.jpg"),
            (1, "admitted", "a.jpg"),
        ]
    with run(dest) as job:
        assert told(job.admit("http://h/0/a.jpg")) == [(4, "admitted", hashed("a.jpg", "http://h/0/a.jpg"))]


def test_folders_of_earlier_runs_stay_folders(dest):
    with run(dest, "tree") as job:
        job.admit("http://h/a/b")
    with run(dest, "tree") as job:
        assert [each.path for each in job.admit("http://h/a", "http://h/a/c")] == [
            hashed("h/a", "http://h/a"),
            "h/a/c",
        ]


def test_names_that_are_not_text_are_known_again(dest):
    odd = Download("http://h/a", name="n\udc80.jpg")
    with run(dest) as job:
        assert told(job.admit(odd, "http://h/b", odd)) == [
            (1, "admitted", "n_.jpg"),
            (2, "admitted", "b"),
            (3, "duplicate", "n_.jpg"),
        ]
    with run(dest) as job:
        assert told(job.admit("http://h/b", odd)) == [(2, "admitted", "b"), (1, "admitted", "n_.jpg")]


@pytest.mark.fault(43)
def test_what_a_kill_loses_is_read_again_and_contradicts_nothing(dest):
    program = """if True:
        import os, sys
        from pdl.intake import Intake
        from pdl.model import Download
        from pdl.naming import Naming
        from pdl.settings import Settings
        from pdl.storage.ledger import LedgerWriter
        ledger = LedgerWriter(sys.argv[1])
        intake = Intake(ledger, Naming(), Settings(dest=sys.argv[1]), ())
        intake.admit([Download(f"http://h/{n}/image.jpg") for n in range(50)])
        ledger.flush()
        intake.admit([Download(f"http://h/{n % 80}/image.jpg") for n in range(50, 100)])
        os._exit(9)
    """
    assert subprocess.run([sys.executable, "-c", program, str(dest)], check=False).returncode == 9
    assert len(rows(dest)) == 50
    urls = [f"http://h/{n % 80}/image.jpg" for n in range(100)]
    with run(dest) as job:
        decided = told(job.admit(*urls, batch=9))
    assert [row for row, _, _ in decided] == list(range(1, 101))
    paths = ["image.jpg", *(hashed("image.jpg", url) for url in urls[1:80])]
    assert decided[:80] == [(row, "admitted", path) for row, path in enumerate(paths, 1)]
    assert [(what, path) for _, what, path in decided[80:]] == [("duplicate", path) for path in paths[:20]]


@settings(max_examples=40, deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 12), max_size=25), min_size=1, max_size=4),
    batches=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    ends=st.randoms(use_true_random=False),
)
def test_over_any_runs_rows_and_paths_stay_and_every_list_is_accounted_for(tmp_path_factory, lists, batches, ends):
    dest = tmp_path_factory.mktemp("runs") / "dest"
    given_rows, given_paths, finished = {}, {}, set()
    for numbers, batch in zip(lists, batches, strict=False):
        with run(dest, "tree") as job:
            met = set()
            for number, each in zip(numbers, job.admit(*map(_url, numbers), batch=batch), strict=True):
                row = each.row if isinstance(each, Admitted) else each.index
                if number in met:
                    assert each.reason == "duplicate"
                else:
                    assert given_rows.setdefault(number, row) == row
                    assert isinstance(each, Admitted) is (number not in finished)
                    if isinstance(each, Admitted) and ends.random() < 0.5:
                        job.finish(each)
                        finished.add(number)
                assert given_paths.setdefault(number, each.path) == each.path
                met.add(number)
    taken = [key(path) for path in given_paths.values()]
    assert len(set(taken)) == len(taken)
    assert not any(other.startswith(path + "/") for path in taken for other in taken)


def _url(number):
    """URLs whose plain paths collide: as files, as folders, and by case."""
    return (
        "http://h/"
        + ["a", "A", "a/b", "A/b", "a/B", "b", "b/c", "b/c/d", "b?1", "b/?1", "%C3%A9", "%C3%89", "e%CC%81"][number]
    )


# -- names that servers give


def test_a_server_s_name_takes_the_place_of_the_url_s(dest):
    with run(dest, "tree", renames=True) as job:
        one, two, three = job.admit("http://h/a/get", "http://h/a/get?2", "http://h/b/get")
        assert job.rename(one, "x.png").path == "h/a/x.png"
        assert job.rename(two, "X.png").path == hashed("h/a/X.png", "http://h/a/get?2")
        assert job.rename(three, "../x.png").path == "h/b/_._x.png"
    assert [path for _, _, path, *_ in rows(dest)][:2] == ["h/a/x.png", hashed("h/a/X.png", "http://h/a/get?2")]


def test_a_server_s_name_that_the_entry_has_already_changes_nothing(dest):
    with run(dest, renames=True) as job:
        one, two = job.admit("http://h/1/x.png", "http://h/2/x.png")
        for admitted in (one, two):
            for name in ("x.png", "X.PNG"):
                assert job.rename(admitted, name) == admitted


def test_servers_are_not_asked_for_names_without_the_option_nor_where_the_list_has_one(dest):
    with run(dest) as job:
        (one,) = job.admit("http://h/1")
        assert job.rename(one, "x.png") == one
    with run(dest, renames=True) as job:
        (two,) = job.admit(Download("http://h/2", name="mine"))
        assert job.rename(two, "x.png") == two


def test_a_name_of_an_earlier_run_is_not_given_again_though_the_list_is_followed(dest):
    with run(dest, renames=True) as job:
        one, two, _ = job.admit("http://h/1", "http://h/2", "http://h/3")
        job.finish(job.rename(one, "x.png"))
        job.rename(two, "y.png")
    with run(dest, renames=True) as job:
        decided = job.admit("http://h/1", "http://h/2", "http://h/3")
        assert told(decided) == [(1, "done", "x.png"), (2, "admitted", "y.png"), (3, "admitted", "3")]
        assert job.rename(decided[2], "y.png").path == hashed("y.png", "http://h/3")
        assert job.rename(decided[1], "y.png").path == "y.png"


@posix
def test_what_stands_under_a_server_s_name_stays(dest):
    dest.mkdir()
    (dest / "file").write_bytes(b"theirs")
    (dest / "link").symlink_to("elsewhere")
    (dest / "folder").mkdir()
    with run(dest, renames=True) as job:
        one, two, three = job.admit("http://h/1", "http://h/2", "http://h/3")
        with pytest.raises(
            NameTaken, match=r"^file, as the server calls it, is there already; --overwrite replaces it$"
        ):
            job.rename(one, "file")
        with pytest.raises(NameTaken, match=r"^link is a link or something special"):
            job.rename(two, "link")
        assert job.rename(three, "folder").path == hashed("folder", "http://h/3")
    with run(dest, renames=True, overwrite=True) as job:
        one, two, three = job.admit("http://h/1", "http://h/2", "http://h/3")
        assert [one.path, two.path] == ["1", "2"]  # what was refused was not written down
        assert job.rename(one, "file").path == "file"
        with pytest.raises(NameTaken, match=r"^link is a link or something special"):
            job.rename(two, "link")
        assert job.rename(three, "folder").path == hashed("folder", "http://h/3")


@settings(max_examples=40, deadline=None)
@given(
    lists=st.lists(st.permutations(range(12)).map(lambda all_: all_[:8]), min_size=1, max_size=4),
    names=st.lists(
        st.sampled_from(["a", "A", "b", "c.x", "C.X", "\u00e9", "e\u0301", None]), min_size=12, max_size=12
    ),
    ends=st.randoms(use_true_random=False),
)
def test_over_any_runs_servers_give_each_file_a_name_of_its_own_once(tmp_path_factory, lists, names, ends):
    dest = tmp_path_factory.mktemp("runs") / "dest"
    kept = {}
    for numbers in lists:
        with run(dest, "tree", renames=True) as job:
            decided = dict(zip(numbers, job.admit(*map(_url, numbers), batch=5), strict=True))
            for number, each in ends.sample(sorted(decided.items()), len(decided)):
                if number in kept:
                    assert (each.reason, each.path) == ("done", kept[number])
                elif ends.random() < 0.7:
                    named = each if names[number] is None else job.rename(each, names[number])
                    job.finish(named)
                    kept[number] = named.path
    taken = [key(path) for path in kept.values()]
    assert len(set(taken)) == len(taken)
    ledger_paths = [key(path) for _, _, path, *_ in rows(dest)]
    assert len(set(ledger_paths)) == len(ledger_paths)
