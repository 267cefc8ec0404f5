"""What the disk refuses, and what others put where files go."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from accounts import files_in, parts_in
from faultserver import FaultServer, run_pdl
from in_workers import run_at_start

import pdl
from pdl.errors import DestinationError, Kind
from pdl.storage import publish

HELD = "/stall/in-body/held?size=5000&at=2000"
"""A file that stops in the middle until the test lets it go on."""

REFUSING = """
    import os
    from pdl.storage import exclusive

    class Disk:
        def __getattr__(self, name):
            return getattr(os, name)

        def open(self, path, *args, **kwargs):
            if os.path.basename(path) == "1.part":
                raise OSError({code}, os.strerror({code}), path)
            return os.open(path, *args, **kwargs)

    exclusive.os = Disk()
"""
"""Has the disk refuse the part of the first entry."""


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {"engine": engine_name, "retries": 1, "retry_delay": 0.02, "jobs": 2, **more}


@contextmanager
def meanwhile(server: FaultServer, act: Callable[[], object]) -> Iterator[None]:
    """Do something while the file is held in its middle; an error of it fails the test."""
    raised: list[BaseException] = []

    def wait_and_act() -> None:
        try:
            server.wait_for(lambda record: record.target == HELD)
            act()
        except BaseException as error:
            raised.append(error)
        server.release(HELD)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()
    assert not raised, raised


# one file's alone


@pytest.mark.fault(40)
@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG])
def test_a_part_that_cannot_be_made_fails_its_entry_alone(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch, tmp_path_factory, code: int
):
    from pdl.storage import exclusive  # noqa: PLC0415 - the name that is patched

    refusing = REFUSING.format(code=code)
    monkeypatch.setattr(exclusive, "os", os)  # so that it comes back
    exec(textwrap.dedent(refusing), {})
    run_at_start(monkeypatch, tmp_path_factory.mktemp("disk"), refusing)
    urls = [server.url(f"/file/{name}") for name in "abc"]
    with pdl.iter_downloads(urls, tmp_path, **options(engine_name)) as downloads:
        results = {result.index: result for result in downloads}
    assert (results[1].kind, results[1].attempts) == (Kind.DISK, 1)
    assert os.strerror(code) in results[1].message
    assert (results[2].status, results[3].status) == ("done", "done")
    assert sorted(files_in(tmp_path)) == ["b", "c"]


@pytest.mark.fault(40)
@pytest.mark.parametrize("code", [errno.EACCES, errno.ENAMETOOLONG, errno.EROFS])
def test_a_name_that_cannot_be_given_fails_its_entry_alone(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch, code: int
):
    real = publish.Publisher.publish

    def refuse(publisher: publish.Publisher, part: str, path: str, **more: object) -> None:
        if path == "a":
            raise OSError(code, os.strerror(code), path)
        real(publisher, part, path, **more)

    monkeypatch.setattr(publish.Publisher, "publish", refuse)
    urls = [server.url(f"/file/{name}") for name in "abc"]
    with pdl.iter_downloads(urls, tmp_path, **options(engine_name)) as downloads:
        results = {result.index: result for result in downloads}
    assert results[1].kind is Kind.DISK
    assert os.strerror(code) in results[1].message
    assert sorted(files_in(tmp_path)) == ["b", "c"]


@pytest.mark.fault(40)
def test_a_folder_that_takes_the_name_meanwhile_stays(engine_name, server: FaultServer, tmp_path: Path):
    with meanwhile(server, (tmp_path / "held").mkdir):
        result = pdl.download(server.url(HELD), tmp_path, **options(engine_name))
    assert (result.kind, "held" in result.message) == (Kind.NAME, True)
    assert (tmp_path / "held").is_dir()
    assert parts_in(tmp_path) == []


@pytest.mark.fault(40)
def test_a_file_that_comes_where_a_folder_is_needed_stays(engine_name, server: FaultServer, tmp_path: Path):
    folder = tmp_path / "folder"
    with meanwhile(server, lambda: folder.write_bytes(b"mine")):
        result = pdl.download(server.url(HELD), tmp_path, **options(engine_name, output="folder/{name}"))
    assert result.kind is Kind.NAME
    assert folder.read_bytes() == b"mine"
    assert parts_in(tmp_path) == []


# all of them


@pytest.mark.fault(40)
def test_a_destination_that_goes_away_ends_the_run_with_one_error(engine_name, server: FaultServer, tmp_path: Path):
    dest = tmp_path / "dest"
    urls = [server.url(HELD), *(server.url(f"/file/{number}?size=5000") for number in range(500))]
    with (
        meanwhile(server, lambda: shutil.rmtree(dest)),
        pytest.raises(DestinationError, match="cannot be written any more"),
        pdl.iter_downloads(urls, dest, **options(engine_name, jobs=1)) as downloads,
    ):
        list(downloads)
    summary = downloads.summary
    assert summary.done + summary.skipped + summary.failed + summary.left == summary.read
    assert summary.left > 0


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that can be made read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.fault(40)
def test_a_read_only_disk_is_told_before_anything_is_fetched(
    engine_name, server: FaultServer, own_disk: Path, tmp_path: Path
):
    subprocess.run(["mount", "-o", "remount,ro", own_disk], check=True)
    run = run_pdl(server.url("/file/a"), "-d", own_disk, "-e", engine_name)
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)
    assert repr(str(own_disk)) in run.stderr
    assert server.requests == []


# what others put there


def link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def dangling_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside.with_name("nothing-yet"))


def fifo(path: Path, outside: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    os.mkfifo(path)


@pytest.mark.fault(41)
@pytest.mark.parametrize("plant", [link, dangling_link, fifo])
def test_what_is_planted_in_the_place_of_a_part_gives_way_and_leads_nowhere(
    engine_name, server: FaultServer, tmp_path: Path, plant: Callable[[Path, Path], None]
):
    outside, dest = tmp_path / "outside", tmp_path / "dest"
    outside.write_bytes(b"precious")
    parts = dest / ".pdl" / "parts"
    parts.mkdir(parents=True)
    plant(parts / "1.part", outside)
    result = pdl.download(server.url("/file/a"), dest, **options(engine_name))
    assert result.status == "done", result
    assert files_in(dest) == {"a": server.content("/file/a")}
    assert not (dest / "a").is_symlink()
    assert outside.read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["dest", "outside"]


@pytest.mark.fault(41)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_that_takes_the_name_meanwhile_is_not_followed(
    engine_name, server: FaultServer, tmp_path: Path, overwrite: bool
):
    outside, dest = tmp_path / "outside", tmp_path / "dest"
    outside.write_bytes(b"precious")
    with meanwhile(server, lambda: (dest / "held").symlink_to(outside)):
        result = pdl.download(server.url(HELD), dest, **options(engine_name, overwrite=overwrite))
    assert outside.read_bytes() == b"precious"
    if overwrite:
        assert files_in(dest) == {"held": server.content(HELD)}
    else:
        assert result.kind is Kind.NAME
        assert (dest / "held").is_symlink()


@pytest.mark.fault(42)
def test_a_part_that_is_another_name_of_a_finished_file_leaves_that_whole(
    engine_name, server: FaultServer, tmp_path: Path
):
    """As a run leaves it that was killed between giving the file its name and taking the part's."""
    parts = tmp_path / ".pdl" / "parts"
    parts.mkdir(parents=True)
    (tmp_path / "finished").write_bytes(b"precious")
    os.link(tmp_path / "finished", parts / "1.part")
    line = f"{server.url('/file/a')}\tsha256={'0' * 64}"  # fails, so that the part is dropped as well
    assert pdl.download(line, tmp_path, **options(engine_name)).kind is Kind.DIGEST
    assert (tmp_path / "finished").read_bytes() == b"precious"
    assert parts_in(tmp_path) == []
