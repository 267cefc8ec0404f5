"""Reports as pages and in notebooks: in themselves, and as a browser shows them."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest
import samples

from pdl import engines
from pdl.errors import SettingsError
from pdl.report import page
from pdl.report.comparison_charts import looks_of
from pdl.report.drawing import label
from pdl.report.file import ReportFile

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "link", "br"}
HTML = {
    "html", "head", "meta", "link", "title", "style", "body", "header", "main", "section", "article", "footer",
    "h1", "h2", "h3", "p", "ul", "li", "b", "span", "div", "figure", "details", "summary", "table", "thead",
    "tbody", "tr", "th", "td", "bdi", "dl", "dt", "dd",
}  # fmt: skip
SVG = {"svg", "g", "path", "defs", "use", "text", "clippath", "rect", "pattern", "image"}


class Document(HTMLParser):
    """Elements, attributes and words of a page, whose tags are closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("name", samples.REPORTS)
def test_a_page_is_sound_and_harmless(name, tmp_path):
    text = samples.REPORTS[name].to_html()
    assert all(c == "\n" or c.isprintable() for c in text)
    has_harmless_elements_and_asks_for_nothing(text)
    has_ids_once_and_finds_what_it_refers_to(text)
    has_the_figures_of_every_chart(text)
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    ReportFile(str(tmp_path / "a.html"))  # it is known again


def has_harmless_elements_and_asks_for_nothing(text: str) -> None:
    it = Document(text)
    assert set(it.tags) <= HTML | SVG
    for tag, name, value in it.attributes:
        assert not name.startswith("on")
        if name in ("href", "src"):
            assert value.startswith("#") or (tag, value) == ("link", "data:,")
        if name == "style":
            assert "url(" not in value.replace("url(#", "")
    styles = re.findall(r"<style>.*?</style>", text, re.DOTALL)
    assert len(styles) == 1
    assert "@import" not in styles[0]
    assert "url(" not in styles[0]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert text.startswith('<!doctype html>\n<html lang="en">')


def has_ids_once_and_finds_what_it_refers_to(text: str) -> None:
    it = Document(text)
    ids = [value for _, name, value in it.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    used = {
        value.lstrip("#")
        for _, name, value in it.attributes
        if name in ("href", "aria-labelledby") and value != "data:,"
    }
    used |= set(re.findall(r"url\(#([^)]*)\)", text))
    assert used <= set(ids)


def has_the_figures_of_every_chart(text: str) -> None:
    charts = re.findall(r"<article.*?</article>", text, re.DOTALL)
    assert text.count("<figure") == len(charts)
    for chart in charts:
        assert Document(chart).tags["td"] > 0
        assert chart.count("<svg") == 1


@pytest.mark.parametrize("name", ["one row", "run"])
def test_the_same_report_gives_the_same_page(name):
    report = samples.REPORTS[name]
    with mpl.rc_context({"svg.hashsalt": "other", "font.size": 30, "axes.grid": False}):
        other = report.to_html()
    assert report.to_html() == other


def test_drawing_leaves_the_settings_of_the_program_alone():
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        before = {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}  # asking chooses one
        samples.one_row().to_html()
        assert {name: mpl.rcParams[name] for name in before} == before


def test_drawing_does_without_pyplot_and_its_windows():
    program = "import sys, samples; samples.one_row().to_html(); print('matplotlib.pyplot' in sys.modules)"
    assert printed(program) == "False\n"


def printed(program: str) -> str:
    """What some code says in a fresh Python that finds the samples."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(page.__file__).parents[2]), "PYTHONIOENCODING": "utf-8"},
        timeout=60,
    )
    return done.stdout


def test_hostile_text_stays_text():
    text = samples.hostile_run().to_html()
    it = Document(text)
    assert "<script" not in text.lower()
    assert "http://h/<script>alert(1)</script>" in it.text
    assert "{{7*7}}" in it.text
    assert "\u202e" not in text


def test_a_page_of_a_comparison_says_everything():
    it = samples.comparison((1, 16))
    said = Document(it.to_html()).text
    for words in (
        *it.left_out, *it.notes, "http 404 120, timeout 30", "AMD Ryzen 7", "CPU 31 % in use", "Times as long",
        "Files a second", "CPU a file", "Peak memory", "Time against CPU", "Time to the first byte", "Time a file",
        "Rounds", "Failures by kind", "* the best of its column",
    ):  # fmt: skip
        assert words in said
    assert it.verdict.replace(" ", "") in said.replace(" ", "")  # the names of engines are elements of their own


def test_a_page_of_a_run_says_everything():
    said = Document(samples.run().to_html()).text
    for words in (
        "Throughput", "Downloads at once", "Time by phase", "Slowest downloads", "Hosts by bytes",
        "Hosts by failures", "http 404: 180", "(urls.txt:17)", "stopped: deadline", "and 3 more hosts",
        "One host answered 429",
    ):  # fmt: skip
        assert words in said
    assert "Downloads at once" not in Document(samples.ledger_run().to_html()).text


def test_an_engine_has_its_colour_whatever_the_others_are():
    few, many = looks_of(samples.one_row().rows), looks_of(samples.comparison().rows)
    assert few.items() <= many.items()
    assert len({look.color for look in many.values()}) == len({look.marker for look in many.values()}) == len(many)
    assert many.keys() >= set(engines.names())


def test_more_engines_than_colours_still_differ():
    looks = looks_of(samples.thirty_rows().rows).values()
    assert len({(look.color, look.marker, look.dashes) for look in looks}) == len(looks) > 8


def test_a_name_in_a_chart_is_short_and_measurable():
    assert label("日本") == "\\u65e5\\u672c"
    assert all(len(label(each)) <= 20 for each in samples.HOSTILE)


# -- colours


def luminance(color: str) -> float:
    """Relative luminance, WCAG 2.1."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_can_be_told_from_what_is_behind_them(scheme):
    source = (Path(page.__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([\w-]+): (#\w{6});", re.findall(r":root \{(.*?)\}", source, re.DOTALL)[scheme]))
    for back in ("page", "card"):
        assert min(contrast(colors[name], colors[back]) for name in ("text", "muted", "accent")) >= 4.5
    assert contrast(colors["best"], colors["best-back"]) >= 4.5
    assert min(contrast(colors[f"s{number}"], colors["card"]) for number in range(8)) >= 3


# -- without libraries


def test_what_is_missing_for_pages_is_told_before_anything_starts(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "find_spec", lambda name: None if name == "jinja2" else object())
    for call in (page.require, samples.one_row().to_html, lambda: ReportFile(str(tmp_path / "a.html"))):
        with pytest.raises(SettingsError, match=r"a page needs jinja2: pip install 'pdl\[report\]'"):
            call()
    ReportFile(str(tmp_path / "a.json"))


@pytest.mark.parametrize("name", ["one row", "hostile run", "none came", "empty"])
def test_notebooks_get_tables_and_charts(name):
    report = samples.REPORTS[name]
    it = Document(report._repr_html_())
    assert set(it.tags) <= HTML | SVG | {"figcaption", "caption"}
    assert (
        it.tags["svg"] == it.tags["figure"] == {"one row": 5, "hostile run": 10, "none came": 2, "empty": 0}[name]
    )


def test_the_style_of_a_notebook_touches_nothing_else():
    style = re.findall(r"<style>(.*?)</style>", samples.one_row()._repr_html_(), re.DOTALL)[0]
    selectors = re.findall(r"^([^{}]+?)\s*\{", style, re.MULTILINE)
    assert selectors
    assert all(part.strip().startswith(".pdl-report") for each in selectors for part in each.split(","))


def test_notebooks_get_tables_where_nothing_can_be_drawn():
    program = (
        "import sys; sys.modules['jinja2'] = sys.modules['matplotlib'] = None; import importlib.util as u; "
        "find = u.find_spec; u.find_spec = lambda name, *a: None if name == 'matplotlib' else find(name, *a); "
        "import samples; print(samples.one_row()._repr_html_())"
    )
    it = Document(printed(program))
    assert (it.tags["svg"], it.tags["table"]) == (0, 3)


# -- in a browser

SEEN = {
    "comparison": [("light", 1280), ("light", 390), ("dark", 1280), ("dark", 390)],
    "run": [("light", 1280), ("light", 390), ("dark", 1280), ("dark", 390)],
    "hostile comparison": [("light", 390)],
    "hostile run": [("light", 390)],
}
"""How which reports are looked at."""


def seen(folder: Path) -> list[dict]:
    """What pages look like, light and dark, on a screen and on a telephone."""
    wanted = []
    for name, views in SEEN.items():
        path = folder / f"{name}.html"
        path.write_text(samples.REPORTS[name].to_html(), encoding="utf-8")
        wanted += [(str(path), scheme, width) for scheme, width in views]
    program = Path(__file__).with_name("browser.py")
    done = subprocess.run(
        [sys.executable, program, BROWSER],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome")
def test_a_browser_shows_pages_as_they_are_meant(tmp_path):
    views = seen(tmp_path)
    assert len(views) == sum(map(len, SEEN.values()))
    backgrounds: dict[str, set[str]] = {}
    for view in views:
        backgrounds.setdefault(view["scheme"], set()).add(view["background"])
    assert len(backgrounds["light"]) == len(backgrounds["dark"]) == 1
    assert backgrounds["light"] != backgrounds["dark"]
    for view in views:
        what = (view["page"], view["scheme"], view["width"])
        assert view["said"] == [], what
        assert len(view["asked"]) == 1, what
        assert view["asked"][0].startswith("file://"), what
        assert view["active"] == view["unnamed"] == 0, what
        assert max(view["scroll"], view["scroll_open"]) <= view["wide"] == view["width"], what
        assert view["outside"] == [], what
        assert len(view["ids"]) == len(set(view["ids"])), what
        levels = view["levels"]
        assert levels.count(1) == 1, what
        assert levels[0] == 1, what
        assert all(below - above <= 1 for above, below in itertools.pairwise(levels)), what
        assert len(view["charts"]) == (9 if "comp" in view["page"] else 10)
        for left, _, width, height in view["charts"]:
            assert left >= 0, what
            assert min(width, height) > 100, what
            assert left + width <= view["wide"], what
        assert min(view["sizes"]) >= 11, what
        for text, left, _, width, height in view["texts"]:
            assert height >= 10, (what, text)
            assert left >= 0, (what, text)
            assert left + width <= view["wide"], (what, text)
        if not view["page"].startswith("hostile"):
            assert view["overlaps"] == [], what
