"""Parts that several attempts write at once: in their place, and held against who wants them alone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pdl.storage.part import PartFile, PartLost
from pdl.storage.shared_part import SharedPart

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "17.part")


def laid_out(path: str, total: int = 12) -> SharedPart:
    part = SharedPart(path)
    part.lay_out(total)
    return part


def entered(path: str, start: int, total: int = 12) -> SharedPart:
    part = SharedPart(path)
    part.enter(start, total)
    return part


def content(path: str) -> bytes:
    return Path(path).read_bytes()


def test_each_hand_writes_in_its_place(path: str):
    first = laid_out(path)
    assert os.path.getsize(path) == 12
    third, second = entered(path, 8), entered(path, 4)
    third.write(b"th")
    first.write(b"one ")
    second.write(memoryview(b"two "))
    third.write(bytearray(b"re"))
    assert (first.size, second.size, third.size) == (4, 8, 12)
    for part in (first, second, third):
        part.close()
        part.close()
    assert content(path) == b"one two thre"


def test_the_beginning_can_be_seen_by_any_hand(path: str):
    first = laid_out(path)
    first.write(b"one ")
    second = entered(path, 4)
    assert second.beginning(3) == b"one"
    second.write(b"two ")
    first.close()
    second.close()
    assert content(path).startswith(b"one two ")


@pytest.mark.parametrize("open_alone", [lambda part: part.begin(), lambda part: part.resume(3)])
def test_nobody_has_it_alone_while_a_hand_is_on_it(path: str, open_alone):
    first = laid_out(path)
    second = entered(path, 4)
    first.close()
    with pytest.raises(BlockingIOError):
        open_alone(PartFile(path))
    second.close()
    part = PartFile(path)
    open_alone(part)
    part.close()


def test_nobody_gets_a_hand_on_what_somebody_has_alone(path: str):
    alone = PartFile(path)
    alone.begin()
    alone.write(bytes(12))
    with pytest.raises(BlockingIOError):
        entered(path, 4)
    with pytest.raises(BlockingIOError):
        laid_out(path)
    alone.close()
    entered(path, 4).close()


def test_a_left_over_gives_way(path: str):
    Path(path).write_bytes(b"left by an earlier run")
    before = os.stat(path).st_ino
    laid_out(path).close()
    assert content(path) == bytes(12)
    assert os.stat(path).st_ino != before


@pytest.mark.parametrize("size", [0, 11, 13])
def test_a_part_of_another_length_is_lost(path: str, size: int):
    Path(path).write_bytes(bytes(size))
    with pytest.raises(PartLost):
        entered(path, 4)
    assert content(path) == bytes(size)


@posix
def test_links_and_second_names_are_not_written_through(path: str, tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched...")
    for plant in (os.symlink, os.link):
        plant(victim, path)
        with pytest.raises(PartLost):
            entered(path, 0)
        os.unlink(path)
    assert victim.read_bytes() == b"untouched..."


def test_a_missing_part_is_lost(path: str):
    with pytest.raises(PartLost):
        entered(path, 0)


def test_to_discard_it_is_to_let_it_go(path: str):
    first, second = laid_out(path), entered(path, 4)
    first.discard()
    second.write(b"two ")
    second.discard()
    assert content(path)[4:8] == b"two "


# room on the disk


def fallocate(code: int | None, calls: list[int]):
    def posix_fallocate(descriptor: int, start: int, size: int) -> None:
        calls.append(size)
        if code is not None:
            raise OSError(code, os.strerror(code))
        if os.fstat(descriptor).st_size < start + size:
            os.ftruncate(descriptor, start + size)

    return posix_fallocate


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_that_reserves_nothing_is_no_fault(path: str, monkeypatch: pytest.MonkeyPatch, code: int):
    calls: list[int] = []
    monkeypatch.setattr(os, "posix_fallocate", fallocate(code, calls), raising=False)
    laid_out(path, 200 << 20).close()
    assert os.path.getsize(path) == 200 << 20
    assert len(calls) == 1


def test_a_system_that_reserves_nothing_is_no_fault(path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    laid_out(path, 1 << 20).close()
    assert os.path.getsize(path) == 1 << 20


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_disk_without_room_says_so_before_the_first_byte(path: str, monkeypatch: pytest.MonkeyPatch, code: int):
    monkeypatch.setattr(os, "posix_fallocate", fallocate(code, []), raising=False)
    with pytest.raises(OSError, match=rf"\[Errno {code}\]"):
        laid_out(path)
    assert not os.path.exists(path)


def test_room_is_reserved_as_long_as_that_is_quick(path: str, monkeypatch: pytest.MonkeyPatch):
    from pdl.storage import shared_part  # noqa: PLC0415 - its clock alone is changed

    calls: list[int] = []
    monkeypatch.setattr(os, "posix_fallocate", fallocate(None, calls), raising=False)
    laid_out(path, 100 << 20).close()
    assert sum(calls) == 100 << 20
    times = iter([0.0, 0.0, 60.0])
    monkeypatch.setattr(shared_part.time, "monotonic", lambda: next(times))
    calls.clear()
    laid_out(path, 100 << 20).close()
    assert len(calls) == 1
    assert os.path.getsize(path) == 100 << 20


@posix
def test_the_umask_decides_who_may_read_it(path: str):
    before = os.umask(0o027)
    try:
        laid_out(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


@posix
@pytest.mark.parametrize(("blocks", "fits"), [(100, False), (0, True)], ids=["known", "not told"])
def test_a_file_that_is_larger_than_what_is_free_takes_no_room(
    path: str, monkeypatch: pytest.MonkeyPatch, blocks: int, fits: bool
):
    found = os.statvfs_result((4096, 4096, blocks, 3, 2, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "fstatvfs", lambda _fd: found)
    reserved: list[int] = []
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: reserved.append(1), raising=False)
    if fits:
        laid_out(path, 8193).close()
        return
    laid_out(path, 8192).close()
    reserved.clear()
    with pytest.raises(OSError, match="8193 bytes, and 8192 are free") as raised:
        laid_out(path, 8193)
    assert raised.value.errno == errno.EFBIG
    assert reserved == []
    assert not os.path.exists(path)
