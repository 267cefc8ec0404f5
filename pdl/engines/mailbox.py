"""Events on their way from workers to `wait`: throttled, in order, and none after the last."""

from __future__ import annotations

import threading
from typing import Protocol

from pdl.model import Advanced, Event, Finished, Responded


class Bell(Protocol):
    """What a `wait` blocks on, as on `threading.Event`; it may take the ring that ends it."""

    def set(self) -> None: ...
    def clear(self) -> None: ...
    def wait(self, timeout: float) -> object: ...


class Mailbox:
    """Collects events from any thread or greenlet and hands them over in batches.

    At most one `Advanced` an attempt waits here; a `Responded` whose attempt has ended meanwhile is dropped.

    Args:
        bell: wakes the one that waits.
    """

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._lock = threading.Lock()
        self._advanced: dict[int, Advanced] = {}
        self._responded: dict[int, Responded] = {}
        self._finished: list[Finished] = []

    def put(self, event: Event) -> None:
        """Add an event."""
        with self._lock:
            if isinstance(event, Finished):
                self._advanced.pop(event.attempt, None)
                self._responded.pop(event.attempt, None)
                self._finished.append(event)
            elif isinstance(event, Advanced):
                self._advanced[event.attempt] = event
                return  # advice wakes nobody
            else:
                self._responded[event.attempt] = event
        self._bell.set()

    def wake(self) -> None:
        """End the `take` that waits, though nothing has come; if none does, the next one."""
        self._bell.set()

    def take(self, timeout: float) -> list[Event]:
        """All that has come; blocks up to `timeout` seconds while nothing urgent has."""
        if timeout > 0 and not self._finished and not self._responded:
            self._bell.wait(timeout)
        with self._lock:
            self._bell.clear()
            events: list[Event] = [*self._responded.values(), *self._advanced.values(), *self._finished]
            self._responded, self._advanced, self._finished = {}, {}, []
        return events
