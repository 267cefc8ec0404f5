"""Which sockets are watched for libcurl: by epoll where there is one, else by what the platform has."""

from __future__ import annotations

import os
import select
import selectors
import socket
from collections.abc import Sequence
from contextlib import suppress

import pycurl

from pdl.patterns import pattern

READ, WRITE = pycurl.CSELECT_IN, pycurl.CSELECT_OUT
Wish = tuple[int, int]
"""A descriptor, and what libcurl wants of it."""

_EVENTS = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: READ,
    pycurl.POLL_OUT: WRITE,
    pycurl.POLL_INOUT: READ | WRITE,
    pycurl.POLL_REMOVE: 0,
}
_EPOLL_IN, _EPOLL_OUT = getattr(select, "EPOLLIN", 1), getattr(select, "EPOLLOUT", 4)
_EPOLL_EVENTS = {
    what: (_EPOLL_IN if events & READ else 0) | (_EPOLL_OUT if events & WRITE else 0)
    for what, events in _EVENTS.items()
}
_CONDITIONS = {_EPOLL_IN: READ, _EPOLL_OUT: WRITE}
_TLS_RECORD = pattern(rb"[\x14-\x18]\x03")
_PIECE = 1 << 16


class SelectorWatch:
    """Watches sockets with the standard library's selectors."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}

    def heed(self, wishes: Sequence[Wish]) -> None:
        """Watch what libcurl wants watched now.

        Only the last wish for a descriptor counts: before it was said, libcurl may have closed what it was said of,
        and its number may have been given to another.
        """
        released = {descriptor for descriptor, what in wishes if what == pycurl.POLL_REMOVE}
        for descriptor, what in dict(wishes).items():
            wanted = _EVENTS[what]
            if wanted and descriptor in released:
                self.want(descriptor, 0)
            self.want(descriptor, wanted)

    def want(self, descriptor: int, events: int) -> None:
        """Watch a socket for these events (`READ`, `WRITE`), or for none."""
        before = self._watched.pop(descriptor, 0)
        if events:
            self._watched[descriptor] = events
        if not before:
            if events:
                self._selector.register(descriptor, events)
        elif not events:
            self._selector.unregister(descriptor)
        elif events != before:
            self._selector.modify(descriptor, events)

    def news(self) -> list[tuple[int, int]]:
        """Nothing: connections that are kept are not watched here, and libcurl alone looks at them."""
        return []

    def weed(self, _news: list[tuple[int, int]]) -> None:
        """As `EpollWatch` does, of nothing."""

    def ready(self, timeout: float) -> list[tuple[int, int]]:
        """The sockets at which something wanted can be done, and what; waits up to `timeout` seconds for one."""
        return [(key.fd, events) for key, events in self._selector.select(timeout)]

    def close(self) -> None:
        self._selector.close()


class EpollWatch:
    """Watches sockets with epoll, and leaves those registered that are wanted for nothing.

    libcurl wants nothing of a connection that is kept for the next request, and something of it again with that.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._registered: dict[int, int] = {}  # as far as is known: a socket that was closed has left by itself
        self._inodes: dict[int, int] = {}  # of the sockets that were registered
        self._wanted: set[int] = set()

    def heed(self, wishes: Sequence[Wish]) -> None:
        """As `SelectorWatch` does."""
        wanted, registered, modify = self._wanted, self._registered, self._epoll.modify
        for descriptor, what in dict(wishes).items():
            if not (mask := _EPOLL_EVENTS[what]):
                wanted.discard(descriptor)
                continue
            wanted.add(descriptor)
            try:
                if descriptor in registered:
                    modify(descriptor, mask)
                else:
                    self._register(descriptor, mask)
            except FileNotFoundError:  # it was closed, and this is another
                self._register(descriptor, mask)
            registered[descriptor] = mask

    def _register(self, descriptor: int, mask: int) -> None:
        self._epoll.register(descriptor, mask)
        self._inodes[descriptor] = os.fstat(descriptor).st_ino

    def ready(self, timeout: float) -> list[tuple[int, int]]:
        """As `SelectorWatch` does."""
        found = []
        for descriptor, events in self._epoll.poll(timeout):
            if descriptor not in self._wanted:  # most likely the server closed a connection that was kept
                self._end_if_spoiled(descriptor)
                self._drop(descriptor)
                continue
            # errors count as both, so that libcurl finds out which it is
            found.append((descriptor, _CONDITIONS.get(events, READ | WRITE)))
        return found

    def news(self) -> list[tuple[int, int]]:
        """What epoll has to tell now, of connections that are wanted for something and of those that are kept."""
        return self._epoll.poll(0)

    def weed(self, news: list[tuple[int, int]]) -> None:
        """Let go of kept connections that have something to tell, and end those that an answer came over."""
        for descriptor, _ in news:
            if descriptor not in self._wanted:
                self._end_if_spoiled(descriptor)
                self._drop(descriptor)

    def _end_if_spoiled(self, descriptor: int) -> None:
        """End a kept connection over which something came that nobody has asked for.

        libcurl looks for that before it uses a connection again, but not within a second of the last use, and takes
        it for the answer to the next request. Over TLS and QUIC other things may come at any time, which it knows.
        """
        with suppress(OSError):
            if os.fstat(descriptor).st_ino != self._inodes[descriptor]:
                return
            with socket.socket(fileno=os.dup(descriptor)) as sock:
                if sock.type != socket.SOCK_STREAM:
                    return
                sock.setblocking(False)
                came = sock.recv(_PIECE, socket.MSG_PEEK)
                if not came or _TLS_RECORD.match(came):
                    return
                with suppress(BlockingIOError):
                    while sock.recv(_PIECE):
                        pass
                sock.shutdown(socket.SHUT_RDWR)  # libcurl finds out when it sends, and connects anew

    def _drop(self, descriptor: int) -> None:
        self._registered.pop(descriptor, None)
        try:
            self._epoll.unregister(descriptor)
        except OSError:
            # it was closed, but a process that was forked meanwhile holds the socket, and epoll would tell of it
            # for ever: begin anew with those that are wanted
            self._epoll.close()
            self._epoll = select.epoll()
            self._registered = {each: mask for each, mask in self._registered.items() if each in self._wanted}
            for each, mask in self._registered.items():
                self._epoll.register(each, mask)

    def close(self) -> None:
        self._epoll.close()


Watch = SelectorWatch | EpollWatch


def new_watch() -> Watch:
    """What watches best here; asked for late, because a program may have patched it."""
    return EpollWatch() if hasattr(select, "epoll") else SelectorWatch()
