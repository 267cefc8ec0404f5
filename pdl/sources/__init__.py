"""Where the entries come from: read lazily, never held whole, and never in the way of the program's one loop."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from pdl.errors import SourceError
from pdl.model import Download

from .arguments import open_source_arguments
from .feeder import Feeder
from .items import Collected, ItemSource
from .source import Position, Source

__all__ = ["Position", "Source", "open_source", "open_source_arguments"]

_IN_MEMORY: tuple[type[Any], ...] = (list, tuple, set, frozenset, deque, dict, type({}.keys()), type({}.values()))


def open_source(given: Any, *, window: int = 1024) -> Source:
    """The entries of what a caller gives.

    Args:
        given: a path, `-` or a URL, as on the command line; or an iterable of URLs, list lines and `Download`s.
            Lists, tuples, sets and the like are read where they are; anything else that can be iterated is
            advanced by a thread of its own, and may be endless.
        window: items that an iterator may be advanced beyond what was taken.

    Raises:
        SourceError: it cannot be opened, or is nothing that holds URLs.
    """
    if isinstance(given, (str, bytes, os.PathLike)):
        return open_source_arguments([os.fsdecode(given)])
    if given is sys.stdin and given is not None:
        return open_source_arguments(["-"])
    if isinstance(given, Download):
        given = [given]
    if isinstance(given, _IN_MEMORY):
        return ItemSource(Collected(given), len(given))
    if not isinstance(given, Iterable) and not hasattr(type(given), "__getitem__"):
        raise SourceError(f"a list of URLs is a path, a URL or something to iterate, not {type(given).__name__}")
    total = len(given) if isinstance(given, (Sequence, AbstractSet, Mapping)) else None
    return ItemSource(Feeder(given, window), total)
