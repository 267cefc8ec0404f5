"""Name resolution for all engines: bounded daemon threads, cached, and never in anybody's way.

`getaddrinfo` can hang for minutes and cannot be cancelled, so it runs where it may hang: in daemon threads that
touch nothing once nobody waits for them any more.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .descriptors import SHORTAGES, shortage

WORKERS = 16
"""Look-ups at once. A thread that hangs longer than `STUCK` seconds no longer counts, up to `MOST_WORKERS`."""
MOST_WORKERS = 128
STUCK = 5.0
KEPT = 300.0
"""Seconds for which addresses are kept."""
KEPT_FAILURE = 0.25
"""Seconds; shorter than most back-offs, or a further try would not ask at all."""
MOST_NAMES = 10_000
_IDLE = 1.0


class Address(NamedTuple):
    """Where a connection may go: what `socket.socket` and `connect` take, the port still to be set."""

    family: int
    ip: str
    scope: int  # of a link-local IPv6 address

    def sockaddr(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        if self.family == socket.AF_INET6:
            return (self.ip, port, 0, self.scope)
        return (self.ip, port)


class ResolveError(Exception):
    """A name has no address.

    Args:
        message: a sentence with the name in it.
        transient: asking again later may help.
        errno: what the system said, if it has no more files to open.
    """

    def __init__(self, message: str, *, transient: bool, errno: int | None = None) -> None:
        super().__init__(message, transient, errno)
        self.message = message
        self.transient = transient
        self.errno = errno

    def __str__(self) -> str:
        return self.message


class Lookup:
    """The addresses of a name, now or later."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.done = False
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._addresses: tuple[Address, ...] = ()
        self._error: ResolveError | None = None
        self.expires = float("inf")

    def wait(self, timeout: float) -> bool:
        """Block until it is done, at most so many seconds; True if it is."""
        return self._done.wait(timeout)

    def result(self) -> tuple[Address, ...]:
        """The addresses, in the order of preference that the system gives.

        Raises:
            ResolveError: there are none.
        """
        assert self.done
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._addresses

    def call_when_done(self, callback: Callable[[], object]) -> None:
        """Call back once, from any thread; at once if it is done already."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], object]) -> None:
        """Don't call back any more; when this returns, no call is under way."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def settle(self, addresses: tuple[Address, ...], error: ResolveError | None) -> None:
        """Give the answer to all who wait."""
        self._addresses, self._error = addresses, error
        self.expires = time.monotonic() + (KEPT_FAILURE if error else KEPT)
        with self._lock:
            self.done = True
            self._done.set()
            for callback in self._callbacks:
                callback()
            self._callbacks.clear()


class Resolver:
    """Looks names up, each once at a time, and keeps the answers for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._names: dict[str, Lookup] = {}
        self._queue: deque[Lookup] = deque()
        self._busy: dict[int, float] = {}  # thread to when it began to look up
        self._threads = 0
        self._idle = 0
        self._closed = False

    def lookup(self, host: str) -> Lookup:
        """The look-up of a host name or address literal; never blocks."""
        with self._lock:
            known = self._names.get(host)
            if known is not None and time.monotonic() < known.expires:
                return known
            if len(self._names) >= MOST_NAMES:
                self._drop_oldest()
            lookup = self._names[host] = Lookup(host)
            if (literal := _literal(host)) is not None:
                lookup.settle((literal,), None)
                return lookup
            self._queue.append(lookup)
            self._ensure_worker()
            self._work.notify()
        return lookup

    def _drop_oldest(self) -> None:
        for host in [host for host, lookup in self._names.items() if lookup.done][: MOST_NAMES // 4]:
            del self._names[host]

    def _ensure_worker(self) -> None:
        """Start a thread if all are busy, and one more that waits for others to be stuck; caller holds the lock."""
        if self._closed or self._idle >= len(self._queue) or self._threads >= MOST_WORKERS:
            return
        if self._threads - len(self._busy) + len(self._unstuck()) <= WORKERS:
            self._threads += 1
            threading.Thread(target=self._run, name="pdl-resolver", daemon=True).start()

    def _unstuck(self) -> list[float]:
        """When the look-ups began that do not hang yet; caller holds the lock."""
        now = time.monotonic()
        return [since for since in self._busy.values() if now - since < STUCK]

    def _patience(self) -> float:
        """Seconds until one more look-up may begin, as others will hang by then; caller holds the lock."""
        unstuck = self._unstuck()
        return 0.0 if len(unstuck) < WORKERS else max(0.001, min(unstuck) + STUCK - time.monotonic())

    def _run(self) -> None:
        me = threading.get_ident()
        while (lookup := self._next()) is not None:
            addresses, error = _resolve(lookup.host)
            lookup.settle(addresses, error)
            with self._lock:
                self._busy.pop(me, None)

    def _next(self) -> Lookup | None:
        """The next name to look up; None when there has been none for a while, or it is over."""
        with self._lock:
            self._idle += 1
            try:
                if not self._queue and not self._closed:
                    self._work.wait(_IDLE)
                while self._queue and not self._closed and (patience := self._patience()):
                    self._work.wait(patience)
                if self._closed or not self._queue:
                    self._threads -= 1  # under the same lock: nobody may count on a thread that is leaving
                    return None
                self._busy[threading.get_ident()] = time.monotonic()
                return self._queue.popleft()
            finally:
                self._idle -= 1
                if self._queue:
                    self._ensure_worker()

    def close(self) -> None:
        """End; threads that hang in the system end when it lets go of them."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._names.clear()
            self._work.notify_all()


def _literal(host: str) -> Address | None:
    """The address that a host literal is, or None for a name."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    return Address(socket.AF_INET if ip.version == 4 else socket.AF_INET6, str(ip), 0)


def _resolve(host: str) -> tuple[tuple[Address, ...], ResolveError | None]:
    try:
        found = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
    except socket.gaierror as error:
        unknown, short = error.errno in _UNKNOWN, shortage()  # which the system may tell as anything
        return (), ResolveError(
            f"cannot resolve {host}: {error.strerror}", transient=not unknown or short is not None, errno=short
        )
    except OSError as error:
        short = error.errno if error.errno in SHORTAGES else None
        return (), ResolveError(f"cannot resolve {host}: {error}", transient=True, errno=short)
    except UnicodeError as error:
        return (), ResolveError(f"cannot resolve {host}: {error}", transient=False)
    seen: dict[Address, None] = {}
    for family, _, _, _, sockaddr in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            scope = int(sockaddr[3]) if len(sockaddr) > 3 else 0
            seen[Address(family, str(sockaddr[0]), scope)] = None
    if not seen:
        return (), ResolveError(f"cannot resolve {host}: it has no address", transient=False)
    return tuple(seen), None


_UNKNOWN = {socket.EAI_NONAME} | ({socket.EAI_NODATA} if hasattr(socket, "EAI_NODATA") else set())
