"""One accepted connection: heads in, bytes out, and the three ways to end it."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import struct
import time

from .gate import Gate, ready
from .steps import End

_LONGEST_HEAD = 1 << 20
_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class GoneError(ConnectionError):
    """The client hung up."""


class Connection:
    """A client's connection; only its own thread reads, writes and closes it."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.number = number
        self.client = sock.getpeername()
        self.heads = 0
        self._buffer = b""

    def read_head(self) -> bytes | None:
        """The next request's head without its blank line, or None if the client is done."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise GoneError("a head without an end")
            data = self.sock.recv(65536)
            if not data:
                return None
            self._buffer += data
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        self.heads += 1
        return head

    def skip(self, count: int) -> None:
        """Read a request's body and forget it."""
        while len(self._buffer) < count:
            self._take()
        self._buffer = self._buffer[count:]

    def taken(self) -> bytes:
        """What came after the head and was read with it."""
        data, self._buffer = self._buffer, b""
        return data

    def send(self, data: bytes | memoryview) -> None:
        self.sock.sendall(data)

    def pause(self, seconds: float | None, gate: Gate | None = None) -> None:
        """Be silent for a time or until the gate opens.

        Raises:
            GoneError: the client hung up meanwhile.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        watched = [self.sock] if gate is None else [self.sock, gate.sockets[0]]
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            found = ready(watched, left)
            if self.sock in found:
                self.take_what_is_there()
            elif found:
                return

    def _take(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise GoneError
        self._buffer += data

    def take_what_is_there(self) -> None:
        """Read without blocking; raises GoneError if the client hung up."""
        self.sock.setblocking(False)
        try:
            self._take()
        except (BlockingIOError, ssl.SSLWantReadError):
            pass  # a TLS record that carries no data, or half of one
        finally:
            self.sock.setblocking(True)

    def end(self, how: End) -> None:
        """Make `close()` end the connection in this way."""
        if how is End.RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        elif how is End.CLOSE and isinstance(self.sock, ssl.SSLSocket):
            self._send_closure_alert()

    def _send_closure_alert(self) -> None:
        self.sock.setblocking(False)  # or unwrap() would wait for the client's alert, and some send none
        while True:
            try:
                self.sock.unwrap()
            except ssl.SSLWantWriteError:
                ready([self.sock], None, selectors.EVENT_WRITE)
            except OSError:
                return
            else:
                return

    def shut_down(self) -> None:
        """Make every call that the connection's thread is in return; may be called from any thread."""
        with contextlib.suppress(OSError):
            # SSLSocket.shutdown() would drop the TLS state, and the thread would go on in plain text
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self.sock.close()
