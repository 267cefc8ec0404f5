"""What came of a workload: who took how long, round by round."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from measuring import Figures

BASE = "pdl"
"""Whom all others are held against."""
LIMIT = "bare"
OWN = ("pdl", "bare")
"""What the names of those begin with that are no peers."""


@dataclass
class Standing:
    """How one contestant did.

    Args:
        command: as it was run first.
        version: of the program.
        rounds: its figures by the number of the round.
        broken: why it was measured no further; empty if it was.
    """

    command: list[str]
    version: str
    rounds: dict[int, Figures] = field(default_factory=dict)
    broken: str = ""

    def values(self, what: str) -> list[float]:
        """`wall`, `cpu`, `rss`, `server` or `first` of each round."""
        return [getattr(each, what) for _, each in sorted(self.rounds.items())]

    def median(self, what: str) -> float:
        return statistics.median(self.values(what))


@dataclass
class Result:
    """What came of one workload.

    Args:
        count: files, or entries of the list.
        size: bytes of all of them.
        jobs: downloads at once.
        standings: by the contestants' names.
        left_out: who did not take part, and why.
    """

    count: int
    size: int
    jobs: int
    standings: dict[str, Standing] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def finished(self) -> list[str]:
        """The names of those who were measured to the end."""
        return [name for name, each in self.standings.items() if each.rounds and not each.broken]

    def peers(self) -> list[str]:
        """Other programs that were measured to the end, beside what is only the limit."""
        return [name for name in self.finished() if not name.startswith(OWN)]

    def fastest(self, names: Iterable[str]) -> str | None:
        """Who of these took the least time; None if none of them was measured to the end."""
        done = [name for name in names if name in self.finished()]
        return min(done, key=lambda name: self.standings[name].median("wall"), default=None)

    def times(self, name: str, other: str) -> float | None:
        """How many times as long as another one somebody took, the median of the rounds; None if one is missing."""
        ours, theirs = self.standings.get(name), self.standings.get(other)
        if ours is None or theirs is None:
            return None
        ratios = [ours.rounds[each].wall / theirs.rounds[each].wall for each in ours.rounds.keys() & theirs.rounds]
        return statistics.median(ratios) if ratios else None

    def later(self, name: str, other: str) -> float | None:
        """How many seconds longer than another one somebody took, likewise."""
        ours, theirs = self.standings.get(name), self.standings.get(other)
        if ours is None or theirs is None:
            return None
        apart = [ours.rounds[each].wall - theirs.rounds[each].wall for each in ours.rounds.keys() & theirs.rounds]
        return statistics.median(apart) if apart else None
