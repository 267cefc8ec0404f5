"""What a host serves, ready to be sent: the files made, the answers counted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from itertools import cycle

from pdl.model import Headers

from .counts import Tally
from .images import png
from .plan import Reply, Served
from .request import RefusedError, Request, parse

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent, and when.

    Args:
        status: in the head.
        head: with the blank line; empty for a reset before it.
        body: of the response, as far as it is sent; empty for HEAD.
        delay: seconds before it is sent.
        closes: the connection is closed after it.
        resets: the connection is reset after it.
    """

    status: int
    head: bytes
    body: bytes | memoryview
    delay: float
    closes: bool
    resets: bool


class Page:
    """One path: its file, and which of its replies comes next."""

    def __init__(self, served: Served) -> None:
        self.delay = served.delay
        self._planned = served.replies
        self.start_over()
        self.file = png(served.picture) if Reply() in served.replies else b""
        self.etag = f'"{hashlib.sha256(self.file).hexdigest()[:16]}"'

    def start_over(self) -> None:
        """Begin with the first reply again."""
        self.replies = cycle(self._planned)


class Site:
    """All pages of a host, and what has been asked for.

    Args:
        served: each of them.
        keep_alive: a connection may serve another request.
    """

    def __init__(self, served: Iterable[Served], *, keep_alive: bool = True) -> None:
        self._pages = {each.path: Page(each) for each in served}
        self._keep_alive = keep_alive
        self._date = (0, "")
        self.tally = Tally()

    def start_over(self) -> None:
        """Begin all replies anew, and forget the counts."""
        for page in self._pages.values():
            page.start_over()
        self.tally.start_over()

    def respond(self, head: bytes) -> Response:
        """The answer to the request with this head."""
        self.tally.on_request()
        try:
            request = parse(head, keep_alive=self._keep_alive)
        except RefusedError as refused:
            return self.refusal(refused.status)
        page = self._pages.get(request.path)
        if page is None:
            return self._plain(request, Reply(404))
        self.tally.on_path(request.path)
        reply = next(page.replies)
        if reply.reset == "before":
            return Response(reply.status, b"", b"", page.delay, closes=True, resets=True)
        if reply.status != 200:
            return self._plain(request, reply, page.delay)
        response = self._file(request, page)
        if reply.reset:
            return replace(response, body=memoryview(response.body)[: len(response.body) // 2], resets=True)
        return response

    def refusal(self, status: int) -> Response:
        """The answer to what is no request that can be answered; the connection ends with it."""
        headers: Headers = (("Allow", "GET, HEAD"),) if status == 405 else ()
        return self._plain(Request("GET", "", {}, keeps_open=False), Reply(status, headers))

    def _plain(self, request: Request, reply: Reply, delay: float = 0.0) -> Response:
        text = f"{reply.status} {_PHRASES[reply.status]}\n".encode()
        return self._response(request, reply, (("Content-Type", "text/plain"),), text, delay)

    def _file(self, request: Request, page: Page) -> Response:
        size = len(page.file)
        fields: Headers = (("Content-Type", "image/png"), ("Accept-Ranges", "bytes"), ("ETag", page.etag))
        span = request.span(size, page.etag)
        if span is None:
            return self._response(request, Reply(), fields, page.file, page.delay)
        first, end = span
        if first >= size:
            reply = Reply(416, (("Content-Range", f"bytes */{size}"),))
            return self._plain(request, reply, page.delay)
        reply = Reply(206, (("Content-Range", f"bytes {first}-{end - 1}/{size}"),))
        return self._response(request, reply, fields, memoryview(page.file)[first:end], page.delay)

    def _response(
        self, request: Request, reply: Reply, fields: Headers, body: bytes | memoryview, delay: float
    ) -> Response:
        lines = [
            f"HTTP/1.1 {reply.status} {_PHRASES[reply.status]}",
            f"Date: {self._now()}",
            f"Content-Length: {len(body)}",
            f"Connection: {'keep-alive' if request.keeps_open else 'close'}",
            *[f"{name}: {value}" for name, value in fields + reply.headers],
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        sent = b"" if request.method == "HEAD" else body
        return Response(reply.status, head, sent, delay, closes=not request.keeps_open, resets=False)

    def _now(self) -> str:
        """The date, put into words once a second."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = now, formatdate(now, usegmt=True)
        return self._date[1]
