"""A disk that is full: nothing new is started, what is there stays, and the next run goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from faultserver import FaultServer

import pdl
from pdl.errors import Kind
from pdl.model import Notice
from pdl.storage import exclusive, part

ENGINES_IN_THIS_PROCESS = ("sequential", "threads", "gevent")
"""Those whose disk a test can fill by standing in for a system call."""


class Heard:
    """Keeps the notices of a run."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def on(self, event: object) -> None:
        if isinstance(event, Notice):
            self.notices.append(event.message)

    def close(self) -> None:
        """Nothing is held."""


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def engine_here(engine_name: str) -> str:
    if engine_name not in ENGINES_IN_THIS_PROCESS:
        pytest.skip("its disk cannot be filled from here")
    return engine_name


@pytest.mark.parametrize(("module", "call"), [(part.os, "write"), (exclusive.os, "close")], ids=["write", "close"])
def test_a_full_disk_stops_the_start_of_new_work_and_loses_nothing(
    engine_here: str, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module, call: str
):
    urls = [server.url(f"/file/{n}") for n in range(100)]
    options = {"engine": engine_here, "jobs": 4, "retry_delay": 0.01}
    real, done = getattr(module, call), 0

    def filling(fd: int, *rest: object) -> object:
        """The call, until ten files are written."""
        nonlocal done
        if ".part" in _path_of(fd):
            done += 1
            if done > 10:
                if call == "close":
                    real(fd)
                return full()
        return real(fd, *rest)

    heard = Heard()
    with monkeypatch.context() as patch:
        patch.setattr(module, call, filling)
        summary = pdl.download_all(urls, tmp_path, progress=heard, **options)
    assert (summary.stopped, summary.exit_code) == ("disk-full", 5)
    assert summary.failed_by_kind == {"disk": summary.failed}
    assert 1 <= summary.failed <= 4
    assert summary.done + summary.failed + summary.left == summary.read
    assert len(heard.notices) == 1
    assert "full" in heard.notices[0]
    assert all(failure.kind is Kind.DISK for failure in summary.failures)
    for path in tmp_path.iterdir():
        if path.name != ".pdl":
            assert path.read_bytes() == server.content(f"/file/{path.name}")
    again = pdl.download_all(urls, tmp_path, **options)
    assert (again.done + again.skipped, again.left, again.exit_code) == (len(urls), 0, 0)
    assert not list((tmp_path / ".pdl" / "parts").iterdir())


def _path_of(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def test_a_destination_that_can_no_longer_be_written_ends_the_run_with_one_message(
    engine_here: str, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> object:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    urls = [server.url(f"/file/{n}") for n in range(50)]
    downloads = pdl.iter_downloads(urls, tmp_path / "dest", engine=engine_here, jobs=4)
    monkeypatch.setattr(part, "create", refused)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(pdl.DestinationError, match="cannot be written any more"):
        list(downloads)
    assert downloads.summary.left > 0
