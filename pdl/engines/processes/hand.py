"""A worker process as the engine sees it."""

from __future__ import annotations

import contextlib
import os
from multiprocessing.connection import Connection

from pdl.model import Attempt, Event, Finished
from pdl.settings import Settings

from .queues import Receiver, Sender, one_way
from .starting import Nursery
from .unblocked import unblocked_receiver, unblocked_sender
from .undisturbed import leave_signals_to_the_engine
from .wire import Word, packed_attempts, unpacked_events

_DYING = 0.5
"""Seconds that a process gets to be gone when it has closed its end or was killed."""
_PIPES = 8
"""Pipes that there must be room for: more than a worker takes here, so that something is left for files."""
_UNKNOWN = 255
"""The exit code of a process whose fork server was gone before it could tell."""


class Hand:
    """Starts a worker process, talks to it, and sees it dead.

    Args:
        nursery: what makes processes.
        settings: for the worker.
        apart: it carries one attempt at a time, of those that may have killed a worker.

    Raises:
        OSError, EOFError: no process can be started now.
    """

    def __init__(self, nursery: Nursery, settings: Settings, *, apart: bool = False) -> None:
        self.carried: dict[int, Attempt] = {}
        """What it carries, by the attempts' numbers."""
        self.ready = False
        self.apart = apart
        self.dismissed = False
        self.last_words: str | None = None
        """Why it ends, if it could say so."""
        self._owed = False  # it has told something, and waits for leave to go on
        _find_room()
        tasks, sender = one_way()
        receiver, events = one_way()
        self._tasks, self._events = unblocked_sender(sender), unblocked_receiver(receiver)
        self._process = nursery.process(_work, (settings, tasks, events))
        try:
            self._process.start()
        except BaseException:
            self._let_go()  # which ends it, if it has come to life
            raise
        finally:  # the other side alone must hold these, or neither end would hear of the other's death
            tasks.close()
            events.close()

    @property
    def is_idle(self) -> bool:
        """Whether it could be given an attempt and carries none."""
        return self.ready and not self.dismissed and not self.carried

    @property
    def connection(self) -> Connection:
        """What becomes readable when there is something to `hear`."""
        return self._events.connection

    def hear(self) -> list[Event]:
        """The next news, if they are whole, and note what they say of the worker itself.

        Raises:
            EOFError, OSError: the process has died.
        """
        said = self._events.get()
        if said is None:
            return []
        if said is Word.READY:
            self.ready = True
            return []
        if isinstance(said, str):
            self.last_words = said
            return []
        self._owed = True
        # an engine that has refused an attempt may yet tell of it
        events = [event for event in unpacked_events(said) if event.attempt in self.carried]
        for event in events:
            if isinstance(event, Finished):
                self.carried.pop(event.attempt, None)
        return events

    def has_more(self) -> bool:
        """Whether `hear` would find something at once, the end included."""
        return self._events.wait(0)

    def give(self, attempts: list[Attempt]) -> None:
        """Have it carry attempts.

        Raises:
            OSError: the process has died.
            Exception: one of the attempts cannot be pickled; the worker has got none.
        """
        self._tasks.put(packed_attempts(attempts))
        self._owed = False
        for attempt in attempts:
            self.carried[attempt.id] = attempt

    def push_on(self) -> bool:
        """Send what its pipe had no room for, as far as it has some now; whether something is left."""
        try:
            return self._tasks.push_on()
        except OSError:  # its end will be heard
            return False

    def let_go_on(self) -> None:
        """Let it tell more, if it has told something since the last time and is not at its end."""
        if self._owed and self.carried:
            self._owed = False
            self._say(Word.GO_ON)

    def dismiss(self) -> None:
        """Have it stop what it carries, tell the rest and end."""
        self.dismissed = True
        self._say(Word.STOP)

    def _say(self, word: Word) -> None:
        with contextlib.suppress(OSError):  # one that has died does not hear it
            self._tasks.put(word)

    def kill(self) -> None:
        """End it at once; what it has sent before can still be heard."""
        self._process.kill()

    def is_lost(self) -> bool:
        """Whether it is dead and cannot say so, as another process that was forked meanwhile has its end open."""
        return self._process.exitcode not in (None, _UNKNOWN) and not self.has_more()

    def bury(self) -> int | None:
        """See to it that it is dead, let go of it, and answer its exit code, if that is known."""
        self._process.join(_DYING)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(_DYING)
        code = self._process.exitcode
        self._let_go()
        with contextlib.suppress(ValueError):  # it still runs, as even SIGKILL waits for some disks
            self._process.close()
        return None if code == _UNKNOWN else code

    def _let_go(self) -> None:
        self._tasks.close()
        self._events.close()


def _find_room() -> None:
    """Find out early that there are too few descriptors.

    A fork server breaks, with a traceback, over a client that breaks off in the middle (until Python 3.14).
    """
    pipes: list[int] = []
    try:
        for _ in range(_PIPES):
            pipes += os.pipe()
    finally:
        for descriptor in pipes:
            os.close(descriptor)


def _work(settings: Settings, tasks: Receiver, events: Sender) -> None:
    """What the process does."""
    leave_signals_to_the_engine()
    from .worker import Worker  # noqa: PLC0415 - brings requests, which the engine's process can do without

    Worker(settings, tasks, events).run()


def cause_of_death(code: int | None) -> str:
    """In words."""
    if code is None:
        return "the worker process died"
    if code < 0:
        return f"the worker process was killed by signal {-code}"
    return f"the worker process ended with code {code}"
