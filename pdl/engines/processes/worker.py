"""A worker process: its main thread runs an engine of its own, a second one listens to the engine that has it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import sys
import threading
import time
from typing import Any

from pdl import engines
from pdl.engines.mailbox import Mailbox
from pdl.errors import Kind
from pdl.model import Attempt, Finished, Outcome, Verdict
from pdl.settings import Settings

from .queues import Receiver, Sender
from .wire import Word, packed_events, unpacked_attempts

_LOOKS_EVERY = 0.5
"""Seconds between two looks at what nobody tells of."""
_SLICE = 0.02
"""Seconds that an engine waits at a time which cannot be woken when there is more for it to do."""
_BROKEN = 1
"""Code with which a process ends whose engine broke."""


class Worker:
    """Carries attempts with an engine of its own.

    What has happened is told in one message, and what happens until the other side lets it go on, in the next one.
    So the pipe never fills up while nobody reads, and the more the other side has to do, the fewer the messages.

    Args:
        settings: for the worker's engine.
        tasks: from the engine that has this worker.
        events: to it.
    """

    def __init__(self, settings: Settings, tasks: Receiver, events: Sender) -> None:
        self._settings = settings
        self._tasks = tasks
        self._events = events
        self._new: queue.SimpleQueue[list[Attempt]] = queue.SimpleQueue()
        self._news = Mailbox(_Silent())
        self._carried = 0
        self._stopped = False
        self._may_tell = True

    def run(self) -> None:
        """Carry what comes until the other side says stop, or is gone."""
        try:
            self._engine = engines.create(self._settings.engine, self._settings)
            self._wake = getattr(self._engine, "wake", None)
            self._cut = getattr(self._engine, "cut", self._wake)
            self._judge = getattr(self._engine, "judge", None)
            self._patience = _SLICE if self._cut is None else _LOOKS_EVERY
            threading.Thread(target=self._listen, name="pdl-listener", daemon=True).start()
            self._say(Word.READY)
            gc.freeze()  # what is loaded stays: to look for garbage in it finds none
            while not self._stopped:
                self._turn()
            self._engine.close()
            self._say(packed_events([*self._news.take(0), *self._engine.wait(0)]))
        except Exception as error:  # the engine has collapsed: what it had ended counts, and the text must be known
            self._say(packed_events(self._news.take(0)))
            self._say(_broken(error))
            os._exit(_BROKEN)

    # -- the main thread

    def _turn(self) -> None:
        if not self._carried:
            self._start(self._new.get())
        while not self._new.empty():
            self._start(self._new.get())
        if self._stopped:
            return
        if self._carried:
            for event in self._engine.wait(self._patience):
                self._carried -= isinstance(event, Finished)
                self._news.put(event)
        if self._may_tell and (events := self._news.take(0)):
            self._may_tell = False  # before the other side can answer
            self._say(packed_events(events))

    def _start(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            try:
                self._engine.start(attempt)
                self._carried += 1
            except Exception as error:  # a bug here must cost one attempt, and be known by its text
                self._news.put(Finished(attempt.id, Outcome(Verdict.FAILED, Kind.WORKER, _broken(error))))

    def _say(self, said: list[Any] | str | Word) -> None:
        try:
            self._events.put(said)
        except OSError:
            os._exit(0)  # the other side has let go of this process; nobody wants to hear of that

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
            said = self._tasks.get()
        except (EOFError, OSError):
            os._exit(0)  # the engine's process is gone; the parts it would want must be let go of at once
        if said is Word.STOP:
            self._stopped = True
            self._new.put([])
            if self._cut is not None:
                self._cut()
            return
        self._may_tell = True
        self._new.put([] if said is Word.GO_ON else unpacked_attempts(said))
        if self._wake is not None:
            self._wake()

    def _look(self) -> None:
        """Judge an attempt for an engine that blocks in places without a time-out, and miss the other side."""
        if self._judge is not None:
            self._judge()
        if _is_orphaned():
            os._exit(0)


class _Silent:
    """A bell that nobody waits for, as all is put and taken by one thread."""

    def set(self) -> None: ...
    def clear(self) -> None: ...
    def wait(self, timeout: float) -> None: ...


def _broken(error: Exception) -> str:
    return f"the worker broke: {type(error).__name__}: {error}"


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
