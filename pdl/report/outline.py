"""What a report says and in which order, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pdl.progress import printable


class Column(NamedTuple):
    """A column of a sheet.

    Args:
        title: its head.
        group: what several columns beside each other have in common, such as `first byte, ms`.
        is_text: it has words and not figures: set left, and cut in the middle where there is no room.
    """

    title: str
    group: str = ""
    is_text: bool = False

    @property
    def name(self) -> str:
        """Group and title."""
        return f"{self.group} {self.title}".strip()


class Cell(NamedTuple):
    """What stands in a sheet, free of controls; `is_best` of the best in its column."""

    text: str
    is_best: bool = False


class Sheet(NamedTuple):
    """Rows of cells, one for each column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Item(NamedTuple):
    """Something with a name, and what there is to say of it.

    Args:
        title: its name.
        lines: what follows from it, each on a line of its own; of URLs the beginning and the end are enough.
    """

    title: str
    lines: tuple[str, ...] = ()


class Section(NamedTuple):
    """A part of a report; what it has not is left out.

    Args:
        title: its heading.
        sentences: what it begins with.
        sheets: in their order.
        items: what it ends with.
    """

    title: str
    sentences: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    items: tuple[Item, ...] = ()


class Outline(NamedTuple):
    """A report.

    Args:
        title: what it is.
        sections: in their order, none of them empty.
    """

    title: str
    sections: tuple[Section, ...]


def section(
    title: str,
    sentences: Iterable[str] = (),
    sheets: Iterable[Sheet] = (),
    items: Iterable[Item] = (),
) -> Section:
    """A section without its empty sheets and sentences, its text free of controls."""
    return Section(
        title,
        tuple(printable(each) for each in sentences if each),
        tuple(each for each in sheets if each.rows),
        tuple(Item(printable(each.title), tuple(map(printable, each.lines))) for each in items),
    )


def outline(title: str, sections: Iterable[Section]) -> Outline:
    """A report without its empty sections."""
    return Outline(title, tuple(each for each in sections if any(each[1:])))


def cells(texts: Sequence[str], best: Sequence[bool] | None = None) -> tuple[Cell, ...]:
    """Cells of some text, free of controls."""
    if best is None:
        best = [False] * len(texts)
    return tuple(Cell(printable(text), is_best) for text, is_best in zip(texts, best, strict=True))
