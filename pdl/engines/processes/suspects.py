"""Attempts whose worker died while it carried several: nobody knows which of them killed it.

Each of them is carried again, alone on a worker. So one that kills workers is found out and costs itself alone, and
those that were in bad company are not even charged a try.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from pdl.model import Attempt, Event, Responded, Span


class _Note(NamedTuple):
    since: float
    part: int | None  # its inode


class Suspects:
    """Those that wait to be carried again, and what must be known for that of those that are carried."""

    def __init__(self) -> None:
        self._waiting: deque[Attempt] = deque()
        self._notes: dict[int, _Note] = {}
        self._ways: dict[int, Span] = {}  # what probes that were answered ask for from then on
        self._convicted: set[int] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def set_out(self, attempt: Attempt) -> None:
        """Note what must be known of an attempt, which is about to go to a worker, if that dies."""
        if attempt.partial is not None or attempt.time_limit is not None:
            self._notes[attempt.id] = _Note(time.monotonic(), _inode(attempt.part))

    def responded(self, attempt: Attempt, event: Responded) -> None:
        """Note what the head of an attempt's response means for it, if its worker dies."""
        span, known = attempt.span, event.partial
        if span is None or not span.is_probe or event.status != 206 or known is None or known.total is None:
            return
        if known.total > span.stop:
            self._ways[attempt.id] = Span(span.start, span.stop, known.if_range, known.total)

    def stands(self, event: Event) -> bool:
        """Whether an event of an attempt that is carried again holds for the new one, too."""
        return isinstance(event, Responded) and event.attempt in self._ways

    def ended(self, attempt: int) -> None:
        """Forget an attempt."""
        if self._notes:
            self._notes.pop(attempt, None)
        if self._ways:
            self._ways.pop(attempt, None)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Their worker has died, and is buried: carry each of them alone."""
        self._waiting += map(self._once_more, attempts)

    def take(self) -> Attempt:
        """The next one."""
        return self._waiting.popleft()

    def put_back(self, attempt: Attempt) -> None:
        """It could not be taken."""
        self._waiting.appendleft(attempt)

    def convict(self, attempt: Attempt) -> None:
        """It was alone with a worker that died; should it come again, it is to be alone from the beginning."""
        self._convicted.add(attempt.row)

    def claims(self, attempt: Attempt) -> bool:
        """Whether a new attempt is to be carried alone; then it waits here."""
        if not self._convicted or attempt.row not in self._convicted:
            return False
        self._waiting.append(attempt)
        return True

    def give_up(self) -> list[int]:
        """None of those that wait will be carried; answers their numbers."""
        left = [attempt.id for attempt in self._waiting]
        self._waiting.clear()
        return left

    def _once_more(self, attempt: Attempt) -> Attempt:
        """The attempt with the rest of its time, from where it began, if what it began with is there."""
        if (way := self._ways.pop(attempt.id, None)) is not None:
            # others write into the part that it has laid out: another probe would put an empty one in its place
            attempt = attempt._replace(span=way, unless=None)
        note = self._notes.pop(attempt.id, None)
        if note is None:
            return attempt
        if attempt.time_limit is not None:
            left = max(0.0, attempt.time_limit - (time.monotonic() - note.since))
            attempt = attempt._replace(time_limit=left)
        if note.part is None or note.part != _inode(attempt.part):
            # the dead worker began the part anew, and its bytes may be of another version
            attempt = attempt._replace(partial=None)
        return attempt


def _inode(path: str) -> int | None:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None
