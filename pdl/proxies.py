"""Proxies that fail: what goes through one that seems dead waits, is tried one by one, and is given up."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from . import url as urls
from .errors import Kind
from .model import Outcome, Verdict

SUSPECTED = 3
"""Failures in a row after which a proxy seems dead."""

_UNTOLD = frozenset({Kind.CONNECT, Kind.RESET, Kind.TIMEOUT, Kind.WORKER, Kind.DISK, Kind.INTERNAL})
"""Kinds that, before a response, tell nothing of the proxy."""

Held = TypeVar("Held")


class Proxy(Generic[Held]):
    """One proxy that has failed, and has not carried anything since.

    Args:
        url: its credentials are never shown.
    """

    def __init__(self, url: str) -> None:
        self.shown = urls.masked(url)
        self.held: deque[Held] = deque()
        """What waits until it is known whether the proxy works again."""
        self.failure: Outcome | None = None
        """The last one of its own."""
        self.probes = 0
        """How often it was tried again in vain, since it seems dead."""
        self.is_dead = False
        self._failures = 0
        self._probe: int | None = None  # 0 while it has no number yet
        self._may_probe = False

    @property
    def is_suspected(self) -> bool:
        """Nothing but a probe may go through it."""
        return self._failures >= SUSPECTED

    def admits_next(self) -> bool:
        """Whether the next attempt may go through it now; while the proxy is suspected, it is the probe then."""
        if not self.is_suspected:
            return True
        if not self._may_probe or self.is_dead:
            return False
        self._probe, self._may_probe = 0, False
        return True

    def send(self, attempt: int) -> None:
        """This one goes; its file may have others under way, which began before."""
        if self._probe == 0:
            self._probe = attempt

    def allow_probe(self) -> None:
        """The next one that asks may go."""
        self._may_probe = True

    def end_of(self, attempt: int) -> bool:
        """Whether what has ended was the probe; then there is none any more."""
        if self._probe != attempt:
            return False
        self._probe = None
        return True

    def failed(self, outcome: Outcome) -> bool:
        """Count a failure of the proxy's own; whether it makes the proxy suspected, which it was not before."""
        self.failure = outcome
        self._failures += 1
        return self._failures == SUSPECTED

    @property
    def is_hopeless(self) -> bool:
        """Asking again would not change its last answer."""
        return self.failure is not None and self.failure.retries == 0


def shows_that_it_works(outcome: Outcome) -> bool:
    """Whether an attempt through a proxy has shown that the proxy does its work, whatever the origin does."""
    if outcome.proxy_failed or outcome.errno is not None or outcome.verdict is Verdict.STOPPED:
        return False
    return outcome.status is not None or outcome.kind not in _UNTOLD
