"""One run at a time: a destination and its folder `.pdl`, held."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from pdl.errors import DestinationError

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
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
        from filelock import FileLock, Timeout  # noqa: PLC0415 - takes 50 ms, which `pdl --version` need not pay

        # thread_local: a run may be closed from another thread than the one that opened it
        self._lock = FileLock(os.path.join(folder, "lock"), timeout=0, thread_local=False)
        self._holder = os.path.join(folder, "holder")
        self._home: Hold | None = None
        if home is not None and not os.path.samefile(home, folder):
            with suppress(NoLocks):
                self._home = Hold(dest, home)
        try:
            self._lock.acquire()
            self._sign()
            _refuse_links(folder)
            _hide(folder)
        except Timeout:
            self.release()
            raise DestinationError(f"another run{self._process()} is writing to {dest!r}") from None
        except NotImplementedError:
            self.release()
            raise NoLocks(f"{folder} is on a file system without locks: {_ELSEWHERE}") from None
        except OSError as error:
            self.release()
            if error.errno in _NO_LOCKS:
                raise NoLocks(f"{folder} cannot be held: no locks: {_ELSEWHERE}") from error
            raise DestinationError(f"{folder} cannot be held: {error.strerror or error}") from error
        except BaseException:
            self.release()
            raise

    @property
    def is_released(self) -> bool:
        return not self._lock.is_locked

    def release(self) -> None:
        """Let other runs in; again does nothing."""
        if not self.is_released:
            with suppress(OSError):
                os.unlink(self._holder)
            self._lock.release()
        if self._home is not None:
            self._home.release()

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
