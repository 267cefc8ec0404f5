"""The destination, made and tried before anything is fetched."""

from __future__ import annotations

import os
import stat

from pdl.errors import DestinationError

from .part import PartFile

# since 3.13 Windows turns 0700 into access rules, and a published file would keep those of the parts' folder
PRIVATE = 0o777 if os.name == "nt" else 0o700


def prepare_destination(dest: str) -> str:
    """Make the destination and its private folders, try to write there, and say where parts go.

    Raises:
        DestinationError: it cannot be used; the message names it and the reason.
    """
    try:
        os.makedirs(dest, exist_ok=True)
    except FileExistsError:
        raise _unusable(dest, "it is not a folder") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unusable(dest, error) from None
    if not os.access(dest, os.W_OK | os.X_OK):
        raise _unusable(dest, "it is not writable")
    state = os.path.join(dest, ".pdl")
    parts = os.path.join(state, "parts")
    try:
        owners = {_private_folder(dest, folder) for folder in (state, parts)}
        owners.add(_try_to_write(parts))
    except OSError as error:
        raise _unusable(dest, error) from None
    if len(owners) > 1:  # nobody else may exchange our parts for links
        raise _unusable(dest, f"{state} belongs to another user")
    return parts


def _private_folder(dest: str, folder: str) -> int:
    """Make a folder that nobody else can enter; answers its owner."""
    try:
        os.mkdir(folder, PRIVATE)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise _unusable(dest, f"{folder} is not a folder") from None
    return os.lstat(folder).st_uid


def _try_to_write(parts: str) -> int:
    """Create and remove a file; answers its owner as the file system tells it."""
    path = os.path.join(parts, f"try-{os.getpid()}")
    trial = PartFile(path)
    trial.begin()
    try:
        return os.lstat(path).st_uid
    finally:
        trial.discard()


def _unusable(dest: str, reason: Exception | str) -> DestinationError:
    if isinstance(reason, OSError):
        where = f" ({reason.filename})" if reason.filename not in (None, dest) else ""
        reason = f"{(reason.strerror or str(reason)).lower()}{where}"
    return DestinationError(f"the folder {dest!r} cannot be used as the destination: {reason}")
