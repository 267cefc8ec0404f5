"""A reporter that keeps what a report of the run tells, in constant memory."""

from __future__ import annotations

from operator import attrgetter

from pdl.model import Notice, Progress, Result, Timings
from pdl.progress import fault

from .about import About
from .course import Course
from .histogram import Histogram
from .run_report import Account, Example, Failures, Host, Phase, RunReport, Slow

_SLOWEST = 20
_HOSTS_KEPT = 10_000
_HOSTS_SHOWN = 25
_EXAMPLES = 3
_TOGETHER = 4096
_seconds = attrgetter("seconds")


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
        self._attempts = self._retries = 0
        self._gathered: list[Result] = []  # to be looked at together, which is cheaper
        self._file = Histogram()
        self._first_byte = Histogram()
        self._phases = {name: Histogram() for name in Timings._fields}
        self._hosts: dict[str, _HostTally] = {}
        self._failures: dict[str, tuple[list[int], list[Example]]] = {}
        self._slowest: list[Result] = []

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
        self._gathered.append(result)
        if len(self._gathered) >= _TOGETHER:
            self._digest()

    def _digest(self) -> None:
        """Look at what was gathered."""
        gathered, self._gathered = self._gathered, []
        results = [each for each in gathered if each.attempts or each.status != "skipped"]
        attempts = [each.attempts for each in results]
        self._attempts += sum(attempts)
        self._retries += sum(attempts) - sum(map(bool, attempts))
        self._file.add_all([each.seconds for each in results if each.status == "done"])
        self._take_timings([each.timings for each in results if each.timings is not None])
        for each in results:
            if each.attempts or each.path is not None:  # a malformed line has no host
                self._count(each)
            if each.status == "failed":
                self._fail(each)
        least = self._slowest[-1].seconds if len(self._slowest) == _SLOWEST else -1.0
        slow = [each for each in results if each.seconds > least]
        if slow:
            self._slowest = sorted(self._slowest + slow, key=_seconds, reverse=True)[:_SLOWEST]

    def _take_timings(self, timings: list[Timings]) -> None:
        phases = self._phases
        # over a kept connection, as nearly all are, these are 0 and no phase that anything went through
        phases["dns"].add_all([each.dns for each in timings if each.dns])
        phases["connect"].add_all([each.connect for each in timings if each.connect])
        phases["tls"].add_all([each.tls for each in timings if each.tls])
        phases["wait"].add_all([each.wait for each in timings if each.wait is not None])
        phases["body"].add_all([each.body for each in timings if each.body is not None])
        fresh = (each.first_byte for each in timings if each.dns or each.connect)
        self._first_byte.add_all([each for each in fresh if each is not None])
        # else it is the wait alone, which costs less to tell
        kept = [each.wait for each in timings if each.wait is not None and not (each.dns or each.connect)]
        self._first_byte.add_all(kept)

    def _count(self, result: Result) -> None:
        """Have it count for its host."""
        url = result.url
        begin = url.find("//") + 2
        end = url.find("/", begin)
        name = url[begin:] if end < 0 else url[begin:end]
        tally = self._hosts.get(name)
        if tally is None:
            tally = self._hosts.setdefault(name if len(self._hosts) < _HOSTS_KEPT else "(others)", _HostTally())
        tally.seconds += result.seconds
        if result.status == "done":
            tally.done += 1
            tally.size += result.size
        elif result.status == "failed":
            tally.failed += 1

    def _fail(self, result: Result) -> None:
        number, examples = self._failures.setdefault(fault(result.kind, result.http_status), ([0], []))
        number[0] += 1
        if len(examples) < _EXAMPLES:
            examples.append(Example(result.url, result.message, result.where))

    # -- what was found

    @property
    def attempts(self) -> int:
        """Requests made, without the hops of redirects."""
        self._digest()
        return self._attempts

    @property
    def retries(self) -> int:
        """Of them, those after an entry's first."""
        self._digest()
        return self._retries

    @property
    def file(self) -> Histogram:
        """Seconds from a file's first attempt to its end."""
        self._digest()
        return self._file

    @property
    def first_byte(self) -> Histogram:
        """Seconds from an attempt's beginning to the first byte of its response."""
        self._digest()
        return self._first_byte

    @property
    def seconds(self) -> float:
        """Of all downloads together, from their first attempts to their ends."""
        self._digest()
        return sum(each.seconds for each in self._hosts.values())

    @property
    def mean(self) -> float:
        """Seconds of a download on average, of those that failed as well."""
        self._digest()
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
        self._digest()
        found = []
        for name, histogram in self._phases.items():
            if (quantiles := histogram.quantiles()) is not None:
                found.append(Phase(name, histogram.count, histogram.sum, quantiles))
        return tuple(found)

    def report(self, about: About, account: Account) -> RunReport:
        """The report of what was recorded."""
        self._digest()
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
            slowest=tuple(map(_slow, self._slowest)),
            hosts=tuple(shown),
            more_hosts=max(0, len(hosts) - _HOSTS_SHOWN),
            failures=tuple(sorted(failures, key=lambda each: (-each.count, each.kind))),
        )


def _slow(result: Result) -> Slow:
    return Slow(result.url, result.seconds, result.size, result.attempts, result.status)
