"""What holds an attempt while it is carried: its clock, its socket, and the word to let go."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from pdl.http.clock import TransferClock
from pdl.http.fault import TransferError

from .phases import Phases

CLOSED = "the engine was closed, and serves no further run; make a new one"


class Leash:
    """Cuts an attempt off from another thread or greenlet, wherever it blocks."""

    def __init__(self, clock: TransferClock, phases: Phases | None = None) -> None:
        self.clock = clock
        self.fault: BaseException | None = None
        """Why it was cut, once it was."""
        self.phases = phases
        """Its marks, if they are wanted."""
        self._socket: socket.socket | None = None
        self._grip: socket.socket | None = None

    def hold(self, sock: socket.socket | None, grip: socket.socket | None = None) -> None:
        """The socket that the attempt now depends on.

        Args:
            sock: the socket.
            grip: a second hand on it, if a TLS library is about to take it over; closed with the next hold.
        """
        self._let_go()
        self._socket, self._grip = sock, grip
        self.check()

    def release(self) -> None:
        """The attempt is over; its socket may serve another."""
        self._let_go()
        self._socket = None

    def _let_go(self) -> None:
        grip, self._grip = self._grip, None
        if grip is not None:
            grip.close()

    def cut(self, fault: BaseException) -> None:
        """End the attempt with this fault at its next step, and wake it where it waits for its socket."""
        if self.fault is None:
            self.fault = fault
        sock = self._grip or self._socket
        if sock is not None:
            with contextlib.suppress(OSError):  # it may be closed already, or not yet connected
                sock.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """End the connection without the I/O library around it, whose loop may belong to another thread.

        The descriptor stays open: that loop may still watch it, and libev aborts the program over a closed one.
        """
        _shut_down(self._grip or self._socket)

    def check(self) -> None:
        """Raise what it was cut with, if it was; else judge the time-outs."""
        if self.fault is not None:
            raise self.fault
        self.clock.check()

    def judge(self) -> None:
        """Cut it if it is over a limit that it doesn't notice itself while it waits."""
        try:
            self.clock.check()
        except TransferError as fault:
            self.cut(fault)


def close_raw(sock: Any) -> None:
    """Close a socket that nobody waits for, beneath its I/O library.

    gevent's own close waits for a loop that may never run again.
    """
    raw = _shut_down(sock)
    if raw is not None:
        raw.close()


def _shut_down(sock: Any) -> Any:
    """End a socket's connection beneath its I/O library; answers the system's socket."""
    raw = getattr(sock, "_sock", sock)
    if raw is not None:
        with contextlib.suppress(OSError):  # it may be closed already
            raw.shutdown(socket.SHUT_RDWR)
    return raw


class Stopped(BaseException):
    """The engine was closed. Not an Exception, so that no library takes it for a fault of the network."""
