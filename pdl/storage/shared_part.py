"""A part that several attempts write at once, each of them its own bytes in their place."""

from __future__ import annotations

import errno
import os
import time

from .exclusive import identity, lost, reopen
from .part import PartFile

__all__ = ["SharedPart"]

_RESERVED = 32 << 20
"""Bytes that are reserved at once."""
_PATIENCE = 0.1
"""Seconds that reserving may take: some file systems have it done by writing to each block."""
_CANNOT = frozenset(
    {errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENODEV, errno.ESPIPE}
)


class SharedPart(PartFile):
    """One attempt's hand on a part that others have a hand on too; `size` is the place that it has come to.

    The part is as long as the whole file from the beginning. Each hand has a descriptor, and so a place in the
    file, of its own. They share a lock: who wants the part alone still finds it held.

    Args:
        path: where the part lies; its folder exists and belongs to us alone.
    """

    __slots__ = ()

    def __init__(self, path: str) -> None:
        super().__init__(path)

    def lay_out(self, total: int) -> None:
        """Create the part, as long as the whole file; a left-over of an earlier run gives way.

        Args:
            total: bytes of the whole file.

        Raises:
            BlockingIOError: somebody else holds the part.
            IsADirectoryError: a folder stands in its place.
            OSError: among others EFBIG, where the whole file is larger than what is free on the disk, and ENOSPC,
                where the disk has no room for it and says so now.
        """
        self._create(shared=True)
        try:
            _check_room(self._fd, total)
            _reserve(self._fd, total)
        except BaseException:
            super().discard()
            raise

    def enter(self, start: int, total: int) -> None:
        """Open the part to write from a place on.

        Args:
            start: the first byte to be written.
            total: bytes of the whole file.

        Raises:
            PartLost: the part is missing, has another length or is not ours.
            BlockingIOError: somebody holds the part alone.
        """
        fd, found = reopen(self._path, shared=True)
        try:
            self._check(found, total)
            os.lseek(fd, start, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._identity, self.size = fd, identity(found), start

    def _check(self, found: os.stat_result, size: int) -> None:
        super()._check(found, size)
        if found.st_size != size:
            raise lost(self._path, f"it has {found.st_size} bytes instead of {size}")

    def discard(self) -> None:
        """Close it: the part is not this attempt's alone to remove."""
        self.close()


def _check_room(fd: int, total: int) -> None:
    """Refuse a file that cannot fit: reserving would take all room from others first, if only a server lied."""
    if not hasattr(os, "fstatvfs"):
        return
    found = os.fstatvfs(fd)
    free = found.f_bavail * found.f_frsize
    if total > free and found.f_blocks:  # some file systems do not know
        raise OSError(errno.EFBIG, f"the file has {total} bytes, and {free} are free on the disk")


def _reserve(fd: int, total: int) -> None:
    """Make an empty file so many bytes long, and have the disk keep room for them where it can do that quickly."""
    until, at = time.monotonic() + _PATIENCE, 0
    while hasattr(os, "posix_fallocate") and at < total and time.monotonic() < until:
        try:
            os.posix_fallocate(fd, at, min(_RESERVED, total - at))
        except OSError as error:
            if error.errno in _CANNOT:
                break
            raise
        at += _RESERVED
    os.ftruncate(fd, total)
