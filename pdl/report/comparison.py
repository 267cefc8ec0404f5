"""What a comparison of engines has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .about import About
from .histogram import Quantiles
from .rounds import Figure, Ratio
from .told import Told

Bound = Literal["cpu", "machine", "server", "jobs", "per-host", "disk", "tail", "nothing", "unknown"]
"""What a run was limited by: its own CPU; the machine's, which others used; server or network; the number of
downloads at once, each of them waiting; `--per-host`; the disk; the `tail`, where the last downloads took long and
nothing was left to do beside them; `nothing` where nothing came."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One engine with one number of jobs in one round: a process of its own.

    Args:
        engine: its name.
        jobs: downloads at once.
        round: from 1; the warm-up is 0.
        seconds: that the run took, from its first step to its last; the start of Python is not in it.
        done: files fetched.
        skipped: entries skipped.
        failed: entries that failed.
        left: entries that had not ended, for a run that was stopped.
        size: bytes of the files fetched.
        attempts: requests made, without the hops of redirects.
        retries: of them, those after an entry's first.
        errors: entries that failed, by kind (`http` with its status).
        user: CPU seconds of the process and its children in their own code, start of Python included.
        system: the same in the system's code.
        rss: bytes; the most that the process and its children had in memory at a time. What several processes
            share counts once where the system tells it (Linux), else for each.
        threads: the most that there were at a time, in all processes.
        processes: the most that there were at a time.
        first_byte: from the attempt's beginning to the first byte of the response; None if the engine can't tell.
        file: from a file's first attempt to its end.
        active: downloads under way, on average; what waits for another try counts.
        waited: share of the downloads' time, from 0 to 1, in which no byte of a body came: names, connections,
            waiting for the response; None if the engine can't tell.
        machine: share of all CPUs, from 0 to 1, that was in use by all programs together.
        blocked: share of looks, from 0 to 1, at which the process waited for the disk; None if nobody can tell.
        differing: entries whose file, or end, is another one than in the copy that all are held against.
        working: CPU seconds, of those above, while it ran: without the start of Python.
        tail: share of the run, from 0 to 1, after the last moment when nearly as many as ever were under way.
    """

    engine: str
    jobs: int
    round: int
    seconds: float
    done: int
    skipped: int
    failed: int
    left: int
    size: int
    attempts: int
    retries: int
    errors: dict[str, int]
    user: float
    system: float
    rss: int
    threads: int
    processes: int
    first_byte: Quantiles | None
    file: Quantiles | None
    active: float
    waited: float | None
    machine: float
    blocked: float | None
    differing: int = 0
    working: float = 0.0
    tail: float = 0.0

    @property
    def cpu(self) -> float:
        """CPU seconds."""
        return self.user + self.system


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of a duration in seconds, each over the rounds."""

    p50: Figure
    p95: Figure
    p99: Figure


@dataclass(frozen=True, slots=True)
class Limit:
    """What held a contestant back.

    Args:
        bound: by what.
        evidence: the figures that say so, in a few words.
    """

    bound: Bound
    evidence: str


@dataclass(frozen=True, slots=True)
class Row:
    """One engine with one number of jobs, over all rounds.

    Args:
        engine: its name.
        jobs: downloads at once.
        rounds: that were measured; the fields below are of these.
        seconds: of the run.
        files_per_second: files fetched in a second.
        bytes_per_second: bytes of them.
        user: CPU seconds in the processes' own code.
        system: CPU seconds in the system's.
        cpu_per_file: CPU seconds a file while it ran, without the start of Python; None where none came.
        rss: bytes, see `Measurement.rss`.
        threads: most at a time.
        processes: most at a time.
        first_byte: None if the engine can't tell.
        file: None where none came.
        done: files fetched.
        failed: entries that failed.
        retries: requests after an entry's first.
        errors: entries that failed, by kind, all rounds together.
        differing: entries that differ from the copy that all are held against, all rounds together.
        ratio: seconds for a file against the best's; None where none came, or fewer than with others.
        limit: what held it back.
        is_best: the fastest, by the median; whether surely so, `Comparison.winner` says.
    """

    engine: str
    jobs: int
    rounds: int
    seconds: Figure
    files_per_second: Figure
    bytes_per_second: Figure
    user: Figure
    system: Figure
    cpu_per_file: Figure | None
    rss: Figure
    threads: int
    processes: int
    first_byte: Spread | None
    file: Spread | None
    done: Figure
    failed: Figure
    retries: Figure
    errors: dict[str, int]
    differing: int
    ratio: Ratio | None
    limit: Limit
    is_best: bool

    @property
    def label(self) -> str:
        """What people call it."""
        return self.engine if self.engine == "sequential" else f"{self.engine} -j {self.jobs}"


@dataclass(frozen=True)
class Comparison(Told):
    """The engines compared on one list.

    Args:
        about: machine, versions and settings.
        entries: of the list, or of the sample of it.
        hosts: that they are on.
        sampled: entries of the whole list, if only a sample was taken.
        rows: one for each engine and number of jobs, the fastest first.
        winner: the label of the row that is surely the fastest; None if none is.
        verdict: what can be concluded, in a sentence or two.
        left_out: engines that could not be compared, with the reason.
        notes: what else should be known, a sentence each.
        measurements: that the rows are made of, in the order in which they were taken.
        interrupted: it was stopped before all rounds were over.
        published: the files are in the destination.
    """

    about: About
    entries: int
    hosts: int
    sampled: int | None
    rows: tuple[Row, ...]
    winner: str | None
    verdict: str
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = field(default=(), repr=False)
    interrupted: bool = False
    published: bool = False
