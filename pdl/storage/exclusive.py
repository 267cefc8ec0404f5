"""Files that one process holds alone: opened as what they are, locked, and unlinked only while still the same."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of file systems that have no locks."""
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY
# O_NONBLOCK: a FIFO that is planted between the look and the opening must not hold us for ever
_REOPEN = os.O_RDWR | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | _BINARY

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 62  # locked bytes cannot be written through another descriptor: lock one that holds no data

    def lock(fd: int) -> bool:
        """Lock an open file until it is closed; False if somebody else has it.

        Raises:
            OSError: its file system has no locks.
        """
        here = os.lseek(fd, 0, os.SEEK_CUR)
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(fd, here, os.SEEK_SET)
        return True

else:
    import fcntl

    def lock(fd: int) -> bool:
        """Lock an open file until it is closed; False if somebody else has it.

        Raises:
            OSError: its file system has no locks.
        """
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def try_lock(fd: int) -> bool:
    """As `lock`; where there are none nobody has it, and whether two runs may share that is judged elsewhere."""
    try:
        return lock(fd)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return True


class PartLost(OSError):  # noqa: N818 - what happened to a part, not a fault of the program
    """There is nothing to continue: the part is missing, shorter than it should be, or not ours."""


def lost(path: str, reason: str) -> PartLost:
    """The error for a part that cannot be continued."""
    return PartLost(errno.ESTALE, f"the part cannot be continued: {reason}", path)


def create(path: str) -> tuple[int, os.stat_result]:
    """Create and lock a file that is not there yet; its mode is what the umask leaves of 0666.

    Raises:
        FileExistsError: something is there.
        BlockingIOError: somebody else was faster to lock it.
    """
    return _locked(os.open(path, _CREATE, 0o666), path)


def reopen(path: str) -> tuple[int, os.stat_result]:
    """Open and lock the regular file at `path`; whatever else is planted there is neither followed nor opened.

    Raises:
        PartLost: it is missing or something else.
        BlockingIOError: somebody else holds it.
    """
    try:
        before = os.lstat(path)
        if not stat.S_ISREG(before.st_mode):
            raise lost(path, "it is not a regular file")
        fd, found = _locked(os.open(path, _REOPEN), path)
    except FileNotFoundError:
        raise lost(path, "it is missing") from None
    if identity(found) != identity(before):  # nor is it, then, a link or FIFO that came in between
        os.close(fd)
        raise lost(path, "it was exchanged")
    return fd, found


def _locked(fd: int, path: str) -> tuple[int, os.stat_result]:
    """Lock what was opened, and make sure that `path` did not go to somebody else before that."""
    try:
        free = try_lock(fd)
        found = os.fstat(fd)
        free = free and (found.st_nlink > 0 or stands_at(path, found))
    except BaseException:
        os.close(fd)
        raise
    if not free:
        os.close(fd)
        raise BlockingIOError(errno.EAGAIN, "another download or process holds this file", path)
    return fd, found


def identity(found: os.stat_result) -> tuple[int, int]:
    """What tells a file from all others on this machine, whatever it is called."""
    return found.st_dev, found.st_ino


def stands_at(path: str, found: os.stat_result) -> bool:
    """Whether `path` names that file."""
    try:
        return identity(os.lstat(path)) == identity(found)
    except FileNotFoundError:
        return False


def unlink_and_close(fd: int, path: str) -> None:
    """Unlink an open file, if `path` still names it, and close it."""
    try:
        ours = stands_at(path, os.fstat(fd))
        if ours and os.name != "nt":
            os.unlink(path)
    finally:
        os.close(fd)
    if ours and os.name == "nt":  # an open file cannot be unlinked there
        os.unlink(path)


@contextmanager
def make_way(path: str) -> Iterator[None]:
    """Unlink the left-over of an earlier run, be it a file, a link or a FIFO.

    Within the block a file is still held, so that a new one does not get its inode number.

    Raises:
        BlockingIOError: it is no left-over, somebody holds it.
        IsADirectoryError: it is a folder.
    """
    held = _unlink_left_over(path)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _unlink_left_over(path: str) -> int | None:
    """Answers the file, still open, where that is possible."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "a folder stands in the place of a part", path)
        if not stat.S_ISREG(mode):
            os.unlink(path)
            return None
        fd, found = reopen(path)
    except (FileNotFoundError, PartLost):
        return None  # it went or changed by itself; creating will tell
    if os.name == "nt":
        unlink_and_close(fd, path)
        return None
    try:
        if stands_at(path, found):
            os.unlink(path)
    except BaseException:
        os.close(fd)
        raise
    return fd
