"""One run at a time: a destination and its folder `.pdl`, held."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from pdl.errors import DestinationError

from .exclusive import NO_LOCKS, lock

_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_ELSEWHERE = "--state-dir puts the state elsewhere, on a local disk"


class NoLocks(DestinationError):  # noqa: N818 - what a file system lacks
    """Nobody can be kept out of a folder."""


class Hold:
    """Keeps other runs, in this process or another, out of a destination until it is released.

    Args:
        dest: the destination.
        folder: of its state, which exists.
        home: folder of the destination that is held as well, if it is another: parts are there wherever the state
            is. A file system that has no locks lets everybody in there.

    Raises:
        DestinationError: another run is there, or the folder is not as we would have left it.
    """

    def __init__(self, dest: str, folder: str, *, home: str | None = None) -> None:
        self._lock = -1
        self._holder = os.path.join(folder, "holder")
        self._home: Hold | None = None
        if home is not None and not os.path.samefile(home, folder):
            with suppress(NoLocks):
                self._home = Hold(dest, home)
        try:
            self._acquire(os.path.join(folder, "lock"), dest)
            self._sign()
            _refuse_links(folder)
            _hide(folder)
        except OSError as error:
            self.release()
            if error.errno in NO_LOCKS:
                raise NoLocks(f"{folder} cannot be held: no locks: {_ELSEWHERE}") from error
            raise DestinationError(f"{folder} cannot be held: {error.strerror or error}") from error
        except BaseException:
            self.release()
            raise

    @property
    def is_released(self) -> bool:
        return self._lock < 0

    def release(self) -> None:
        """Let other runs in; again does nothing."""
        if not self.is_released:
            with suppress(OSError):
                os.unlink(self._holder)
            os.close(self._lock)
            self._lock = -1
        if self._home is not None:
            self._home.release()

    def _acquire(self, path: str, dest: str) -> None:
        descriptor = os.open(path, _OPEN, 0o666)
        try:
            if not lock(descriptor):
                raise DestinationError(f"another run{self._process()} is writing to {dest!r}")
            self._lock, descriptor = descriptor, -1
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _sign(self) -> None:
        """Write down who is here, beside the lock: Windows lets nobody read a locked file."""
        with suppress(FileNotFoundError):
            os.unlink(self._holder)  # never written through: it may be a planted link
        with open(self._holder, "x", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def _process(self) -> str:
        try:
            with open(self._holder, encoding="ascii") as file:
                return f" (process {int(file.read())})"
        except (OSError, ValueError):  # it is just beginning, or just ending
            return ""


def _refuse_links(folder: str) -> None:
    """Have nothing to do with a ledger that somebody made point elsewhere."""
    for name in ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"):
        path = os.path.join(folder, name)
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                raise DestinationError(f"{path} is not a regular file")


def _hide(folder: str) -> None:
    """Have version control pass by the folder."""
    with suppress(FileExistsError), open(os.path.join(folder, ".gitignore"), "x", encoding="ascii") as file:
        file.write("*\n")
