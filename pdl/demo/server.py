"""An HTTP/1.1 server for one machine: keep-alive, pipelining, ranges; the standard library only.

Its limit, by `benchmarks/demo_server.py`: 18,000 to 26,000 requests a second for files of 1 to 5 kB without delay,
over 64 connections that are kept alive, asked by one other process (Python 3.11, Linux, two cores that others used
at the same time). A request takes 22 us of CPU, so that one core answers no more than 45,000; one for a file of
400 kB takes 113 us.
"""

from __future__ import annotations

import asyncio

from .site import Response, Site

HOST = "127.0.0.1"
_BACKLOG = 512  # with asyncio's 100, a burst of connections waits for the client to knock again
_LONGEST_HEAD = 65536


class Connection(asyncio.Protocol):
    """One client: requests are answered one after another, in their order.

    Args:
        site: answers.
        open_ones: holds the connection as long as it is open.
    """

    def __init__(self, site: Site, open_ones: set[Connection]) -> None:
        self._site = site
        self._open_ones = open_ones
        self._received = b""
        self._later: asyncio.TimerHandle | None = None  # a response that has to wait
        self._full = False  # the client reads slower than we send

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport  # asyncio has set TCP_NODELAY
        self._open_ones.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def _go_on(self) -> None:
        """Answer what has been asked, as far as that can be done now."""
        while self._later is None and not self._full and not self._transport.is_closing():
            head, blank_line, rest = self._received.lstrip(b"\r\n").partition(b"\r\n\r\n")
            if not blank_line:
                if len(head) > _LONGEST_HEAD:
                    self._send(self._site.refusal(431))
                return
            self._received = rest
            response = self._site.respond(head)
            if response.delay:
                loop = asyncio.get_running_loop()
                self._later = loop.call_later(response.delay, self._send_at_last, response)
            else:
                self._send(response)

    def _send_at_last(self, response: Response) -> None:
        self._later = None
        self._send(response)
        self._go_on()

    def _send(self, response: Response) -> None:
        self._transport.writelines([response.head, response.body])
        if response.closes:
            self._transport.close()

    def pause_writing(self) -> None:
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        self._transport.resume_reading()
        self._go_on()

    def connection_lost(self, _: Exception | None) -> None:
        if self._later is not None:
            self._later.cancel()
        self._open_ones.discard(self)

    def abort(self) -> None:
        """Hang up, whatever is under way."""
        self._transport.abort()


class Server:
    """A site on a free port of this machine; `base` is its URL, with a `/` at its end."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._open_ones: set[Connection] = set()
        self.base = ""

    async def start(self) -> None:
        """Listen."""
        self._listening = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._site, self._open_ones), HOST, 0, backlog=_BACKLOG
        )
        self.base = f"http://{HOST}:{self._listening.sockets[0].getsockname()[1]}/"

    def close(self) -> None:
        """Stop listening, and hang up on everybody."""
        self._listening.close()
        for connection in list(self._open_ones):
            connection.abort()
