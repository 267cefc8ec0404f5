"""A report as a piece of HTML for notebooks, in the colours that those have."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec

from .comparison import Comparison
from .outline import Outline, Sheet
from .run_report import RunReport

_STYLE = """
.pdl-report {
  --text: currentColor; --muted: currentColor; --grid: rgba(128, 128, 128, .45); --card: rgba(255, 255, 255, .7);
  --s0: #2b8cc4; --s1: #d9681d; --s2: #1f9970; --s3: #c05f98;
  --s4: #80868d; --s5: #978000; --s6: #1f93ad; --s7: #7d6fd6;
  overflow-wrap: anywhere;
}
.pdl-report table { border-collapse: collapse; margin: .5em 0; font-size: 90%; }
.pdl-report th, .pdl-report td { padding: 3px 9px; text-align: right; white-space: nowrap; }
.pdl-report .t { text-align: left; white-space: normal; }
.pdl-report .scroll { overflow-x: auto; }
.pdl-report .charts { display: flex; flex-wrap: wrap; gap: 18px; }
.pdl-report figure { margin: 0; width: 360px; max-width: 100%; }
.pdl-report figcaption { font-weight: 600; }
.pdl-report svg { width: 100%; height: auto; overflow: visible; }
"""  # colours that can be seen on light and on dark


def as_fragment(report: Comparison | RunReport, outline: Outline) -> str:
    """What is told in the tables, with a style that touches nothing else, and charts if they can be drawn."""
    parts = ['<div class="pdl-report">', f"<style>{_STYLE}</style>"]
    if isinstance(report, Comparison):
        parts.append(f"<p><b>{escape(_first(outline, 'Verdict'))}</b></p>")
    else:
        parts.append(f"<p><b>{escape(_first(outline, 'Account'))}</b></p>")
    for section in outline.sections:
        parts += [_table(sheet, section.title) for sheet in section.sheets]
    if find_spec("matplotlib") is not None:
        parts.append(_charts(report))
    return "\n".join([*parts, "</div>"])


def _first(outline: Outline, title: str) -> str:
    """What a section says in words."""
    return " ".join(part for section in outline.sections if section.title == title for part in section.sentences)


def _table(sheet: Sheet, caption: str) -> str:
    classes = [' class="t"' if column.is_text else "" for column in sheet.columns]
    heads = [f"<th{name}>{escape(column.name)}</th>" for column, name in zip(sheet.columns, classes, strict=True)]
    rows = [
        [
            f"<td{name}><b>{escape(cell.text)}*</b></td>" if cell.is_best else f"<td{name}>{escape(cell.text)}</td>"
            for cell, name in zip(row, classes, strict=True)
        ]
        for row in sheet.rows
    ]
    lines = "\n".join(f"<tr>{''.join(row)}</tr>" for row in [heads, *rows])
    return f'<div class="scroll"><table><caption class="t">{escape(caption)}</caption>\n{lines}\n</table></div>'


def _charts(report: Comparison | RunReport) -> str:
    if isinstance(report, Comparison):
        from .comparison_charts import comparison_charts  # noqa: PLC0415 - if its library is there

        charts = comparison_charts(report)
    else:
        from .run_charts import run_charts  # noqa: PLC0415 - see above

        charts = run_charts(report)
    figures = [
        f'<figure role="img" aria-label="{escape(chart.title)}. {escape(chart.description)}">'
        f"<figcaption>{escape(chart.title)}</figcaption>{chart.svg}</figure>"
        for chart in charts
    ]
    return f'<div class="charts">{"".join(figures)}</div>'
