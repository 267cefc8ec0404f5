"""Replies whose head or chunks break the rules of framing (RFC 9112)."""

from __future__ import annotations

from collections.abc import Callable

from .ask import Ask
from .files import answer
from .reply import Reply, chunked, chunks, plain_reply, with_length
from .steps import End, Pause, Step, Steps


def lengths(*values: str, stays: bool = False):
    """A good body under these Content-Lengths; `{}` stands for the right one. The connection stays open or not."""

    def route(ask: Ask) -> Steps:
        reply = answer(ask)
        reply.fields += [("Content-Length", value.format(len(reply.body))) for value in values]
        return iter([reply.head(), reply.body]) if stays else _head_body_close(reply)

    return route


def _head_body_close(reply: Reply) -> Steps:
    yield reply.head()
    yield reply.body
    yield End.CLOSE


def length_and_chunked(ask: Ask) -> Steps:
    reply = answer(ask)
    return chunked(reply.put("Content-Length", str(len(reply.body) // 2)), 400)


def body_too_long(ask: Ask) -> Steps:
    """`junk=N` bytes (100) follow the body."""
    reply = answer(ask)
    reply.put("Content-Length", str(len(reply.body)))
    reply.body = bytes(reply.body) + b"\0" * ask.whole("junk", 100)
    return _head_body_close(reply)


def forged(reply_of: Callable[[Ask], Steps], *, late: bool = False):
    """A good reply, behind it what looks like the answer to the next request, and a connection that stays open.

    If it is late, it comes when the client has had time to take the reply.
    """

    def route(ask: Ask) -> Steps:
        yield from reply_of(ask)
        if late:
            yield Pause(0.05)
        yield _FORGED
        yield Pause(0)  # the request is under way until that is sent

    return route


_FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforged\n"


def no_content(ask: Ask) -> Steps:
    return with_length(plain_reply(ask, 204))


def header(name: str, value: str):
    """A good file with one odd field in its head."""

    def route(ask: Ask) -> Steps:
        reply = answer(ask).put(name, value)
        return _head_body_close(reply.put("Content-Length", str(len(reply.body))))

    return route


def header_flood(ask: Ask) -> Steps:
    """`count=N` fields (20,000)."""
    reply = answer(ask)
    reply.put("Content-Length", str(len(reply.body)))
    reply.fields += [(f"X-Flood-{number}", "drop") for number in range(ask.whole("count", 20_000))]
    return _head_body_close(reply)


def long_line(ask: Ask) -> Steps:
    """One field of `length=N` bytes (1 MB)."""
    return header("X-Long", "x" * ask.whole("length", 1_000_000))(ask)


def not_http(_ask: Ask) -> Steps:
    yield b"SSH-2.0-OpenSSH_9.9\r\n\r\n"
    yield End.CLOSE


def not_http_unended(_ask: Ask) -> Steps:
    yield b"hello world"
    yield End.CLOSE


def version(number: bytes):
    """A good file in an answer that claims another version of HTTP."""

    def route(_ask: Ask) -> Steps:
        yield b"HTTP/" + number + b" 200 OK\r\nContent-Length: 3\r\n\r\nabc"
        yield End.CLOSE

    return route


def chunk_line(line: bytes):
    """One good chunk, then a chunk with this size line."""

    def route(ask: Ask) -> Steps:
        reply = answer(ask)
        half = len(reply.body) // 2
        yield reply.put("Transfer-Encoding", "chunked").head()
        yield from chunks(reply.body[:half], half or 1)
        yield line + b"\r\n"
        yield reply.body[half:]
        yield b"\r\n0\r\n\r\n"
        yield End.CLOSE

    return route


def junk_after_chunk(ask: Ask) -> Steps:
    """More bytes in a chunk than it announced."""
    reply = answer(ask)
    half = len(reply.body) // 2
    yield reply.put("Transfer-Encoding", "chunked").head()
    yield b"%x\r\n" % half
    yield reply.body
    yield b"\r\n0\r\n\r\n"
    yield End.CLOSE


def informed(count: int, *, final: bool = True):
    """That many 100 and 103 responses, `interval=` seconds (0) after each, then the good file or nothing."""

    def route(ask: Ask) -> Steps:
        for number in range(count):
            yield _CONTINUE if number % 2 == 0 else _EARLY_HINTS
            if ask.seconds("interval"):
                yield Pause(ask.seconds("interval"))
        yield from _the_rest(ask, final=final)

    return route


_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


def _the_rest(ask: Ask, *, final: bool) -> list[Step] | Steps:
    if not final:
        return [End.CUT]
    reply = answer(ask)
    return _head_body_close(reply.put("Content-Length", str(len(reply.body))))
