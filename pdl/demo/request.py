"""What a client asks for (RFC 9112): the head of a request, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class RefusedError(Exception):
    """The request cannot be answered; nothing more can be read from its connection.

    Args:
        status: says why.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Args:
        method: `GET` or `HEAD`.
        path: of the target, without its query.
        fields: the header fields by their names in lower case.
        keeps_open: the client may send another one.
    """

    method: str
    path: str
    fields: dict[str, str]
    keeps_open: bool

    def span(self, size: int, etag: str) -> tuple[int, int] | None:
        """The range that is asked for, as Python slices it, or None for the whole (RFC 9110 section 14.2).

        One that begins behind the end cannot be satisfied, and is given as it is.
        """
        match = _RANGE.fullmatch(self.fields.get("range", ""))
        if match is None or match[0] == "bytes=-" or self.method != "GET":
            return None
        if self.fields.get("if-range", etag) != etag:
            return None
        if not match[1]:
            return size - min(int(match[2]), size), size
        first, end = int(match[1]), int(match[2]) + 1 if match[2] else size
        return None if match[2] and end <= first else (first, min(end, size))


def parse(head: bytes, *, keep_alive: bool = True) -> Request:
    """The request whose head this is, without the blank line at its end.

    Args:
        head: as received.
        keep_alive: the server would take another one.

    Raises:
        RefusedError: it is none, has a body, or another method than GET or HEAD.
    """
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise RefusedError(400)
    method, target, version = words
    fields = dict(map(_field, rest))
    if version == "HTTP/1.1" and "host" not in fields:
        raise RefusedError(400)
    if method not in ("GET", "HEAD"):
        raise RefusedError(405)
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise RefusedError(413)
    connection = fields.get("connection", "").lower()
    keeps_open = connection == "keep-alive" if version == "HTTP/1.0" else "close" not in connection
    return Request(method, target.partition("?")[0], fields, keeps_open and keep_alive)


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise RefusedError(400)
    return name.lower(), value.strip(" \t")
