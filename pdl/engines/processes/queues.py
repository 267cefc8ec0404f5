"""One-way queues between two processes, one for each direction and worker.

Those of multiprocessing will not do. The engine's process keeps the writing end of their pipe open, so that half a
message, whose writer was killed, would have it wait for the other half for ever. Here each end is open in one
process only. So the end of the file is the news that the other side has died, whatever it died of.
"""

from __future__ import annotations

import multiprocessing
import pickle
from multiprocessing.connection import Connection, wait
from typing import Any


class Sender:
    """The writing end. It may block while the other side does not read, if the pipe is full; see `unblocked.py`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def put(self, item: Any) -> None:
        """Send a plain value.

        Raises:
            OSError: the other side is gone.
            Exception: the value cannot be pickled; nothing was sent.
        """
        self.connection.send_bytes(pickle.dumps(item, pickle.HIGHEST_PROTOCOL))

    def push_on(self) -> bool:
        """Send what could not be sent yet, as far as it fits; whether something is left. Here nothing ever is."""
        return False

    def close(self) -> None:
        self.connection.close()


class Receiver:
    """The reading end."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        """What `multiprocessing.connection.wait` takes."""

    def get(self) -> Any:
        """The next value; blocks until there is one.

        Raises:
            EOFError, OSError: the other side is gone.
        """
        return pickle.loads(self.connection.recv_bytes())  # noqa: S301 - it comes from our own other half

    def wait(self, timeout: float) -> bool:
        """Whether there is something to get, the other side's end included, within so many seconds."""
        return bool(wait([self.connection], timeout))

    def close(self) -> None:
        self.connection.close()


def one_way() -> tuple[Receiver, Sender]:
    """Both ends of a queue; one of them is to be given away, and then closed here."""
    reading, writing = multiprocessing.Pipe(duplex=False)
    return Receiver(reading), Sender(writing)
