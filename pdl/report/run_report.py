"""What a report of one run tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pdl.progress import Count

from .about import About
from .histogram import Quantiles
from .told import Told


class Moment(NamedTuple):
    """A stretch of a run, by its beginning; it ends where the next one begins.

    Args:
        at: seconds since the run began.
        files: that were fetched in it, a second.
        size: bytes that came in it, a second.
        active: downloads under way in it, on average; None if nobody counted them.
    """

    at: float
    files: float
    size: float
    active: float | None


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of downloads, over all those that had one.

    Args:
        name: `dns`, `connect`, `tls`, `wait` (for the first byte) or `body`.
        count: downloads that went through it; over kept connections there is no `dns`, `connect` or `tls`.
        seconds: of all of them together.
        quantiles: of those that went through it.
    """

    name: str
    count: int
    seconds: float
    quantiles: Quantiles


@dataclass(frozen=True, slots=True)
class Slow:
    """One of the downloads that took longest."""

    url: str
    seconds: float
    size: int
    attempts: int
    status: str  # done or failed


@dataclass(frozen=True, slots=True)
class Host:
    """What became of the entries of one host.

    Args:
        name: of the host, with its port if it is not the scheme's.
        done: files fetched.
        failed: entries that failed.
        size: bytes of the files.
        seconds: that its downloads took, added up.
    """

    name: str
    done: int
    failed: int
    size: int
    seconds: float

    @property
    def rate(self) -> float:
        """Bytes a second of a download."""
        return self.size / self.seconds if self.seconds else 0.0


class Example(NamedTuple):
    """A failure, to stand for others of its kind."""

    url: str
    message: str
    where: str


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures of one kind (`http` with its status).

    Args:
        kind: see `pdl.Kind`.
        count: how many.
        examples: the first of them.
    """

    kind: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """The closing balance: `done + skipped + failed + left == read`."""

    read: int
    done: int
    skipped: int
    failed: int
    left: int
    skipped_by_reason: dict[str, int]
    failed_by_kind: dict[str, int]
    size: int
    seconds: float
    stopped: str | None = None


def account_of(count: Count, size: int, seconds: float, stopped: str | None = None) -> Account:
    """What became of the entries of a run, or of a ledger, as a balance that can be kept.

    Args:
        count: of the entries.
        size: bytes of the files.
        seconds: that it took.
        stopped: why the run ended before the list did, if it did.
    """
    return Account(
        read=count.read,
        done=count.done,
        skipped=count.skipped,
        failed=count.failed,
        left=count.left,
        skipped_by_reason=dict(count.skipped_by_reason),
        failed_by_kind=dict(count.failed_by_kind),
        size=size,
        seconds=seconds,
        stopped=stopped,
    )


@dataclass(frozen=True)
class RunReport(Told):
    """One run, looked at afterwards; or a destination, as far as its ledger knows what became of it.

    Args:
        about: machine, versions and settings.
        account: the closing balance.
        retries: requests after an entry's first.
        moments: the run's course; empty if nothing came.
        phases: in their order; empty if the engine, or the ledger, can't tell.
        first_byte: from an attempt's beginning to the first byte of the response; None if nobody can tell.
        file: from a file's first attempt to its end.
        slowest: the slowest first.
        hosts: the one with most bytes first.
        more_hosts: hosts that are not among them.
        failures: the most frequent kind first.
        from_ledger: it was made of the ledger, after the runs.
        notes: what else should be known, a sentence each.
    """

    about: About
    account: Account
    retries: int
    moments: tuple[Moment, ...]
    phases: tuple[Phase, ...]
    first_byte: Quantiles | None
    file: Quantiles | None
    slowest: tuple[Slow, ...]
    hosts: tuple[Host, ...]
    more_hosts: int
    failures: tuple[Failures, ...]
    from_ledger: bool = False
    notes: tuple[str, ...] = ()
