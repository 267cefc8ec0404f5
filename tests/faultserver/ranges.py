"""Wrong answers to a request for the rest of a file.

A request without Range gets half of the file the first time, so that there is something to resume, and all of it
later, so that whoever starts again is well served.
"""

from __future__ import annotations

from collections.abc import Callable

from .ask import Ask
from .cuts import cut
from .files import answer, whole
from .reply import Reply, plain_reply, with_length
from .steps import Steps

Lie = Callable[[Ask, int], Reply]
"""Makes the answer to a range that begins at this byte."""


def resumed(lie: Lie) -> Callable[[Ask], Steps]:
    """The route that tells this lie."""

    def route(ask: Ask) -> Steps:
        span = ask.span(len(ask.content()))
        if span is None:
            return cut(ask) if ask.nth == 1 else whole(ask)
        return with_length(lie(ask, span[0]))

    return route


def claimed(template: str) -> Lie:
    """The right bytes under this Content-Range; `{start}`, `{last}` and `{total}` are the right numbers."""

    def lie(ask: Ask, start: int) -> Reply:
        total = len(ask.content())
        reply = _rest(ask, start)
        return reply.put("Content-Range", template.format(start=start, last=total - 1, total=total))

    return lie


def twice(ask: Ask, start: int) -> Reply:
    """The right Content-Range, and another one."""
    reply = _rest(ask, start)
    reply.fields.append(("Content-Range", f"bytes 0-{len(ask.content()) - 1}/{len(ask.content())}"))
    return reply


def shifted(by: int) -> Lie:
    """An honest 206 for a range that begins elsewhere."""

    def lie(ask: Ask, start: int) -> Reply:
        return _rest(ask, max(0, start + by))

    return lie


def _rest(ask: Ask, start: int, version: int = 1) -> Reply:
    content = ask.content(version)
    reply = answer(ask, version)
    reply.status, reply.body = 206, memoryview(content)[start:]
    return reply.put("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")


def unlabelled(ask: Ask, start: int) -> Reply:
    return _rest(ask, start).drop("Content-Range")


def short(ask: Ask, start: int) -> Reply:
    """An honest 206 with half of what was asked for, which RFC 9110 section 15.3.7 allows."""
    content = ask.content()
    end = start + max(1, (len(content) - start) // 2)
    reply = _rest(ask, start)
    reply.body = reply.body[: end - start]
    return reply.put("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")


def multipart(ask: Ask, start: int) -> Reply:
    reply = _rest(ask, start)
    labels = f"Content-Type: application/octet-stream\r\n{dict(reply.fields)['Content-Range']}"
    body = b"--part\r\n%b\r\n\r\n%b\r\n--part--\r\n" % (labels.encode(), bytes(reply.body))
    reply.body = body
    return reply.drop("Content-Range").put("Content-Type", "multipart/byteranges; boundary=part")


def coded(ask: Ask, start: int) -> Reply:
    """The right bytes, which are said to be those of a coded file."""
    return _rest(ask, start).put("Content-Encoding", "gzip")


def untyped(ask: Ask, start: int) -> Reply:
    """An honest 206 that leaves out what the 200 has said, as RFC 9110 section 15.3.7 wants."""
    return _rest(ask, start).drop("Content-Type")


def ignored(ask: Ask, _start: int) -> Reply:
    reply = answer(ask)
    reply.status, reply.body = 200, ask.content()
    return reply.drop("Content-Range")


def changed(ask: Ask, _start: int) -> Reply:
    """The file has changed: with If-Range a 200 with the new one, without it a 206 of the new one."""
    return answer(ask, version=2)


def changed_unnoticed(ask: Ask, start: int) -> Reply:
    """206 with the rest of a new version under its own ETag, whatever If-Range says."""
    return _rest(ask, start, version=2)


def changed_under_old_etag(ask: Ask, start: int) -> Reply:
    """206 with the rest of a longer version under the old ETag."""
    grown = ask.content() + ask.content(2)
    reply = _rest(ask, start)
    reply.body = memoryview(grown)[start:]
    return reply.put("Content-Range", f"bytes {start}-{len(grown) - 1}/{len(grown)}")


def satisfied(ask: Ask, start: int) -> Reply:
    """416 with a total that equals what the client has."""
    return plain_reply(ask, 416, _NOT_THE_FILE).put("Content-Range", f"bytes */{start}")


def unsatisfied(ask: Ask, start: int) -> Reply:
    """416 with another total."""
    return plain_reply(ask, 416, _NOT_THE_FILE).put("Content-Range", f"bytes */{start + 7}")


def unsatisfied_unlabelled(ask: Ask, _start: int) -> Reply:
    return plain_reply(ask, 416, _NOT_THE_FILE)


def refused(status: int) -> Lie:
    def lie(ask: Ask, _start: int) -> Reply:
        return plain_reply(ask, status, b"" if status == 304 else _NOT_THE_FILE)

    return lie


_NOT_THE_FILE = b"This is not the rest of the file.\n"
