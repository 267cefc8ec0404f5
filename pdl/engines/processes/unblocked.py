"""The engine's ends of the queues, which hold it up for a moment at the most, whatever the worker does.

A worker that was stopped (SIGSTOP) reads nothing, and may have told half of something; it can neither be waited for
nor given up, as it may be let go on. What does not fit into the pipe is kept here and sent later, and of what comes
as much is taken as is there.

What is sent has the form of multiprocessing's connections on POSIX, as such are the other ends: the length in 32
bits, then so many bytes. On Windows they are no streams, and both ends may block.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from .queues import Receiver, Sender

_LENGTH = struct.Struct("!i")
_PATIENCE = 0.05
"""Seconds that the other side gets to make room: one that runs needs far less."""
_NAP = 0.001


class UnblockedSender(Sender):
    """Keeps what does not fit; `push_on` sends it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._rest = b""
        os.set_blocking(connection.fileno(), False)

    def put(self, item: Any) -> None:
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        until = 0.0 if self._rest else time.monotonic() + _PATIENCE
        self._rest += _LENGTH.pack(len(data)) + data
        while self.push_on() and time.monotonic() < until:
            time.sleep(_NAP)

    def push_on(self) -> bool:
        """Send what was left, as far as it fits; whether something is left still.

        Raises:
            OSError: the other side is gone.
        """
        while self._rest:
            try:
                written = os.write(self.connection.fileno(), self._rest)
            except BlockingIOError:
                return True
            except OSError:
                self._rest = b""  # for nobody
                raise
            self._rest = self._rest[written:]
        return False


class UnblockedReceiver(Receiver):
    """Gives a value when it is whole."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._come = bytearray()
        self._wanted = _LENGTH.size
        self._is_length = True
        os.set_blocking(connection.fileno(), False)

    def get(self) -> Any:
        """The next value, or None while it is not whole.

        Raises:
            EOFError, OSError: the other side is gone.
        """
        while True:
            if len(self._come) == self._wanted:
                come, self._come = self._come, bytearray()
                self._is_length = not self._is_length
                if self._is_length:
                    self._wanted = _LENGTH.size
                    return pickle.loads(come)  # noqa: S301 - it comes from our own other half
                (self._wanted,) = _LENGTH.unpack(come)
            try:  # never more than is missing: what comes next is for the next call, which a readable pipe asks for
                piece = os.read(self.connection.fileno(), self._wanted - len(self._come))
            except BlockingIOError:
                return None
            if not piece:
                raise EOFError
            self._come += piece


def unblocked_sender(sender: Sender) -> Sender:
    """The same end of the queue, if it must not block; where there are only such that do, as it is."""
    return sender if sys.platform == "win32" else UnblockedSender(sender.connection)


def unblocked_receiver(receiver: Receiver) -> Receiver:
    """As `unblocked_sender`."""
    return receiver if sys.platform == "win32" else UnblockedReceiver(receiver.connection)
