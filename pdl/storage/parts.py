"""The folder of the part files: what is in it, and what no run can go on with."""

from __future__ import annotations

import os
from contextlib import suppress

from pdl.errors import DestinationError
from pdl.patterns import pattern

from .exclusive import make_way

_TRANSIENT = pattern(r"t[0-9]{1,18}\.part")


def parts_in(folder: str) -> list[tuple[str, str]]:
    """Name and path of everything in the folder.

    Raises:
        DestinationError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return [(each.name, each.path) for each in found]
    except OSError as error:
        raise DestinationError(f"the folder {folder!r} cannot be read: {error.strerror or error}") from None


def remove_transient_parts(folder: str) -> None:
    """Remove the parts of runs that kept no state.

    Raises:
        DestinationError: the folder cannot be read.
    """
    for name, path in parts_in(folder):
        if _TRANSIENT.fullmatch(name):
            with suppress(OSError), make_way(path):  # somebody has just removed it
                pass
