"""The forms of a report, each imported when it is asked for."""

from __future__ import annotations

from .comparison import Comparison
from .comparison_outline import outline_of_comparison
from .outline import Outline
from .run_outline import outline_of_run
from .run_report import RunReport

Report = Comparison | RunReport


def table(report: Report, *, color: bool = False) -> str:
    from .table import as_table  # noqa: PLC0415 - see the module

    return as_table(_outline(report), color=color)


def markdown(report: Report) -> str:
    from .markdown import as_markdown  # noqa: PLC0415 - see the module

    return as_markdown(_outline(report))


def json(report: Report) -> str:
    from .as_json import as_json  # noqa: PLC0415 - see the module

    return as_json(report)


def page(report: Report) -> str:
    from .page import as_page  # noqa: PLC0415 - see the module

    return as_page(report)


def fragment(report: Report) -> str:
    from .notebook import as_fragment  # noqa: PLC0415 - see the module

    return as_fragment(report, _outline(report))


def _outline(report: Report) -> Outline:
    return outline_of_comparison(report) if isinstance(report, Comparison) else outline_of_run(report)
