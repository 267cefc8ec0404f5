"""How a run went, moment by moment, in constant memory."""

from __future__ import annotations

from typing import NamedTuple

from pdl.model import Progress

from .run_report import Moment

_MOST = 240
"""Stretches that are told apart."""
_FULL = 0.8
"""Share of the most downloads at once that is nearly as many."""


class _Point(NamedTuple):
    """The state at the end of a stretch; `active` adds up over the snapshots in it."""

    at: float
    files: int
    size: int
    active: int
    looks: int


class Course:
    """Takes snapshots of a run, and keeps them more and more sparsely."""

    def __init__(self) -> None:
        self._points: list[_Point] = []
        self._every = 0.1  # seconds of a stretch
        self._active = self._looks = 0
        self._last: Progress | None = None
        self._largest = 0

    def take(self, progress: Progress) -> None:
        """A snapshot, at most ten of which come in a second."""
        self._active += progress.active
        self._looks += 1
        self._last = progress
        self._largest = max(self._largest, progress.size)
        last = self._points[-1].at if self._points else 0.0
        if progress.seconds - last >= self._every:
            point = _Point(progress.seconds, progress.done, progress.size, self._active, self._looks)
            self._points.append(point)
            self._active = self._looks = 0
            if len(self._points) >= _MOST:
                self._merge_pairs()

    def _merge_pairs(self) -> None:
        self._points = list(map(_joined, self._points[::2], self._points[1::2]))
        self._every *= 2

    @property
    def size(self) -> int:
        """Bytes on the disk at the end, of unfinished files as well."""
        return self._largest

    def tail(self) -> float:
        """The share of the run, from 0 to 1, after the last moment when nearly as many as ever were under way."""
        moments = self.moments()
        busiest = max((each.active or 0.0 for each in moments), default=0.0)
        if not moments or not busiest or self._last is None:
            return 0.0
        ends = [each.at for each in moments[1:]] + [self._last.seconds]
        full = max(end for end, each in zip(ends, moments, strict=True) if (each.active or 0.0) >= _FULL * busiest)
        return 1 - full / self._last.seconds

    def moments(self) -> tuple[Moment, ...]:
        """The stretches of the run, as rates."""
        moments, before = [], _Point(0.0, 0, 0, 0, 0)
        points = list(self._points)
        last = self._last
        if last is not None and (not points or last.seconds > points[-1].at):
            end = _Point(last.seconds, last.done, last.size, self._active, self._looks)
            if points and last.seconds - points[-1].at < self._every / 2:  # too short for a rate of its own
                end = _joined(points.pop(), end)
            points.append(end)
        for point in points:
            took = point.at - before.at
            if took <= 0:
                continue
            active = point.active / point.looks if point.looks else None
            size = max(0, point.size - before.size)  # what begins anew makes sizes shrink
            moments.append(Moment(before.at, (point.files - before.files) / took, size / took, active))
            before = point
        return tuple(moments)


def _joined(first: _Point, second: _Point) -> _Point:
    """Two stretches as one."""
    return second._replace(active=first.active + second.active, looks=first.looks + second.looks)
