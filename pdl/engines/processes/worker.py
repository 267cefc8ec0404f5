"""A worker process: its main thread carries attempts, a second one listens to the engine."""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import threading
import time

from pdl.engines.fetch import Driver
from pdl.engines.leash import Leash, Stopped
from pdl.errors import Kind
from pdl.model import Advanced, Attempt, Event, Finished, Outcome, Verdict
from pdl.settings import Settings

from .queues import Receiver, Sender
from .words import Word

_LOOKS_EVERY = 0.5
"""Seconds between two looks at what nobody tells of."""


class Worker:
    """Carries one attempt at a time.

    Args:
        settings: of the job.
        tasks: from the engine.
        events: to the engine.
    """

    def __init__(self, settings: Settings, tasks: Receiver, events: Sender) -> None:
        self._tasks = tasks
        self._events = events
        self._driver = Driver(settings)
        self._attempts: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._leash: Leash | None = None
        self._stopped = False
        self._may_tell = True  # else an engine that is busy elsewhere lets the pipe fill up, and the transfer stall

    def run(self) -> None:
        """Carry what comes until the engine says stop, or is gone."""
        threading.Thread(target=self._listen, name="pdl-listener", daemon=True).start()
        self._say(Word.READY)
        while (attempt := self._attempts.get()) is not None:
            self._carry(attempt)

    # -- the main thread

    def _carry(self, attempt: Attempt) -> None:
        try:
            leash = self._leash = self._driver.leash(attempt)
            if self._stopped:  # said between the attempt and its leash
                leash.cut(Stopped())
            for event in self._driver.fetch(attempt, leash):
                if event is not None:
                    self._tell(event)
        except Exception as error:  # a bug here must cost one attempt, and be known by its text
            message = f"the worker broke: {type(error).__name__}: {error}"
            self._say(Finished(attempt.id, Outcome(Verdict.FAILED, Kind.WORKER, message)))
        finally:
            self._leash = None

    def _tell(self, event: Event) -> None:
        if isinstance(event, Advanced):
            if not self._may_tell:
                return
            self._may_tell = False
        self._say(event)

    def _say(self, said: Event | Word) -> None:
        try:
            self._events.put(said)
        except OSError:
            os._exit(0)  # the engine has let go of this process; nobody wants to hear of that

    # -- the second thread

    def _listen(self) -> None:
        looked = time.monotonic()
        while True:
            if self._tasks.wait(_LOOKS_EVERY):
                self._hear()
            if time.monotonic() - looked >= _LOOKS_EVERY:
                looked = time.monotonic()
                self._look()

    def _hear(self) -> None:
        try:
            task = self._tasks.get()
        except (EOFError, OSError):
            os._exit(0)  # the engine's process is gone; the part it would want must be let go of at once
        if task is Word.GO_ON:
            self._may_tell = True
        elif task is Word.STOP:
            self._stopped = True
            if (leash := self._leash) is not None:
                leash.cut(Stopped())
            self._attempts.put(None)
        else:
            self._attempts.put(task)

    def _look(self) -> None:
        """Cut an attempt that is over its time in a place that has no time-out of its own, and miss the engine."""
        if (leash := self._leash) is not None:
            leash.judge()
        if _is_orphaned():
            os._exit(0)


def _is_orphaned() -> bool:
    """Whether the engine's process is gone, should another child that it forked still hold our pipe open."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None or sys.platform == "win32":  # where nothing is forked
        return False
    try:
        os.kill(parent.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
