"""Durations of any number of downloads in constant memory."""

from __future__ import annotations

import math
from collections import Counter
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

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self.count += 1
        self.sum += seconds
        self._classes[int(math.log(max(seconds, _LEAST)) // _GROWTH)] += 1

    @property
    def mean(self) -> float:
        """Seconds; 0 of nothing."""
        return self.sum / self.count if self.count else 0.0

    def quantiles(self) -> Quantiles | None:
        """The quantiles of what was counted; None of nothing."""
        if not self.count:
            return None
        return Quantiles(*(self._below(share) for share in (0.5, 0.95, 0.99)))

    def _below(self, share: float) -> float:
        wanted = max(1, math.ceil(share * self.count))
        for each in sorted(self._classes):
            wanted -= self._classes[each]
            if wanted <= 0:
                break
        return math.exp((each + 0.5) * _GROWTH)
