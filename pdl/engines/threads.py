"""A pool of daemon threads, each carrying one attempt at a time; their events come over a mailbox."""

from __future__ import annotations

import queue
import threading
import time

from pdl.errors import EngineError
from pdl.model import Attempt, Event, Finished, Outcome, Verdict
from pdl.settings import Settings

from .fetch import Driver
from .leash import CLOSED, Leash, Stopped
from .limits import DESCRIPTORS, affordable
from .mailbox import Mailbox

CLOSING = 1.5
"""Seconds that `close` gives the threads to end."""
_JUDGED_EVERY = 0.5


class _Bell:
    """An event that is waited for in C: an exception in the middle of that leaves no lock locked.

    Those of `threading.Event` are taken and given back by functions of Python.
    """

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        self._rings.put(None)

    def clear(self) -> None:
        try:
            while True:
                self._rings.get_nowait()
        except queue.Empty:
            return

    def wait(self, timeout: float) -> None:
        """Wait for a ring, and take it."""
        try:
            self._rings.get(timeout=timeout)
        except queue.Empty:
            return


class ThreadsEngine:
    """Threads start as attempts need them, up to `Settings.jobs` or fewer, and share their connections."""

    punctual = True

    def __init__(self, settings: Settings) -> None:
        self.capacity = affordable(settings.jobs, DESCRIPTORS)
        self._driver = Driver(settings)
        self._mailbox = Mailbox(_Bell())
        self._tasks: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._leashes: dict[int, Leash] = {}
        self._threads: list[threading.Thread] = []
        self._judged = time.monotonic()
        self._closed = False

    def start(self, attempt: Attempt) -> None:
        if self._closed:
            raise EngineError(CLOSED)
        self._leashes[attempt.id] = self._driver.leash(attempt)
        if len(self._leashes) > len(self._threads):
            self._add_thread()
        self._tasks.put(attempt)

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._work, name="pdl-threads", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more; those that run take over, if there are any
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def wait(self, timeout: float) -> list[Event]:
        events = self._mailbox.take(timeout)
        for event in events:
            if isinstance(event, Finished):
                self._leashes.pop(event.attempt, None)
        self._judge()
        return events

    def wake(self) -> None:
        """Have a `wait` that runs return soon; from any thread."""
        self._mailbox.wake()

    def _judge(self) -> None:
        """Cut what is over its time in a place that has no time-out of its own, such as a dripping handshake."""
        now = time.monotonic()
        if now - self._judged >= _JUDGED_EVERY:
            self._judged = now
            for leash in self._leashes.values():
                leash.judge()

    def _work(self) -> None:
        while (attempt := self._tasks.get()) is not None:
            leash = self._leashes.get(attempt.id)
            if leash is None:  # closed meanwhile, and accounted for
                continue
            for event in self._driver.fetch(attempt, leash):
                if event is not None and attempt.id in self._leashes:  # else it was accounted for without us
                    self._mailbox.put(event)

    def close(self) -> None:
        self._closed = True
        for leash in self._leashes.values():
            leash.cut(Stopped())
        for _ in self._threads:
            self._tasks.put(None)
        until = time.monotonic() + CLOSING
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._driver.close()
        self._account_for_the_rest()

    def _account_for_the_rest(self) -> None:
        """End what no thread has picked up, or what a thread could not let go of in time."""
        ended = [event for event in self._mailbox.take(0) if isinstance(event, Finished)]
        for event in ended:
            self._leashes.pop(event.attempt, None)
            self._mailbox.put(event)
        for attempt in self._leashes:
            self._mailbox.put(Finished(attempt, Outcome(Verdict.STOPPED, message="stopped")))
        self._leashes.clear()
