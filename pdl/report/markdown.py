"""A report to be pasted where GitHub's Markdown is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .outline import Cell, Column, Item, Outline, Sheet

MARK = "<!-- pdl report -->"
"""The first line, by which a file is known to be a report."""

_HARMLESS = re.compile(r"(?!www\.)[\w ,.%()\u2013-]*")
_ACTIVE = re.compile(r"[\\`*_{}\[\]<>|~$&]")
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=[@#])(?=\w)|(?<=\w)(?=@)", re.IGNORECASE)


def as_markdown(outline: Outline) -> str:
    """The report as text that ends with a line break; foreign text stays text, whatever it contains."""
    lines = [MARK, "", f"## {_prose(outline.title)}"]
    for section in outline.sections:
        lines += ["", f"### {_prose(section.title)}"]
        for sentence in section.sentences:
            lines += ["", _prose(sentence)]
        for sheet in section.sheets:
            lines += ["", *_sheet(sheet)]
        if section.items:
            lines.append("")
        for item in section.items:
            lines += _item(item)
    return "\n".join(lines) + "\n"


def _sheet(sheet: Sheet) -> Iterator[str]:
    yield _row(_prose(column.name) for column in sheet.columns)
    yield _row("---" if column.is_text else "--:" for column in sheet.columns)
    for row in sheet.rows:
        yield _row(_cell(cell, column) for cell, column in zip(row, sheet.columns, strict=True))


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _cell(cell: Cell, column: Column) -> str:
    text = _code_in_table(cell.text) if column.is_text else _prose(cell.text)
    return f"**{text}**" if cell.is_best else text


def _item(item: Item) -> Iterator[str]:
    yield f"- {_prose(item.title)}"
    for line in item.lines:
        yield f"  - {_code(line)}"


def _prose(text: str) -> str:
    """Text that stays what it is; an empty comment keeps addresses and mentions (`@name`) from becoming links."""
    return _LINKED.sub("<!-- -->", _ACTIVE.sub(lambda match: "\\" + match[0], text))


def _code(text: str) -> str:
    """Foreign text as code, in which nothing is a link; harmless words as they are."""
    if _HARMLESS.fullmatch(text):
        return text
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{space}{text}{space}{fence}"


def _code_in_table(text: str) -> str:
    """That, with its bars escaped; beside backslashes that has no meaning which all readers agree on."""
    if "|" in text and "\\" in text:
        return f"<code>{''.join(c if c.isalnum() else f'&#{ord(c)};' for c in text)}</code>"
    return _code(text).replace("|", "\\|")
