"""A request as a route sees it: what was asked, and the parameters that the test put into the query."""

from __future__ import annotations

import re

from .content import content_of, parsed
from .records import Record

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Ask:
    """One request, with the parameters of its target."""

    def __init__(self, record: Record, origin: str) -> None:
        self.record = record
        self.origin = origin
        self.nth = record.nth
        self.keeps_open = record.keeps_open
        self.path, self._params = parsed(record.target)

    def __contains__(self, name: str) -> bool:
        return name in self._params

    def text(self, name: str, default: str = "") -> str:
        return self._params.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        return self._params.get(name, [])

    def whole(self, name: str, default: int = 0) -> int:
        return int(self.text(name) or default)

    def seconds(self, name: str, default: float = 0.0) -> float:
        return float(self.text(name) or default)

    def segment(self, index: int) -> str:
        """A segment of the path, the first being 0; empty where there is none."""
        return ([*self.path.split("/")[1:], *[""] * index])[index]

    def content(self, version: int = 1) -> bytes:
        return content_of(self.record.target, version)

    def span(self, size: int) -> tuple[int, int] | None:
        """The range that was asked for, as Python slices it, or None if none was that means anything.

        A start at or beyond the end of the file stays as it is: it cannot be satisfied.
        """
        match = _ONE_RANGE.fullmatch(self.record.header("Range") or "")
        if match is None or match[0] == "bytes=-":
            return None
        if not match[1]:
            return max(0, size - int(match[2])), size
        start, end = int(match[1]), int(match[2] or size) + (1 if match[2] else 0)
        return (start, min(end, size)) if end > start or not match[2] else None
