"""Statuses other than that of a good file."""

from __future__ import annotations

import base64

from .ask import Ask
from .files import answer, whole
from .reply import plain_reply, with_length
from .steps import Steps


def status(ask: Ask) -> Steps:
    """`/status/N`, with a body that is not the file; `retry_after=` seconds or any text."""
    return refused(ask, int(ask.segment(1)))


def refused(ask: Ask, number: int) -> Steps:
    body = b"" if number in (204, 205, 304) else b"This is not the file, this is status %d.\n" % number
    reply = plain_reply(ask, number, body)
    if ask.text("retry_after"):
        reply.put("Retry-After", ask.text("retry_after"))
    return with_length(reply)


def no_content_with_body(ask: Ask) -> Steps:
    reply = plain_reply(ask, 204, b"There should be nothing here.\n")
    yield reply.put("Content-Length", str(len(reply.body))).head()
    yield reply.body


def partial_unasked(ask: Ask) -> Steps:
    """206 with the first half of the file, to any request."""
    reply = answer(ask)
    body = ask.content()
    half = len(body) // 2
    reply.status, reply.body = 206, body[:half]
    return with_length(reply.put("Content-Range", f"bytes 0-{half - 1}/{len(body)}"))


def login(ask: Ask) -> Steps:
    """401 unless the Basic credentials are those of `user=NAME:PASSWORD`."""
    wanted = "Basic " + base64.b64encode(ask.text("user", "user:password").encode()).decode()
    if ask.record.values("Authorization") == [wanted]:
        return whole(ask)
    return with_length(plain_reply(ask, 401).put("WWW-Authenticate", 'Basic realm="files"'))
