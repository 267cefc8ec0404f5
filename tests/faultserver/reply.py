"""A response before it is broken: status, fields and body, and the three ways to frame it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http.client import responses

from .ask import Ask
from .steps import End, Steps

_PIECE = 1 << 18
_BODILESS = (204, 304)


@dataclass(slots=True)
class Reply:
    """A response; a route may change it in any way before it is sent."""

    status: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | memoryview = b""

    def put(self, name: str, value: str) -> Reply:
        """Set a field, in place of any of that name."""
        self.drop(name)
        self.fields.append((name, value))
        return self

    def drop(self, name: str) -> Reply:
        self.fields = [one for one in self.fields if one[0].lower() != name.lower()]
        return self

    def head(self, *, blank_line: bool = True) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unheard Of')}"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        return ("\r\n".join(lines) + ("\r\n\r\n" if blank_line else "\r\n")).encode("latin-1")


def plain_reply(ask: Ask, status: int, body: bytes | memoryview = b"", kind: str = "text/plain") -> Reply:
    """A response with Date, Content-Type, and what `field=NAME:VALUE` adds or replaces; `date=none` drops Date."""
    reply = Reply(status, [("Date", _date(int(time.time()))), ("Content-Type", kind)], body)
    if ask.text("date"):
        reply.drop("Date")
    if not ask.keeps_open:
        reply.put("Connection", "close")
    extra = [one.partition(":") for one in ask.texts("field")]
    for name, _, _ in extra:
        reply.drop(name)
    reply.fields += [(name, value) for name, _, value in extra]
    return reply


@lru_cache(8)
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


def with_length(reply: Reply) -> Steps:
    """Framed by Content-Length."""
    if reply.status in _BODILESS:
        yield reply.head()
        return
    yield reply.put("Content-Length", str(len(reply.body))).head()
    yield from pieces(reply.body)


def chunked(reply: Reply, size: int) -> Steps:
    """Framed by chunks of `size` bytes."""
    if reply.status in _BODILESS:
        yield reply.head()
        return
    yield reply.put("Transfer-Encoding", "chunked").head()
    yield from chunks(reply.body, size)
    yield b"0\r\n\r\n"


def chunks(body: bytes | memoryview, size: int) -> Iterator[bytes]:
    """A body's chunks, without the last one."""
    for start in range(0, len(body), size):
        data = bytes(body[start : start + size])
        yield b"%x\r\n%b\r\n" % (len(data), data)


def until_close(reply: Reply, end: End = End.CLOSE) -> Steps:
    """Framed by the end of the connection."""
    yield reply.put("Connection", "close").head()
    yield from pieces(reply.body)
    yield end


def pieces(body: bytes | memoryview) -> Iterator[memoryview]:
    """A body in parts, so that a large one is not copied as a whole."""
    view = memoryview(body)
    for start in range(0, len(view), _PIECE):
        yield view[start : start + _PIECE]
