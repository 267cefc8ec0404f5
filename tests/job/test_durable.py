"""Files that outlive a loss of power: flushed before they have a name, and told of after that."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from accounts import account_in, expected, files_in, parts_in
from faultserver import FaultServer, run_pdl

import pdl
from pdl import held
from pdl.storage import database, durability, ledger, publish

pytestmark = pytest.mark.fault(44)

HOME = str(Path(pdl.__file__).parent.parent)
flushes_folders = pytest.mark.skipif(os.name == "nt", reason="Windows flushes no folders")


def statuses(dest: Path) -> dict[int, str | None]:
    """The status of every row that has a path, as another process sees it."""
    with closing(sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")) as connection:
        return dict(connection.execute("SELECT row, status FROM entry WHERE path NOT NULL"))


class Witness:
    """Records flushes, names and rows in their order, and refuses to flush what it is told to.

    Args:
        dest: the destination of the job.
    """

    def __init__(self, dest: Path, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.refused: dict[int, int] = {}
        """Error numbers by the row of a part, or 0 for folders."""
        self._dest = dest
        self._flush_file, self._flush_folder = durability._flush_file, durability._flush_folder
        self._publish = publish.Publisher.publish
        patch.setattr(durability, "_flush_file", self._note_file)
        patch.setattr(durability, "_flush_folder", self._note_folder)

        def note_name(publisher: publish.Publisher, part: str, path: str, **options: Any) -> None:
            self._note_name(publisher, part, path, **options)

        patch.setattr(publish.Publisher, "publish", note_name)

    def __getitem__(self, what: str) -> list[Any]:
        return [value for name, value in self.calls if name == what]

    def on(self, event: object) -> None:
        if isinstance(event, pdl.Result):
            self.calls.append(("told", (event.index, event.status)))

    def close(self) -> None:
        pass

    def rows(self, status: str | None = "done") -> set[int]:
        """Rows with a status, as another process sees them."""
        return {row for row, known in statuses(self._dest).items() if known == status}

    def _note_file(self, path: str) -> None:
        row = int(Path(path).stem)
        self.calls.append(("flush", row))
        self._refuse(row)
        self._flush_file(path)

    def _note_folder(self, path: str) -> None:
        if self["name"]:
            self.calls.append(("flush folder", os.path.relpath(path, self._dest).replace(os.sep, "/")))
            self.calls.append(("rows then", self.rows()))
            self._refuse(0)
        self._flush_folder(path)

    def _note_name(self, publisher: publish.Publisher, part: str, path: str, **options: Any) -> None:
        row = int(Path(part).stem)
        self.calls.append(("name", row))
        self.calls.append(("queued then", row in self.rows(None)))
        self._publish(publisher, part, path, **options)

    def _refuse(self, key: int) -> None:
        if key in self.refused:
            raise OSError(self.refused[key], os.strerror(self.refused[key]))


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Witness:
    return Witness(tmp_path, monkeypatch)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is enough, or that nothing else goes on, ends a batch: not the time."""
    monkeypatch.setattr(held, "PATIENCE", float("inf"))


def test_bytes_then_names_then_folders_then_rows_then_results(
    engine_name, server: FaultServer, tmp_path: Path, witness: Witness
):
    targets = [f"/file/{number}" for number in range(30)]
    with pdl.iter_downloads(
        map(server.url, targets),
        tmp_path,
        engine=engine_name,
        jobs=4,
        durable=True,
        progress=witness,
        layout="tree",
    ) as downloads:
        for result in downloads:
            assert result.index in witness.rows()  # committed, as another process sees it
            assert ("told", (result.index, "done")) in witness.calls
    assert len(files_in(tmp_path)) == 30
    order = [name for name, _ in witness.calls]
    place = {call: number for number, call in enumerate(witness.calls) if call[0] in ("flush", "name", "told")}
    for row in range(1, 31):
        flushed, named, told = place["flush", row], place["name", row], place["told", (row, "done")]
        assert flushed < named < told
        assert os.name == "nt" or "flush folder" in order[named:told]
    rows = set()
    for name, value in witness.calls:
        if name == "name":
            rows.add(value)
        elif name == "queued then":
            assert value  # its path is committed before it has its name
        elif name == "rows then":
            assert not value & rows  # no row says done before the folder is flushed
        elif name == "told":
            rows.discard(value[0])


@flushes_folders
def test_a_batch_costs_one_flush_for_each_folder(
    engine_name, server: FaultServer, tmp_path: Path, witness: Witness, patient: None
):
    targets = [f"/file/{number}" for number in range(200)]
    summary = pdl.download_all(
        map(server.url, targets), tmp_path, engine=engine_name, jobs=4, durable=True, progress=witness
    )
    assert (summary.exit_code, summary.done) == (0, 200)
    assert files_in(tmp_path) == expected(server, targets)
    assert sorted(witness["flush"]) == sorted(witness["name"]) == list(range(1, 201))
    assert set(witness["flush folder"]) == {"."}
    assert 2 <= len(witness["flush folder"]) <= 8


def test_files_are_told_of_in_the_order_in_which_they_came(server: FaultServer, tmp_path: Path, patient: None):
    targets = [f"/file/{number}" for number in range(150)]
    results = list(pdl.iter_downloads(map(server.url, targets), tmp_path, engine="sequential", durable=True))
    assert [result.index for result in results] == list(range(1, 151))


@flushes_folders
def test_new_folders_are_flushed_up_to_the_destination(server: FaultServer, tmp_path: Path, witness: Witness):
    summary = pdl.download_all(
        [server.url("/file/a")], tmp_path, durable=True, progress=witness, output="x/y/{name}"
    )
    assert summary.done == 1
    assert sorted(witness["flush folder"]) == [".", "x", "x/y"]


def test_without_the_option_nothing_is_flushed(engine_name, server: FaultServer, tmp_path: Path, witness: Witness):
    targets = [f"/file/{number}" for number in range(5)]
    assert pdl.download_all(map(server.url, targets), tmp_path, engine=engine_name).done == 5
    assert (witness["flush"], witness["flush folder"], len(witness["name"])) == ([], [], 5)


def test_the_command_flushes_too(server: FaultServer, tmp_path: Path):
    targets = [f"/file/{number}" for number in range(5)]
    ended = run_pdl("--durable", "-d", tmp_path, *map(server.url, targets))
    assert ended.returncode == 0, ended.stderr
    assert account_in(ended.stderr).done == 5
    assert files_in(tmp_path) == expected(server, targets)


# -- disks that refuse


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_file_that_cannot_be_flushed_fails_and_the_others_do_not(
    engine_name, server: FaultServer, tmp_path: Path, witness: Witness, patient: None, code: int
):
    targets = [f"/file/{number}" for number in range(8)]
    witness.refused[5] = code
    results = list(pdl.iter_downloads(map(server.url, targets), tmp_path, engine=engine_name, jobs=8, durable=True))
    (failed,) = [result for result in results if result.status == "failed"]
    assert (failed.index, failed.kind) == (5, pdl.Kind.DISK)
    assert failed.message == f"cannot put 4 on the disk for good: {os.strerror(code)}"
    others = [f"/file/{number}" for number in range(8) if number != 4]
    assert files_in(tmp_path) == expected(server, others)
    assert parts_in(tmp_path) == []
    assert witness.rows() == {1, 2, 3, 4, 6, 7, 8}
    assert 5 not in witness["name"]
    witness.refused.clear()
    assert pdl.download_all(map(server.url, targets), tmp_path, engine=engine_name, durable=True).done == 1
    assert files_in(tmp_path) == expected(server, targets)


def test_a_disk_that_is_found_full_at_the_flush_stops_the_run(
    engine_name, server: FaultServer, tmp_path: Path, witness: Witness
):
    targets = [f"/file/{number}" for number in range(400)]
    witness.refused[2] = errno.ENOSPC
    summary = pdl.download_all(map(server.url, targets), tmp_path, engine=engine_name, jobs=2, durable=True)
    assert (summary.stopped, summary.exit_code, summary.failed_by_kind) == ("disk-full", 5, {"disk": 1})
    assert summary.left > 0
    assert summary.done + summary.failed + summary.left == summary.read
    assert len(files_in(tmp_path)) == len(witness.rows()) == summary.done
    assert "1" not in files_in(tmp_path)


def test_what_could_not_be_flushed_is_never_continued(server: FaultServer, tmp_path: Path, witness: Witness):
    target = "/cut/fin/twice?size=300000&at=100000&times=1"
    url = server.url(target)
    witness.refused[1] = errno.EIO
    (result,) = pdl.iter_downloads([url], tmp_path, durable=True, retry_delay=0)
    assert (result.status, result.kind, result.attempts) == ("failed", pdl.Kind.DISK, 2)
    assert parts_in(tmp_path) == []
    with closing(sqlite3.connect(tmp_path / ".pdl" / "ledger.sqlite3")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM part").fetchall() == [(0,)]


@flushes_folders
def test_a_folder_that_cannot_be_flushed_ends_the_run_and_the_next_one_finds_the_files(
    engine_name, server: FaultServer, tmp_path: Path, witness: Witness
):
    targets = [f"/file/{number}" for number in range(5)]
    witness.refused[0] = errno.EIO
    downloads = pdl.iter_downloads(map(server.url, targets), tmp_path, engine=engine_name, durable=True)
    with pytest.raises(pdl.DestinationError, match=f"cannot be flushed any more: {os.strerror(errno.EIO)}"):
        list(downloads)
    assert (downloads.summary.done, downloads.summary.left) == (0, downloads.summary.read)
    assert witness.rows() == set()
    witness.refused.clear()
    summary = pdl.download_all(map(server.url, targets), tmp_path, engine=engine_name, durable=True)
    assert (summary.exit_code, summary.done + summary.skipped) == (0, 5)
    assert set(summary.skipped_by_reason) <= {"done"}
    assert files_in(tmp_path) == expected(server, targets)


def test_a_full_disk_under_the_ledger_stops_the_run(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    targets = [f"/file/{number}" for number in range(20)]
    entries = [*map(server.url, targets), *(f"no URL: {number}" for number in range(3000))]

    def open_small(path: str) -> Any:
        connection = database.open_database(path)
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "open_database", open_small)
        summary = pdl.download_all(entries, tmp_path, engine=engine_name, durable=True)
    assert (summary.stopped, summary.exit_code) == ("disk-full", 5)
    assert summary.done + summary.failed + summary.left == summary.read
    assert files_in(tmp_path).items() <= expected(server, targets).items()
    summary = pdl.download_all(map(server.url, targets), tmp_path, engine=engine_name, durable=True)
    assert (summary.exit_code, summary.done + summary.skipped) == (0, 20)
    assert files_in(tmp_path) == expected(server, targets)
    assert parts_in(tmp_path) == []


@pytest.mark.parametrize("moment", ["flush", "flush_names"])
def test_a_kill_with_files_held_costs_no_more_than_these(server: FaultServer, tmp_path: Path, moment: str):
    targets = [f"/file/{number}" for number in range(10)]
    program = f"""
        import os, sys, pdl
        from pdl.held import Held
        Held.{moment} = lambda *_: os._exit(9)
        pdl.download_all(sys.argv[2:], sys.argv[1], durable=True)
    """
    urls = list(map(server.url, targets))
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), *urls]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": HOME}, timeout=60, check=False).returncode == 9
    whole = files_in(tmp_path)
    assert whole.items() <= expected(server, targets).items()
    assert bool(whole) == (moment == "flush_names")
    summary = pdl.download_all(urls, tmp_path, durable=True)
    assert (summary.done, summary.skipped_by_reason) == (10 - len(whole), {"done": len(whole)} if whole else {})
    assert files_in(tmp_path) == expected(server, targets)
    assert parts_in(tmp_path) == []


# -- callers that wait, and stops


class Feed:
    """A generator that gives what it is fed, until it is fed None."""

    def __init__(self) -> None:
        self.items: SimpleQueue[str | None] = SimpleQueue()

    def __iter__(self) -> Iterator[str]:
        return iter(self.items.get, None)


def test_a_result_comes_although_there_is_no_batch_and_the_list_is_silent(
    engine_name, server: FaultServer, tmp_path: Path, patient: None
):
    feed = Feed()
    with pdl.iter_downloads(feed, tmp_path, engine=engine_name, durable=True) as downloads:
        for number in range(3):
            feed.items.put(server.url(f"/file/{number}"))
            assert next(downloads).path == str(number)
        feed.items.put(None)
        assert list(downloads) == []


def test_a_result_comes_while_another_file_is_under_way(engine_name, server: FaultServer, tmp_path: Path):
    if engine_name == "sequential":
        pytest.skip("one at a time")
    held_up = "/stall/in-body/slow?size=30000&at=1000"
    urls = [server.url(held_up), server.url("/file/quick")]
    with pdl.iter_downloads(urls, tmp_path, engine=engine_name, durable=True) as downloads:
        assert next(downloads).path == "quick"
        server.release(held_up)
        assert next(downloads).path == "slow"


@pytest.mark.parametrize("end", ["close", "deadline", "interruption"])
def test_a_stop_publishes_what_is_held_and_counts_it(
    engine_name,
    server: FaultServer,
    tmp_path: Path,
    patient: None,
    end: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_left,
):
    jobs, stalled = (1, []) if engine_name == "sequential" else (4, ["/stall/in-body/never?size=300000&at=1000"])
    targets = [*stalled, *(f"/file/{number}" for number in range(6)), "/stall/before-head"]
    ends: dict[str, Callable[[pdl.Downloads], None]] = {
        "close": lambda downloads: downloads.close(),
        "deadline": lambda downloads: setattr(downloads._run, "_deadline", 0.0),
        "interruption": lambda downloads: downloads._run.interrupt(KeyboardInterrupt()),
    }
    add = held.Held.add

    def note(self: held.Held, *args: Any) -> None:
        add(self, *args)
        if len(self) == 6:
            ends[end](downloads)

    monkeypatch.setattr(held.Held, "add", note)
    results: list[pdl.Result] = []
    downloads = pdl.iter_downloads(
        map(server.url, targets), tmp_path, engine=engine_name, jobs=jobs, durable=True, deadline=600.0
    )
    with pytest.raises(KeyboardInterrupt) if end == "interruption" else nullcontext(), downloads:
        results.extend(downloads)
    summary = downloads.summary
    assert (summary.done, summary.failed) == (6, 0)
    assert summary.left == summary.read - 6 > 0
    assert summary.stopped == ("deadline" if end == "deadline" else "closed")
    assert files_in(tmp_path) == expected(server, targets[len(stalled) : -1])
    done = {row for row, status in statuses(tmp_path).items() if status == "done"}
    assert done == set(range(1 + len(stalled), 7 + len(stalled)))
    assert len(results) == (0 if end == "interruption" else 6)


def test_many_bytes_are_enough_for_a_batch(
    server: FaultServer, tmp_path: Path, patient: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(held, "SIZE", 100_000)
    stalled = "/stall/in-body/never?size=300000&at=1000"
    urls = map(server.url, [stalled, "/file/small", "/file/large?size=100000"])
    # two at once, one of which stalls: so the small one comes first, and waits for the large one
    with pdl.iter_downloads(urls, tmp_path, engine="threads", jobs=2, durable=True) as downloads:
        assert [next(downloads).path, next(downloads).path] == ["small", "large"]


def test_a_file_that_replaces_another_is_flushed_first(
    engine_name, server: FaultServer, tmp_path: Path, witness: Witness
):
    url = server.url("/file/a?size=2000")
    assert pdl.download_all([url], tmp_path, engine=engine_name).done == 1
    (tmp_path / "a").write_bytes(b"short")
    summary = pdl.download_all([url], tmp_path, engine=engine_name, durable=True, overwrite=True)
    assert summary.done == 1
    assert files_in(tmp_path) == expected(server, ["/file/a?size=2000"])
    assert witness["flush"] == [1]


def test_the_ledger_waits_for_the_disk_only_with_the_option(server: FaultServer, tmp_path: Path):
    levels: list[tuple[int, bool]] = []
    for durable in (False, True):
        with pdl.iter_downloads([server.url("/file/a")], tmp_path / str(durable), durable=durable) as downloads:
            connection = downloads._run._ledger._connection
            levels.append((connection.execute("PRAGMA synchronous").fetchone()[0], durable))
    assert levels == [(1, False), (2, True)]
