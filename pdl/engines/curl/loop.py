"""One libcurl multi handle, driven by the sockets that it wants watched and the time at which it wants a call.

What libcurl calls back runs no function of Python: an exception that a signal handler raises at a function's first
instruction, before any `try` of it, would be printed by pycurl and lost, or end the process if it is a SystemExit.
A generator that waits inside of a `try` catches it, and its `send` is written in C.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pycurl

from .watch import Wish, new_watch

Ended = tuple[Any, int, str]
"""A handle that libcurl is done with, libcurl's code (0 where it found nothing wrong) and its words."""


class Loop:
    """Runs the transfers of the handles that were added, while `turn` is called.

    Args:
        connections: idle ones that are kept, over all hosts.
    """

    def __init__(self, connections: int) -> None:
        self.raised: BaseException | None = None
        """What was raised within a callback."""
        self._watch = new_watch()
        self._wishes: list[Wish] = []  # in the order in which libcurl said them
        self._multi = pycurl.CurlMulti()
        # max calls its key with each argument, in C; of the four of a socket callback the first two count
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, partial(max, key=_begun(self._hear_of_sockets())))
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._watch.heed([(self._bell.fileno(), pycurl.POLL_IN)])
        self.add: Callable[[Any], None] = self._multi.add_handle
        """Begin a handle's transfer at the next turn."""
        self.remove: Callable[[Any], None] = self._multi.remove_handle
        """End a handle's transfer, whatever its state; its connection ends too unless the response was complete."""

    # -- what libcurl says

    def _hear_of_sockets(self) -> Generator[int, int, None]:
        try:
            while True:
                what = yield 0
                descriptor = yield 0
                self._wishes.append((descriptor, what))
                yield 0
                yield 0
        except GeneratorExit:
            raise
        except BaseException as error:
            self.raised = error
        while True:  # the loop is broken, and only closed any more
            yield 0

    # -- what the engine wants

    def run_through(self, handle: Any) -> None:
        """Have a handle's transfer run to its end, which it finds before it has a connection."""
        self.add(handle)
        self._go_on()
        self.remove(handle)
        handle.close()

    def ring(self) -> None:
        """Wake the turn that waits; from any thread."""
        try:
            self._ringer.send(b"\0")
        except OSError:  # it is full of rings already, or closed
            return

    def turn(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for a socket, and let libcurl go on where it can.

        Raises:
            BaseException: what a signal handler raised meanwhile.
        """
        action, bell, when = self._multi.socket_action, self._bell.fileno(), self._multi.timeout
        # asking costs less than a callback, which would need a clock here that keeps in step with libcurl's
        milliseconds = when()
        if milliseconds == 0:  # requests go out before answers are read, so that the servers have work meanwhile
            self._go_on()
            timeout = 0.0  # transfers may have ended by that, of which nothing tells but `ended`
        if self._wishes:
            self._heed()
        if milliseconds > 0:
            timeout = min(timeout, milliseconds / 1000)
        for descriptor, events in self._watch.ready(timeout):
            if descriptor == bell:
                self._silence()
            else:
                action(descriptor, events)
        self._raise()

    def ended(self) -> list[Ended]:
        """The handles whose transfers have ended, each once; they are still to be removed."""
        found: list[Ended] = []
        queued = 1
        while queued:
            queued, good, bad = self._multi.info_read()
            found += [(handle, 0, "") for handle in good]
            found += bad
        return found

    def _go_on(self) -> None:
        """Let libcurl do what needs no socket to be ready, such as to send requests."""
        if news := self._watch.news():
            self._weed(news)
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _weed(self, news: list[tuple[int, int]]) -> None:
        """End kept connections over which something came that nobody has asked for, before they are used again."""
        if self._wishes:
            self._heed()
        self._watch.weed(news)

    def _heed(self) -> None:
        self._watch.heed(self._wishes)
        self._wishes.clear()

    def _silence(self) -> None:
        try:
            while self._bell.recv(4096):
                pass
        except OSError:  # all rings are heard
            return

    def close(self) -> None:
        """Close all connections, ended or not.

        Raises:
            BaseException: what a signal handler raised in a callback, and nobody has been told of.
        """
        self._multi.close()
        self._watch.close()
        self._bell.close()
        self._ringer.close()
        self._raise()

    def _raise(self) -> None:
        if self.raised is not None:
            raised, self.raised = self.raised, None
            raise raised


def _begun(generator: Generator[Any, Any, None]) -> Any:
    """The `send` of a generator that has come to its first `yield`."""
    next(generator)
    return generator.send
