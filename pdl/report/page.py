"""A report as a page with charts: one file that needs nothing else, neither scripts nor the network."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from pdl.errors import SettingsError
from pdl.progress import amount, closing_lines, printable

from .comparison import Comparison
from .comparison_outline import everything, failures, limits, opening
from .outline import Item, Outline, Section, outline, section
from .run_outline import account, durations, outline_of_run
from .run_report import RunReport
from .wording import MIB, circumstances, count, middle, number

_LIBRARIES = ("jinja2", "matplotlib")

Tile = tuple[str, str]
"""A figure, and what it is of."""


def require() -> None:
    """See that pages can be made.

    Raises:
        SettingsError: a library is missing; the message names the command that installs it.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise SettingsError(f"a page needs {' and '.join(missing)}: pip install 'pdl[report]'")


def as_page(report: Comparison | RunReport) -> str:
    """The page.

    Raises:
        SettingsError: see `require`.
    """
    require()
    known = _of_comparison(report) if isinstance(report, Comparison) else _of_run(report)
    known |= {"about": circumstances(report.about), "version": report.about.pdl}
    return f"{_template().render(known)}\n"


def _template() -> Any:
    import jinja2  # noqa: PLC0415 - only for pages

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pdl.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["drawn"] = _drawn
    environment.filters["kept"] = _kept
    return environment.get_template("page.html.j2")


def _drawn(svg: str) -> Any:
    """A drawing of ours, in which foreign text is escaped already."""
    import markupsafe  # noqa: PLC0415 - only for pages

    return markupsafe.Markup(svg)  # noqa: S704 - see above


def _kept(text: str) -> Any:
    """Text in which no line ends within the name of a contestant, such as `curl -j 16`."""
    import markupsafe  # noqa: PLC0415 - only for pages

    safe = str(markupsafe.escape(printable(text)))
    kept = re.sub(r"[\w.-]{1,24} -j \d+", lambda match: f'<span class="kept">{match[0]}</span>', safe)
    return markupsafe.Markup(kept)  # noqa: S704 - escaped above


def _of_comparison(it: Comparison) -> dict[str, Any]:
    from .comparison_charts import comparison_charts  # noqa: PLC0415 - only for pages

    lists = [
        section("Limited by", items=limits(it.rows)),
        section("Failures", items=failures(it.rows)),
        section("Left out", items=[Item(f"{name}: {reason}") for name, reason in it.left_out.items()]),
        section("Notes", items=[Item(note) for note in it.notes]),
    ]
    return {
        "kind": "engines compared",
        "headline": it.verdict,
        "opening": opening(it),
        "tiles": _best(it),
        "charts": comparison_charts(it),
        "tables": outline("", everything(it.rows)).sections,
        "lists": outline("", lists).sections,
        "has_best": any(cell.is_best for part in everything(it.rows) for sheet in part.sheets
                        for row in sheet.rows for cell in row),
    }  # fmt: skip


def _best(it: Comparison) -> list[Tile]:
    """The figures of the fastest."""
    row = next((row for row in it.rows if row.is_best), None)
    if row is None:
        return []
    return [
        (row.label, "fastest" if it.winner == row.label else "fastest by the median"),
        (middle(row.files_per_second), "files/s"),
        (middle(row.bytes_per_second, 1e-6), "MB/s"),
        (middle(row.cpu_per_file, 1000), "ms of CPU a file"),
        (middle(row.rss, 1 / MIB), "MiB of memory"),
        (count(row.failed.median), "entries failed"),
    ]


def _of_run(it: RunReport) -> dict[str, Any]:
    from .run_charts import run_charts  # noqa: PLC0415 - only for pages

    told = outline_of_run(it)
    balance = it.account
    headline = closing_lines(balance)[1]
    tiles = [
        (f"{balance.done:,}", "files"),
        (amount(balance.size), "in them"),
        (f"{number(balance.seconds)} s", "taken"),
    ]
    if balance.seconds > 0 and balance.done:
        tiles.append((f"{amount(balance.size / balance.seconds)}/s", "on average"))
        tiles.append((number(balance.done / balance.seconds), "files/s"))
    tiles += [(f"{balance.failed:,}", "failed"), (f"{it.retries:,}", "retries")]
    return {
        "kind": "a destination, as its ledger has it" if it.from_ledger else "a run",
        "headline": headline,
        "opening": [line for line in account(it) if line != headline],
        "tiles": tiles,
        "charts": run_charts(it),
        "tables": _tables(it, told),
        "lists": tuple(part for part in told.sections if part.title in ("Failures", "Notes")),
        "has_best": False,
    }


def _tables(it: RunReport, told: Outline) -> tuple[Section, ...]:
    times = section("Times", sheets=[durations(it)])
    rest = [part for part in told.sections if part.title in ("Phases", "Slowest", "Hosts")]
    return outline("", [times, *rest]).sections
