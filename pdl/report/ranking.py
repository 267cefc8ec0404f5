"""Rows out of measurements, and which of them, if any, is surely the best."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from .comparison import Limit, Measurement, Row, Spread
from .histogram import Quantiles
from .rounds import Figure, Ratio, figure, paired_ratio

Contestant = tuple[str, int]
"""An engine's name and its number of jobs."""
_AS_MANY = 0.99
"""Share of the most files with which a contestant counts as having brought as many."""
Times = Mapping[Contestant, Mapping[int, float]]
"""Seconds for a file, of each contestant in each round."""


def by_contestant(measured: Iterable[Measurement]) -> dict[Contestant, list[Measurement]]:
    """The measurements of each contestant, in the order of their rounds, without the warm-up."""
    found: dict[Contestant, list[Measurement]] = {}
    for each in sorted(measured, key=lambda each: each.round):
        if each.round:
            found.setdefault((each.engine, each.jobs), []).append(each)
    return found


def times_of(measured: Mapping[Contestant, Sequence[Measurement]]) -> dict[Contestant, dict[int, float]]:
    """Seconds for a file of those contestants to whom files came in every round, and about as many as to others.

    Who fails most of a list is soon done with it: that is no speed.
    """
    least = _AS_MANY * max((each.done for rounds in measured.values() for each in rounds), default=0)
    return {
        name: {each.round: each.seconds / each.done for each in rounds}
        for name, rounds in measured.items()
        if rounds and all(each.done and each.done >= least for each in rounds)
    }


def fastest(times: Times) -> Contestant | None:
    """Which contestant takes least time, by the rounds that all have in common; None if there are none."""
    common = set.intersection(*(set(each) for each in times.values())) if times else set()
    if not common:
        return None
    return min(times, key=lambda name: statistics.fmean(math.log(times[name][each]) for each in common))


def ratio(name: Contestant, best: Contestant, times: Times) -> Ratio:
    """The ratio of two contestants' times, by the rounds that both have."""
    both = sorted(times[name].keys() & times[best].keys())
    return paired_ratio([times[name][each] for each in both], [times[best][each] for each in both])


def winner(times: Times) -> Contestant | None:
    """The contestant that is surely the fastest: the intervals of all others' ratios to it lie above 1.

    With intervals of 95 %, equals are taken for different in no more than about one of twenty comparisons.
    """
    best = fastest(times)
    others = [name for name in times if name != best]
    if best is None or not others or not all(ratio(each, best, times).is_apart for each in others):
        return None
    return best


def rows(measured: Mapping[Contestant, Sequence[Measurement]], limit: Callable[..., Limit]) -> tuple[Row, ...]:
    """One row for each contestant that was measured, the fastest first, those without a file last.

    Args:
        measured: the rounds of each.
        limit: says what held one back, by its rounds.
    """
    times = times_of(measured)
    best = fastest(times)
    made = [
        _row(name, rounds, None if best is None or name not in times else ratio(name, best, times), limit(rounds))
        for name, rounds in measured.items()
        if rounds
    ]
    made = [replace(row, is_best=(row.engine, row.jobs) == best) for row in made]
    return tuple(sorted(made, key=lambda row: (row.ratio is None, not row.is_best, row.ratio and row.ratio.value)))


def _row(name: Contestant, rounds: Sequence[Measurement], ratio: Ratio | None, limit: Limit) -> Row:
    def over(value: Callable[[Measurement], float]) -> Figure:
        return figure([value(each) for each in rounds])

    with_files = [each for each in rounds if each.done]
    errors = sum((Counter(each.errors) for each in rounds), Counter[str]())
    return Row(
        engine=name[0],
        jobs=name[1],
        rounds=len(rounds),
        seconds=over(lambda each: each.seconds),
        files_per_second=over(lambda each: each.done / each.seconds),
        bytes_per_second=over(lambda each: each.size / each.seconds),
        user=over(lambda each: each.user),
        system=over(lambda each: each.system),
        cpu_per_file=figure([each.working / each.done for each in with_files]) if with_files else None,
        rss=over(lambda each: each.rss),
        threads=max(each.threads for each in rounds),
        processes=max(each.processes for each in rounds),
        first_byte=_spread([each.first_byte for each in rounds]),
        file=_spread([each.file for each in rounds]),
        done=over(lambda each: each.done),
        failed=over(lambda each: each.failed),
        retries=over(lambda each: each.retries),
        errors=dict(errors),
        differing=sum(each.differing for each in rounds),
        ratio=ratio,
        limit=limit,
        is_best=False,
    )


def _spread(quantiles: Iterable[Quantiles | None]) -> Spread | None:
    known = [each for each in quantiles if each is not None]
    if not known:
        return None
    return Spread(*(figure(values) for values in zip(*known, strict=True)))
