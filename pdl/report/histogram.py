"""Durations of any number of downloads in constant memory."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_GROWTH = math.log(1.01)
_LEAST = 1e-6


class Quantiles(NamedTuple):
    """Durations in seconds that half, 95 % and 99 % of the downloads stayed below or at."""

    p50: float
    p95: float
    p99: float


class Histogram:
    """Counts durations in classes that grow by one per cent, so that quantiles are right to half of that."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self._classes: Counter[int] = Counter()

    def add_all(self, durations: Iterable[float]) -> None:
        """Count durations in seconds; cheap for thousands at a time."""
        ordered = sorted(durations)
        self.count += len(ordered)
        self.sum += sum(ordered)
        begin, end, classes = 0, len(ordered), self._classes
        while begin < end:
            each = math.floor(math.log(max(ordered[begin], _LEAST)) / _GROWTH)
            upper = bisect_left(ordered, math.exp((each + 1) * _GROWTH), begin + 1)
            classes[each] += upper - begin
            begin = upper

    @property
    def mean(self) -> float:
        """Seconds; 0 of nothing."""
        return self.sum / self.count if self.count else 0.0

    def quantiles(self) -> Quantiles | None:
        """The quantiles of what was counted; None of nothing."""
        if not self.count:
            return None
        return Quantiles(self._below(0.5), self._below(0.95), self._below(0.99))

    def _below(self, share: float) -> float:
        """The middle of the class in which such a share of the durations is reached."""
        wanted, reached = math.ceil(share * self.count), 0
        for each in sorted(self._classes):
            reached += self._classes[each]
            if reached >= wanted:
                return math.exp((each + 0.5) * _GROWTH)
        raise AssertionError("the classes hold fewer than were counted")
