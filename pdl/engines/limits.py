"""What bounds all engines: how long nobody's response may take, how often they tell, and what the system allows."""

from __future__ import annotations

DRAINED = 64 * 1024
"""Bytes of an unwanted body that are read for the sake of the connection; a larger body costs the connection."""
DRAINING = 0.2
"""Seconds that it may take."""
NEWS_EVERY = 0.1
"""Seconds between two `Advanced` of an attempt."""
WORTH_KEEPING = 1 << 20
"""Bytes; a body that is this long is told of with its first piece, so that a kill costs nothing that came later."""


def open_files() -> int | None:
    """How many files and sockets this process may have open; None where nobody knows."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
