"""What bounds all engines: how long nobody's response may take, how often they tell, and what they may open."""

from __future__ import annotations

from pdl.descriptors import open_files

DRAINED = 64 * 1024
"""Bytes of an unwanted body that are read for the sake of the connection; a larger body costs the connection."""
DRAINING = 0.2
"""Seconds that it may take."""
NEWS_EVERY = 0.1
"""Seconds between two `Advanced` of an attempt."""
WORTH_KEEPING = 1 << 20
"""Bytes; a body that is this long is told of with its first piece, so that a kill costs nothing that came later."""

DESCRIPTORS = 4
"""What an attempt of the requests driver takes: its part, its connection, what waits for that, and a kept one."""
_OTHERS = 64
"""Descriptors that are left to all else that the program does."""


def room() -> int | None:
    """How many descriptors an engine may use; None where there is no limit."""
    limit = open_files()
    return None if limit is None else limit - min(_OTHERS, limit * 3 // 4)


def affordable(jobs: int, each: int) -> int:
    """How many attempts the limit of open files allows at once.

    Args:
        jobs: asked for.
        each: descriptors that one takes, at the most.
    """
    allowed = room()
    return jobs if allowed is None else max(1, min(jobs, allowed // each))
