"""An event that a thread can wait for together with its socket."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterable

# PollSelector holds no descriptor of its own, and takes descriptors that select() does not
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Gate:
    """Closed until it is opened, then open for ever."""

    def __init__(self) -> None:
        self._outside, self._inside = socket.socketpair()

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        return self._outside, self._inside

    @property
    def is_open(self) -> bool:
        return bool(ready([self._outside], 0))

    def open(self) -> None:
        self._inside.send(b"!")

    def discard(self) -> None:
        self._outside.close()
        self._inside.close()


def ready(
    sockets: Iterable[socket.socket], timeout: float | None, event: int = selectors.EVENT_READ
) -> list[socket.socket]:
    """Those of the sockets that can be read (or written), after at most `timeout` seconds."""
    deadline = None if timeout is None else time.monotonic() + timeout
    with _Selector() as selector:
        for one in sockets:
            selector.register(one, event)
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            found = [key.fileobj for key, _ in selector.select(left)]
            if found or left == 0.0:
                return found
