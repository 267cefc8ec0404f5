"""The picture of the README: how many downloads at once pay, and what they cost, on a preset of the demo's server.

    python benchmarks/picture.py [--preset wan] [--jobs 4,16,64] [--rounds 5] [--to docs/engines.svg]

It also prints the table of the whole comparison. The charts are those of the page that `--report` makes.
"""

from __future__ import annotations

import argparse
import re
from html import escape
from importlib.resources import files
from pathlib import Path

import pdl
from pdl.demo import PRESETS, DemoServer
from pdl.report.chart import Chart
from pdl.report.comparison_charts import comparison_charts

SHOWN = ("Files a second", "CPU a file", "Peak memory")
WIDTH, TITLE, GAP = 360, 34, 16
"""Pixels of a chart, of the room above it, and between two."""


def picture(charts: list[Chart]) -> str:
    """Charts side by side, as an image of its own."""
    page = files("pdl.report").joinpath("page.html.j2").read_text("utf-8")
    colours = re.search(r":root \{.*?^\}\n@media.*?^\}\n", page, re.DOTALL | re.MULTILINE)
    assert colours is not None
    parts, height = [], 0.0
    for place, chart in enumerate(charts):
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', chart.svg)
        assert box is not None
        tall = float(box[2]) * WIDTH / float(box[1])
        height = max(height, tall)
        x = place * (WIDTH + GAP)
        placed = f'<svg x="{x}" y="{TITLE}" width="{WIDTH}" height="{tall:.0f}"'
        parts += [
            f'<text class="title" x="{x + 4}" y="20">{escape(chart.title)}</text>',
            chart.svg.replace('<svg aria-hidden="true" focusable="false"', placed, 1),
        ]
    names = escape(", ".join(chart.title for chart in charts))
    width = len(charts) * (WIDTH + GAP) - GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + TITLE:.0f}" role="img" '
        f'aria-label="{names}">\n<style>\n{colours[0]}'
        "text { font-family: system-ui, sans-serif; fill: var(--text); }\n"
        ".title { font: 600 15px system-ui, sans-serif; }\n"
        f'</style>\n<rect width="100%" height="100%" fill="var(--card)"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=list(PRESETS), default="wan")
    parser.add_argument("--jobs", default="4,16,64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--to", type=Path, default=Path("docs/engines.svg"))
    options = parser.parse_args()
    jobs = [int(each) for each in options.jobs.split(",")]
    with DemoServer(PRESETS[options.preset].knobs) as server:
        found = pdl.compare(server.urls, jobs=jobs, rounds=options.rounds, progress=True)
    print(found.table())
    charts = {chart.title: chart for chart in comparison_charts(found)}
    options.to.write_text(picture([charts[title] for title in SHOWN]), encoding="utf-8")


if __name__ == "__main__":
    main()
