"""Where the state of a destination lies: the ledger and the lock. Parts are always below the destination."""

from __future__ import annotations

import os
import stat

from pdl.errors import DestinationError

from .destination import PRIVATE

LEDGER = "ledger.sqlite3"
_OWNER = "destination"
"""The file that says whose state a folder holds."""


def state_folder(dest: str, state_dir: str | None) -> str:
    """The folder of a destination's state, as an absolute path; it need not exist."""
    return os.path.abspath(os.path.join(dest, ".pdl") if state_dir is None else state_dir)


def ledger_path(dest: str, state_dir: str | None) -> str:
    """The ledger of a destination; it need not exist."""
    return os.path.join(state_folder(dest, state_dir), LEDGER)


def prepare_state(dest: str, state_dir: str) -> None:
    """Make a folder for the state of a destination that lies elsewhere, and have it hold no other's.

    Raises:
        DestinationError: it cannot be used, or holds the state of another destination.
    """
    folder = os.path.abspath(state_dir)
    ours, path = os.path.realpath(dest), os.path.join(folder, _OWNER)
    try:
        os.makedirs(folder, PRIVATE, exist_ok=True)
        if os.path.samefile(folder, dest):
            raise DestinationError(f"the folder of the state {state_dir!r} is the destination itself; name another")
        if hasattr(os, "geteuid") and os.stat(folder).st_uid != os.geteuid():
            raise DestinationError(f"the folder of the state {state_dir!r} belongs to another user")
        owner = _read(path)
        if owner is None:
            with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
                file.write(ours)
        elif owner != ours:
            raise DestinationError(
                f"{state_dir!r} holds the state of {owner!r}; each destination needs a folder of its own. "
                f"If the files have moved, remove {path!r}"
            )
    except OSError as error:
        reason = f"{(error.strerror or str(error)).lower()} ({error.filename})"
        raise DestinationError(f"the folder of the state {state_dir!r} cannot be used: {reason}") from None


def _read(path: str) -> str | None:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise DestinationError(f"{path} is not a regular file")
    except FileNotFoundError:
        return None
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
