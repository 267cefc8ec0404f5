"""What the report of a comparison says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from .comparison import Bound, Comparison, Row
from .outline import Cell, Column, Item, Outline, Section, Sheet, cells, outline, section
from .rounds import Figure
from .wording import BOUNDS, MIB, circumstances, counted, ends, interval, kinds, middle, number, plural, times

Take = Callable[[Row], "Figure | None"]


class Measure(NamedTuple):
    """A column of figures.

    Args:
        column: its head.
        text: what is told of a row.
        rank: the lower the better; None for a row that can't be the best. Without it no row is.
    """

    column: Column
    text: Callable[[Row], str]
    rank: Callable[[Row], float | None] | None = None


def outline_of_comparison(it: Comparison) -> Outline:
    """The whole report, shortly."""
    return outline(
        "Engines compared",
        [
            section("List", opening(it)),
            section("Speed", sheets=[sheet(it.rows, SPEED)]),
            section("Cost", sheets=[sheet(it.rows, COST)]),
            section("Latency and failures", sheets=[sheet(it.rows, LATENCY)], items=failures(it.rows)),
            section("Verdict", [it.verdict]),
            section("Limited by", items=limits(it.rows)),
            section("Left out", items=[Item(f"{name}: {reason}") for name, reason in it.left_out.items()]),
            section("Notes", items=[Item(note) for note in it.notes]),
            section("Circumstances", [", ".join(f"{name}: {value}" for name, value in circumstances(it.about))]),
        ],
    )


def opening(it: Comparison) -> list[str]:
    """What was compared, and how far."""
    entries = plural(it.entries, "entry", "entries")
    if it.sampled is not None:
        entries += f", a sample of {it.sampled:,},"
    rounds = sorted({row.rounds for row in it.rows})
    said = f"{entries} on {plural(it.hosts, 'host', 'hosts')}"
    if rounds:
        said += f", {plural(rounds[-1], 'round', 'rounds')}"
    if len(rounds) > 1:
        said += f" (of some only {rounds[0]:,})"
    if any(each.round == 0 for each in it.measurements):
        said += " after a warm-up"
    told = [f"{said}. Medians{' with the least and the most of the rounds' if rounds[-1:] > [1] else ''}."]
    if it.interrupted:
        told.append("It was stopped before all rounds were over.")
    if it.published:
        told.append("The files are in the destination.")
    return told


def sheet(rows: Sequence[Row], measures: Sequence[Measure]) -> Sheet:
    """A table of some measures, a line for each row, without columns that nobody has anything for."""
    columns = [(Column("engine", is_text=True), cells([row.label for row in rows]))]
    for measure in measures:
        texts = [measure.text(row) for row in rows]
        if any(text not in ("", "-") for text in texts):
            columns.append((measure.column, cells(texts, _best(rows, measure, texts))))
    lines: list[tuple[Cell, ...]] = list(zip(*(column for _, column in columns), strict=True))
    return Sheet(tuple(head for head, _ in columns), tuple(lines))


def _best(rows: Sequence[Row], measure: Measure, texts: list[str]) -> list[bool]:
    """Which rows read best; none where all read alike."""
    if measure.rank is None or len(set(texts)) < 2:
        return [False] * len(rows)
    ranks = [measure.rank(row) for row in rows]
    known = [(rank, text) for rank, text in zip(ranks, texts, strict=True) if rank is not None]
    if not known:
        return [False] * len(rows)
    _, best = min(known)
    return [rank is not None and text == best for rank, text in zip(ranks, texts, strict=True)]


def failures(rows: Sequence[Row]) -> list[Item]:
    """What failed, by kind, all rounds together; once if it is the same everywhere."""
    told = {row.label: kinds(row.errors) for row in rows}
    if len(set(told.values())) == 1:
        said = next(iter(told.values()))
        return [Item(f"failures, the same with each, all rounds: {said}")] if said else []
    return [Item(f"failures with {label}, all rounds: {said or 'none'}") for label, said in told.items()]


def limits(rows: Sequence[Row]) -> list[Item]:
    """What held the best back, and those others that something else did."""
    best = next((row for row in rows if row.is_best), None)
    told = [row for row in rows if best is None or row is best or row.limit.bound != best.limit.bound]
    by_bound: dict[Bound, list[str]] = {}
    for row in told:
        by_bound.setdefault(row.limit.bound, []).append(f"{row.label} ({row.limit.evidence})")
    return [Item(f"{BOUNDS[bound]}: {', '.join(each)}") for bound, each in by_bound.items()]


def _figure(column: Column, take: Take, scale: float = 1, *, sign: int = 1) -> Measure:
    """A median; of the rows where files came the least is the best, or the most with a `sign` of -1."""

    def rank(row: Row) -> float | None:
        figure = take(row)
        return None if figure is None or row.ratio is None else sign * figure.median

    return Measure(column, lambda row: middle(take(row), scale), rank)


def _quantile(field: str, name: str, group: str) -> Measure:
    def take(row: Row) -> Figure | None:
        spread = getattr(row, field)
        return None if spread is None else attrgetter(name)(spread)

    return _figure(Column(name, group), take, 1000)


SPEED = (
    _figure(Column("files/s"), lambda row: row.files_per_second, sign=-1),
    Measure(Column("spread"), lambda row: ends(row.files_per_second)),
    _figure(Column("MB/s"), lambda row: row.bytes_per_second, 1e-6, sign=-1),
    _figure(Column("seconds"), lambda row: row.seconds),
    Measure(
        Column("ratio"),
        lambda row: times(row.ratio),
        lambda row: None if row.ratio is None else row.ratio.value,
    ),
    Measure(Column("95 %"), lambda row: interval(row.ratio)),
)

COST = (
    Measure(
        Column("total", "CPU s"),
        lambda row: number(row.user.median + row.system.median),
        lambda row: None if row.ratio is None else row.user.median + row.system.median,
    ),
    _figure(Column("user", "CPU s"), lambda row: row.user),
    _figure(Column("system", "CPU s"), lambda row: row.system),
    _figure(Column("a file", "CPU ms"), lambda row: row.cpu_per_file, 1000),
    _figure(Column("RSS MiB"), lambda row: row.rss, 1 / MIB),
    Measure(Column("threads"), lambda row: f"{row.threads:,}"),
    Measure(Column("processes"), lambda row: f"{row.processes:,}"),
)

LATENCY = (
    *(_quantile("first_byte", name, "first byte ms") for name in ("p50", "p95", "p99")),
    *(_quantile("file", name, "file ms") for name in ("p50", "p95", "p99")),
    Measure(Column("failed"), lambda row: counted(row.failed), lambda row: row.failed.median),
    Measure(Column("retries"), lambda row: counted(row.retries)),
    Measure(Column("differing"), lambda row: f"{row.differing:,}" if row.differing else ""),
)

SPREADS = (
    *SPEED[:2],
    SPEED[2],
    Measure(Column("spread", "MB/s"), lambda row: ends(row.bytes_per_second, 1e-6)),
    SPEED[3],
    Measure(Column("spread", "seconds"), lambda row: ends(row.seconds)),
    *SPEED[4:],
)
"""Speed with the spread of everything, for where there is room."""


def everything(rows: Sequence[Row]) -> list[Section]:
    """The tables of all that is known of the rows, for where there is room."""
    done = (Measure(Column("rounds"), lambda row: f"{row.rounds:,}"), Measure(Column("done"), _done))
    return [
        section("Speed", sheets=[sheet(rows, SPREADS)]),
        section("Cost", sheets=[sheet(rows, COST)]),
        section("Latency and failures", sheets=[sheet(rows, (*LATENCY[:6], *done, *LATENCY[6:]))]),
    ]


def _done(row: Row) -> str:
    return counted(row.done)
