"""How fast a run goes and how long it will take."""

from __future__ import annotations

from collections import deque

from pdl.model import Progress

_WINDOW = 15.0  # seconds over which speed is measured
_SPACING = 0.5  # seconds between the samples that are kept


def ended(progress: Progress) -> int:
    """Entries that have come to an end."""
    return progress.done + progress.skipped + progress.failed


def share(progress: Progress) -> float | None:
    """The part of the list that has ended, from 0 to 1; None if nobody can tell."""
    if progress.total is not None:
        return min(1.0, ended(progress) / progress.total) if progress.total else 1.0
    return None if progress.fraction is None else min(1.0, max(0.0, progress.fraction))


class Pace:
    """Speed over the last seconds, and the time left by the average so far.

    The average counts from the first entry that was worked for: a repeated run skips what is done in no time, which
    says nothing of the rest.
    """

    def __init__(self) -> None:
        self.speed = 0.0  # bytes a second
        self.left: float | None = None  # seconds
        self._samples: deque[tuple[float, int]] = deque()
        self._begin: tuple[float, float] | None = None

    def learn(self, progress: Progress) -> None:
        """Take a snapshot into account."""
        self._learn_speed(progress.seconds, progress.size)
        self._learn_left(progress.seconds, share(progress), worked=bool(progress.done or progress.failed))

    def _learn_speed(self, now: float, size: int) -> None:
        samples = self._samples
        while len(samples) > 1 and samples[1][0] <= now - _WINDOW:
            samples.popleft()
        if not samples or now - samples[-1][0] >= _SPACING:
            samples.append((now, size))
        then, before = samples[0]
        if now > then:
            self.speed = max(0.0, (size - before) / (now - then))  # restarts make sizes shrink

    def _learn_left(self, now: float, part: float | None, *, worked: bool) -> None:
        if part is None:
            self.left = None
            return
        if self._begin is None or not worked:
            self._begin = (now, part)
        then, before = self._begin
        self.left = (1 - part) * (now - then) / (part - before) if part > before else None
