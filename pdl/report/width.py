"""Text by the columns of a terminal that it takes."""

from __future__ import annotations

from unicodedata import east_asian_width


def cut(text: str, columns: int) -> str:
    """The text in at most so many columns of a terminal; of a longer one the beginning and the end."""
    if wide(text) <= columns:
        return text
    tail = max(0, (columns - 2) // 2)
    return _head(text, columns - 2 - tail) + ".." + _head(text[::-1], tail)[::-1]


def wide(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return len(text) if text.isascii() else sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _head(text: str, columns: int) -> str:
    """As much of the beginning as fits."""
    taken = 0
    for index, c in enumerate(text):
        taken += 2 if east_asian_width(c) in "WF" else 1
        if taken > columns:
            return text[:index]
    return text
