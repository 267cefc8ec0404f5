"""One run at a time: a destination and its folder `.pdl`, held."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from pdl.errors import DestinationError

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_ELSEWHERE = "--state-dir puts the state elsewhere, on a local disk"


class Hold:
    """Keeps other runs, in this process or another, out of a destination until it is released.

    Args:
        dest: the destination.
        folder: of its state, which exists.

    Raises:
        DestinationError: another run is there, or the folder is not as we would have left it.
    """

    def __init__(self, dest: str, folder: str) -> None:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - takes 50 ms, which `pdl --version` need not pay

        # thread_local: a run may be closed from another thread than the one that opened it
        self._lock = FileLock(os.path.join(folder, "lock"), timeout=0, thread_local=False)
        self._holder = os.path.join(folder, "holder")
        try:
            self._lock.acquire()
            self._sign()
            _refuse_links(folder)
            _hide(folder)
        except Timeout:
            raise DestinationError(f"another run{self._process()} is writing to {dest!r}") from None
        except NotImplementedError:
            raise DestinationError(f"{folder} is on a file system without locks: {_ELSEWHERE}") from None
        except OSError as error:
            self._lock.release()
            without = error.errno in _NO_LOCKS
            reason = f"no locks: {_ELSEWHERE}" if without else f"{error.strerror or error}"
            raise DestinationError(f"{folder} cannot be held: {reason}") from error
        except BaseException:
            self._lock.release()
            raise

    @property
    def is_released(self) -> bool:
        return not self._lock.is_locked

    def release(self) -> None:
        """Let other runs in; again does nothing."""
        if self.is_released:
            return
        with suppress(OSError):
            os.unlink(self._holder)
        self._lock.release()

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
