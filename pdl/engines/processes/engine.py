"""The engine: attempts go in batches to the least busy workers, and a new worker starts where all are full."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from multiprocessing.connection import Connection, wait

from pdl import engines
from pdl.engines.leash import CLOSED
from pdl.errors import EngineError, Kind
from pdl.model import Attempt, Event, Finished, Outcome, Responded, Verdict
from pdl.settings import Settings

from .hand import Hand, cause_of_death
from .staffing import APART, staffing
from .starting import UNGUARDED, UNGUARDED_MESSAGE, open_nursery, refuse_impossible
from .suspects import Suspects
from .undisturbed import undisturbed

CLOSING = 1.6
"""Seconds that `close` gives the workers to end by themselves; their own engines take 1.5 at the most."""
_TRIES = 3
"""Processes that may fail in a row before one is ready, until that is the engine's collapse."""
_JUDGED_EVERY = 1.0
_PUSHED_EVERY = 0.02
"""Seconds between two tries to tell a worker something for which its pipe has no room."""


class ProcessesEngine:
    """Processes start as attempts need them, each with an engine of its own that carries some of the attempts.

    What `start` gets is handed out by the next `wait`, one message a worker. `wait` may overrun by the start of one
    process: some milliseconds, for the first some tenths of a second. The clocks of attempts run on between two
    `wait`s, as the workers do.

    Raises:
        SettingsError: the workers' engine cannot do what is asked of it.
        EngineError: this process may have no children.
    """

    punctual = True
    """An exception in the middle of `wait` would lose what a worker has just told."""

    def __init__(self, settings: Settings) -> None:
        refuse_impossible()
        self._most, self._room, self.capacity, self._settings = staffing(settings)
        self._hands: dict[Connection, Hand] = {}
        self._heard: list[Hand] = []  # those that have told something, and have yet to be let go on
        self._waiting: deque[Attempt] = deque()
        self._suspects = Suspects()
        self._news: list[Event] = []
        self._proven = False  # some worker has got ready
        self._failed_in_a_row = 0
        self._judged = time.monotonic()
        self._closed = False
        preload = ["pdl.engines.processes.worker", *engines.modules(self._settings.engine)]
        self._nursery = open_nursery(preload)

    def start(self, attempt: Attempt) -> None:
        if self._closed:
            raise EngineError(CLOSED)
        if not self._suspects.claims(attempt):
            self._waiting.append(attempt)

    def wait(self, timeout: float) -> list[Event]:
        if not self._closed:
            self._hand_out()
            for hand in self._heard:
                hand.let_go_on()
            self._heard.clear()
            starts = self._start_worker()  # one at a time: those that work are looked after in between
            for hand in self._readable(0.0 if self._news or starts else timeout):
                self._listen(hand)
            self._miss_the_silent()
            self._hand_out()
        news, self._news = self._news, []
        return news

    def _readable(self, timeout: float) -> list[Hand]:
        if not self._hands:
            time.sleep(timeout)
            return []
        if sum(hand.push_on() for hand in self._hands.values()):
            timeout = min(timeout, _PUSHED_EVERY)
        return [self._hands[each] for each in wait(list(self._hands), timeout)]  # type: ignore[index]  # what we gave

    # -- workers

    def _start_worker(self) -> bool:
        """Start a worker if one is wanted; whether that was so."""
        if self._suspects and self._is_short(APART, len(self._suspects), apart=True):
            self._add_hand(apart=True)
        elif self._waiting and self._is_short(self._most, -(-len(self._waiting) // self._room), apart=False):
            self._add_hand(apart=False)
        else:
            return False
        return True

    def _is_short(self, most: int, wanted: int, *, apart: bool) -> bool:
        """Whether there are too few workers; the first goes ahead, and shows whether any can start."""
        hands = [hand for hand in self._hands.values() if hand.apart is apart]
        starting = sum(not hand.ready for hand in hands)
        return len(hands) < most and starting < wanted and (self._proven or not starting)

    def _add_hand(self, *, apart: bool) -> None:
        try:
            with undisturbed():
                hand = Hand(self._nursery, self._settings, apart=apart)
                self._hands[hand.connection] = hand
        except (OSError, EOFError) as error:
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= _TRIES:
                self._failed_in_a_row = 0
                self._do_without(EngineError(f"no worker process can be started: {error}"), apart=apart)

    def _do_without(self, error: EngineError, *, apart: bool) -> None:
        """Go on with the workers that run, as there will be no others.

        Raises:
            EngineError: there are none; the one that was given.
        """
        if not self._hands:
            raise error from None
        hands = sum(hand.apart is apart for hand in self._hands.values())
        if not apart:
            self._most = max(1, hands)
        elif not hands:
            while self._suspects:
                self._fail(self._suspects.take(), f"the worker process died, and there is no other: {error}")

    def _hand_out(self) -> None:
        if self._waiting:
            self._hand_out_in_company()
        if self._suspects:
            self._hand_out_alone()

    def _hand_out_in_company(self) -> None:
        """Give waiting attempts to workers that have room, so that all are as busy afterwards as they can be."""
        room, waiting = self._room, self._waiting
        hands = [
            hand for hand in self._hands.values() if hand.ready and not hand.apart and len(hand.carried) < room
        ]
        if not hands:
            return
        total = sum(len(hand.carried) for hand in hands) + len(waiting)
        level = min(room, -(-total // len(hands)))
        for hand in hands:
            share = min(level - len(hand.carried), len(waiting))
            if share > 0:
                left = self._give(hand, [waiting.popleft() for _ in range(share)])
                waiting.extendleft(reversed(left))

    def _hand_out_alone(self) -> None:
        """Give each idle worker of those that are for it one of the attempts that may have killed another."""
        for hand in self._hands.values():
            if self._suspects and hand.is_idle and hand.apart:
                for attempt in self._give(hand, [self._suspects.take()]):
                    self._suspects.put_back(attempt)
        self._dismiss_the_needless()

    def _dismiss_the_needless(self) -> None:
        """Have workers leave that were for attempts to be carried alone, if no such attempt waits any more."""
        if not self._suspects:
            for hand in self._hands.values():
                if hand.apart and hand.is_idle:
                    hand.dismiss()

    def _give(self, hand: Hand, attempts: list[Attempt]) -> list[Attempt]:
        """Have a worker carry attempts; answers those that are still to be given, as it has died unseen."""
        if self._room > 1:
            for attempt in attempts:
                self._suspects.set_out(attempt)
        try:
            hand.give(attempts)
        except OSError:
            return attempts
        except Exception as error:  # an attempt that cannot be sent must cost itself alone
            if len(attempts) > 1:
                return [left for attempt in attempts for left in self._give(hand, [attempt])]
            self._fail(attempts[0], f"the worker cannot be told: {type(error).__name__}: {error}")
        return []

    # -- news

    def _listen(self, hand: Hand) -> None:
        try:
            events = hand.hear()
        except (EOFError, OSError):
            self._bury(hand)
            return
        if not events and hand.ready:
            self._proven, self._failed_in_a_row = True, 0
        self._heard.append(hand)
        self._news += events
        for event in events:
            if isinstance(event, Finished):
                self._suspects.ended(event.attempt)
            elif isinstance(event, Responded) and (attempt := hand.carried.get(event.attempt)) is not None:
                self._suspects.responded(attempt, event)
        if hand.apart:
            self._dismiss_the_needless()

    def _miss_the_silent(self) -> None:
        now = time.monotonic()
        if now - self._judged >= _JUDGED_EVERY:
            self._judged = now
            for hand in [hand for hand in self._hands.values() if hand.is_lost()]:
                self._bury(hand)

    def _bury(self, hand: Hand) -> None:
        """A worker has died: see to its attempts, once it can do no more to their parts."""
        del self._hands[hand.connection]
        code, carried = hand.bury(), hand.carried
        cause = hand.last_words or cause_of_death(code)
        if len(carried) > 1:
            # what was told of them but not passed on is of parts that are about to be begun anew
            self._news = [
                event for event in self._news if event.attempt not in carried or self._suspects.stands(event)
            ]
            self._suspects.add(carried.values())
        elif carried:
            (attempt,) = carried.values()
            if self._room > 1:
                self._suspects.convict(attempt)
            self._fail(attempt, cause)
        elif not hand.ready:
            self._failed_in_a_row += 1
            ended_itself = code is not None and code >= 0
            if ended_itself or self._failed_in_a_row >= _TRIES:
                self._failed_in_a_row = 0
                told = f"{cause} before it was ready; {self._nursery.advice}"
                self._do_without(EngineError(UNGUARDED_MESSAGE if code == UNGUARDED else told), apart=hand.apart)

    def _fail(self, attempt: Attempt, message: str) -> None:
        self._news.append(Finished(attempt.id, Outcome(Verdict.FAILED, Kind.WORKER, message)))

    # -- the end

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        until = time.monotonic() + CLOSING
        for hand in self._hands.values():
            if hand.ready:
                hand.dismiss()
            else:
                hand.kill()  # it has nothing that it could lose
        cut = [attempt.id for attempt in self._waiting] + self._suspects.give_up()
        while self._hands and (left := until - time.monotonic()) > 0:
            for hand in self._readable(left):
                cut += self._listen_to_the_end(hand)
        cut += self._end_the_rest()
        self._nursery.close()
        stopped = Outcome(Verdict.STOPPED, message="stopped")
        self._news += [Finished(attempt, stopped) for attempt in cut]
        self._waiting.clear()

    def _listen_to_the_end(self, hand: Hand) -> Iterable[int]:
        """Hear what a worker has to say; if that is nothing any more, answers what it carried."""
        try:
            self._news += [event for event in hand.hear() if isinstance(event, Finished)]
        except (EOFError, OSError):
            del self._hands[hand.connection]
            hand.bury()
            return hand.carried
        return ()

    def _end_the_rest(self) -> Iterable[int]:
        """End workers that could not let go in time; what they have said counts. Answers what they carried."""
        cut: list[int] = []
        for hand in self._hands.values():
            hand.kill()
        for hand in list(self._hands.values()):
            while hand.connection in self._hands and hand.has_more():
                cut += self._listen_to_the_end(hand)
        for hand in self._hands.values():
            hand.bury()
            cut += hand.carried
        self._hands.clear()
        return cut
