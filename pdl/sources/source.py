"""What a list of URLs is to the rest of the program."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pdl.model import Entry


class Position(NamedTuple):
    """How far a list has been read.

    Args:
        fraction: of its bytes (compressed ones, if it is compressed) or of its items; None if its end is unknown.
        total: its items, blank ones and comments included; None if that is unknown.
    """

    fraction: float | None = None
    total: int | None = None


class Source(Protocol):
    """The entries of a list, read as they are asked for; used from one thread at a time."""

    paths: tuple[str, ...]
    """Absolute paths of the list's files, which must never become targets."""

    def take(self, limit: int) -> list[Entry] | None:
        """Up to `limit` entries that are there now; none for "nothing yet", None for the end. Never blocks.

        What goes wrong is raised once, after all entries before it were given; nothing of that list comes after it.

        Raises:
            SourceError: a file broke in the middle.
            BaseException: whatever an iterator of the caller raises, as it is.
        """

    def position(self) -> Position:
        """How far the entries that were taken reach."""

    def close(self) -> None:
        """Stop reading; returns at once, also while a read or an iterator hangs."""
