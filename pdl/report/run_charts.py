"""The charts of one run."""

from __future__ import annotations

from collections.abc import Sequence

from pdl.progress import amount

from .chart import Chart
from .drawing import Bar, Dots, Look, areas, bars, dots, drawing
from .outline import Column, Sheet, cells
from .run_outline import PHASES, course, hosts, phases, slowest
from .run_report import Host, RunReport, Slow
from .wording import number, plural

_SPEED, _FILES, _ACTIVE, _FAILED = Look(0), Look(2), Look(3), Look(1)
_MOST = 10  # rows of a chart
_STRETCHES = 60  # rows of a table that is behind a chart


def run_charts(it: RunReport) -> list[Chart]:
    """All that have something to show, what matters most first."""
    with drawing():
        found = [*_course(it), _phase_sums(it), _quantiles(it), _slowest(it), *_hosts(it), _failures(it)]
        return [chart for chart in found if chart is not None]


def _course(it: RunReport) -> list[Chart]:
    moments = it.moments
    if not moments:
        return []
    width = moments[1].at - moments[0].at if len(moments) > 1 else max(it.account.seconds, 1.0)
    unit, size = _unit(moments[-1].at + width)
    xs, width = [each.at / size for each in moments], width / size
    scale, speed = _scale(max(each.size for each in moments))
    table = course(moments, _STRETCHES)
    charts = [
        Chart(
            "Throughput",
            "Bytes that came, a second, over the time of the run.",
            areas(xs, [each.size / scale for each in moments], width, (unit, f"{speed}/s"), _SPEED),
            table,
        ),
        Chart(
            "Files a second",
            "Files that were fetched, a second, over the time of the run.",
            areas(xs, [each.files for each in moments], width, (unit, "files/s"), _FILES),
            table,
        ),
    ]
    if any(each.active is not None for each in moments):
        charts.append(
            Chart(
                "Downloads at once",
                "Downloads under way, on average, over the time of the run.",
                areas(xs, [each.active or 0.0 for each in moments], width, (unit, "downloads"), _ACTIVE),
                table,
            )
        )
    return charts


def _phase_sums(it: RunReport) -> Chart | None:
    whole = sum(phase.seconds for phase in it.phases)
    if not whole:
        return None
    rows = [
        Bar(PHASES.get(each.name, each.name), each.seconds, f"{100 * each.seconds / whole:.0f} %", _SPEED)
        for each in it.phases
    ]
    said = "Seconds of all downloads together, and their share: what most of the time went into."
    return Chart("Time by phase", said, bars(rows, "seconds"), phases(it))


def _quantiles(it: RunReport) -> Chart | None:
    named = [(PHASES.get(each.name, each.name), each.quantiles, _SPEED) for each in it.phases]
    named += [(name, each, _FILES) for name, each in (("to first byte", it.first_byte), ("file", it.file)) if each]
    if not named:
        return None
    rows = [Dots(name, look, (1000 * each.p50, 1000 * each.p95, 1000 * each.p99)) for name, each, look in named]
    table = Sheet(
        (Column("phase", is_text=True), Column("p50 ms"), Column("p95 ms"), Column("p99 ms")),
        tuple(cells([name, *(number(1000 * each) for each in quantiles)]) for name, quantiles, _ in named),
    )
    said = "Half, 95 % and 99 % of the downloads that had the phase stayed below or at these times."
    return Chart("Time a download", said, dots(rows, "ms"), table)


def _slowest(it: RunReport) -> Chart | None:
    if not any(each.seconds for each in it.slowest):
        return None
    rows = [_slow_bar(each) for each in it.slowest[:_MOST]]
    said = "Seconds from the first attempt to the end, waits between attempts included; the table has whole URLs."
    return Chart("Slowest downloads", said, bars(rows, "seconds"), slowest(it))


def _slow_bar(slow: Slow) -> Bar:
    name = slow.url.rstrip("/").rpartition("/")[2] or slow.url
    if slow.status == "failed":
        return Bar(name, slow.seconds, f"{number(slow.seconds)} failed", _FAILED)
    return Bar(name, slow.seconds, number(slow.seconds), _SPEED)


def _hosts(it: RunReport) -> list[Chart | None]:
    more = f" {plural(it.more_hosts, 'more host is', 'more hosts are')} not shown." if it.more_hosts else ""
    table = hosts(it)

    def chart(title: str, said: str, rows: Sequence[Bar], axis: str) -> Chart | None:
        some = [row for row in rows if row.value][:_MOST]
        return Chart(title, said + more, bars(some, axis), table) if some else None

    scale, unit = _scale(max((host.size for host in it.hosts), default=0))
    fastest, speed = _scale(max((host.rate for host in it.hosts), default=0))
    failing = sorted(it.hosts, key=lambda host: -host.failed)
    return [
        chart(
            "Hosts by bytes",
            "Bytes of the files that came from each host.",
            [Bar(host.name, host.size / scale, amount(host.size), _SPEED) for host in it.hosts],
            unit,
        ),
        chart(
            "Hosts by speed",
            "Bytes a second of a download from each host.",
            [Bar(host.name, host.rate / fastest, f"{amount(host.rate)}/s", _FILES) for host in _by_rate(it.hosts)],
            f"{speed}/s",
        ),
        chart(
            "Hosts by failures",
            "Entries that failed, of each host.",
            [Bar(host.name, host.failed, f"{host.failed:,}", _FAILED) for host in failing],
            "entries",
        ),
    ]


def _by_rate(known: Sequence[Host]) -> list[Host]:
    return sorted(known, key=lambda host: -host.rate)


def _failures(it: RunReport) -> Chart | None:
    if not it.failures:
        return None
    rows = [Bar(each.kind, each.count, f"{each.count:,}", _FAILED) for each in it.failures[:_MOST]]
    table = Sheet(
        (Column("kind", is_text=True), Column("entries")),
        tuple(cells([each.kind, f"{each.count:,}"]) for each in it.failures),
    )
    return Chart("Failures by kind", "Entries that failed; examples are below.", bars(rows, "entries"), table)


def _unit(seconds: float) -> tuple[str, float]:
    """What times of a run are told in."""
    return ("seconds", 1) if seconds < 600 else ("minutes", 60) if seconds < 4 * 3600 else ("hours", 3600)


def _scale(most: float) -> tuple[float, str]:
    """What sizes are told in: bytes of the unit, and its name."""
    power = 0
    while most >= 1000 ** (power + 1) and power < 5:
        power += 1
    return 1000.0**power, ("B", "kB", "MB", "GB", "TB", "PB")[power]
