"""What is served, ready to be sent: the files made, the answers counted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from itertools import cycle

from pdl.model import Headers

from .images import png
from .plan import Reply, Served
from .request import RefusedError, Request, parse

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent, and when.

    Args:
        head: with the blank line.
        body: of the response; empty for HEAD.
        delay: seconds before it is sent.
        closes: the connection is closed after it.
    """

    head: bytes
    body: bytes | memoryview
    delay: float
    closes: bool


class Page:
    """One path: its file, and which of its replies comes next."""

    def __init__(self, served: Served) -> None:
        self.delay = served.delay
        self.replies = cycle(served.replies)
        self.file = png(served.picture) if Reply() in served.replies else b""
        self.etag = f'"{hashlib.sha256(self.file).hexdigest()[:16]}"'


class Site:
    """All pages of a server.

    Args:
        served: each of them.
    """

    def __init__(self, served: Iterable[Served]) -> None:
        self._pages = {each.path: Page(each) for each in served}
        self._date = (0, "")

    def respond(self, head: bytes) -> Response:
        """The answer to the request with this head."""
        try:
            request = parse(head)
        except RefusedError as refused:
            return self.refusal(refused.status)
        page = self._pages.get(request.path)
        if page is None:
            return self._plain(request, Reply(404))
        reply = next(page.replies)
        if reply.status != 200:
            return self._plain(request, reply, page.delay)
        return self._file(request, page)

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
        return Response(head, b"" if request.method == "HEAD" else body, delay, closes=not request.keeps_open)

    def _now(self) -> str:
        """The date, put into words once a second."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = now, formatdate(now, usegmt=True)
        return self._date[1]
