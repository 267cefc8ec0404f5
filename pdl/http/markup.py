"""HTML and SVG, known by the first tag of a text."""

from __future__ import annotations

import codecs
import re

from pdl.patterns import pattern

HTML, SVG = "text/html", "image/svg+xml"

_PASSED = pattern(rb"(?:\s+|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)  # what may stand before the first tag
_HTML_TAGS = (
    rb"!doctype\s+html|html|head|title|meta|link|base|script|noscript|style|body|iframe|h[1-6]|div|p|a|b|br|"
    rb"center|font|form|table"
)  # those that browsers take for it, and those that portals begin with
_HTML = pattern(rb"<(?:" + _HTML_TAGS + rb")[\s>/]", re.IGNORECASE)
_SVG = pattern(rb"<(?:!doctype\s+svg|(?:svg:)?svg)[\s>/]", re.IGNORECASE)


def markup_type(beginning: bytes) -> str | None:
    """`HTML` or `SVG` if that is what the first tag is, else None."""
    text = _plain(beginning)
    if b"<" not in text:
        return None
    start = _PASSED.match(text)
    at = start.end() if start else 0
    if _HTML.match(text, at):
        return HTML
    return SVG if _SVG.match(text, at) else None


def _plain(text: bytes) -> bytes:
    """The same without a byte order mark, and in ASCII."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if text.startswith(mark):
            return text[2:].decode(encoding, "ignore").encode("ascii", "replace")
    return text.removeprefix(codecs.BOM_UTF8)
