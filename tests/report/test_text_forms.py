"""Reports as a table, as Markdown and as JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_type_hints
from unicodedata import east_asian_width

import pytest
import samples

from pdl.report.about import About
from pdl.report.comparison import Comparison, Limit, Measurement, Row, Spread
from pdl.report.histogram import Quantiles
from pdl.report.outline import Cell, Column, Outline, Section, Sheet
from pdl.report.rounds import Figure, Ratio
from pdl.report.run_report import Account, Example, Failures, Host, Moment, Phase, RunReport, Slow
from pdl.report.table import as_table
from pdl.report.width import cut
from pdl.report.wording import ends, number

every_report = pytest.mark.parametrize("report", samples.REPORTS.values(), ids=samples.REPORTS)


def columns(line: str) -> int:
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in line)


# -- figures


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"), (12345.6, "12,346"), (99.96, "100"), (28.71, "28.7"), (9.996, "10.0"), (1.744, "1.74"),
        (0.99951, "1.00"), (0.01234, "0.0123"), (-28.71, "-28.7"), (1e15, "1e+15"), (1e-7, "1e-07"),
        (math.nan, "?"), (math.inf, "?"),
    ],
)  # fmt: skip
def test_a_number_has_three_digits_and_its_thousands_apart(value: float, said: str):
    assert number(value) == said


def test_a_spread_of_one_round_is_not_told():
    assert ends(Figure(1, 1, 1)) == ""
    assert ends(Figure(2870, 2750, 2990)) == "2,750\u20132,990"


# -- the table


@every_report
@pytest.mark.parametrize("color", [False, True])
def test_no_line_of_a_table_is_wider_than_79_columns(report, color):
    for line in report.table(color=color).splitlines():
        assert columns(re.sub(r"\x1b\[[\d;]*m", "", line)) <= 79, line


@every_report
def test_a_table_has_no_controls_but_line_breaks(report):
    assert all(c == "\n" or c.isprintable() for c in report.table())


@pytest.mark.parametrize("name", ["comparison", "one -j", "none came", "one row", "run", "ledger", "empty"])
def test_a_table_is_ascii_if_what_it_tells_of_is(name):
    assert samples.REPORTS[name].table().isascii()


def test_the_table_of_a_comparison_shows_median_spread_and_interval():
    it = samples.comparison((16,))
    text = it.table()
    best, second = it.rows[:2]
    assert second.ratio is not None
    assert second.ratio.low is not None
    assert second.ratio.high is not None
    lines = [line.split() for line in text.splitlines() if line.startswith((best.label, second.label))]
    figure = second.files_per_second
    assert lines[0][:4] == [*best.label.split(), f"{best.files_per_second.median:,.0f}*"]
    assert lines[1][3:5] == [f"{figure.median:,.0f}", f"{figure.low:,.0f}..{figure.high:,.0f}"]
    assert lines[1][7:] == [f"{second.ratio.value:.2f}", f"{second.ratio.low:.2f}..{second.ratio.high:.2f}"]


def test_the_table_of_a_comparison_says_everything():
    it = samples.comparison()
    text = " ".join(it.table().split())
    for said in (
        it.verdict, *it.notes, "the server or the network: curl -j 16 (CPU 31 % in use)",
        "dask: not installed: pip install 'pdl[dask]'", "http 404 120, timeout 30", "AMD Ryzen 7", "libcurl 8.14.1",
        "5 rounds", "5,000 entries on 3 hosts",
    ):  # fmt: skip
        assert said in text
    assert "stopped" in samples.none_came().table()


def test_nobody_is_best_where_nothing_came():
    assert "*" not in samples.none_came().table()


def test_a_row_without_files_is_never_the_best():
    it = samples.comparison((16,))
    quick = replace(it.rows[-1], ratio=None, user=Figure(0, 0, 0), system=Figure(0, 0, 0), rss=Figure(1, 1, 1))
    lines = replace(it, rows=(*it.rows[:-1], quick)).table().splitlines()
    assert not any("*" in line for line in lines if line.startswith(quick.label))


def test_the_best_is_marked_without_moving_the_figures():
    sheet = Sheet(
        (Column("engine", is_text=True), Column("files/s")),
        ((Cell("a"), Cell("10", is_best=True)), (Cell("bc"), Cell("9"))),
    )
    outline = Outline("T", (Section("S", sheets=(sheet,)),))
    assert as_table(outline) == "T\n\nS\nengine  files/s\na            10*\nbc            9\n"
    assert "\x1b[1;32m10*\x1b[0m" in as_table(outline, color=True)


def test_a_sheet_too_wide_goes_on_below_with_its_first_column():
    names = [f"column {letter * 12}" for letter in "abcdefg"]
    sheet = Sheet(
        (Column("engine", is_text=True), *map(Column, names)), ((Cell("curl"), *(Cell(str(n)) for n in range(7))),)
    )
    text = as_table(Outline("T", (Section("S", sheets=(sheet,)),)))
    assert all(name in text for name in names)
    assert [line.split()[1:] for line in text.splitlines() if line.startswith("curl")] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]


def test_long_text_keeps_its_beginning_and_its_end():
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert cut("abcdefghijk", 8) == "abc..ijk"
    assert cut("日本語日本語", 7) == "日..語"
    assert all(columns(cut("a日b本c語" * 5, width)) <= width for width in range(2, 40))


def test_the_table_of_a_run_says_everything():
    text = " ".join(samples.run().table().split())
    for said in (
        "16,800 entries: done 16,201", "412 requests after the first of an entry", "stopped: deadline",
        "first byte 42.0 140 700", "body 16,201 871 49 % 36.0 160 1,940", "http 404: 180", "(urls.txt:17)",
        "and 3 more hosts", "One host answered 429",
    ):  # fmt: skip
        assert said in text


# -- Markdown


@every_report
def test_markdown_begins_with_its_mark(report):
    assert report.to_markdown().startswith("<!-- pdl report -->\n")


@every_report
def test_tables_of_markdown_keep_their_columns(report):
    for table in re.findall(r"(?:^\|.*\n)+", report.to_markdown(), re.MULTILINE):
        rows = table.splitlines()
        cells = [len(re.split(r"(?<!\\)\|", row)) for row in rows]
        assert len(set(cells)) == 1
        assert not re.search(r"\\\\\|", table)  # readers disagree whether that bar is escaped


def outside_of_code(line: str) -> str:
    """A line without its code."""
    return re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", line)


@every_report
def test_nothing_in_markdown_becomes_html_or_a_link(report):
    for line in report.to_markdown().splitlines()[1:]:
        bare = re.sub(r"</?code>|<!-- -->", "", outside_of_code(line))
        assert not re.search(r"(?<!\\)[<\[\]`~$]|&(?!#\d+;)(?<!\\&)", bare), line
        assert not re.search(r":(?=//)|www\.|[@](?=\w)|#(?=\w)(?<!&#)", outside_of_code(line)), line


def test_markdown_marks_the_best():
    it = samples.comparison((16,))
    assert f"| {it.rows[0].label} | **{it.rows[0].files_per_second.median:,.0f}** |" in it.to_markdown()


# -- JSON


@every_report
def test_json_has_every_field(report):
    said = json.loads(report.to_json())
    schema = "pdl.comparison/1" if isinstance(report, Comparison) else "pdl.run/1"
    assert list(said)[:2] == ["schema", "generator"]
    assert (said.pop("schema"), said.pop("generator")) == (schema, f"pdl {samples.ABOUT.pdl}")
    assert list(said) == [field.name for field in fields(report)]


def test_json_has_objects_where_there_are_names():
    it = samples.comparison((16,))
    said = json.loads(it.to_json())
    assert said["rows"][0]["files_per_second"] == it.rows[0].files_per_second._asdict()
    assert said["rows"][1]["ratio"].keys() == {"value", "low", "high"}
    assert said["rows"][0]["file"]["p95"].keys() == {"median", "low", "high"}
    assert said["about"]["libraries"]["requests"] == "2.32.4"
    assert len(said["measurements"]) == len(it.measurements)
    assert said["measurements"][0]["file"].keys() == {"p50", "p95", "p99"}


def test_json_has_null_for_what_is_no_number():
    it = samples.one_moment()
    odd = replace(it, moments=(Moment(0.0, math.nan, math.inf, None),))
    assert json.loads(odd.to_json())["moments"] == [{"at": 0.0, "files": None, "size": None, "active": None}]


DESCRIBED = (
    Comparison, Row, Measurement, Spread, Limit, Figure, Ratio, RunReport, Account, Moment, Phase, Slow, Host,
    Failures, Example, Quantiles, About,
)  # fmt: skip


def names_of(kind: type) -> list[str]:
    return [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind._fields)  # type: ignore[attr-defined]


def test_the_document_has_every_field_of_json():
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    told = {
        title: re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)
        for title, body in re.findall(r"^##+ `(\w+)`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    }
    assert told == {kind.__name__: names_of(kind) for kind in DESCRIBED}


def test_every_value_in_a_report_is_described():
    described = {kind.__name__ for kind in DESCRIBED}
    for kind in DESCRIBED:
        hints = str(get_type_hints(kind))
        assert set(re.findall(r"pdl\.report\.\w+\.([A-Z]\w+)", hints)) <= described
