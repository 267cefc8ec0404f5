"""A report of what a destination's ledger knows, after the runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from pdl.model import Result
from pdl.storage.reading import Ledger, LedgerEntry

from .about import About
from .recorder import Recorder
from .run_report import Moment, RunReport, account_of

_STRETCHES = 240
_PAUSE = 600
"""Seconds without a file after which another piece of work begins."""


def ledger_report(ledger: Ledger, about: About) -> RunReport:
    """What the ledger knows: no phases, and no downloads at once; the course is that of the last piece of work.

    Raises:
        DestinationError: the ledger cannot be read.
    """
    recorder, ended = Recorder(), _Ended()
    for entry in ledger:
        ended.take(entry)
        if entry.status in ("done", "failed") or entry.is_done:
            recorder.take(_result(entry))
    counts = ledger.counts()
    moments, before = ended.moments()
    account = account_of(counts, counts.size, ended.seconds)
    notes = ["made of the ledger: it knows neither the phases of downloads nor how many were under way"]
    if before:
        notes.append(f"the course begins after the last pause of ten minutes; {before:,} files came before")
    return replace(recorder.report(about, account), moments=moments, from_ledger=True, notes=tuple(notes))


class _Ended:
    """How many files and bytes came in each second."""

    def __init__(self) -> None:
        self._files: Counter[int] = Counter()
        self._bytes: Counter[int] = Counter()

    def take(self, entry: LedgerEntry) -> None:
        if entry.is_done and entry.ended is not None:
            self._files[int(entry.ended)] += 1
            self._bytes[int(entry.ended)] += entry.size or 0

    def _last_work(self) -> tuple[int, int]:
        """The first and the last second of the last piece of work."""
        seconds = sorted(self._files, reverse=True)
        first = last = seconds[0]
        for each in seconds:
            if first - each > _PAUSE:
                break
            first = each
        return first, last

    @property
    def seconds(self) -> float:
        """How long the last piece of work took."""
        if not self._files:
            return 0.0
        first, last = self._last_work()
        return float(last + 1 - first)

    def moments(self) -> tuple[tuple[Moment, ...], int]:
        """The course of the last piece of work, and how many files came before it."""
        if not self._files:
            return (), 0
        first, last = self._last_work()
        every = -(-(last + 1 - first) // _STRETCHES)
        files: Counter[int] = Counter()
        size: Counter[int] = Counter()
        for second, count in self._files.items():
            if second >= first:
                files[(second - first) // every] += count
                size[(second - first) // every] += self._bytes[second]
        stretches = range((last - first) // every + 1)
        moments = tuple(Moment(float(n * every), files[n] / every, size[n] / every, None) for n in stretches)
        return moments, sum(count for second, count in self._files.items() if second < first)


def _result(entry: LedgerEntry) -> Result:
    return Result(
        index=entry.row,
        status="done" if entry.is_done else "failed",
        url=entry.url,
        path=entry.path,
        kind=entry.kind,
        message=entry.message,
        http_status=entry.http_status,
        size=entry.size or 0,
        attempts=entry.attempts,
        final_url=entry.final_url,
        seconds=entry.seconds or 0.0,
        where=entry.where,
    )
