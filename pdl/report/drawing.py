"""Charts as SVG whose colours are left to the page: `var(--text)`, `var(--s0)` and so on.

They are drawn about as wide as a telephone's screen, so that their text can be read there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from zlib import crc32

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from pdl.progress import printable

from .width import cut

SERIES = 8
"""Colours that there are."""

_WIDTH, _HEIGHT = 360, 260  # of a chart, in CSS pixels
_ROW = 23  # height of a row of horizontal bars
_LABEL = 20  # characters
_TEXT, _MUTED, _GRID, _CARD = "#000001", "#000002", "#000003", "#000004"
_NAMES = {_TEXT: "text", _MUTED: "muted", _GRID: "grid", _CARD: "card"}
_MARKERS = "os^DvPXh"
_DASHES = ("-", "--", ":")
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pdl",
    "font.size": 12,
    "text.parse_math": False,  # names are not formulas
    "text.color": _TEXT,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "figure.facecolor": "none",
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "hatch.color": _CARD,
    "hatch.linewidth": 1.2,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 6.5,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
}


class Look(NamedTuple):
    """How something is drawn everywhere: a colour, and a mark and dashes for those who don't see it.

    Args:
        number: from 0.
    """

    number: int

    @property
    def color(self) -> str:
        return f"#0000a{self.number % SERIES}"

    @property
    def marker(self) -> str:
        return _MARKERS[self.number % len(_MARKERS)]

    @property
    def dashes(self) -> str:
        return _DASHES[self.number // SERIES % len(_DASHES)]


class Bar(NamedTuple):
    """A row of a bar chart.

    Args:
        name: beside it.
        value: its length.
        text: what it says at its end.
        look: of it.
        low: the lower end of a whisker, if it has one.
        high: the upper end.
    """

    name: str
    value: float
    text: str
    look: Look
    low: float | None = None
    high: float | None = None


class Curve(NamedTuple):
    """A line over some axis; one of a single point is drawn as a level.

    Args:
        name: at its end.
        look: of it.
        points: x, y, and the ends of y's whisker.
    """

    name: str
    look: Look
    points: tuple[tuple[float, float, float, float], ...]


class Dots(NamedTuple):
    """Three quantiles in a row."""

    name: str
    look: Look
    values: tuple[float, float, float]


@contextmanager
def drawing() -> Iterator[None]:
    """The settings of all charts, whatever those of the program are; they are its own again afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def label(text: str, columns: int = _LABEL) -> str:
    """A name as charts can show it: short, and in letters that the measuring font has."""
    plain = "".join(c if c < "\u0530" else c.encode("unicode_escape").decode("ascii") for c in printable(text))
    return cut(plain, columns)


def bars(rows: Sequence[Bar], axis: str) -> str:
    """Horizontal bars from 0, with whiskers where the rows have any."""
    figure, axes = _begin(_ROW * len(rows) + 70)
    _name_rows(axes, [row.name for row in rows])
    widest = max((max(row.value, row.high or 0) for row in rows), default=0) or 1
    for place, row in enumerate(rows):
        axes.barh(place, row.value, 0.66, color=row.look.color)
        end = row.value
        if row.low is not None and row.high is not None and row.high > row.low:
            reach = [[max(0, row.value - row.low)], [max(0, row.high - row.value)]]
            axes.errorbar(row.value, place, xerr=reach, color=_TEXT, lw=1.3, capsize=3, capthick=1.3)
            end = row.high
        axes.annotate(row.text, (end, place), (5, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, widest * 1.02)
    axes.set_xlabel(axis)
    _ticks(axes.xaxis)
    axes.grid(visible=False, axis="y")
    return _svg(figure)


def curves(lines: Sequence[Curve], x: str, y: str, *, log: bool = False, whole: bool = False) -> str:
    """Lines from 0 on, each with its name at its end.

    Args:
        lines: what is drawn.
        x: name of the axis.
        y: name of the other.
        log: x doubles from tick to tick; each value of it is named.
        whole: x has whole numbers.
    """
    figure, axes = _begin(max(_HEIGHT, 16 * len(lines) + 90))
    top = max((max(point[1], point[3]) for line in lines for point in line.points), default=0) or 1
    for line in lines:
        xs, ys, lows, highs = zip(*line.points, strict=True)
        look = line.look
        if len(xs) == 1:
            axes.axhline(ys[0], color=look.color, lw=1.3, ls=(0, (4, 3)))
        reach = [[max(0, y - low) for y, low in zip(ys, lows, strict=True)],
                 [max(0, high - y) for y, high in zip(ys, highs, strict=True)]]  # fmt: skip
        axes.errorbar(
            xs, ys, yerr=reach, color=look.color, marker=look.marker, ls=look.dashes, elinewidth=1.3, capsize=2.5
        )
    axes.set_ylim(0, top * 1.06)
    axes.set_xlabel(x)
    axes.set_title(y, loc="left", fontsize=12, color=_MUTED)
    every = sorted({point[0] for line in lines for point in line.points})
    if log:
        axes.set_xscale("log", base=2)
        axes.set_xticks(_apart(every), labels=[f"{value:,g}" for value in _apart(every)])
        axes.xaxis.set_minor_locator(NullLocator())
    elif whole:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if len(every) == 1:
        axes.set_xlim(every[0] / 2, every[0] * 2)
    _ticks(axes.yaxis)
    _name_ends(axes, lines, top * 1.06)
    return _svg(figure)


def areas(xs: Sequence[float], ys: Sequence[float], width: float, axes_names: tuple[str, str], look: Look) -> str:
    """Stretches of equal width beside each other, from 0 on."""
    figure, axes = _begin(210)
    axes.stairs(ys, [*xs, xs[-1] + width], fill=True, color=look.color, alpha=0.3, lw=0)
    axes.stairs(ys, [*xs, xs[-1] + width], color=look.color, lw=1.6, baseline=None)
    axes.set_xlim(xs[0], xs[-1] + width)
    axes.set_ylim(0, (max(ys) or 1) * 1.06)
    axes.set_xlabel(axes_names[0])
    axes.set_title(axes_names[1], loc="left", fontsize=12, color=_MUTED)
    _ticks(axes.xaxis)
    _ticks(axes.yaxis)
    return _svg(figure)


def dots(rows: Sequence[Dots], axis: str) -> str:
    """The quantiles of each row on a line, on a logarithmic axis where they are far apart."""
    figure, axes = _begin(_ROW * len(rows) + 96)
    _name_rows(axes, [row.name for row in rows])
    for place, row in enumerate(rows):
        axes.plot(row.values, [place] * 3, color=row.look.color, lw=2.2, solid_capstyle="butt")
        for value, (marker, size) in zip(row.values, _QUANTILE_MARKS, strict=True):
            axes.plot([value], [place], marker=marker, ms=size, color=row.look.color, mec=row.look.color, mew=2)
    _spread_axis(axes, [value for row in rows for value in row.values])
    axes.set_xlabel(axis)
    axes.grid(visible=False, axis="y")
    for name, (marker, size) in zip(("p50", "p95", "p99"), _QUANTILE_MARKS, strict=True):
        axes.plot([], [], marker=marker, ms=size, color=_MUTED, mec=_MUTED, mew=2, ls="none", label=name)
    figure.legend(loc="outside upper right", ncols=3, handletextpad=0.1, columnspacing=1.2, borderpad=0)
    return _svg(figure)


def forest(rows: Sequence[Bar], axis: str) -> str:
    """Values with their intervals beside a line at 1."""
    figure, axes = _begin(_ROW * len(rows) + 70)
    _name_rows(axes, [row.name for row in rows])
    axes.axvline(1, color=_MUTED, lw=1.2)
    known = [1.0]
    for place, row in enumerate(rows):
        low, high = row.value if row.low is None else row.low, row.value if row.high is None else row.high
        reach = [[max(0, row.value - low)], [max(0, high - row.value)]]
        axes.errorbar(row.value, place, xerr=reach, color=row.look.color, marker=row.look.marker, capsize=3.5)
        axes.annotate(row.text, (high, place), (8, 0), textcoords="offset points", va="center")
        known += [low, high]
    if max(known) > 4 * min(known):
        _spread_axis(axes, known, least=0)
    else:
        axes.set_xlim(min(known) - 0.06, max(known) + 0.06)
        _ticks(axes.xaxis)
    axes.set_xlabel(axis)
    axes.grid(visible=False, axis="y")
    return _svg(figure)


def scatter(lines: Sequence[Curve], x: str, y: str) -> str:
    """Points of two measures, those of one name joined; the names stand below."""
    figure, axes = _begin(_HEIGHT + 18 * -(-len(lines) // 3))
    for line in lines:
        xs, ys, *_ = zip(*line.points, strict=True)
        look = line.look
        axes.plot(xs, ys, color=look.color, marker=look.marker, ls=look.dashes, lw=1, label=label(line.name, 14))
    for side, index in (("x", 0), ("y", 1)):
        _log_or_from_zero(axes, side, [point[index] for line in lines for point in line.points])
    axes.set_xlabel(x)
    axes.set_title(y, loc="left", fontsize=12, color=_MUTED)
    figure.legend(loc="outside lower center", ncols=3, handlelength=1.4, handletextpad=0.4, columnspacing=1)
    return _svg(figure)


def stacked(names: Sequence[str], parts: Sequence[tuple[str, Sequence[float]]], axis: str) -> str:
    """Horizontal bars of several parts, which differ in colour and hatching.

    Args:
        names: of the rows.
        parts: each with its name and its value in every row.
        axis: name of the axis.
    """
    figure, axes = _begin(_ROW * len(names) + 80 + 18 * -(-len(parts) // 2))
    _name_rows(axes, names)
    before = [0.0] * len(names)
    for number, (name, values) in enumerate(parts):
        hatch = ("", "///", "...", "xxx", "\\\\\\", "---")[number % 6]
        axes.barh(
            range(len(names)),
            values,
            0.66,
            before,
            facecolor=_PARTS[number % len(_PARTS)].color,
            edgecolor=_CARD,  # the hatching's too
            linewidth=0,
            hatch=hatch,
            label=label(name),
        )
        before = [one + other for one, other in zip(before, values, strict=True)]
    for place, whole in enumerate(before):
        axes.annotate(f"{whole:,.0f}", (whole, place), (5, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, (max(before, default=0) or 1) * 1.02)
    axes.set_xlabel(axis)
    _ticks(axes.xaxis)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=2, handlelength=1.6)
    return _svg(figure)


_PARTS = (Look(7), Look(5), Look(6))  # none of an engine that pdl has
_QUANTILE_MARKS = (("o", 6.0), ("d", 5.0), ("|", 11.0))


def _begin(height: float) -> tuple[Drawing, Axes]:
    figure = Drawing(figsize=(_WIDTH / 72, height / 72), dpi=72, layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    axes.tick_params(length=0)
    return figure, axes


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), labels=[label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def _name_ends(axes: Axes, lines: Sequence[Curve], top: float) -> None:
    """Names to the right of the lines' ends, moved apart where they would overlap."""
    gap = min(0.085, 1 / max(1, len(lines)))
    ordered = sorted(lines, key=lambda line: line.points[-1][1])
    places: list[float] = []
    for line in ordered:
        wanted = line.points[-1][1] / top
        places.append(max(wanted, places[-1] + gap) if places else wanted)
    over = max(0.0, (places[-1] if places else 0) - 1)
    for index in range(len(places) - 1, -1, -1):
        limit = places[index + 1] - gap if index + 1 < len(places) else 1.0
        places[index] = min(places[index], limit) if over else places[index]
    for line, place in zip(ordered, places, strict=True):
        axes.plot([1.035], [place], marker=line.look.marker, color=line.look.color, ms=6, clip_on=False,
                  transform=axes.transAxes, scalex=False, scaley=False)  # fmt: skip
        axes.text(1.07, place, label(line.name, 12), transform=axes.transAxes, va="center")


def _apart(values: Sequence[float]) -> list[float]:
    """Those of some values that are far enough from each other to be named on a logarithmic axis."""
    kept: list[float] = []
    for value in values:
        if not kept or value >= kept[-1] * (values[-1] / values[0]) ** 0.09:
            kept.append(value)
    return kept


def _log_or_from_zero(axes: Axes, side: str, values: Sequence[float]) -> None:
    axis = axes.xaxis if side == "x" else axes.yaxis
    limits = axes.set_xlim if side == "x" else axes.set_ylim
    if values and min(values) > 0 and max(values) > 20 * min(values):
        (axes.set_xscale if side == "x" else axes.set_yscale)("log")
        limits(min(values) / 1.3, max(values) * 1.3)
        _log_ticks(axis, max(values) / min(values))
    else:
        limits(0, (max(values, default=0) or 1) * 1.08)
        _ticks(axis)


def _spread_axis(axes: Axes, values: Sequence[float], least: float = 20) -> None:
    """A logarithmic axis where values are far apart, else one from 0."""
    if values and min(values) > 0 and max(values) > least * min(values):
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 1.15, max(values) * 1.15)
        _log_ticks(axes.xaxis, max(values) / min(values))
    else:
        axes.set_xlim(0, (max(values, default=0) or 1) * 1.05)
        _ticks(axes.xaxis)


def _ticks(axis: Any) -> None:
    axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(_tick))


def _log_ticks(axis: Any, across: float) -> None:
    subs = (1, 2, 5) if across < 60 else (1, 3) if across < 3000 else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=7))
    axis.set_major_formatter(FuncFormatter(_tick))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def _tick(value: float, _place: int | None) -> str:
    return f"{value:,.6g}" if abs(value) < 1e5 else f"{value:.2g}".replace("e+", "e")


def _svg(figure: Drawing) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True,
                   metadata={"Date": None, "Creator": None, "Format": None, "Type": None})  # fmt: skip
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style type=.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    prefix = f"c{crc32(text.encode()):08x}-"
    return re.sub(r"<[a-z][^<>]*>", lambda match: _for_page(match[0], prefix), text).strip()


def _for_page(tag: str, prefix: str) -> str:
    """A tag with its colours by name, its ids unlike those of other charts, and the page's font."""
    tag = re.sub(r'(\bid="|href="#|url\(#)', lambda match: match[1] + prefix, tag)
    tag = re.sub(r"#0000([0a])([0-9])", _variable, tag)
    tag = re.sub(
        r"font-family: [^;\"]*;? ?|font: (\S+) [^;\"]*", lambda m: f"font-size: {m[1]}" if m[1] else "", tag
    )
    if tag.startswith("<svg"):
        tag = re.sub(r' (?:width|height|version|xmlns:xlink)="[^"]*"', "", tag)
        return tag.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1).replace("xlink:", "")
    return tag.replace("xlink:href", "href")


def _variable(match: re.Match[str]) -> str:
    name = f"s{match[2]}" if match[1] == "a" else _NAMES[match[0]]
    return f"var(--{name})"
