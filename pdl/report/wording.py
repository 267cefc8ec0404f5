"""Figures as people read them: three digits, thousands apart, spreads beside medians."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from pdl.progress import amount, printable

from .about import About
from .comparison import Bound
from .rounds import Figure, Ratio

Name = TypeVar("Name", bound=str)

TO = "\u2013"
"""Between the ends of a range; where only ASCII may be, `..` takes its place."""

MIB = 2**20

BOUNDS: dict[Bound, str] = {
    "cpu": "its own CPU",
    "tail": "the end of the list, when few downloads were left",
    "machine": "the machine, which others used",
    "server": "the server or the network",
    "jobs": "the number of downloads at once (-j)",
    "per-host": "the downloads at once from one host (--per-host)",
    "disk": "the disk",
    "nothing": "nothing came",
    "unknown": "unknown",
}
"""What a contestant was limited by."""


def number(value: float) -> str:
    """At least three digits: `12,345`, `28.7`, `1.74`, `0.0123`."""
    size = abs(value)
    if not math.isfinite(value):
        return "?"
    if size >= 1e12 or 0 < size < 1e-4:
        return f"{value:.2g}"
    if size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.9995 or size == 0:
        return f"{value:.2f}" if size else "0"
    return f"{value:.{2 - math.floor(math.log10(size))}f}"


def count(value: float) -> str:
    """How many: without a fraction where there is none."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e12 else number(value)


def plural(value: int, one: str, many: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{value:,} {one if value == 1 else many}"


def middle(figure: Figure | None, scale: float = 1) -> str:
    """The median; of nothing a dash."""
    return "-" if figure is None else number(figure.median * scale)


def ends(figure: Figure | None, scale: float = 1) -> str:
    """The least and the most; nothing where they are the same."""
    if figure is None or figure.low == figure.high:
        return ""
    return f"{number(figure.low * scale)}{TO}{number(figure.high * scale)}"


def counted(figure: Figure) -> str:
    """The median of counts, with the ends if the rounds differ."""
    said = count(figure.median)
    return said if figure.low == figure.high else f"{said} ({count(figure.low)}{TO}{count(figure.high)})"


def times(ratio: Ratio | None) -> str:
    """How many times as long as the best, to a hundredth."""
    return "-" if ratio is None else f"{ratio.value:.2f}" if ratio.value < 99.95 else number(ratio.value)


def interval(ratio: Ratio | None) -> str:
    """The ends of the ratio's confidence interval; nothing for the best itself, or where none is known."""
    if ratio is None or ratio.low is None or ratio.high is None or ratio.low == ratio.high:
        return ""
    return f"{times(Ratio(ratio.low))}{TO}{times(Ratio(ratio.high))}"


def kinds(errors: Mapping[str, int]) -> str:
    """Failures by kind, the most frequent first."""
    ordered = sorted((-many, kind) for kind, many in errors.items())
    return ", ".join(f"{printable(kind)} {-many:,}" for many, kind in ordered)


def circumstances(about: About) -> list[tuple[str, str]]:
    """Everything that `About` says, each with its name."""
    processors = plural(about.cpus, "CPU", "CPUs")
    told = [
        ("measured", about.when),
        ("pdl", about.pdl),
        ("Python", about.python),
        ("system", about.system),
        ("machine", f"{about.processor}, {processors}, {amount(about.memory)} of memory"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in about.libraries.items())),
        ("settings", ", ".join(f"{name}={value}" for name, value in about.settings.items()) or "the defaults"),
    ]
    return [(name, printable(value)) for name, value in told if value]
