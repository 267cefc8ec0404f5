"""Part files: the bytes of a download while it is not whole."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Any

from .exclusive import PartLost, create, identity, lost, make_way, reopen, unlink_and_close

__all__ = ["PartFile", "PartLost"]

_READ_SIZE = 1 << 20


class PartFile:
    """The bytes of one download while it is not whole: in a folder that is ours, locked while open.

    What the disk refuses is raised as the OSError that it gave.

    Args:
        path: where the part lies; its folder exists and belongs to us alone.
        algorithm: name of the digest (as hashlib has it) to compute on the way.
    """

    __slots__ = ("_algorithm", "_digest", "_fd", "_identity", "_path", "size")

    def __init__(self, path: str, algorithm: str | None = None) -> None:
        self.size = 0
        self._path = path
        self._algorithm = algorithm
        self._digest: Any = None
        self._fd = -1
        self._identity: tuple[int, int] | None = None

    def begin(self) -> None:
        """Create the part, empty; a left-over of an earlier run gives way.

        A left-over is unlinked, never truncated: it may be a second name of a file that was just published. The new
        file has another inode number, by which a ledger tells that what it knew of the old one holds no more.

        Raises:
            BlockingIOError: somebody else holds the part.
            IsADirectoryError: a folder stands in its place.
        """
        if self._algorithm is not None:
            self._begin_digest(self._algorithm)
        self._create()

    def _create(self, *, shared: bool = False) -> None:
        try:
            fd, found = create(self._path, shared=shared)
        except FileExistsError:
            with make_way(self._path):
                fd, found = create(self._path, shared=shared)
        self._fd, self._identity, self.size = fd, identity(found), 0

    def resume(self, size: int) -> None:
        """Go on after the first `size` bytes of an existing part; what lies behind them is cut off.

        With a digest this reads those bytes.

        Raises:
            PartLost: the part is missing, shorter or not ours.
            BlockingIOError: somebody else holds the part.
        """
        if self._algorithm is not None:
            self._begin_digest(self._algorithm)
        fd, found = reopen(self._path)
        try:
            self._check(found, size)
            os.ftruncate(fd, size)
            if self._digest is not None:
                self._digest_existing(fd, size)
            os.lseek(fd, size, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._identity, self.size = fd, identity(found), size

    def beginning(self, size: int) -> bytes:
        """The first `size` bytes of the open part, or all if it has fewer."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        try:
            return os.read(self._fd, min(size, self.size))
        finally:
            os.lseek(self._fd, self.size, os.SEEK_SET)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append all of `data`; after an OSError, `size` counts what did arrive."""
        written = os.write(self._fd, data)
        self.size += written
        if written != len(data):
            self._write_rest(memoryview(data), written)
        elif self._digest is not None:
            self._digest.update(data)

    def close(self) -> None:
        """Close the part and keep it; more often is the same as once.

        Raises:
            OSError: bytes that were thought written could not be (ENOSPC, EDQUOT and EIO can come this late).
        """
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        """Close the part and unlink it, unless its path has become another's meanwhile."""
        fd, self._fd = self._fd, -1
        ours, self._identity = self._identity, None
        if ours is None:
            return
        if fd < 0:
            try:
                fd, found = reopen(self._path)
            except (PartLost, BlockingIOError):
                return  # gone, or taken up again
            if identity(found) != ours:
                os.close(fd)
                return
        unlink_and_close(fd, self._path)

    def hexdigest(self) -> str | None:
        """The digest of all bytes in the part, in hexadecimal; None without an algorithm."""
        digest: str | None = None if self._digest is None else self._digest.hexdigest()
        return digest

    def _check(self, found: os.stat_result, size: int) -> None:
        if found.st_nlink != 1:
            raise lost(self._path, "it has a second name")
        if not _is_ours(found, self._path):
            raise lost(self._path, "it belongs to another user")
        if found.st_size < size:
            raise lost(self._path, f"it has {found.st_size} bytes of {size}")

    def _begin_digest(self, algorithm: str) -> None:
        # MD5 and SHA-1 detect damage here; some systems forbid them for anything else
        self._digest = hashlib.new(algorithm, usedforsecurity=False)

    def _digest_existing(self, fd: int, size: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        left = size
        while left and (chunk := os.read(fd, min(left, _READ_SIZE))):
            self._digest.update(chunk)
            left -= len(chunk)
        if left:
            raise lost(self._path, "it shrank while it was read")

    def _write_rest(self, data: memoryview, written: int) -> None:
        """Go on after a short write of the first `written` bytes."""
        while True:
            if self._digest is not None:
                self._digest.update(data[:written])
            data = data[written:]
            if not data:
                return
            written = os.write(self._fd, data)
            if not written:
                raise OSError(errno.EIO, "the disk takes no more bytes and gives no reason", self._path)
            self.size += written


def _is_ours(found: os.stat_result, path: str) -> bool:
    if not hasattr(os, "geteuid") or found.st_uid == os.geteuid():
        return True
    # where the file system makes up the owner (CIFS, NFS that squashes root), our folder has the same one
    return found.st_uid == os.lstat(os.path.dirname(path) or os.curdir).st_uid
