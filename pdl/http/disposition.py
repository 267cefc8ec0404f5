"""The name that a server gives to a file: Content-Disposition (RFC 6266), read as browsers do. It never raises.

Servers send much that the grammar does not allow. What is decided here:

- Of the parameters, `filename*` (RFC 8187) wins over `filename`, wherever it stands; of several the first that can
  be read counts. Any disposition type will do, also `inline`, or none.
- `filename*` in other charsets than UTF-8 and ISO-8859-1, or with broken escapes, is passed over.
- A `filename` is UTF-8 if its bytes are that, else ISO-8859-1. Then it is decoded once: encoded words (RFC 2047) if
  it has any, else `%xx` if that gives UTF-8. RFC 6266 warns of that (appendix D), but Chrome does it, so servers
  rely on it.
- Continuations (`filename*0*=`, RFC 2231) are no part of RFC 8187, and are ignored.
- What is not in quotes goes up to the next semicolon, blanks included; a quote that is not closed up to the end.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from pdl.patterns import pattern

_PARAMETER = pattern(
    r"""([^;=]*)                                     # its name, or a disposition type
        (?: = [ \t]* (?: "([^"\\]*(?:\\.[^"\\]*)*)   # a quoted value, and what stands between it and the semicolon
                         (?: "[^;]* | \\?\Z )
                       | ([^;]*) ) )?                # a bare value
        (?: ; | \Z )""",
    re.DOTALL | re.VERBOSE,
)
_QUOTED_PAIR = pattern(r"\\(.)", re.DOTALL)
_WINDOWS_PATH = pattern(r"[A-Za-z]:\\|\\\\")
"""Begins a path that whoever sent it did not escape; its backslashes are separators."""

_EXTENDED = pattern(r"([^']*)'[^']*'(.*)", re.DOTALL)
_BROKEN_ESCAPE = pattern(r"%(?![0-9A-Fa-f]{2})")
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "latin-1"}

_ENCODED_WORD = pattern(r"=\?([A-Za-z0-9_-]+)(?:\*[A-Za-z0-9-]*)?\?([BbQq])\?([^?]*)\?=")
_BETWEEN_WORDS = pattern(r"(?<=\?=)[ \t\r\n]+(?==\?)")
_WORD_CHARSET = pattern(
    r"utf-?8|us-ascii|iso-8859-\d{1,2}|windows-125\d|gb2312|gbk|gb18030|big5|shift_jis|euc-jp|iso-2022-jp|euc-kr|koi8-[ru]",
    re.IGNORECASE,
)
"""Charsets of encoded words; Python knows others, some of which take very long."""


def file_name(value: str | None) -> str | None:
    """The name of the file, without folders but not yet safe; None if the field gives none.

    Args:
        value: of the first Content-Disposition field, each byte of it a character of ISO-8859-1.
    """
    if value is None:
        return None
    plain = None
    for name, quoted, bare in _parameters(value):
        if name == "filename*" and (found := _last_segment(_extended(quoted or bare))):
            return found
        if name == "filename" and plain is None:
            plain = _last_segment(_decoded(_raw_utf8(bare or _unescaped(quoted))))
    return plain


def _parameters(value: str) -> Iterator[tuple[str, str, str]]:
    """Each parameter's name in lower case, and what it has in quotes or bare."""
    for match in _PARAMETER.finditer(value):
        name, quoted, bare = match.groups("")
        yield name.strip().lower(), quoted, bare.strip()


def _unescaped(quoted: str) -> str:
    return quoted if _WINDOWS_PATH.match(quoted) else _QUOTED_PAIR.sub(r"\1", quoted)


def _last_segment(name: str) -> str | None:
    """What stands behind the last separator of any system, if that is a name at all."""
    name = name.replace("\\", "/").rpartition("/")[2].strip()
    return name if any(each.isprintable() and each not in ". " for each in name) else None


def _raw_utf8(text: str) -> str:
    """UTF-8 that was taken for ISO-8859-1, which is what servers send beyond ASCII."""
    try:
        return text if text.isascii() else text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _extended(text: str) -> str:
    """An extended value (RFC 8187 section 3.2); empty if it is broken."""
    match = _EXTENDED.fullmatch(text)
    charset = _CHARSETS.get(match[1].lower()) if match else None
    if match is None or charset is None or _BROKEN_ESCAPE.search(match[2]):
        return ""
    try:
        return unquote_to_bytes(match[2].encode("latin-1")).decode(charset)
    except UnicodeError:
        return ""


def _decoded(text: str) -> str:
    if "=?" in text and _ENCODED_WORD.search(text):
        return _ENCODED_WORD.sub(_word, _BETWEEN_WORDS.sub("", text))
    try:
        return unquote_to_bytes(text).decode("utf-8") if "%" in text else text
    except UnicodeError:
        return text


def _word(match: re.Match[str]) -> str:
    """An encoded word (RFC 2047 section 2); as it is, if it is broken."""
    charset, encoding, text = match.groups()
    if not _WORD_CHARSET.fullmatch(charset):
        return match[0]
    try:
        if encoding in "Bb":
            return binascii.a2b_base64(text + "==").decode(charset)
        return binascii.a2b_qp(text, header=True).decode(charset)
    except (ValueError, LookupError):
        return match[0]
