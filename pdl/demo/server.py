"""An HTTP/1.1 server for one machine: keep-alive, pipelining, ranges; the standard library only.

The limit of one process, by `benchmarks/demo_server.py`: 20,000 to 45,000 requests a second for files of 1 to 5 kB
without delay, over 64 connections that are kept alive, asked by one other process (Python 3.11, Linux, two cores
that others used at the same time). A request takes 20 us of CPU, so that one core answers no more than 50,000; one
for a file of 400 kB takes 94 us. `limit.measure_limit` measures it for any knobs and machine.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from time import monotonic

from .site import Response, Site

_BACKLOG = 512  # with asyncio's 100, a burst of connections waits for the client to knock again
_LONGEST_HEAD = 65536
_BUFFER = 16384
_RESETS_AFTER = 0.02
"""Seconds that a client gets to read what was sent: a reset takes away what it has not read."""
_PIECES_A_SECOND = 50
_SMALLEST_PIECE = 256
_NO_LINGERING = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
"""For SO_LINGER: closing sends a RST."""


class Connection(asyncio.BufferedProtocol):
    """One client: requests are answered one after another, in their order.

    Args:
        site: answers.
        open_ones: holds the connection as long as it is open.
        bandwidth: bytes of bodies a second; 0 for no limit.
    """

    def __init__(self, site: Site, open_ones: set[Connection], bandwidth: int) -> None:
        self._site = site
        self._open_ones = open_ones
        self._bandwidth = bandwidth
        self._buffer = memoryview(bytearray(_BUFFER))
        self._received = b""
        self._later: asyncio.TimerHandle | None = None  # what has to wait: a response, a piece of one, a reset
        self._full = False  # the client reads slower than we send
        self._under_way: Response | None = None  # of which the rest is sent in pieces
        self._rest = memoryview(b"")
        self._free_at = 0.0  # the loop's time when all that was sent has passed the line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport  # asyncio has set TCP_NODELAY
        self._loop = asyncio.get_running_loop()
        self._open_ones.add(self)
        self._site.tally.connections += 1

    def get_buffer(self, _: int) -> memoryview:
        # without it asyncio takes 256 KiB from the system for each read, and half of a server's time
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._received += self._buffer[:nbytes]
        self._go_on()

    def _go_on(self) -> None:
        """Answer what has been asked, as far as that can be done now."""
        while self._later is None and not self._full and not self._transport.is_closing():
            if self._under_way is not None:
                self._send_piece(self._under_way)
                continue
            head, blank_line, rest = self._received.lstrip(b"\r\n").partition(b"\r\n\r\n")
            if not blank_line:
                if len(head) > _LONGEST_HEAD:
                    self._send(self._site.refusal(431), monotonic())
                return
            self._received = rest
            asked, response = monotonic(), self._site.respond(head)
            if response.delay:
                self._later = self._loop.call_later(response.delay, self._send_at_last, response, asked)
            else:
                self._send(response, asked)

    def _send_at_last(self, response: Response, asked: float) -> None:
        self._later = None
        self._send(response, asked)
        self._go_on()

    def _send(self, response: Response, asked: float) -> None:
        if response.head:
            self._site.tally.on_head(response.status, monotonic() - asked)
        if self._bandwidth and response.body:
            self._transport.write(response.head)
            self._begin_pieces(response)
        else:
            if response.body:
                self._transport.writelines([response.head, response.body])
            else:  # an empty piece beside others is never done with, from Python 3.12 on
                self._transport.write(response.head)
            self._site.tally.body_bytes += len(response.body)
            self._end(response)

    def _begin_pieces(self, response: Response) -> None:
        self._under_way, self._rest = response, memoryview(response.body)
        now = self._loop.time()
        self._free_at = max(self._free_at, now)
        if self._free_at > now:
            self._later = self._loop.call_at(self._free_at, self._wake)

    def _send_piece(self, response: Response) -> None:
        """Send what passes in a moment; a moment that comes late makes none of the later ones late."""
        piece = self._rest[: max(_SMALLEST_PIECE, self._bandwidth // _PIECES_A_SECOND)]
        self._rest = self._rest[len(piece) :]
        self._transport.write(piece)
        self._site.tally.body_bytes += len(piece)
        self._free_at += len(piece) / self._bandwidth
        if self._rest:
            self._later = self._loop.call_at(self._free_at, self._wake)
        else:
            self._under_way = None
            self._end(response)

    def _wake(self) -> None:
        self._later = None
        self._go_on()

    def _end(self, response: Response) -> None:
        if response.resets:
            self._later = self._loop.call_later(_RESETS_AFTER, self._reset)
        elif response.closes:
            self._transport.close()

    def _reset(self) -> None:
        """End the connection with a RST, and what has not been sent with it."""
        self._site.tally.resets += 1
        with suppress(OSError):  # the client has hung up
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self._transport.abort()

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
    """A site at a free port of this machine; `base` is its URL, with a `/` at its end.

    Args:
        site: is served.
        number: of the host, from 0; each has an address of its own where the system has 127.0.0.0/8 whole.
        bandwidth: bytes of bodies a second over one connection; 0 for no limit.
    """

    def __init__(self, site: Site, number: int = 0, bandwidth: int = 0) -> None:
        self.site = site
        self._number = number
        self._bandwidth = bandwidth
        self._open_ones: set[Connection] = set()
        self.base = ""

    async def start(self) -> None:
        """Listen."""
        try:
            await self._listen(f"127.0.0.{1 + self._number}")
        except OSError:
            if self._number == 0:
                raise
            await self._listen("127.0.0.1")

    async def _listen(self, address: str) -> None:
        self._listening = await asyncio.get_running_loop().create_server(
            lambda: Connection(self.site, self._open_ones, self._bandwidth), address, 0, backlog=_BACKLOG
        )
        self.base = f"http://{address}:{self._listening.sockets[0].getsockname()[1]}/"

    def close(self) -> None:
        """Stop listening, and hang up on everybody."""
        self._listening.close()
        for connection in list(self._open_ones):
            connection.abort()
