"""Replies that end too early: by FIN, by RST, or before they began."""

from __future__ import annotations

from .ask import Ask
from .files import answer, coded_answer, whole
from .reply import Reply, chunks, with_length
from .steps import End, Steps


def cut(ask: Ask) -> Steps:
    """A body shorter than its Content-Length; `at=N` bytes come (half of it). Ranges are honoured.

    Parameters: `changes=1` gives every request but the first a new version of the file.
    """
    return _short(ask, End.CUT)


def reset_in_body(ask: Ask) -> Steps:
    return _short(ask, End.RESET)


def _short(ask: Ask, end: End) -> Steps:
    reply = answer(ask, version(ask))
    yield reply.put("Content-Length", str(len(reply.body))).head()
    yield reply.body[: place(ask, reply)]
    yield end


def coded_cut(ask: Ask) -> Steps:
    """A gzip-coded body shorter than its Content-Length; `at=N` coded bytes come (half of them)."""
    reply = coded_answer(ask)
    yield reply.put("Content-Length", str(len(reply.body))).head()
    yield reply.body[: place(ask, reply)]
    yield End.CUT


def version(ask: Ask) -> int:
    """2 if the file has changed since the first request."""
    return 2 if ask.whole("changes") and ask.nth > 1 else 1


def place(ask: Ask, reply: Reply) -> int:
    """How many bytes of the body come."""
    return ask.whole("at", len(reply.body) // 2)


def chunks_cut(ask: Ask) -> Steps:
    """Whole chunks up to `at=N` bytes (half of the body), and no last chunk."""
    return _short_of_last_chunk(ask, End.CUT)


def reset_in_chunks(ask: Ask) -> Steps:
    return _short_of_last_chunk(ask, End.RESET)


def _short_of_last_chunk(ask: Ask, end: End) -> Steps:
    reply = answer(ask)
    yield reply.put("Transfer-Encoding", "chunked").head()
    yield from chunks(reply.body[: place(ask, reply)], ask.whole("chunk", 400))
    yield end


def chunk_cut(ask: Ask) -> Steps:
    """A chunk that announces more bytes than come."""
    reply = answer(ask)
    yield reply.put("Transfer-Encoding", "chunked").head()
    yield b"%x\r\n" % len(reply.body)
    yield reply.body[: place(ask, reply)]
    yield End.CUT


def trailer_cut(ask: Ask) -> Steps:
    """The last chunk comes, the blank line after it does not."""
    reply = answer(ask)
    yield reply.put("Transfer-Encoding", "chunked").head()
    yield from chunks(reply.body, 400)
    yield b"0\r\n"
    yield End.CUT


def until_close_cut(ask: Ask) -> Steps:
    """Without any length; over TLS without closure alert. `at=N` bytes come (all)."""
    return _without_length(ask, End.CUT)


def reset_until_close(ask: Ask) -> Steps:
    return _without_length(ask, End.RESET)


def _without_length(ask: Ask, end: End) -> Steps:
    reply = answer(ask)
    yield reply.put("Connection", "close").head()
    yield reply.body[: ask.whole("at", len(reply.body))]
    yield end


def reset_before_head(_ask: Ask) -> Steps:
    yield End.RESET


def reset_in_head(ask: Ask) -> Steps:
    yield answer(ask).head()[:40]
    yield End.RESET


def head_cut(ask: Ask) -> Steps:
    """All of the head but its blank line."""
    reply = answer(ask)
    yield reply.put("Content-Length", str(len(reply.body))).head(blank_line=False)
    yield End.CUT


def no_reply(_ask: Ask) -> Steps:
    yield End.CUT


def no_reply_when_reused(ask: Ask) -> Steps:
    """A good reply to the first request of a connection, a bare FIN to any later one."""
    if ask.record.ordinal > 1:
        yield End.CUT
    yield from whole(ask)


def closes_silently(ask: Ask) -> Steps:
    """A good reply that promises to keep the connection, which then closes."""
    yield from with_length(answer(ask))
    yield End.CLOSE
