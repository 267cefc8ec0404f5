"""The sockets of an engine, and how it waits for them; this one is the standard library's, and blocks."""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from pdl.resolver import Lookup

from .leash import Leash

SLICE = 0.2
"""Seconds; the longest wait that does not look whether the attempt was cut."""


class Sockets:
    """What the requests driver needs of an I/O library."""

    timeouts = True
    """Sockets get the clock's remaining time as their time-out; else the engine judges the clocks itself."""

    def ssl_context(self) -> type[ssl.SSLContext]:
        """The class of TLS contexts; asked for late, because a program may have patched it."""
        return ssl.SSLContext

    def await_lookup(self, lookup: Lookup, leash: Leash) -> None:
        """Return when the look-up is done.

        Raises:
            TransferError: it takes too long.
        """
        while not lookup.wait(min(SLICE, leash.clock.remaining())):
            leash.check()

    def wait_writable(self, socks: Sequence[socket.socket], timeout: float) -> list[socket.socket]:
        """Those of the sockets that have connected or failed; none after `timeout` seconds."""
        with selectors.DefaultSelector() as selector:
            for sock in socks:
                selector.register(sock, selectors.EVENT_WRITE)
            return [key.fileobj for key, _ in selector.select(timeout) if isinstance(key.fileobj, socket.socket)]

    def adopt(self, sock: socket.socket) -> Any:
        """A connected, non-blocking socket as the kind that the engine's connections use."""
        return sock

    def grip(self, sock: Any) -> socket.socket | None:  # noqa: ARG002 - for those who need one
        """A second hand on a socket that TLS takes over, to cut it off while that shakes hands.

        Not needed here: the socket's own time-out ends that.
        """
        return None
