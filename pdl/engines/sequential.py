"""One attempt after another, in the caller's thread: the plain baseline that the others are compared with."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from pdl.errors import EngineError
from pdl.model import Attempt, Event, Finished
from pdl.settings import Settings

from .fetch import Driver
from .leash import CLOSED, Leash, Stopped
from .stopwatch import Stopwatch


class SequentialEngine:
    """Steps one attempt's generator at a time; its clocks stand still between two `wait`s.

    A step is one look-up, connection, response head or piece of body, so `wait` can overrun its time by what the
    server lets it wait for one of these, within the attempt's own limits.
    """

    capacity = 1

    def __init__(self, settings: Settings) -> None:
        self._watch = Stopwatch()
        self._driver = Driver(settings, now=self._watch.now, stepwise=True)
        self._steps: Iterator[Event | None] | None = None
        self._leash: Leash | None = None
        self._events: deque[Event] = deque()
        self._closed = False

    def start(self, attempt: Attempt) -> None:
        if self._closed:
            raise EngineError(CLOSED)
        if self._steps is not None:
            raise EngineError("the sequential engine carries one attempt at a time")
        self._leash = self._driver.leash(attempt)
        self._steps = self._driver.fetch(attempt, self._leash)

    def wait(self, timeout: float) -> list[Event]:
        until = time.monotonic() + timeout
        with self._watch:
            while self._steps is not None and not self._events:
                self._step()
                if time.monotonic() >= until:
                    break
        if self._steps is None and not self._events and timeout > 0:
            time.sleep(max(0.0, until - time.monotonic()))
        return self._take()

    def _step(self) -> None:
        assert self._steps is not None
        event = next(self._steps)
        if event is not None:
            self._events.append(event)
        if isinstance(event, Finished):
            self._steps = self._leash = None

    def _take(self) -> list[Event]:
        events = list(self._events)
        self._events.clear()
        return events

    def cut(self) -> None:
        """End what is under way, wherever it blocks, so that a `wait` that runs returns soon; from any thread."""
        if (leash := self._leash) is not None:
            leash.cut(Stopped())

    def judge(self) -> None:
        """Cut what is over its time in a place that has no time-out of its own; from any thread."""
        if (leash := self._leash) is not None:
            leash.judge()

    def close(self) -> None:
        self._closed = True
        if self._steps is not None and self._leash is not None:
            self._leash.cut(Stopped())
            with self._watch:
                for event in self._steps:
                    if isinstance(event, Finished):
                        self._events.append(event)
            self._steps = None
        self._driver.close()
