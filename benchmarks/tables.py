"""Results as text."""

from __future__ import annotations

from collections.abc import Sequence

from results import BASE, Result, Standing
from targets import Results
from workloads import Workload

_MET = {True: "met", False: "NOT met", None: "not known"}
_HEAD = ("seconds", "least..most", "x pdl", "CPU ms/file", "peak MiB", "server CPU")


def table(workload: Workload, result: Result, results: Results) -> str:
    """All contestants of a workload, the fastest first, and its targets."""
    done = [name for name, each in result.standings.items() if each.rounds]
    done.sort(key=lambda name: result.standings[name].median("wall"))
    rows: list[tuple[str, ...]] = [("", workload.unit, *_HEAD)]
    rows += [(name, *_cells(workload, result, name, result.standings[name])) for name in done]
    share = result.size / (workload.extent.count * workload.extent.size)
    scaled = "" if share == 1 else f" (here {share:.1%} of that)"
    lines = [f"{workload.name}: {workload.what}{scaled}", *_aligned(rows)]
    for name, each in result.standings.items():
        if each.broken:
            lines.append(f"{name} is out: {each.broken}")
    lines += [f"{name} is left out: {why}" for name, why in result.left_out.items()]
    if scaled and workload.targets:
        lines.append("targets are meant for all of it; here the start of each program weighs more")
    for target in workload.targets:
        verdict = target.judge(result, results)
        lines.append(f"target {_MET[verdict.met]}: {target.text} ({verdict.found})")
    return "\n".join(lines)


def _cells(workload: Workload, result: Result, name: str, standing: Standing) -> tuple[str, ...]:
    wall, walls = standing.median("wall"), standing.values("wall")
    times = result.times(name, BASE)
    amount = result.size / 1e6 if workload.unit == "MB/s" else result.count
    return (
        _figure(amount / wall),
        f"{wall:.2f}",
        f"{min(walls):.2f}..{max(walls):.2f}",
        f"{times:.2f}" if times is not None else "-",
        f"{1000 * standing.median('cpu') / result.count:,.3f}",
        f"{standing.median('rss'):,.0f}" if standing.median("rss") else "-",  # over before it was looked at
        f"{standing.median('server') / wall:.0%}",
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
