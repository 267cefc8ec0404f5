"""The engine: attempts go to idle workers, and a new one starts where all are busy."""

from __future__ import annotations

import os
import ssl
import sys
import time
from collections import deque
from dataclasses import replace
from multiprocessing.connection import Connection, wait

from pdl.engines.leash import CLOSED
from pdl.engines.limits import affordable
from pdl.engines.tls import is_ca_given, tls_context
from pdl.errors import EngineError, Kind
from pdl.http.routes import given_ca_location
from pdl.model import Advanced, Attempt, Event, Finished, Outcome, Verdict
from pdl.settings import Settings

from .hand import Hand, cause_of_death
from .starting import UNGUARDED, UNGUARDED_MESSAGE, open_nursery, refuse_impossible
from .undisturbed import undisturbed
from .words import Word

CLOSING = 1.2
"""Seconds that `close` gives the workers to end by themselves."""
_MOST = 60 if sys.platform == "win32" else sys.maxsize
"""Workers; Windows waits for no more things at once."""
_DESCRIPTORS = 4
"""What a worker takes of this process: the ends of its pipes, and what tells of its death."""
_TRIES = 3
"""Processes that may fail in a row before one is ready, until that is the engine's collapse."""
_JUDGED_EVERY = 1.0


class ProcessesEngine:
    """Processes start as attempts need them, up to `Settings.jobs`; each carries one attempt at a time.

    `wait` may overrun by the start of one process: some milliseconds, for the first some tenths of a second. The
    clocks of attempts run on between two `wait`s, as the workers do.

    Raises:
        SettingsError: the CA certificates cannot be loaded.
        EngineError: this process may have no children.
    """

    def __init__(self, settings: Settings) -> None:
        refuse_impossible()
        self.capacity = affordable(min(settings.jobs, _MOST), _DESCRIPTORS)
        self._settings = _for_workers(settings)
        self._most = self.capacity
        self._hands: dict[Connection, Hand] = {}
        self._idle: list[Hand] = []
        self._waiting: deque[Attempt] = deque()
        self._active: dict[int, None] = {}
        self._news: list[Event] = []
        self._proven = False  # some worker has got ready
        self._failed_in_a_row = 0
        self._judged = time.monotonic()
        self._closed = False
        self._nursery = open_nursery(preload="pdl.engines.processes.worker")

    def start(self, attempt: Attempt) -> None:
        if self._closed:
            raise EngineError(CLOSED)
        self._active[attempt.id] = None
        self._waiting.append(attempt)
        self._hand_out()

    def wait(self, timeout: float) -> list[Event]:
        if not self._closed:
            if self._wants_more():
                self._add_hand()  # one at a time: those that work are looked after in between
            for hand in self._readable(0.0 if self._news or self._wants_more() else timeout):
                self._listen(hand)
            self._miss_the_silent()
            self._hand_out()
        news, self._news = self._news, []
        return news

    def _readable(self, timeout: float) -> list[Hand]:
        if not self._hands:
            time.sleep(timeout)
            return []
        return [self._hands[each] for each in wait(list(self._hands), timeout)]  # type: ignore[index]  # what we gave

    # -- hands

    def _wants_more(self) -> bool:
        """Whether a process is to be started; the first goes ahead, and shows whether any can."""
        if not self._waiting or len(self._hands) >= self._most:
            return False
        starting = sum(not hand.ready for hand in self._hands.values())
        return len(self._waiting) > starting and (self._proven or not starting)

    def _add_hand(self) -> None:
        try:
            with undisturbed():
                hand = Hand(self._nursery, self._settings)
                self._hands[hand.connection] = hand
        except (OSError, EOFError) as error:
            self._failed_in_a_row += 1
            if self._failed_in_a_row < _TRIES:
                return
            if not self._hands:
                raise EngineError(f"no worker process can be started: {error}") from error
            self._most, self._failed_in_a_row = len(self._hands), 0  # those that run take over

    def _hand_out(self) -> None:
        """Give waiting attempts to idle workers, the one that was busy last first."""
        while self._waiting and self._idle:
            hand, attempt = self._idle.pop(), self._waiting.popleft()
            try:
                hand.give(attempt)
            except OSError:  # it has died, and never saw the attempt
                self._waiting.appendleft(attempt)
                self._bury(hand)
            except Exception as error:  # an attempt that cannot be sent must cost itself alone
                self._idle.append(hand)
                self._end(attempt.id, f"the worker cannot be told: {type(error).__name__}: {error}")

    # -- news

    def _listen(self, hand: Hand) -> None:
        try:
            said = hand.hear()
        except (EOFError, OSError):
            self._bury(hand)
            return
        if said is Word.READY:
            hand.ready = self._proven = True
            self._failed_in_a_row = 0
            self._idle.append(hand)
            return
        if isinstance(said, Advanced):
            hand.say(Word.GO_ON)
        elif isinstance(said, Finished):
            del self._active[said.attempt]
            hand.attempt = None
            self._idle.append(hand)
        self._news.append(said)

    def _miss_the_silent(self) -> None:
        now = time.monotonic()
        if now - self._judged >= _JUDGED_EVERY:
            self._judged = now
            for hand in [hand for hand in self._hands.values() if hand.is_lost()]:
                self._bury(hand)

    def _bury(self, hand: Hand) -> None:
        """A worker has died: that ends its attempt, once it can do no more to the part."""
        del self._hands[hand.connection]
        if hand in self._idle:
            self._idle.remove(hand)
        code = hand.bury()
        if hand.attempt is not None:
            self._end(hand.attempt, cause_of_death(code))
        elif not hand.ready:
            self._failed_in_a_row += 1
            if code is None or code >= 0 or self._failed_in_a_row >= _TRIES:
                told = f"{cause_of_death(code)} before it was ready; {self._nursery.advice}"
                raise EngineError(UNGUARDED_MESSAGE if code == UNGUARDED else told) from None

    def _end(self, attempt: int, message: str) -> None:
        del self._active[attempt]
        self._news.append(Finished(attempt, Outcome(Verdict.FAILED, Kind.WORKER, message)))

    # -- the end

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for hand in self._hands.values():
            if hand.ready:
                hand.say(Word.STOP)
            else:
                hand.kill()  # it has nothing that it could lose
        until = time.monotonic() + CLOSING
        while self._hands and (left := until - time.monotonic()) > 0:
            for hand in self._readable(left):
                self._listen_to_the_end(hand)
        self._end_the_rest()
        self._nursery.close()
        stopped = Outcome(Verdict.STOPPED, message="stopped")
        self._news += [Finished(attempt, stopped) for attempt in self._active]
        self._active.clear()
        self._waiting.clear()
        self._idle.clear()

    def _listen_to_the_end(self, hand: Hand) -> None:
        try:
            said = hand.hear()
        except (EOFError, OSError):
            del self._hands[hand.connection]
            hand.bury()
            return
        if isinstance(said, Finished):
            del self._active[said.attempt]
            self._news.append(said)

    def _end_the_rest(self) -> None:
        """End workers that could not let go in time; what they have said counts."""
        for hand in self._hands.values():
            hand.kill()
        for hand in list(self._hands.values()):
            while hand.connection in self._hands and hand.has_more():
                self._listen_to_the_end(hand)
        for hand in self._hands.values():
            hand.bury()
        self._hands.clear()


def _for_workers(settings: Settings) -> Settings:
    """The settings as workers need them: picklable, and not dependent on folder and environment of later times.

    Raises:
        SettingsError: the CA certificates cannot be loaded.
    """
    settings = replace(settings, engine="processes")
    if not is_ca_given(settings):
        return settings
    tls_context(ssl.SSLContext, settings)  # what is wrong with them should be known before anything starts
    place = given_ca_location(settings)
    assert place is not None
    return replace(settings, cacert=os.path.abspath(place))
