"""Greenlets on the calling thread's hub, over gevent's own sockets: nothing is monkey-patched."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from typing import Any

import gevent
import gevent.event
import gevent.pool
import gevent.select
import gevent.socket
import gevent.ssl

from pdl.errors import EngineError
from pdl.model import Attempt, Event, Finished, Outcome, Verdict
from pdl.resolver import Lookup
from pdl.settings import Settings

from .fetch import Driver
from .leash import CLOSED, Leash, Stopped
from .limits import DESCRIPTORS, affordable
from .mailbox import Mailbox
from .sockets import SLICE, Sockets
from .stopwatch import Stopwatch

CLOSING = 1.5
"""Seconds that `close` gives the greenlets to end."""
_JUDGED_EVERY = 0.05


class _GeventSockets(Sockets):
    """Waiting lets the other greenlets run, and the engine judges the clocks.

    gevent's own timers run on while the caller holds the hub, and would fire before the bytes that came
    meanwhile are read.
    """

    timeouts = False

    def ssl_context(self) -> type[ssl.SSLContext]:
        # gevent.ssl.create_default_context() would give the standard library's class, which blocks the hub
        context: type[ssl.SSLContext] = gevent.ssl.SSLContext
        return context

    def await_lookup(self, lookup: Lookup, leash: Leash) -> None:
        done = gevent.event.Event()
        watcher = gevent.get_hub().loop.async_()
        watcher.start(done.set)
        ring = watcher.send  # the one thing of a loop that another thread may call
        lookup.call_when_done(ring)
        try:
            while not lookup.done:
                done.wait(SLICE)
                leash.check()
        finally:
            lookup.forget(ring)
            watcher.stop()
            watcher.close()

    def wait_writable(self, socks: Sequence[socket.socket], timeout: float) -> list[socket.socket]:
        writable: list[socket.socket] = gevent.select.select([], socks, [], timeout)[1]
        return writable

    def adopt(self, sock: socket.socket) -> Any:
        if isinstance(sock, gevent.socket.socket):  # in a program that has patched its sockets
            sock.settimeout(None)
            return sock
        return gevent.socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())

    def grip(self, sock: Any) -> socket.socket | None:
        """See the base class; the socket that TLS takes over is empty from then on, and cannot be shut down."""
        return socket.fromfd(sock.fileno(), sock.family, sock.type)


class _Bell(gevent.event.Event):  # type: ignore[misc]  # gevent gives no types
    """An event whose waits are ended by a timer that raises nothing.

    The time-out that gevent's own `wait` sets raises an exception in the greenlet that has set it. Where another
    one, such as a KeyboardInterrupt, comes before `wait` has taken hold of it, it would go off later, anywhere.
    """

    def wait(self, timeout: float) -> None:
        timer = gevent.get_hub().loop.timer(timeout)
        try:
            timer.start(self.set)
            super().wait()
        finally:
            timer.stop()
            timer.close()


class GeventEngine:
    """Greenlets in a pool of `Settings.jobs`, or fewer; `wait` blocks only the greenlet that calls it.

    Clocks stand still between two `wait`s. Greenlets cannot leave their thread: when `start` or `wait` is called
    from another one, the attempts under way are let go (`STOPPED`, so they start again there).
    """

    punctual = True

    def __init__(self, settings: Settings) -> None:
        self.capacity = affordable(settings.jobs, DESCRIPTORS)
        self._settings = settings
        self._watch = Stopwatch()
        self._judged = 0.0
        self._closed = False
        self._leashes: dict[int, Leash] = {}
        self._settle()

    def _settle(self) -> None:
        """Begin on this thread's hub."""
        self._hub = gevent.get_hub()
        self._driver = Driver(self._settings, _GeventSockets(), self._watch.now)
        bell = _Bell()
        self._mailbox = Mailbox(bell)
        # on a hub that is left it stays, as only its thread can end it
        self._watcher = self._hub.loop.async_(ref=False)
        self._watcher.start(bell.set)
        self._pool = gevent.pool.Pool(self.capacity)

    def _move(self) -> None:
        """Go on in another thread, without what the old one's hub holds."""
        events = self._mailbox.take(0)
        for leash in self._leashes.values():
            leash.fault = Stopped()
            leash.abandon()
        self._driver.abandon()
        self._settle()
        for event in events:
            if isinstance(event, Finished):
                self._leashes.pop(event.attempt, None)
                self._mailbox.put(event)
        self._stop_the_rest()

    def start(self, attempt: Attempt) -> None:
        if self._closed:
            raise EngineError(CLOSED)
        if gevent.get_hub() is not self._hub:
            self._move()
        leash = self._leashes[attempt.id] = self._driver.leash(attempt)
        self._pool.spawn(self._carry, attempt, leash, self._mailbox)

    def _carry(self, attempt: Attempt, leash: Leash, mailbox: Mailbox) -> None:
        """Carry an attempt; where that has moved to another thread meanwhile, nobody reads the mailbox any more."""
        for event in self._driver.fetch(attempt, leash):
            if event is not None:
                mailbox.put(event)

    def wait(self, timeout: float) -> list[Event]:
        if gevent.get_hub() is not self._hub:
            self._move()
        with self._watch:
            events = self._mailbox.take(timeout)
            gevent.sleep(0)  # those that are ready go on, also while every call finds something to return
            self._judge()
        for event in events:
            if isinstance(event, Finished):
                self._leashes.pop(event.attempt, None)
        return events

    def wake(self) -> None:
        """Have a `wait` that runs return soon; from any thread."""
        if not self._closed:
            self._watcher.send()

    def _judge(self) -> None:
        now = self._watch.now()
        if now - self._judged >= _JUDGED_EVERY:
            self._judged = now
            for leash in self._leashes.values():
                leash.judge()

    def close(self) -> None:
        self._closed = True
        if gevent.get_hub() is not self._hub:
            self._move()
        for leash in self._leashes.values():
            leash.cut(Stopped())
        with self._watch:
            self._pool.join(timeout=CLOSING)
        self._pool.kill(block=False)
        self._driver.close()
        self._watcher.stop()
        self._watcher.close()
        gevent.sleep(0)  # what is closed may wait for the loop
        for event in self._mailbox.take(0):
            if isinstance(event, Finished):
                self._leashes.pop(event.attempt, None)
                self._mailbox.put(event)
        self._stop_the_rest()

    def _stop_the_rest(self) -> None:
        for attempt in self._leashes:
            self._mailbox.put(Finished(attempt, Outcome(Verdict.STOPPED, message="stopped")))
        self._leashes.clear()
