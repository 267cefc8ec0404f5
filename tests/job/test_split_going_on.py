"""Files in spans whose run was killed or stopped: the next run fetches what is missing, and nothing else."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from accounts import expected, files_in, parts_in
from faultserver import FaultServer, run_pdl, start_pdl
from in_workers import run_at_start
from stopping import stop_when_bytes_have_come
from test_full_disk import Notices, put_on

import pdl
from pdl.spans import leading
from pdl.storage import part

pytestmark = pytest.mark.fault(14, 43)

posix = pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")

LEAST = 64 << 10
SIZE = 2_000_000
TARGET = f"/stall/in-body/large?size={SIZE}&at=40000"
"""Of each span 40,000 bytes come, then nothing more."""
SPLIT = ("--split", "3", "--split-size", str(LEAST))


def ask(dest: Path, statement: str) -> list[tuple[object, ...]]:
    """What another program reads in the ledger, or writes there."""
    with closing(sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")) as connection, connection:
        return connection.execute(statement).fetchall()


def spans_known(dest: Path) -> list[tuple[int, int]]:
    """The bytes that the ledger says are there."""
    try:
        found = ask(dest, "SELECT spans FROM part")
    except sqlite3.OperationalError:  # it is being made
        return []
    if not found or found[0][0] is None:
        return []
    return [(int(start), int(stop)) for start, stop in (each.split("-") for each in str(found[0][0]).split(","))]


def asked_for(server: FaultServer) -> list[tuple[int, int]]:
    """The bytes of all range requests, in order."""
    texts = [record.header("Range") for record in server.requests]
    pairs = [text.removeprefix("bytes=").split("-") for text in texts if text]
    return sorted((int(start), int(last or SIZE - 1) + 1) for start, last in pairs)


def gaps(there: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is missing of the file."""
    found, at = [], 0
    for start, stop in [*there, (SIZE, SIZE)]:
        if at < start:
            found.append((at, start))
        at = stop
    return found


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that touch as one; none overlaps another."""
    found: list[tuple[int, int]] = []
    for start, stop in ranges:
        if found and start <= found[-1][1]:
            assert start == found[-1][1], f"the bytes from {start} on are asked for twice"
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return found


def killed(server: FaultServer, dest: Path, engine_name: str) -> Path:
    """The part of a run that was killed with some bytes of each span there."""
    with start_pdl(server.url(TARGET), "-d", dest, "-e", engine_name, *SPLIT) as process:
        most = 1 if engine_name == "sequential" else 3
        server.wait_until(lambda: server.in_flight() == most, 30)
        wait_until_known(dest, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    (found,) = (dest / ".pdl" / "parts").iterdir()
    assert files_in(dest) == {}
    server.release(TARGET)
    server.wait_until(lambda: server.in_flight() == 0, 30)
    server.clear()
    return found


def wait_until_known(dest: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the ledger knows of some bytes; a database tells nobody."""
    for _ in range(2000):
        if spans_known(dest):
            return
        assert process.poll() is None, "the program ended too early"
        time.sleep(0.01)
    raise AssertionError("the ledger never heard of the spans")


def assert_next_run(server: FaultServer, dest: Path, engine_name: str, *options: str, target: str = TARGET) -> None:
    run = run_pdl(server.url(target), "-d", dest, "-e", engine_name, *options)
    assert run.returncode == 0, run.stderr
    assert files_in(dest) == expected(server, [target])
    assert parts_in(dest) == []
    assert ask(dest, "SELECT * FROM part") == []


@posix
def test_a_killed_run_goes_on_with_the_missing_spans(engine_name, server: FaultServer, tmp_path: Path):
    found = killed(server, tmp_path, engine_name)
    assert found.stat().st_size == SIZE
    there = spans_known(tmp_path)
    content, original = found.read_bytes(), server.content(TARGET)
    assert all(content[start:stop] == original[start:stop] for start, stop in there)
    assert_next_run(server, tmp_path, engine_name, *SPLIT)
    assert joined(asked_for(server)) == gaps(there)
    assert all(record.header("If-Range") for record in server.requests)


@posix
def test_a_killed_run_goes_on_in_one_piece_from_its_first_bytes(engine_name, server: FaultServer, tmp_path: Path):
    killed(server, tmp_path, engine_name)
    first = leading(",".join(f"{start}-{stop}" for start, stop in spans_known(tmp_path)))
    assert_next_run(server, tmp_path, engine_name)
    assert [record.header("Range") for record in server.requests] == [f"bytes={first}-" if first else None]


@posix
@pytest.mark.parametrize(("again", "asked"), [((), [None]), (SPLIT, None)])
def test_bytes_that_are_no_beginning_are_of_use_to_spans_only(
    server: FaultServer, tmp_path: Path, again: tuple[str, ...], asked: list[str | None] | None
):
    found = killed(server, tmp_path, "threads")
    with found.open("r+b") as file:
        file.seek(SIZE - 5)
        file.write(server.content(TARGET)[-5:])
    ask(tmp_path, f"UPDATE part SET spans = '{SIZE - 5}-{SIZE}'")
    assert_next_run(server, tmp_path, "threads", *again)
    if asked is not None:
        assert [record.header("Range") for record in server.requests] == asked
    else:
        assert joined(asked_for(server)) == [(0, SIZE - 5)]


def test_a_stopped_run_goes_on_with_the_missing_spans(engine_name, server: FaultServer, tmp_path: Path):
    target = f"/drip/large?size={SIZE}&piece=10000&interval=0.02"
    stop_when_bytes_have_come(server.url(target), tmp_path, engine=engine_name, split=3, split_size=LEAST)
    there = spans_known(tmp_path)
    assert there
    server.wait_until(lambda: server.in_flight() == 0, 30)
    server.clear()
    assert_next_run(server, tmp_path, engine_name, *SPLIT, target=target)
    assert joined(asked_for(server)) == gaps(there)


@posix
@pytest.mark.fault(45)
def test_an_interrupted_command_goes_on_with_the_missing_spans(engine_name, server: FaultServer, tmp_path: Path):
    with start_pdl(server.url(TARGET), "-d", tmp_path, "-e", engine_name, *SPLIT) as process:
        server.wait_until(lambda: server.in_flight() == (1 if engine_name == "sequential" else 3), 30)
        wait_until_known(tmp_path, process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    there = spans_known(tmp_path)
    server.release(TARGET)
    server.wait_until(lambda: server.in_flight() == 0, 30)
    server.clear()
    assert_next_run(server, tmp_path, engine_name, *SPLIT)
    assert joined(asked_for(server)) == gaps(there)


@posix
@pytest.mark.parametrize(
    "change",
    [
        "validator = '\"other\"'", f"total = {SIZE - 1}", "url = url || 'x'", "spans = 'nonsense'",
        f"spans = '0-{SIZE + 1}'", "spans = '5-3'", "spans = '0-9,4-12'", "spans = ''", "inode = inode + 1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("again", [SPLIT, ()])
def test_spans_of_another_version_or_of_nonsense_are_not_continued(
    server: FaultServer, tmp_path: Path, change: str, again: tuple[str, ...]
):
    killed(server, tmp_path, "threads")
    ask(tmp_path, f"UPDATE part SET {change}")
    assert_next_run(server, tmp_path, "threads", *again)


@posix
@pytest.mark.parametrize("again", [SPLIT, ()])
@pytest.mark.parametrize("size", [0, 1, 30_000, SIZE - 1])
def test_a_part_that_was_cut_is_never_taken_for_whole(
    server: FaultServer, tmp_path: Path, size: int, again: tuple[str, ...]
):
    found = killed(server, tmp_path, "threads")
    os.truncate(found, size)
    assert_next_run(server, tmp_path, "threads", *again)


@posix
@pytest.mark.fault(32)
def test_the_type_of_a_file_in_spans_is_judged_in_a_later_run(server: FaultServer, tmp_path: Path):
    killed(server, tmp_path, "threads")
    run = run_pdl(server.url(TARGET), "-d", tmp_path, "-e", "threads", *SPLIT, "--accept", "image/*")
    assert run.returncode == 4
    assert "content-type" in run.stderr
    assert files_in(tmp_path) == {}


def test_a_file_whose_spans_are_all_there_needs_only_to_be_asked_for(
    engine_name, server: FaultServer, tmp_path: Path
):
    target = f"/drip/x?size={SIZE}&piece=10000&interval=0.02"
    stop_when_bytes_have_come(server.url(target), tmp_path, engine=engine_name, split=3, split_size=LEAST)
    (found,) = (tmp_path / ".pdl" / "parts").iterdir()
    with found.open("r+b") as file:
        file.write(server.content(target))
    ask(tmp_path, f"UPDATE part SET spans = '0-{SIZE}'")  # as a kill leaves it just before the file is published
    server.clear()
    assert_next_run(server, tmp_path, engine_name, *SPLIT, target=target)
    assert [record.header("Range") for record in server.requests] == [f"bytes={SIZE}-"]


def test_what_failed_in_some_span_is_continued_by_the_next_run(engine_name, server: FaultServer, tmp_path: Path):
    target = f"/span/cut?size={SIZE}&times=4"
    url = server.url(target)
    settings = {"engine": engine_name, "retries": 0, "split": 3, "split_size": LEAST}
    assert pdl.download_all([url], tmp_path, **settings).failed_by_kind == {"truncated": 1}
    there = spans_known(tmp_path)
    server.clear()
    summary = pdl.download_all([url], tmp_path, **{**settings, "retries": 4, "retry_delay": 0.01})
    assert summary.done == 1
    assert files_in(tmp_path) == {"cut": server.content(target)}
    assert asked_for(server)[0][0] == gaps(there)[0][0]
    assert all(record.header("If-Range") for record in server.requests)


@pytest.mark.fault(39)
def test_a_disk_that_fills_up_keeps_the_spans_that_came(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory
):
    target = f"/file/large?size={SIZE}"
    urls = [server.url(target), *(server.url(f"/file/{n}") for n in range(50))]
    settings = {"engine": engine_name, "jobs": 3, "split": 3, "split_size": LEAST}
    with monkeypatch.context() as patch:
        put_on({"room": 500_000}, part, patch, tmp_path_factory.mktemp("disk"))
        summary = pdl.download_all(urls, tmp_path, **settings, progress=Notices(server))
    assert (summary.stopped, summary.exit_code) == ("disk-full", 5)
    assert summary.done + summary.failed + summary.left == summary.read
    there = spans_known(tmp_path)
    content, original = (tmp_path / ".pdl" / "parts" / "1.part").read_bytes(), server.content(target)
    assert there
    assert all(content[start:stop] == original[start:stop] for start, stop in there)
    server.clear()
    summary = pdl.download_all(urls, tmp_path, **settings)
    assert summary.exit_code == 0
    assert files_in(tmp_path)["large"] == original
    asked = [record.header("Range") for record in server.requests_for("/file/large")]
    assert f"bytes=0-{LEAST - 1}" not in asked


RESERVING = """
    import errno, os
    def posix_fallocate(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.posix_fallocate = posix_fallocate
"""


@posix
@pytest.mark.fault(39)
@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no room")
def test_a_disk_without_room_for_the_whole_file_says_so_at_once(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory
):
    def posix_fallocate(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = f"/file/large?size={SIZE}"
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", posix_fallocate)
        run_at_start(patch, tmp_path_factory.mktemp("disk"), RESERVING)
        settings = {"engine": engine_name, "split": 3, "split_size": LEAST}
        summary = pdl.download_all([server.url(target)], tmp_path, **settings)
    assert (summary.stopped, summary.exit_code, summary.failed_by_kind) == ("disk-full", 5, {"disk": 1})
    assert len(server.requests) == 1
    assert parts_in(tmp_path) == []
    assert pdl.download_all([server.url(target)], tmp_path, **settings).done == 1
    assert files_in(tmp_path) == expected(server, [target])


LITTLE = """
    import os
    found = os.statvfs_result((4096, 4096, 100, 10, 10, 0, 0, 0, 0, 255))
    os.fstatvfs = lambda _fd: found
"""


@posix
@pytest.mark.fault(39)
def test_a_file_that_cannot_fit_fails_alone(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory
):
    targets = [f"/file/large?size={SIZE}", *(f"/file/{n}" for n in range(20))]
    with monkeypatch.context() as patch:
        found = os.statvfs_result((4096, 4096, 100, 10, 10, 0, 0, 0, 0, 255))
        patch.setattr(os, "fstatvfs", lambda _fd: found)
        run_at_start(patch, tmp_path_factory.mktemp("disk"), LITTLE)
        summary = pdl.download_all(
            map(server.url, targets), tmp_path, engine=engine_name, split=3, split_size=LEAST
        )
    assert (summary.stopped, summary.failed_by_kind, summary.done) == (None, {"disk": 1}, 20)
    (failure,) = summary.failures
    assert f"the file has {SIZE} bytes, and 40960 are free on the disk" in failure.message
    assert parts_in(tmp_path) == []
