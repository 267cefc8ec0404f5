"""A reporter that keeps what a report of the run tells, in constant memory."""

from __future__ import annotations

import heapq
from array import array
from dataclasses import replace
from itertools import count

from pdl.model import Notice, Progress, Result
from pdl.progress import fault
from pdl.summary import Summary

from .about import About
from .course import Course
from .histogram import Histogram
from .run_report import Account, Example, Failures, Host, Phase, RunReport, Slow

PHASES = ("dns", "connect", "tls", "wait", "body")
"""Fields of `Timings`, in their order."""
_SLOWEST = 20
_HOSTS_KEPT = 10_000
_HOSTS_SHOWN = 25
_EXAMPLES = 3
_TOGETHER = 4096


class _Durations:
    """Gathers durations, and counts them some thousand at a time, which is cheaper."""

    def __init__(self) -> None:
        self._gathered = array("d")
        self._histogram = Histogram()

    def add(self, seconds: float) -> None:
        self._gathered.append(seconds)
        if len(self._gathered) >= _TOGETHER:
            self._histogram.add_all(self._gathered)
            del self._gathered[:]

    def histogram(self) -> Histogram:
        self._histogram.add_all(self._gathered)
        del self._gathered[:]
        return self._histogram


class _HostTally:
    __slots__ = ("done", "failed", "seconds", "size")

    def __init__(self) -> None:
        self.done = self.failed = self.size = 0
        self.seconds = 0.0


class Recorder:
    """Takes note of results and progress.

    Hosts are told apart up to 10,000 of them; what comes of further ones counts as of `(others)`.
    """

    def __init__(self) -> None:
        self.course = Course()
        self.attempts = 0
        self.retries = 0
        self._file = _Durations()
        self._first_byte = _Durations()
        self._phases = {name: _Durations() for name in PHASES}
        self._hosts: dict[str, _HostTally] = {}
        self._failures: dict[str, tuple[list[int], list[Example]]] = {}
        self._slowest: list[tuple[float, int, Result]] = []
        self._slow = 0.0  # what a download must exceed to be one of the slowest
        self._order = count()

    # -- as a reporter

    def on(self, event: Progress | Result | Notice) -> None:
        if isinstance(event, Result):
            self.take(event)
        elif isinstance(event, Progress):
            self.course.take(event)

    def close(self) -> None:
        """Nothing is held back."""

    def take(self, result: Result) -> None:
        """An entry has ended."""
        status = result.status
        if status == "skipped" and not result.attempts:
            return
        self.attempts += result.attempts
        if result.attempts > 1:
            self.retries += result.attempts - 1
        if result.seconds > self._slow:
            self._keep_slow(result)
        if result.timings is not None:
            self._take_timings(result.timings)
        if not result.attempts and result.path is None:  # a malformed line has no host
            self._fail(result)
            return
        host = self._host(result.url)
        host.seconds += result.seconds
        if status == "done":
            host.done += 1
            host.size += result.size
            self._file.add(result.seconds)
        elif status == "failed":
            host.failed += 1
            self._fail(result)

    def _take_timings(self, timings: tuple[float | None, ...]) -> None:
        dns, connect, tls, wait, body = timings
        if dns or connect or tls:  # else it went over a kept connection, as nearly all do
            for name, seconds in zip(PHASES, (dns, connect, tls), strict=False):
                if seconds:
                    self._phases[name].add(seconds)
        if wait is not None:
            self._phases["wait"].add(wait)
            self._first_byte.add(wait + (dns or 0.0) + (connect or 0.0) + (tls or 0.0))
        if body is not None:
            self._phases["body"].add(body)

    def _host(self, url: str) -> _HostTally:
        name = url.split("/", 3)[2] if url.count("/", 0, 10) > 1 else ""
        tally = self._hosts.get(name)
        if tally is None:
            if len(self._hosts) >= _HOSTS_KEPT:
                name = "(others)"
            tally = self._hosts.setdefault(name, _HostTally())
        return tally

    def _fail(self, result: Result) -> None:
        number, examples = self._failures.setdefault(fault(result.kind, result.http_status), ([0], []))
        number[0] += 1
        if len(examples) < _EXAMPLES:
            examples.append(Example(result.url, result.message, result.where))

    def _keep_slow(self, result: Result) -> None:
        heapq.heappush(self._slowest, (result.seconds, next(self._order), result))
        if len(self._slowest) > _SLOWEST:
            heapq.heappop(self._slowest)
            self._slow = self._slowest[0][0]

    # -- what was found

    @property
    def file(self) -> Histogram:
        """Seconds from a file's first attempt to its end."""
        return self._file.histogram()

    @property
    def first_byte(self) -> Histogram:
        """Seconds from an attempt's beginning to the first byte of its response."""
        return self._first_byte.histogram()

    @property
    def seconds(self) -> float:
        """Of all downloads together, from their first attempts to their ends."""
        return sum(each.seconds for each in self._hosts.values())

    @property
    def mean(self) -> float:
        """Seconds of a download on average, of those that failed as well."""
        ended = sum(each.done + each.failed for each in self._hosts.values())
        return self.seconds / ended if ended else 0.0

    @property
    def waited(self) -> float | None:
        """The share of the downloads' time in which no byte of a body came; None if nobody has told the phases."""
        spent = {phase.name: phase.seconds for phase in self.phases()}
        body, total = spent.get("body", 0.0), sum(spent.values())
        return 1 - body / total if total else None

    def phases(self) -> tuple[Phase, ...]:
        """The phases that downloads went through."""
        found = []
        for name, durations in self._phases.items():
            histogram = durations.histogram()
            if (quantiles := histogram.quantiles()) is not None:
                found.append(Phase(name, histogram.count, histogram.sum, quantiles))
        return tuple(found)

    def report(self, about: About, account: Account) -> RunReport:
        """The report of what was recorded."""
        hosts = sorted(self._hosts.items(), key=lambda each: (-each[1].size, -each[1].done, each[0]))
        shown = [
            Host(name, tally.done, tally.failed, tally.size, tally.seconds) for name, tally in hosts[:_HOSTS_SHOWN]
        ]
        failures = [
            Failures(kind, number[0], tuple(examples)) for kind, (number, examples) in self._failures.items()
        ]
        return RunReport(
            about=about,
            account=account,
            retries=self.retries,
            moments=self.course.moments(),
            phases=self.phases(),
            first_byte=self.first_byte.quantiles(),
            file=self.file.quantiles(),
            slowest=tuple(_slow(each) for _, _, each in sorted(self._slowest, reverse=True)),
            hosts=tuple(shown),
            more_hosts=max(0, len(hosts) - _HOSTS_SHOWN),
            failures=tuple(sorted(failures, key=lambda each: (-each.count, each.kind))),
        )


def account_of(summary: Summary) -> Account:
    """The closing balance of a run, without what needs the ledger."""
    return Account(
        read=summary.read,
        done=summary.done,
        skipped=summary.skipped,
        failed=summary.failed,
        left=summary.left,
        skipped_by_reason=dict(summary.skipped_by_reason),
        failed_by_kind=dict(summary.failed_by_kind),
        size=summary.size,
        seconds=summary.seconds,
        stopped=summary.stopped,
    )


def run_report(recorder: Recorder, about: About, summary: Summary, *notes: str) -> RunReport:
    """The report of a run that has ended."""
    return replace(recorder.report(about, account_of(summary)), notes=notes)


def _slow(result: Result) -> Slow:
    return Slow(result.url, result.seconds, result.size, result.attempts, result.status)
