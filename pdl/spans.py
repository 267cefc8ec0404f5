"""A file that is fetched in spans, by several attempts at once: which bytes are there, and which come next.

It decides nothing about HTTP and touches no file. Bytes are counted as Python slices are: the last one is left out.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .errors import Kind
from .model import Outcome, Partial, Span, Verdict
from .patterns import pattern

_FOR_EACH = 4
"""Spans for each attempt that may be under way, where the file is large: so a slow connection holds no tail up."""
_TEXT = pattern(r"\d{1,19}-\d{1,19}(?:,\d{1,19}-\d{1,19})*", re.ASCII)

Range = tuple[int, int]


@dataclass(slots=True, eq=False)
class Piece:
    """Bytes that are missing and are asked for together, and what came of asking."""

    start: int
    stop: int
    reached: int = 0
    """Where the attempt that fetches it has come to."""
    failures: int = 0
    once: dict[Kind, int] = field(default_factory=dict)
    deaths: int = 0

    def may_fail(self, kind: Kind | None, retries: int, worth: float) -> bool:
        """Count a failure; whether it is worth another try.

        Args:
            kind: of the failure.
            retries: that each piece is granted.
            worth: further tries that such a failure is.
        """
        assert kind is not None
        self.failures += 1
        self.once[kind] = self.once.get(kind, 0) + 1
        return self.failures <= retries and self.once[kind] <= worth


class Spans:
    """The pieces of one file.

    It begins with a probe for the first bytes, and is planned when the file's size and version are known.

    Args:
        most: attempts that may be under way at once.
        least: bytes of the smallest span, but for the last one.
    """

    def __init__(self, most: int, least: int) -> None:
        self.fault: Outcome | None = None
        """Why the file cannot be fetched in spans any more; it goes on when the last one under way has ended."""
        self.places = 0
        """How often it stands in line for a connection."""
        self.kept = 0.0
        """When it was last written down what is there."""
        self._most, self._least = most, least
        self._unseen = False
        self._first_byte: float | None = None
        self._version: Partial | None = None
        self._there: list[Range] = []  # in order, none touching another
        self._waiting: deque[Piece] = deque([Piece(0, least)])
        self._active: dict[int, Piece] = {}  # by attempt

    @classmethod
    def restored(cls, partial: Partial, most: int, least: int, seen: int) -> Spans | None:
        """The same as an earlier run has left it; None if that cannot be, or if nothing is missing.

        Args:
            partial: what is known of it.
            most: as above.
            least: as above.
            seen: bytes at the file's beginning that must be there, as its type is to be judged by them.
        """
        total = partial.total
        there = None if total is None or partial.spans is None else _ranges(partial.spans, total)
        if total is None or there is None or there == [(0, total)] or partial.size < seen:
            return None
        spans = cls(most, least)
        spans._unseen = seen > 0
        spans._version, spans._there = partial._replace(size=0, spans=None), there
        spans._waiting.clear()
        spans._divide(list(_gaps(there, total)))
        return spans

    # -- the plan

    @property
    def is_planned(self) -> bool:
        """The file's size and version are known."""
        return self._version is not None

    def goes_beyond_probe(self, total: int) -> bool:
        """Whether a file of so many bytes has some that the probe does not ask for."""
        return total > self._least

    def plan(self, version: Partial) -> None:
        """Divide what lies behind the probe's bytes.

        Args:
            version: what the answer to the probe has told; its size does not count.
        """
        assert version.total is not None
        self._version = version._replace(size=0, spans=None)
        self._divide([(self._least, version.total)])

    def _divide(self, missing: list[Range]) -> None:
        """Have ranges fetched, the first bytes first."""
        size = sum(stop - start for start, stop in missing)
        step = max(self._least, -(-size // (_FOR_EACH * self._most)))
        for start, stop in missing:
            self._waiting.extend(Piece(at, min(at + step, stop)) for at in range(start, stop, step))

    # -- what is under way

    @property
    def wanted(self) -> int:
        """How many attempts more may begin."""
        return min(len(self._waiting), self._most - len(self._active))

    @property
    def is_active(self) -> bool:
        """An attempt is under way."""
        return bool(self._active)

    def begin(self, attempt: int) -> Span:
        """The span that an attempt is to fetch; something must be `wanted`."""
        piece = self._active[attempt] = self._waiting.popleft()
        piece.reached = piece.start
        if self._version is None:
            return Span(piece.start, piece.stop)
        return Span(piece.start, piece.stop, self._version.if_range, self._version.total, self._unseen)

    def advance(self, attempt: int, place: int) -> None:
        """An attempt has come to a place in the file."""
        piece = self._active[attempt]
        piece.reached = max(piece.reached, place)

    def end(self, attempt: int, outcome: Outcome) -> Piece | None:
        """An attempt has ended; answers what is left of its piece, if something is."""
        piece = self._active.pop(attempt)
        place = piece.start  # where nothing can be continued, none of its bytes is good
        if outcome.partial is not None:
            place = min(max(outcome.partial.size, place), piece.stop)
        if outcome.first_byte is not None:
            self._first_byte = min(outcome.first_byte, self._first_byte or outcome.first_byte)
        self._there = _joined([*self._there, (piece.start, place)])
        piece.start = piece.reached = place
        return piece if place < piece.stop else None

    def put_back(self, piece: Piece) -> None:
        """Have what is left of a piece fetched next."""
        self._waiting.appendleft(piece)

    def narrow(self) -> bool:
        """Have no more attempts under way than there are now; False if there are none."""
        if not self._active:
            return False
        self._most = len(self._active)
        return True

    # -- what is there

    @property
    def size(self) -> int:
        """Bytes that are there."""
        there = sum(stop - start for start, stop in self._there)
        return there + sum(piece.reached - piece.start for piece in self._active.values())

    @property
    def is_whole(self) -> bool:
        """All bytes of the file are there."""
        return self._version is not None and self._there == [(0, self._version.total)]

    def outcome(self, last: Outcome) -> Outcome:
        """What the end of the last attempt means for the file, whose bytes are all there."""
        assert self._version is not None
        etag, modified, if_range = last.etag, last.last_modified, self._version.if_range
        if etag is None and modified is None:  # a span need not tell (RFC 9110 section 15.3.7)
            etag, modified = (if_range, None) if if_range.startswith('"') else (None, if_range)
        return Outcome(
            Verdict.DONE, status=last.status, size=self._version.total or 0, received=last.received, opened=True,
            first_byte=self._first_byte, etag=etag, last_modified=modified, name=self._version.name,
            timings=last.timings,
        )  # fmt: skip

    def partial(self) -> Partial | None:
        """By what the file can be continued later; None if nothing is there."""
        if self._version is None:
            return None
        under_way = [(piece.start, min(piece.reached, piece.stop)) for piece in self._active.values()]
        there = _joined([*self._there, *under_way])
        if not there:
            return None
        text = ",".join(f"{start}-{stop}" for start, stop in there)
        return self._version._replace(size=_from_first(there), spans=text)


def leading(text: str) -> int:
    """The bytes from the file's first that are there, by what was written down; 0 if that makes no sense."""
    return _from_first(_ranges(text, 2**63 - 1) or [])


def _from_first(there: list[Range]) -> int:
    """The bytes from the file's first on that are there without a gap."""
    return there[0][1] if there and there[0][0] == 0 else 0


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Ranges in order, those that touch or overlap as one, empty ones left out."""
    joined: list[Range] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        elif start < stop:
            joined.append((start, stop))
    return joined


def _gaps(there: list[Range], total: int) -> Iterator[Range]:
    """What is missing between ranges in order."""
    at = 0
    for start, stop in [*there, (total, total)]:
        if at < start:
            yield at, start
        at = stop


def _ranges(text: str, total: int) -> list[Range] | None:
    """What was written down; None if it makes no sense for a file of so many bytes."""
    if _TEXT.fullmatch(text) is None:
        return None
    found = [(int(start), int(stop)) for start, _, stop in (each.partition("-") for each in text.split(","))]
    ordered = all(start < stop for start, stop in found) and found[-1][1] <= total
    return found if ordered and _joined(found) == found else None
