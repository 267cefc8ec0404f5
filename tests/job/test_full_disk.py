"""A disk that fills up, under the parts, under the names and under the ledger."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts import account_in, expected, files_in, parts_in, urls
from disks import HOME, IN_WORKERS, Disk
from faultserver import FaultServer, run_pdl
from in_workers import run_at_start

import pdl
from pdl.model import Notice
from pdl.progress import Reported
from pdl.storage import database, ledger, part, publish


def put_on(disk: dict[str, Any], module: Any, patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put a module on such a disk, in this process and in worker processes."""
    patch.setattr(module, "os", Disk(**disk))
    if module is part:
        if "room" in disk:
            shared = folder / "room"
            shared.write_text(f"{disk['room']:20}")
            disk = {"shared": str(shared)}
        run_at_start(patch, folder, IN_WORKERS.format(home=HOME, options=disk))


class Notices:
    """A reporter that keeps the notices, and releases what stalls when one comes."""

    def __init__(self, server: FaultServer, *stalled: str) -> None:
        self.messages: list[str] = []
        self._server = server
        self._stalled = stalled

    def on(self, event: Reported) -> None:
        if isinstance(event, Notice):
            self.messages.append(event.message)
            for target in self._stalled:
                self._server.release(target)

    def close(self) -> None:
        pass


def assert_next_run_completes(server: FaultServer, targets: list[str], dest: Path, engine_name: str) -> None:
    """Without the fault, all files come."""
    for target in targets:
        server.release(target)
    summary = pdl.download_all(map(server.url, targets), dest, engine=engine_name)
    assert (summary.exit_code, summary.done + summary.skipped) == (0, len(targets))
    assert files_in(dest) == expected(server, targets)
    assert parts_in(dest) == []


@pytest.mark.fault(39)
def test_a_full_disk_stops_the_run_and_keeps_what_came(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory
):
    stalled = [] if engine_name == "sequential" else ["/stall/in-body/held?size=300000&at=100000"]
    targets = ["/file/small", *stalled, "/file/large?size=800000", *(f"/file/{number}" for number in range(200))]
    notices = Notices(server, *stalled)
    with monkeypatch.context() as patch:
        put_on({"room": 500_000}, part, patch, tmp_path_factory.mktemp("disk"))
        summary = pdl.download_all(map(server.url, targets), tmp_path, engine=engine_name, jobs=2, progress=notices)
    assert (summary.stopped, summary.exit_code) == ("disk-full", 5)
    assert notices.messages == [f"the disk of {str(tmp_path)!r} is full: nothing new is started"]
    assert set(summary.failed_by_kind) == {"disk"}
    assert summary.done + summary.failed + summary.left == summary.read
    assert summary.left > 0
    files = files_in(tmp_path)
    assert files.items() <= expected(server, targets).items()
    assert "large" not in files
    assert "held" not in files
    parts = list((tmp_path / ".pdl" / "parts").iterdir())
    assert parts  # of the large one at least; the disk may be full before the other has begun
    for path in parts:
        assert server.content(targets[int(path.stem) - 1]).startswith(path.read_bytes())
    assert_next_run_completes(server, targets, tmp_path, engine_name)


@pytest.mark.fault(39)
@pytest.mark.parametrize(
    ("module", "fault"),
    [
        (part, {"closes": False}),
        (part, {"closes": False, "code": getattr(errno, "EDQUOT", errno.ENOSPC)}),
        (publish, {"links": False}),
    ],
)
def test_a_disk_that_is_found_full_at_the_end_of_a_file_gives_no_file(
    engine_name,
    server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    fault: dict[str, Any],
    tmp_path_factory,
):
    targets = ["/file/a?size=5000", "/file/b"]
    notices = Notices(server)
    with monkeypatch.context() as patch:
        put_on(fault, module, patch, tmp_path_factory.mktemp("disk"))
        summary = pdl.download_all(map(server.url, targets), tmp_path, engine=engine_name, jobs=1, progress=notices)
    # where the next request goes out before a file is published, that one may come, too
    late = module is publish and summary.left == 0
    assert (summary.exit_code, summary.failed_by_kind) == (5, {"disk": 2 if late else 1})
    assert summary.left == (0 if late else 1)
    assert len(notices.messages) == 1
    assert files_in(tmp_path) == {}
    assert_next_run_completes(server, targets, tmp_path, engine_name)


@pytest.mark.fault(39)
def test_a_full_disk_under_the_ledger_stops_the_run(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    targets = [f"/file/{number}" for number in range(20)]
    entries = [*map(server.url, targets), *(f"no URL: {number}" for number in range(3000))]

    def open_small(path: str) -> Any:
        connection = database.open_database(path)
        connection.execute("PRAGMA max_page_count = 40")  # what SQLite then says is what it says of a full disk
        return connection

    notices = Notices(server)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "open_database", open_small)
        summary = pdl.download_all(entries, tmp_path, engine=engine_name, progress=notices)
    assert (summary.stopped, summary.exit_code) == ("disk-full", 5)
    assert len(notices.messages) == 1
    assert summary.done + summary.failed + summary.left == summary.read
    assert summary.left > 0
    assert files_in(tmp_path).items() <= expected(server, targets).items()
    assert_next_run_completes(server, targets, tmp_path, engine_name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.fault(39)
def test_a_disk_that_really_is_full(engine_name, server: FaultServer, small_disk: Path, tmp_path: Path):
    targets = ["/file/small", *(f"/file/{name}?size=400000" for name in "abcd")]
    (tmp_path / "list.txt").write_text(urls(server, targets))
    command = (tmp_path / "list.txt", "-d", small_disk, "-e", engine_name)
    full = run_pdl(*command)
    assert full.returncode == 5
    assert full.stderr.count(f"the disk of {str(small_disk)!r} is full") == 1
    assert len(full.stderr.splitlines()) == 3
    assert account_in(full.stderr).balances
    assert files_in(small_disk).items() <= expected(server, targets).items()
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    enough = run_pdl(*command)
    assert enough.returncode == 0, enough.stderr
    assert files_in(small_disk) == expected(server, targets)
    assert parts_in(small_disk) == []
