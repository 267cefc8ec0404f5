"""A short look at a list, and what a comparison on it will take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from .measuring import Told
from .ranking import Contestant
from .spool import Spooled, read_spool, write_spool

LOOKED_AT = 20
"""Entries that are fetched to learn of the others."""
JOBS = 4
"""Of them at once."""
SECONDS = 10.0
"""The longest look."""
_START = 0.4
"""Seconds that a measurement takes beside its downloads: the start of its process, the check of its files."""


class Estimate(NamedTuple):
    """What a comparison will take, as far as a look has told.

    Args:
        entries: of the list, or of the sample.
        hosts: that they are on.
        looked_at: entries that were fetched for it.
        measurements: runs through the list, the warm-up included.
        requests: of all of them, tries after the first not counted.
        size: bytes of all of them; None if no file came.
        seconds: of all of them.
        largest: bytes of one run, of which two are on the disk at a time; None if no file came.
        is_least: the look was over before its files were, so that it will be more, nobody knows how much.
    """

    entries: int
    hosts: int
    looked_at: int
    measurements: int
    requests: int
    size: float | None
    seconds: float
    largest: float | None
    is_least: bool


def some_of(listed: Spooled, path: str) -> Spooled:
    """Some entries from all over a list, as a list of their own."""
    step = max(1, listed.entries // LOOKED_AT)
    return write_spool(islice(read_spool(listed.path), 0, step * LOOKED_AT, step), path)


def estimate(
    listed: Spooled, looked: Told, contestants: Sequence[Contestant], rounds: int, per_host: int | None
) -> Estimate:
    """What all rounds and the warm-up will take, if the entries are on average as those that were looked at."""
    entries, hosts = listed.entries, max(1, listed.host_count)
    each = looked.size / looked.done if looked.done else None
    mean, cut = looked.mean, looked.stopped == "deadline"
    if cut:
        each = max(each or 0.0, looked.loaded / max(1, looked.read))
        mean = max(mean, SECONDS * JOBS / (looked.done + looked.failed + JOBS))
    most = per_host * hosts if per_host is not None else entries
    one_round = sum(_START + entries * mean / max(1, min(jobs, most, entries)) for _, jobs in contestants)
    measurements = len(contestants) * (rounds + 1)
    return Estimate(
        entries=entries,
        hosts=listed.host_count,
        looked_at=looked.read,
        measurements=measurements,
        requests=entries * measurements,
        size=None if each is None else each * entries * measurements,
        seconds=one_round * (rounds + 1),
        largest=None if each is None else each * entries,
        is_least=cut,
    )
