"""A chart with what makes it understood without being seen."""

from __future__ import annotations

from typing import NamedTuple

from .outline import Sheet


class Chart(NamedTuple):
    """A chart.

    Args:
        title: its name.
        description: what it shows, and how it is read.
        svg: the drawing, with the colours of the page that it stands in.
        table: the same figures.
    """

    title: str
    description: str
    svg: str
    table: Sheet
