"""Hosts that answer nobody: listeners whose queue of connections is full, so that every attempt times out.

A port at which nobody listens would refuse at once, which costs nothing.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack

from nginx import free_port

_CALLERS = 3  # a queue of 0 holds one, and some systems one more
_SETTLED = 0.2  # seconds after which the queues are as full as they get


class DeadHosts:
    """So many of them, each on an address of its own.

    Args:
        count: up to 250.

    Raises:
        SystemExit: if one of them answers nevertheless.
    """

    def __init__(self, count: int) -> None:
        self.port = free_port()
        self.addresses = [f"127.200.0.{number}" for number in range(1, count + 1)]
        with ExitStack() as stack:
            callers = []
            for address in self.addresses:
                listener = stack.enter_context(socket.socket())
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, self.port))
                listener.listen(0)
                for _ in range(_CALLERS):
                    caller = stack.enter_context(socket.socket())
                    caller.setblocking(False)
                    caller.connect_ex((address, self.port))
                    callers.append(caller)
            time.sleep(_SETTLED)
            self._see(callers)
            self._open = stack.pop_all()

    def _see(self, callers: list[socket.socket]) -> None:
        poll = select.poll()
        for caller in callers:
            poll.register(caller, select.POLLOUT)
        heard = {descriptor for descriptor, _ in poll.poll(0)}
        for number, address in enumerate(self.addresses):
            own = callers[number * _CALLERS : (number + 1) * _CALLERS]
            if all(caller.fileno() in heard for caller in own):
                raise SystemExit(f"{address} takes every connection, though its queue is full")

    def close(self) -> None:
        self._open.close()
