"""Numbers and foreign text as people read them on one line."""

from __future__ import annotations

from unicodedata import east_asian_width

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def printable(text: str) -> str:
    r"""The text with all that would not show escaped, as in `\x1b`: controls, bidi marks, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def fitted(text: str, columns: int) -> str:
    """The text in exactly so many columns of a terminal: filled up with spaces, or only its end."""
    widths = [2 if east_asian_width(c) in "WF" else 1 for c in text]
    width = sum(widths)
    if width <= columns:
        return text + " " * (columns - width)
    dropped = 0
    while width > columns - 2:
        width -= widths[dropped]
        dropped += 1
    return ".." + text[dropped:] + " " * (columns - 2 - width)


def amount(size: float) -> str:
    """Bytes in decimal units, three digits from `kB` on: `12.3 MB`."""
    power = 0
    while size >= 999.5 and power < len(_UNITS) - 1:
        size /= 1000
        power += 1
    digits = 0 if not power or size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{size:.{digits}f} {_UNITS[power]}"


def duration(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
