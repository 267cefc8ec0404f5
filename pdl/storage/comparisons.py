"""Folders of comparisons below `DEST/.pdl`: each is held by who made it, and removed if nobody does."""

from __future__ import annotations

import os
from contextlib import suppress

from .exclusive import create, reopen

_BEGINNING = "comparison-"
_HELD = "held"
"""The file in it that is locked as long as the comparison goes on."""


class ComparisonFolder:
    """A new folder that nobody else can enter, until it is removed.

    Args:
        home: where it is made.
    """

    def __init__(self, home: str) -> None:
        import tempfile  # noqa: PLC0415 - takes time, and few compare

        self.path = tempfile.mkdtemp(prefix=_BEGINNING, dir=home)
        self._lock: int | None = create(os.path.join(self.path, _HELD))[0]

    def remove(self) -> None:
        """Remove it with all that is in it; again does nothing."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
            with suppress(OSError):  # the next run that finds it tries again
                _remove_tree(self.path)


def remove_comparisons(home: str) -> None:
    """Remove what comparisons have left that were killed: copies of files, and the list with its credentials."""
    with suppress(OSError):
        for each in os.listdir(home):
            if each.startswith(_BEGINNING):
                _remove(os.path.join(home, each))


def _remove(folder: str) -> None:
    with suppress(OSError):
        if os.path.islink(folder):
            os.unlink(folder)
            return
        lock, _ = reopen(os.path.join(folder, _HELD))  # fails for one that is held, and for what is none of ours
        os.close(lock)
        _remove_tree(folder)


def _remove_tree(folder: str) -> None:
    import shutil  # noqa: PLC0415 - takes time, and few compare

    shutil.rmtree(folder)
