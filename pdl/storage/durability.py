"""Flushing: files, names and folders that outlive a loss of power, not only the death of the process."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from pdl.errors import DestinationError

AT_ONCE = 16
"""Flushes under way together: the file system commits them together."""
_KNOWN = 4096
"""Folders remembered; to forget one costs no more than to flush those above it again."""

# Windows flushes only what is open for writing
_FILE = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
# what file systems say whose folders cannot be flushed; a folder that somebody removed took its files along
_NOT_FLUSHED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOENT})
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM})

if sys.platform == "darwin":
    import fcntl

    def _flush(fd: int) -> None:
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync leaves the bytes in the drive's own memory
        except OSError:  # network file systems have none; what is wrong with others, fsync says too
            os.fsync(fd)

    _flush_bytes = _flush

else:

    def _flush(fd: int) -> None:
        os.fsync(fd)

    def _flush_bytes(fd: int) -> None:
        """Flush what is needed to read the bytes again: not the times."""
        if hasattr(os, "fdatasync"):
            os.fdatasync(fd)
        else:
            os.fsync(fd)


def flush_files(paths: Iterable[str]) -> dict[str, OSError]:
    """Flush closed files, several at once; answers what the disk refused.

    ENOSPC, EDQUOT and EIO can come this late. What failed must not be used any more: the system may have dropped
    bytes, and a second flush would not tell.
    """
    return _together(_flush_file, paths)


class FlushedFolders:
    """Flushes the folders in which files got their names, and for a new one the way that leads to it.

    Args:
        dest: folder that receives the files.
    """

    def __init__(self, dest: str) -> None:
        self._dest = os.path.abspath(dest)
        self._known: set[str] = set()  # those that can be reached after a loss of power

    def flush(self, paths: Iterable[str]) -> None:
        """Have the names outlast of files that are below the destination, with `/` between components.

        Raises:
            OSError: a folder cannot be flushed; any of the names may be lost.
        """
        folders = {path.rpartition("/")[0] for path in paths}
        for folder in tuple(folders):
            if folder not in self._known:
                folders.update(_above(folder))
        faults = _together(_flush_folder, [os.path.join(self._dest, *folder.split("/")) for folder in folders])
        for fault in faults.values():
            raise fault
        if len(self._known) + len(folders) > _KNOWN:
            self._known.clear()
        self._known |= folders


def flush_destination(dest: str, state: str | None = None) -> None:
    """Flush what leads to a destination and its ledger: this run or one before may have made it.

    Args:
        dest: the destination.
        state: absolute path of the folder with the ledger, if that is elsewhere.

    Raises:
        DestinationError: the disk refuses.
    """
    _flush_way(os.path.join(os.path.abspath(dest), ".pdl"))
    if state is not None and os.path.dirname(state) != os.path.abspath(dest):
        _flush_way(state)


def _flush_way(path: str) -> None:
    """Flush a folder and all above it."""
    try:
        _flush_folder(path)
        while (above := os.path.dirname(path)) != path:
            path = above
            try:
                _flush_folder(path)
            except OSError as error:
                if error.errno not in _NOT_OURS:  # we could not have made anything in it either
                    raise
    except OSError as error:
        raise DestinationError(f"the folder {path!r} cannot be flushed: {error.strerror or error}") from error


def _above(folder: str) -> Iterator[str]:
    """The folders above one, up to the destination."""
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _flush_file(path: str) -> None:
    fd = os.open(path, _FILE)  # what went wrong before this is told to the first who flushes after it
    try:
        _flush_bytes(fd)
    finally:
        os.close(fd)


def _flush_folder(path: str) -> None:
    if os.name == "nt":  # folders cannot be flushed, and NTFS writes its changes down in their order
        return
    try:
        fd = os.open(path, _FOLDER)
        try:
            _flush(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in _NOT_FLUSHED:
            raise


def _together(flush: Callable[[str], None], paths: Iterable[str]) -> dict[str, OSError]:
    """Flush all, in this thread and others that have ended when it returns; answers what went wrong."""
    left, faults = deque(paths), {}

    def work() -> None:
        while True:
            try:
                path = left.popleft()
            except IndexError:
                return
            try:
                flush(path)
            except OSError as error:
                faults[path] = error

    helpers = [
        threading.Thread(target=work, name="pdl-flush", daemon=True) for _ in range(min(AT_ONCE, len(left)) - 1)
    ]
    begun = []
    try:
        with suppress(RuntimeError):  # the system gives no more threads; those that run take over
            for helper in helpers:
                helper.start()
                begun.append(helper)
        work()
    finally:
        left.clear()
        for helper in begun:
            helper.join()
    return faults
