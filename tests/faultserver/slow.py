"""Replies that take their time, up to for ever."""

from __future__ import annotations

from collections.abc import Iterator

from .ask import Ask
from .files import answer
from .reply import pieces
from .steps import Pause, Stall, Step, Steps


def stall_before_head(ask: Ask) -> Steps:
    """Not a byte until the test releases the target."""
    yield Stall()
    reply = answer(ask)
    yield reply.put("Content-Length", str(len(reply.body))).head()
    yield from pieces(reply.body)


def stall_in_body(ask: Ask, at: int = 0) -> Steps:
    """The head and `at=N` bytes (as given), the rest when the test releases the target."""
    reply = answer(ask)
    yield reply.put("Content-Length", str(len(reply.body))).head()
    at = ask.whole("at", at)
    yield from pieces(reply.body[:at])
    yield Stall()
    yield from pieces(reply.body[at:])


def drip(ask: Ask) -> Steps:
    """`piece=N` bytes of body (1) every `interval=` seconds (0.05)."""
    reply = answer(ask)
    yield reply.put("Content-Length", str(len(reply.body))).head()
    yield from _dripping(reply.body, ask)


def drip_in_head(ask: Ask) -> Steps:
    reply = answer(ask)
    yield from _dripping(reply.put("Content-Length", str(len(reply.body))).head(), ask)
    yield reply.body


def _dripping(data: bytes | memoryview, ask: Ask) -> Iterator[Step]:
    piece = ask.whole("piece", 1)
    for start in range(0, len(data), piece):
        yield Pause(ask.seconds("interval", 0.05))
        yield data[start : start + piece]


def endless(ask: Ask) -> Steps:
    """A body without length and end; `interval=` seconds between pieces (0)."""
    reply = answer(ask)
    yield reply.put("Connection", "close").head()
    interval = ask.seconds("interval")
    while True:
        yield reply.body
        if interval:
            yield Pause(interval)


def endless_chunks(ask: Ask) -> Steps:
    reply = answer(ask)
    yield reply.put("Transfer-Encoding", "chunked").head()
    while True:
        yield b"%x\r\n%b\r\n" % (len(reply.body), reply.body)
