"""A report for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from .comparison import Comparison
from .run_report import RunReport

SCHEMAS = {Comparison: "pdl.comparison/1", RunReport: "pdl.run/1"}
"""What the first key tells: of what kind a report is; the number changes when a reader would have to."""


def as_json(report: Comparison | RunReport) -> str:
    """The report as an object, in text that ends with a line break; docs/report.md has its fields."""
    head = {"schema": SCHEMAS[type(report)], "generator": f"pdl {report.about.pdl}"}
    return json.dumps(head | _plain(report), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """A value as JSON types: what has fields as an object, what is not finite as null."""
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
