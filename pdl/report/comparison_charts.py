"""The charts of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .chart import Chart
from .comparison import Comparison, Row
from .comparison_outline import COST, LATENCY, SPEED, Measure, sheet
from .drawing import Bar, Curve, Dots, Look, bars, curves, dots, drawing, forest, scatter, stacked
from .outline import Column, Sheet, cells
from .rounds import Figure
from .wording import MIB, ends, interval, middle, number, times

_ORDER = ("curl", "threads", "gevent", "processes", "sequential", "processes+curl")
_KINDS = 5  # of failures that are shown one by one

Take = Callable[[Row], "Figure | None"]


def comparison_charts(it: Comparison) -> list[Chart]:
    """All that have something to show; those that grow with the number of rows stand together."""
    looks = looks_of(it.rows)
    with drawing():
        return [
            chart
            for chart in (
                _measured(
                    it, looks, "Files a second", "files/s", lambda row: row.files_per_second, more_is_better=True
                ),
                _measured(it, looks, "CPU a file", "ms", _cpu),
                _measured(it, looks, "Peak memory", "MiB", _rss),
                _against(it, looks),
                _rounds(it, looks),
                _ratios(it, looks),
                _quantiles(it, looks, "first_byte", "Time to the first byte"),
                _quantiles(it, looks, "file", "Time a file"),
                _failures(it),
            )
            if chart is not None
        ]


def looks_of(rows: Sequence[Row]) -> dict[str, Look]:
    """The look of every engine: the same in all reports for those that pdl has, whatever others there are."""
    others = sorted({row.engine for row in rows} - set(_ORDER))
    return {engine: Look(place) for place, engine in enumerate([*_ORDER, *others])}


def _measured(
    it: Comparison, looks: dict[str, Look], title: str, unit: str, take: Take, *, more_is_better: bool = False
) -> Chart | None:
    """A measure over the number of jobs, or by engine where there is but one."""
    known = [(row, figure) for row in it.rows if (figure := take(row)) is not None]
    if not any(figure.median for _, figure in known):
        return None
    better = "more is better" if more_is_better else "less is better"
    table = sheet(it.rows, _columns(unit, take))
    jobs = {row.jobs for row, _ in known if row.engine != "sequential"}
    if len(jobs) < 2:
        known.sort(key=lambda each: each[1].median, reverse=more_is_better)
        svg = bars([Bar(row.label, figure.median, number(figure.median), looks[row.engine], *figure[1:])
                    for row, figure in known], unit)  # fmt: skip
        return Chart(
            f"{title}", f"Median of the rounds, whiskers from the least to the most; {better}.", svg, table
        )
    svg = curves(_by_engine(known, looks), "downloads at once (-j)", unit, log=True)
    said = (
        f"Median of the rounds over the number of downloads at once, whiskers from the least to the most; {better}."
    )
    return Chart(title, said, svg, table)


def _by_engine(known: Sequence[tuple[Row, Figure]], looks: dict[str, Look]) -> list[Curve]:
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for row, figure in known:
        found.setdefault(row.engine, []).append((row.jobs, *figure))
    return [Curve(engine, looks[engine], tuple(sorted(points))) for engine, points in found.items()]


def _columns(unit: str, take: Take) -> tuple[Measure, ...]:
    return (
        Measure(Column(unit), lambda row: middle(take(row))),
        Measure(Column("spread"), lambda row: ends(take(row))),
    )


def _ratios(it: Comparison, looks: dict[str, Look]) -> Chart | None:
    known = [(row, row.ratio) for row in it.rows if row.ratio is not None]
    if len(known) < 2:
        return None
    rows = [
        Bar(row.label, ratio.value, times(ratio), looks[row.engine], ratio.low, ratio.high) for row, ratio in known
    ]
    table = sheet(it.rows, (Measure(Column("ratio"), lambda row: times(row.ratio)),
                            Measure(Column("95 %"), lambda row: interval(row.ratio))))  # fmt: skip
    said = "Time a file against the fastest's, which is 1, with the interval that holds it with 95 % confidence."
    return Chart("Times as long as the fastest", said, forest(rows, "times as long"), table)


def _against(it: Comparison, looks: dict[str, Look]) -> Chart | None:
    known = [row for row in it.rows if row.ratio is not None]
    if len(known) < 2:
        return None
    found: dict[str, list[tuple[int, float, float]]] = {}
    for row in known:
        found.setdefault(row.engine, []).append((row.jobs, row.user.median + row.system.median, row.seconds.median))
    lines = [
        Curve(engine, looks[engine], tuple((cpu, seconds, seconds, seconds) for _, cpu, seconds in sorted(points)))
        for engine, points in found.items()
    ]
    said = "CPU seconds and seconds of a run; near the lower left corner it is fast and cheap."
    if any(len(line.points) > 1 for line in lines):
        said += " Lines join the same engine with different numbers of downloads at once."
    svg = scatter(lines, "CPU seconds", "seconds")
    return Chart("Time against CPU", said, svg, sheet(known, (COST[0], SPEED[3])))


def _quantiles(it: Comparison, looks: dict[str, Look], field: str, title: str) -> Chart | None:
    known = [(row, spread) for row in it.rows if (spread := getattr(row, field)) is not None]
    if not known:
        return None
    rows = [
        Dots(
            row.label,
            looks[row.engine],
            (1000 * spread.p50.median, 1000 * spread.p95.median, 1000 * spread.p99.median),
        )
        for row, spread in known
    ]
    columns = LATENCY[:3] if field == "first_byte" else LATENCY[3:6]
    said = "Half, 95 % and 99 % of the downloads stayed below or at these times; medians of the rounds."
    return Chart(title, said, dots(rows, "ms"), sheet([row for row, _ in known], columns))


def _rounds(it: Comparison, looks: dict[str, Look]) -> Chart | None:
    """Each engine's best row, round by round."""
    best: dict[str, Row] = {}
    for row in it.rows:
        best.setdefault(row.engine, row)
    lines, rows = [], []
    for row in best.values():
        taken = [
            (float(each.round), each.done / each.seconds)
            for each in it.measurements
            if (each.engine, each.jobs) == (row.engine, row.jobs) and each.round and each.seconds
        ]
        if taken and any(speed for _, speed in taken):
            taken.sort()
            lines.append(Curve(row.engine, looks[row.engine], tuple((at, y, y, y) for at, y in taken)))
            rows += [cells([row.label, f"{at:.0f}", number(speed)]) for at, speed in taken]
    if not any(len(line.points) > 1 for line in lines):
        return None
    said = "Files a second in each round, of each engine's fastest; a common slope would be a drift of the machine."
    table = Sheet((Column("engine", is_text=True), Column("round"), Column("files/s")), tuple(rows))
    return Chart("Rounds", said, curves(lines, "round", "files/s", whole=True), table)


def _failures(it: Comparison) -> Chart | None:
    whole: dict[str, int] = {}
    for row in it.rows:
        for kind, many in row.errors.items():
            whole[kind] = whole.get(kind, 0) + many
    if not any(whole.values()):
        return None
    kinds = sorted(whole, key=lambda kind: (-whole[kind], kind))
    failing = [row for row in it.rows if any(row.errors.values())]
    parts = [(kind, [float(row.errors.get(kind, 0)) for row in failing]) for kind in kinds[:_KINDS]]
    if kinds[_KINDS:]:
        rest = [float(sum(row.errors.get(kind, 0) for kind in kinds[_KINDS:])) for row in failing]
        parts.append(("others", rest))
    table = Sheet(
        (Column("engine", is_text=True), *(Column(kind) for kind in kinds)),
        tuple(cells([row.label, *(f"{row.errors.get(kind, 0):,}" for kind in kinds)]) for row in it.rows),
    )
    svg = stacked([row.label for row in failing], parts, "entries that failed")
    return Chart("Failures by kind", "Entries that failed, all rounds together.", svg, table)


def _cpu(row: Row) -> Figure | None:
    return None if row.cpu_per_file is None else Figure(*(1000 * each for each in row.cpu_per_file))


def _rss(row: Row) -> Figure:
    return Figure(*(each / MIB for each in row.rss))
