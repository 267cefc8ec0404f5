"""What is flushed, and what becomes of disks that refuse."""

from __future__ import annotations

import errno
import os
import sys
import threading

import pytest

from pdl.errors import DestinationError
from pdl.storage import durability
from pdl.storage.durability import AT_ONCE, FlushedFolders, flush_destination, flush_files

pytestmark = pytest.mark.fault(44)

flushes_folders = pytest.mark.skipif(os.name == "nt", reason="Windows flushes no folders")


class Flushes:
    """Records what is flushed by its inode, and fails for some."""

    def __init__(self, monkeypatch):
        self.bytes_of, self.folders, self.faults = [], [], {}
        monkeypatch.setattr(durability, "_flush_bytes", lambda fd: self._note(fd, self.bytes_of))
        monkeypatch.setattr(durability, "_flush", lambda fd: self._note(fd, self.folders))

    def fail(self, path, code):
        self.faults[os.stat(path).st_ino] = code

    def _note(self, fd, record):
        inode = os.fstat(fd).st_ino
        record.append(inode)
        if inode in self.faults:
            raise OSError(self.faults[inode], os.strerror(self.faults[inode]))


@pytest.fixture
def flushes(monkeypatch):
    return Flushes(monkeypatch)


def inodes(*paths):
    return sorted(os.stat(path).st_ino for path in paths)


def files_in(folder, count):
    folder.mkdir(exist_ok=True)
    paths = [folder / str(number) for number in range(count)]
    for path in paths:
        path.write_bytes(b"x")
    return list(map(str, paths))


# -- files


@pytest.mark.parametrize("count", [0, 1, 2, AT_ONCE, 3 * AT_ONCE + 1])
def test_every_file_is_flushed_once_and_no_thread_stays(tmp_path, flushes, count):
    paths = files_in(tmp_path, count)
    assert flush_files(paths) == {}
    assert sorted(flushes.bytes_of) == inodes(*paths)
    assert not [thread for thread in threading.enumerate() if thread.name == "pdl-flush"]


def test_files_are_flushed_at_the_same_time(tmp_path, monkeypatch):
    together = threading.Barrier(AT_ONCE)  # broken, and an error, if they come one after another
    monkeypatch.setattr(durability, "_flush_bytes", lambda _: together.wait(20))
    assert flush_files(files_in(tmp_path, AT_ONCE)) == {}


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_what_the_disk_refuses_is_told_of_that_file_alone(tmp_path, flushes, code):
    paths = files_in(tmp_path, 40)
    flushes.fail(paths[3], code)
    faults = flush_files([*paths, str(tmp_path / "missing")])
    assert {path: fault.errno for path, fault in faults.items()} == {
        paths[3]: code,
        str(tmp_path / "missing"): errno.ENOENT,
    }
    assert sorted(flushes.bytes_of) == inodes(*paths)


def test_files_are_flushed_where_there_are_no_threads(tmp_path, flushes, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    paths = files_in(tmp_path, 20)
    assert flush_files(paths) == {}
    assert sorted(flushes.bytes_of) == inodes(*paths)


def test_an_interruption_leaves_no_thread_behind(tmp_path, monkeypatch):
    caller, interrupted = threading.current_thread(), threading.Event()

    def flush(_):
        if threading.current_thread() is caller:
            interrupted.set()
            raise KeyboardInterrupt
        assert interrupted.wait(20)

    monkeypatch.setattr(durability, "_flush_bytes", flush)
    with pytest.raises(KeyboardInterrupt):
        flush_files(files_in(tmp_path, 3 * AT_ONCE))
    assert not [thread for thread in threading.enumerate() if thread.name == "pdl-flush"]


@pytest.mark.skipif(sys.platform != "linux", reason="the calls of Linux")
def test_bytes_need_no_times_but_folders_need_their_names(tmp_path, monkeypatch):
    calls = []
    for name in ("fdatasync", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda fd, name=name, real=real: (calls.append(name), real(fd)))
    flush_files(files_in(tmp_path, 1))
    FlushedFolders(str(tmp_path)).flush(["a"])
    assert calls == ["fdatasync", "fsync"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")
def test_a_link_is_not_followed(tmp_path, flushes):
    (path,) = files_in(tmp_path, 1)
    os.symlink(path, tmp_path / "link")
    assert list(flush_files([str(tmp_path / "link")])) == [str(tmp_path / "link")]
    assert flushes.bytes_of == []


# -- folders


@flushes_folders
def test_a_folder_is_flushed_once_for_all_its_files_and_the_way_to_it_once_for_all_times(tmp_path, flushes):
    (tmp_path / "a" / "b").mkdir(parents=True)
    folders = FlushedFolders(str(tmp_path))
    folders.flush(["a/b/1", "a/b/2", "a/b/3"])
    assert sorted(flushes.folders) == inodes(tmp_path, tmp_path / "a", tmp_path / "a" / "b")
    flushes.folders.clear()
    folders.flush(["a/b/4", "a/b/5"])
    assert flushes.folders == inodes(tmp_path / "a" / "b")
    flushes.folders.clear()
    (tmp_path / "a" / "c").mkdir()
    folders.flush(["a/c/6"])
    assert sorted(flushes.folders) == inodes(tmp_path, tmp_path / "a", tmp_path / "a" / "c")


@flushes_folders
def test_a_way_that_could_not_be_flushed_is_flushed_again(tmp_path, flushes):
    (tmp_path / "a").mkdir()
    folders = FlushedFolders(str(tmp_path))
    flushes.fail(tmp_path, errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        folders.flush(["a/1"])
    flushes.faults.clear()
    flushes.folders.clear()
    folders.flush(["a/2"])
    assert sorted(flushes.folders) == inodes(tmp_path, tmp_path / "a")


@flushes_folders
def test_more_folders_than_are_remembered_cost_no_memory(tmp_path, flushes, monkeypatch):
    monkeypatch.setattr(durability, "_KNOWN", 4)
    folders = FlushedFolders(str(tmp_path))
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        folders.flush([f"{number}/file"])
    assert len(folders._known) <= 4
    assert set(flushes.folders) == set(inodes(tmp_path, *(tmp_path / str(number) for number in range(20))))


@flushes_folders
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_file_systems_that_flush_no_folders_are_tolerated(tmp_path, flushes, code):
    flushes.fail(tmp_path, code)
    FlushedFolders(str(tmp_path)).flush(["a"])
    (tmp_path / ".pdl").mkdir()
    flush_destination(str(tmp_path))
    assert len(flushes.folders) > 1


@flushes_folders
def test_a_folder_that_somebody_removed_is_nothing_to_flush(tmp_path):
    FlushedFolders(str(tmp_path)).flush(["gone/a"])


@flushes_folders
def test_all_that_leads_to_the_destination_is_flushed(tmp_path, flushes):
    dest = tmp_path / "a" / "b"
    (dest / ".pdl").mkdir(parents=True)
    flush_destination(str(dest))
    assert set(inodes(dest / ".pdl", dest, tmp_path / "a", tmp_path)) <= set(flushes.folders)


@flushes_folders
def test_a_destination_that_cannot_be_flushed_is_named(tmp_path, flushes):
    (tmp_path / ".pdl").mkdir()
    flushes.fail(tmp_path, errno.EIO)
    with pytest.raises(DestinationError, match=f"'{tmp_path}' cannot be flushed: {os.strerror(errno.EIO)}"):
        flush_destination(str(tmp_path))


@flushes_folders
def test_a_folder_above_that_belongs_to_others_is_passed_over(tmp_path, flushes):
    dest = tmp_path / "dest"
    (dest / ".pdl").mkdir(parents=True)
    flushes.fail(tmp_path, errno.EACCES)
    flush_destination(str(dest))
    assert set(inodes(tmp_path)) < set(flushes.folders)
