"""The engine: names first, then libcurl's loop, and a look at every attempt's clock now and then."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pycurl

from pdl.engines.addresses import allowed, found
from pdl.engines.leash import CLOSED
from pdl.engines.limits import affordable, room
from pdl.engines.stopwatch import Stopwatch
from pdl.errors import EngineError, SettingsError
from pdl.http.fault import TransferError, unreachable_proxy
from pdl.http.routes import given_ca_location
from pdl.model import Attempt, Event
from pdl.resolver import Address, Lookup, Resolver
from pdl.settings import Settings

from .carriage import Carriage
from .handles import Handles, peer
from .inquiries import Inquiries
from .loop import Loop

_CONNECTIONS = 256
"""Connections that are kept, over all hosts, if no more attempts than that are carried at once."""
_LOOKED_AFTER = 0.05
"""Seconds between two looks at every attempt; more where there are so many that looking takes time."""
_LOOK = 20e-6
"""Seconds added to that for each attempt."""


class CurlEngine:
    """One libcurl event loop in the caller's thread; clocks stand still between two `wait`s.

    Raises:
        SettingsError: the CA certificates cannot be loaded, or this libcurl cannot do what is asked of it.
    """

    punctual = True
    """`wait` never overruns, so that no signal handler needs to raise within it."""

    def __init__(self, settings: Settings) -> None:
        _check(settings)
        self.capacity, connections = _affordable(settings.jobs)
        self._settings = settings
        self._watch = Stopwatch()
        self._resolver = Resolver()
        self._handles = Handles(settings)
        self._inquiries = Inquiries()
        self._loop = Loop(connections)
        self._carried: dict[Any, Carriage] = {}  # by libcurl's handle
        self._named: dict[Carriage, tuple[Lookup, Callable[[], object]]] = {}  # while their names are looked up
        self._resolved: deque[Carriage] = deque()
        self._probes: list[Carriage] = []  # of files that are to be split, until it is known whether they can be
        self._ended: list[Event] = []
        self._looked = 0.0
        self._woken = False
        self._closed = False

    def start(self, attempt: Attempt) -> None:
        if self._closed:
            raise EngineError(CLOSED)
        carriage = Carriage(attempt, self._settings, self._watch.now)
        lookup = self._resolver.lookup(peer(attempt).host)
        if lookup.done:
            self._set_off(carriage, lookup)
            return

        def tell() -> None:
            self._resolved.append(carriage)
            self._loop.ring()

        carriage.await_name()
        self._named[carriage] = lookup, tell
        lookup.call_when_done(tell)

    def _set_off(self, carriage: Carriage, lookup: Lookup) -> None:
        """Give the attempt to libcurl, unless it has to wait until more is known of its origin."""
        origin, inquiries = carriage.origin, self._inquiries
        try:
            addresses = allowed(found(lookup), carriage.attempt.reach)
        except TransferError as error:
            self._ended.append(carriage.give_up(unreachable_proxy(error) if carriage.attempt.proxy else error))
            return
        patient = inquiries.multiplexes(origin) if origin is not None else False
        if patient is not None:
            self._add(carriage, addresses, patient=patient)
        elif origin is not None and inquiries.admit(origin, carriage, addresses, self._watch.now()):
            self._add(carriage, addresses, patient=False)

    def _add(self, carriage: Carriage, addresses: tuple[Address, ...], *, patient: bool) -> None:
        try:
            request = carriage.transfer.request()
            handle = self._handles.take(carriage.attempt, request, addresses, patient=patient)
            carriage.mount(handle)
            self._loop.add(handle.curl)
            self._carried[handle.curl] = carriage
            if carriage.attempt.span is not None and carriage.attempt.span.is_probe:
                self._probes.append(carriage)
        except Exception as error:  # a bug must cost this attempt only
            self._ended.append(carriage.break_down(error))
            if carriage.origin is not None:
                self._inquiries.ended(carriage.origin, carriage)

    # -- the loop

    def wait(self, timeout: float) -> list[Event]:
        if self._closed:
            events, self._ended = self._ended, []
            return events
        until = time.monotonic() + timeout
        with self._watch:
            while True:
                left = 0.0 if self._ended else max(0.0, until - time.monotonic())
                self._loop.turn(min(left, self._look_every()))
                self._set_off_resolved()
                self._collect()
                for carriage, addresses, patient in self._inquiries.next(self._watch.now()):
                    carriage.set_out()
                    self._add(carriage, addresses, patient=patient)
                self._look_after_all()
                if self._probes:
                    self._probes = [each for each in self._probes if not each.tell_of_the_way(self._ended)]
                if self._ended or self._woken or time.monotonic() >= until:
                    break
        self._woken = False
        events, self._ended = self._ended, []
        return events

    def wake(self) -> None:
        """Have a `wait` that runs return soon; from any thread."""
        self._woken = True
        self._loop.ring()

    def _set_off_resolved(self) -> None:
        while self._resolved:
            carriage = self._resolved.popleft()
            if (waited := self._named.pop(carriage, None)) is not None:
                carriage.find_addresses()
                self._set_off(carriage, waited[0])

    def _collect(self) -> None:
        """Take back what libcurl is done with."""
        for curl, code, message in self._loop.ended():
            carriage = self._carried[curl]
            if code and carriage.wants_another_connection(message):
                self._loop.remove(curl)
                self._loop.add(curl)
                continue
            del self._carried[curl]
            finished = carriage.end(code, message)
            self._take_back(carriage, curl)
            if carriage.interruption is not None:
                raise carriage.interruption
            self._ended.append(finished)

    def _take_back(self, carriage: Carriage, curl: Any) -> None:
        assert carriage.handle is not None
        if carriage.origin is not None:
            self._inquiries.ended(carriage.origin, carriage)
        self._loop.remove(curl)
        self._handles.give_back(carriage.handle, carriage.attempt)
        if self._handles.names.are_many:
            self._loop.run_through(self._handles.names.remover())

    def _look_every(self) -> float:
        return _LOOKED_AFTER + _LOOK * len(self._carried)

    def _look_after_all(self) -> None:
        now = self._watch.now()
        if now - self._looked < self._look_every():
            return
        self._looked = now
        for curl, carriage in list(self._carried.items()):
            fault = carriage.look_after(self._ended)
            if fault is not None:
                del self._carried[curl]
                self._ended.append(carriage.give_up(fault))
                self._take_back(carriage, curl)
        for carriage, (lookup, tell) in list(self._named.items()):
            if (fault := carriage.judge_unborn()) is not None:
                lookup.forget(tell)
                del self._named[carriage]
                self._ended.append(carriage.give_up(fault))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for carriage, (lookup, tell) in self._named.items():
            lookup.forget(tell)
            self._ended.append(carriage.stop())
        self._ended += [carriage.stop() for carriage in self._inquiries.waiting()]
        for curl, carriage in self._carried.items():
            self._ended.append(carriage.stop())
            self._loop.remove(curl)
            curl.close()
        self._named.clear()
        self._carried.clear()
        self._probes.clear()
        try:
            self._loop.close()
        finally:
            self._handles.close()
            self._resolver.close()


def _affordable(jobs: int) -> tuple[int, int]:
    """The attempts and the connections that the limit of open files allows; each attempt takes two of them."""
    allowed, capacity = room(), affordable(jobs, 2)
    if allowed is None:
        return jobs, max(_CONNECTIONS, jobs)
    return capacity, max(capacity, min(max(_CONNECTIONS, jobs), allowed - capacity))


def _check(settings: Settings) -> None:
    """Find out before anything starts what cannot work."""
    if settings.http3 and not pycurl.version_info()[4] & pycurl.VERSION_HTTP3:
        raise SettingsError("--http3 needs a libcurl that speaks HTTP/3; pip install --force-reinstall pycurl")
    if settings.cacert is not None and not settings.insecure:
        import ssl  # noqa: PLC0415 - takes time, and few give certificates of their own

        from pdl.engines.tls import tls_context  # noqa: PLC0415 - needs ssl

        tls_context(ssl.SSLContext, settings)
    else:
        given_ca_location(settings)  # that nothing is where the environment says is known at once, too
