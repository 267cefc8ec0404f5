"""A report for the terminal: at most 79 columns of ASCII, as far as it is not foreign text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from .outline import Column, Item, Outline, Section, Sheet
from .width import cut, wide
from .wording import TO

_WIDTH = 79
_LABEL = 24  # columns that the first column may take where others want room
_BOLD, _BEST, _PLAIN = "\x1b[1m", "\x1b[1;32m", "\x1b[0m"


def as_table(outline: Outline, *, color: bool = False) -> str:
    """The report as text that ends with a line break.

    Args:
        outline: what it says.
        color: mark the best and the headings also by bold and green.
    """
    lines = [_painted(outline.title, _BOLD, color=color)]
    for section in outline.sections:
        lines += ["", _painted(section.title, _BOLD, color=color), *_section(section, color=color)]
    return "\n".join(lines) + "\n"


def _section(section: Section, *, color: bool) -> Iterator[str]:
    for sentence in section.sentences:
        yield from _wrapped(sentence, "", "")
    for number, sheet in enumerate(section.sheets):
        if number:
            yield ""
        for part, some in enumerate(_split(sheet)):
            if part:
                yield ""
            yield from _sheet(some, color=color)
    for item in section.items:
        yield from _item(item)


def _item(item: Item) -> Iterator[str]:
    yield from _wrapped(item.title, "", "  ")
    for line in item.lines:
        yield "  " + cut(line, _WIDTH - 2)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    # textwrap counts characters; those of double width are rare enough to give away room
    width = _WIDTH if wide(text) == len(text) else _WIDTH // 2
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _split(sheet: Sheet) -> list[Sheet]:
    """Sheets that fit, each with the first column."""
    widths = _widths(sheet)
    if _gap(widths) or sheet.columns[-1].is_text:
        return [sheet]
    groups: list[list[int]] = [[]]
    room = left = _WIDTH - min(widths[0], _LABEL)
    for index in range(1, len(widths)):
        if groups[-1] and left < widths[index] + 2:
            groups.append([])
            left = room
        groups[-1].append(index)
        left -= widths[index] + 2
    return [
        Sheet(
            tuple(sheet.columns[index] for index in (0, *group)),
            tuple(tuple(row[index] for index in (0, *group)) for row in sheet.rows),
        )
        for group in groups
    ]


def _widths(sheet: Sheet) -> list[int]:
    """Columns of the terminal that each column takes, the mark of the best included."""
    widths = []
    for index, column in enumerate(sheet.columns):
        marks = any(row[index].is_best for row in sheet.rows)
        texts = [_ascii(row[index].text, column) for row in sheet.rows]
        widths.append(max(wide(column.title), *(wide(text) for text in texts)) + marks)
    return widths


def _sheet(sheet: Sheet, *, color: bool) -> Iterator[str]:
    widths = _fitting(sheet.columns, _widths(sheet))
    gap = _gap(widths)
    if any(column.group for column in sheet.columns):
        yield _groups(sheet.columns, widths, gap)
    marked = [any(row[index].is_best for row in sheet.rows) for index in range(len(widths))]
    heads = zip(sheet.columns, widths, marked, strict=True)
    yield _line([_set(column.title, width - mark, column) + " " * mark for column, width, mark in heads], gap)
    for row in sheet.rows:
        parts = []
        for cell, column, width, mark in zip(row, sheet.columns, widths, marked, strict=True):
            text = _set(_ascii(cell.text, column), width - mark, column)
            if cell.is_best:
                bare = text.lstrip(" ")
                text = text[: len(text) - len(bare)] + _painted(bare + "*", _BEST, color=color)
            elif mark:
                text += " "
            parts.append(text)
        yield _line(parts, gap)


def _fitting(columns: Sequence[Column], widths: list[int]) -> list[int]:
    """Widths that fit together: words give way to figures, the widest first."""
    widths = list(widths)
    while not _gap(widths):
        texts = [index for index, column in enumerate(columns) if column.is_text and widths[index] > 4]
        widest = max(texts or range(len(widths)), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _gap(widths: Sequence[int]) -> int:
    """Spaces between columns so that they fit; 0 if they don't."""
    return next((gap for gap in (2, 1) if sum(widths) + gap * (len(widths) - 1) <= _WIDTH), 0)


def _groups(columns: Sequence[Column], widths: Sequence[int], gap: int) -> str:
    """The line above the heads: what columns beside each other have in common."""
    parts: list[str] = []
    index = 0
    while index < len(columns):
        group, first = columns[index].group, index
        while index < len(columns) and columns[index].group == group:
            index += 1
        room = sum(widths[first:index]) + gap * (index - first - 1)
        parts.append(cut(group, room).rjust(room))
    return _line(parts, gap)


def _line(parts: Sequence[str], gap: int) -> str:
    return (" " * gap).join(parts).rstrip()


def _set(text: str, width: int, column: Column) -> str:
    text = cut(text, width)
    space = " " * (width - wide(text))
    return text + space if column.is_text else space + text


def _ascii(text: str, column: Column) -> str:
    return text if column.is_text else text.replace(TO, "..")


def _painted(text: str, paint: str, *, color: bool) -> str:
    return f"{paint}{text}{_PLAIN}" if color else text
