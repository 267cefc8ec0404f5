"""Figures of several rounds, and what may be concluded from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t for two-sided intervals of 95 %, by degrees of freedom from 1."""
_Z_95 = 1.960


class Figure(NamedTuple):
    """What several rounds have measured.

    Args:
        median: of the rounds.
        low: the least.
        high: the most.
    """

    median: float
    low: float
    high: float


class Ratio(NamedTuple):
    """How many times as long as the best it took, compared round by round.

    Args:
        value: the geometric mean of the rounds' ratios; 1 for the best itself.
        low: lower end of its confidence interval (95 %); None if one round alone tells nothing of it.
        high: upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def is_apart(self) -> bool:
        """It is surely worse than the best: the interval is above 1."""
        return self.low is not None and self.low > 1


def figure(values: Sequence[float]) -> Figure:
    """The median and the ends of some values, of which there is at least one."""
    return Figure(statistics.median(values), min(values), max(values))


def paired_ratio(values: Sequence[float], best: Sequence[float]) -> Ratio:
    """Values against the best's of the same rounds, all above 0.

    What slows a machine down for a while slows both of a round: so ratios are taken round by round, and their
    logarithms are averaged, with an interval by Student's t.
    """
    logs = [math.log(value / other) for value, other in zip(values, best, strict=True)]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Ratio(math.exp(mean))
    reach = _student(len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Ratio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


def _student(freedom: int) -> float:
    if freedom <= len(_T_95):
        return _T_95[freedom - 1]
    return _Z_95 + 2.5 / freedom  # within 0.002 of it from 31 on
