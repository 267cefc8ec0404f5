"""What the report of one run says."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pdl.progress import amount, closing_lines

from .histogram import Quantiles
from .outline import Column, Item, Outline, Section, Sheet, cells, outline, section
from .run_report import Moment, RunReport
from .wording import circumstances, number, plural

_STRETCHES = 8  # of a run's course

PHASES = {"dns": "name", "connect": "connection", "tls": "TLS", "wait": "first byte awaited", "body": "body"}
"""What the phases are called."""


def outline_of_run(it: RunReport) -> Outline:
    """The whole report, shortly."""
    return outline(
        "A destination, as its ledger has it" if it.from_ledger else "A run",
        [
            section("Account", account(it)),
            section("Speed", sheets=[durations(it), course(it.moments)]),
            section("Phases", sheets=[phases(it)]),
            section("Slowest", sheets=[slowest(it)]),
            section("Hosts", sheets=[hosts(it)], items=_more(it)),
            failures(it),
            section("Notes", items=[Item(note) for note in it.notes]),
            section("Circumstances", [", ".join(f"{name}: {value}" for name, value in circumstances(it.about))]),
        ],
    )


def account(it: RunReport) -> list[str]:
    """The closing balance."""
    told = closing_lines(it.account)
    if it.retries:
        told.append(f"{plural(it.retries, 'request', 'requests')} after the first of an entry.")
    if it.account.stopped is not None:
        told.append(f"The run was stopped: {it.account.stopped}.")
    return told


def durations(it: RunReport) -> Sheet:
    """How long the first byte and a file took."""
    known = {"first byte": it.first_byte, "file": it.file}
    rows = [cells([name, *_milliseconds(each)]) for name, each in known.items() if each is not None]
    return Sheet((Column("time to", is_text=True), *_QUANTILES), tuple(rows))


def course(moments: Sequence[Moment], stretches: int = _STRETCHES) -> Sheet:
    """The run over time, in not more than so many stretches."""
    step = -(-len(moments) // stretches) or 1
    counted = any(each.active is not None for each in moments)
    rows = []
    for first in range(0, len(moments), step):
        some = moments[first : first + step]
        active = [each.active for each in some if each.active is not None]
        rows.append(
            cells(
                [
                    number(some[0].at),
                    number(fmean(each.files for each in some)),
                    number(fmean(each.size for each in some) / 1e6),
                    *([number(fmean(active)) if active else "-"] if counted else []),
                ]
            )
        )
    heads = [Column("from second"), Column("files/s"), Column("MB/s"), *([Column("at once")] if counted else [])]
    return Sheet(tuple(heads), tuple(rows))


def phases(it: RunReport) -> Sheet:
    """Where the downloads' time went."""
    whole = sum(phase.seconds for phase in it.phases)
    rows = [
        cells(
            [
                PHASES.get(phase.name, phase.name),
                f"{phase.count:,}",
                number(phase.seconds),
                f"{100 * phase.seconds / whole:.0f} %" if whole else "-",
                *_milliseconds(phase.quantiles),
            ]
        )
        for phase in it.phases
    ]
    heads = (Column("phase", is_text=True), Column("downloads"), Column("seconds"), Column("share"))
    return Sheet((*heads, *_QUANTILES), tuple(rows))


def slowest(it: RunReport) -> Sheet:
    """The downloads that took longest."""
    rows = [
        cells([number(slow.seconds), amount(slow.size), f"{slow.attempts:,}", slow.status, slow.url])
        for slow in it.slowest
    ]
    heads = (Column("seconds"), Column("size"), Column("tries"), Column("status", is_text=True))
    return Sheet((*heads, Column("URL", is_text=True)), tuple(rows))


def hosts(it: RunReport) -> Sheet:
    """What came from where."""
    rows = [
        cells(
            [
                host.name,
                f"{host.done:,}",
                f"{host.failed:,}",
                amount(host.size),
                f"{amount(host.rate)}/s" if host.seconds else "-",
            ]
        )
        for host in it.hosts
    ]
    heads = (Column("host", is_text=True), Column("done"), Column("failed"), Column("size"))
    return Sheet((*heads, Column("rate")), tuple(rows))


def failures(it: RunReport) -> Section:
    """What failed, with examples."""
    return section(
        "Failures",
        items=[
            Item(
                f"{each.kind}: {each.count:,}",
                tuple(
                    part
                    for example in each.examples
                    for part in (example.url, " ".join(filter(None, (example.message, _where(example.where)))))
                    if part
                ),
            )
            for each in it.failures
        ],
    )


def _where(where: str) -> str:
    return f"({where})" if where else ""


def _more(it: RunReport) -> list[Item]:
    return [Item(f"and {plural(it.more_hosts, 'more host', 'more hosts')}")] if it.more_hosts else []


def _milliseconds(quantiles: Quantiles) -> list[str]:
    return [number(1000 * each) for each in quantiles]


_QUANTILES = (Column("p50", "ms"), Column("p95", "ms"), Column("p99", "ms"))
