"""The head of a response, parsed line by line and strictly (RFC 9112 sections 4, 5 and 6).

Every engine feeds the same parser with the raw lines: client libraries fold duplicate fields, accept broken
lengths and take a cut head for a whole one, each in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pdl.errors import Kind
from pdl.model import Headers
from pdl.patterns import pattern

from .fault import TransferError

MAX_LINE = 100 * 1024
MAX_HEAD = 300 * 1024
MAX_FIELDS = 5000
MAX_INFORMATIONAL = 64  # 1xx responses before the final one; RFC 9110 section 15.2 sets no bound, a flood needs one

_STATUS_LINE = pattern(rb"HTTP/(\d(?:\.\d)?) (\d{3})(?: (.*))?", re.DOTALL)
_FIELD = pattern(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):(.*)", re.DOTALL)
_BROKEN_VALUE = pattern(rb"[\x00\r\n]")
_WHOLE_LINE = pattern(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00\r\n]*)\r?\n")
_FRAMING = ("transfer-encoding", "content-length", "connection")
_REMEMBERED = 512
"""Bytes of the longest line that is remembered: most lines of a head come again in the next one of that host."""
_MOST_AT_ONCE = 100
"""Lines of the longest head that is taken in one go."""


class ResponseHead(NamedTuple):
    """Status and fields of a final response, and what they say about its framing.

    Args:
        version: `1.1`, `1.0`, `2` or `3`.
        status: 200 to 599.
        reason: the text behind the status, possibly empty.
        fields: in the order in which they came, duplicates kept, their names in lower case.
        content_length: bytes of the body as sent, if it is framed by length.
        chunked: the body is framed by chunks.
        keep_alive: the connection may serve another request after the body.
        first: the first value of each field.
    """

    version: str
    status: int
    reason: str
    fields: Headers
    content_length: int | None
    chunked: bool
    keep_alive: bool
    first: dict[str, str]

    def get(self, name: str) -> str | None:
        """The first value of a field, by its lower-case name."""
        return self.first.get(name)

    def get_all(self, name: str) -> list[str]:
        """The values of all lines of a field, by its lower-case name."""
        return _all(name, self.fields) if name in self.first else []

    @property
    def has_body(self) -> bool:
        return self.status not in (204, 304)


def response_head(version: str, status: int, reason: str, fields: Headers) -> ResponseHead:
    """A head from parsed fields, its framing checked (RFC 9112 section 6.3).

    Raises:
        TransferError: PROTOCOL, for lengths and codings that contradict the rules.
    """
    return _head(version, status, reason, [(name.lower(), value) for name, value in fields])


def _head(version: str, status: int, reason: str, fields: list[tuple[str, str]]) -> ResponseHead:
    """The same, from names in lower case."""
    first = dict(reversed(fields))
    framing = first
    if len(first) != len(fields):  # lines of the same field are one list (RFC 9110 section 5.3)
        framing = {name: ", ".join(_all(name, fields)) for name in _FRAMING if name in first}
    chunked, keep_alive = _manner(version, framing.get("transfer-encoding"), framing.get("connection"))
    text = framing.get("content-length")
    length = None if text is None else _content_length(text)
    if chunked and (length is not None or version == "1.0"):
        length, keep_alive = None, False  # chunks win; the sender is confused, so its connection ends
    return ResponseHead(version, status, reason, tuple(fields), length, chunked, keep_alive, first)


def _all(name: str, fields: Sequence[tuple[str, str]]) -> list[str]:
    """The values of all lines of a field."""
    return [value for field, value in fields if field == name]


def _parts(text: str) -> list[str]:
    """The members of a field that is a list (RFC 9110 section 5.6.1)."""
    return [part.strip(" \t") for part in text.split(",")]


def _listed(text: str) -> list[str]:
    """The same, without case and empty members."""
    return [part.lower() for part in _parts(text) if part]


@lru_cache(maxsize=64)
def _manner(version: str, coding: str | None, connection: str | None) -> tuple[bool, bool]:
    """Whether the body comes in chunks, and whether the connection is kept after it."""
    options = [] if connection is None else _listed(connection)
    keep_alive = "close" not in options and (version != "1.0" or "keep-alive" in options)
    return coding is not None and _chunked(_listed(coding)), keep_alive


def _content_length(text: str) -> int:
    if len(text) <= 19 and text.isascii() and text.isdigit():  # as nearly all are
        return int(text)
    values = _parts(text)
    first = values[0]
    if not (first.isascii() and first.isdigit()) or len(first) > 19 or values.count(first) != len(values):
        raise TransferError(Kind.PROTOCOL, f"the Content-Length is invalid: {', '.join(values)[:60]!r}")
    return int(first)


def _chunked(codings: list[str]) -> bool:
    if codings and codings != ["chunked"]:
        raise TransferError(Kind.PROTOCOL, f"the Transfer-Encoding {', '.join(codings)[:60]!r} was not asked for")
    return bool(codings)


class HeadParser:
    """Takes the lines of a head one by one and gives the final response's head at the blank line.

    Informational (1xx) responses are passed over.
    """

    def __init__(self) -> None:
        self._informational = 0
        self._reset()

    def _reset(self) -> None:
        self._status: tuple[str, int, str] | None = None
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def started(self) -> bool:
        """A line has come that is not yet part of a finished head."""
        return self._size > 0 or self._informational > 0

    @property
    def informed(self) -> bool:
        """Informational responses have come."""
        return self._informational > 0

    def feed(self, line: bytes) -> ResponseHead | None:
        """Take one line with its line end.

        Raises:
            TransferError: PROTOCOL; RESET for a line without its end, that is, a head that was cut.
        """
        self._size += len(line)
        if len(line) > MAX_LINE or self._size > MAX_HEAD:
            raise TransferError(Kind.PROTOCOL, f"the response head is larger than {MAX_HEAD // 1024} KiB")
        if not line.endswith(b"\n"):
            if self._status is None and not b"HTTP/".startswith(line[:5]):
                raise _no_response(line)
            raise TransferError(Kind.RESET, "the connection ended within the response head")
        if line in (b"\r\n", b"\n"):
            # one before the status line is passed over (RFC 9112 section 2.2)
            return None if self._status is None else self._blank_line()
        if self._status is None:
            self._status = _status_line(line[:-2] if line.endswith(b"\r\n") else line[:-1])
        elif len(self._lines) == MAX_FIELDS:  # folded ones count too: each copies the field that it continues
            raise TransferError(Kind.PROTOCOL, f"the response head has more than {MAX_FIELDS} fields")
        else:
            self._lines.append(line)
        return None

    def _blank_line(self) -> ResponseHead | None:
        assert self._status is not None
        version, status, reason = self._status
        fields = _fields(self._lines)
        self._reset()
        if status >= 200:
            return _head(version, status, reason, fields)
        self._informational += 1
        if status == 101:
            raise TransferError(Kind.PROTOCOL, "the server switched protocols, which was not asked for")
        if self._informational > MAX_INFORMATIONAL:
            raise TransferError(Kind.PROTOCOL, f"more than {MAX_INFORMATIONAL} informational responses came")
        return None


def whole_head(lines: Sequence[bytes]) -> ResponseHead | None:
    """The final head that these lines are, if they are one and look as nearly all do; else a `HeadParser` judges.

    Raises:
        TransferError: as `HeadParser.feed` does.
    """
    if not 2 <= len(lines) <= _MOST_AT_ONCE or max(map(len, lines)) > _REMEMBERED:
        return None
    if lines[-1] != b"\r\n" or lines[0][-2:] != b"\r\n":
        return None
    fields: list[Any] = [_remembered_field(line) for line in lines[1:-1]]
    if None in fields:
        return None
    version, status, reason = _status_line(lines[0][:-2])
    return _head(version, status, reason, fields) if status >= 200 else None


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """The fields of a head's lines."""
    fields: list[tuple[str, str]] = []
    for line in lines:
        field = _remembered_field(line) if len(line) <= _REMEMBERED else _field(line)
        if field is None:
            _add(fields, line[:-2] if line.endswith(b"\r\n") else line[:-1])
        else:
            fields.append(field)
    return fields


def _field(line: bytes) -> tuple[str, str] | None:
    """The field that a line is by itself, as nearly all are; its name in lower case."""
    match = _WHOLE_LINE.fullmatch(line)
    return None if match is None else (match[1].decode("ascii").lower(), match[2].strip(b" \t").decode("latin-1"))


_remembered_field = lru_cache(maxsize=1024)(_field)


def _add(fields: list[tuple[str, str]], line: bytes) -> None:
    if line[0] in b" \t":  # a folded line continues its field (RFC 9112 section 5.2)
        if not fields:
            raise TransferError(Kind.PROTOCOL, "the response head begins with a folded line")
        name, value = fields[-1]
        fields[-1] = (name, f"{value} {_text(line)}".strip(" \t"))
        return
    match = _FIELD.fullmatch(line)
    if match is None:
        raise TransferError(Kind.PROTOCOL, f"the response head has a line that is no field: {line[:60]!r}")
    fields.append((match[1].decode("ascii").lower(), _text(match[2])))


@lru_cache(maxsize=64)
def _status_line(line: bytes) -> tuple[str, int, str]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None or not 100 <= int(match[2]) <= 599:
        raise _no_response(line)
    return match[1].decode(), int(match[2]), _text(match[3] or b"")


def _no_response(line: bytes) -> TransferError:
    return TransferError(Kind.PROTOCOL, f"this is not an HTTP response: {line[:60]!r}")


def _text(value: bytes) -> str:
    if _BROKEN_VALUE.search(value):
        raise TransferError(Kind.PROTOCOL, f"the response head has forbidden characters: {value[:60]!r}")
    return value.strip(b" \t").decode("latin-1")
