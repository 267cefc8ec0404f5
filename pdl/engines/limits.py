"""What all engines allow a response that nobody wants, and how often they tell of one that is wanted."""

from __future__ import annotations

DRAINED = 64 * 1024
"""Bytes of an unwanted body that are read for the sake of the connection; a larger body costs the connection."""
DRAINING = 0.2
"""Seconds that it may take."""
NEWS_EVERY = 0.1
"""Seconds between two `Advanced` of an attempt."""
