"""Hosts that do not answer: their downloads wait while one at a time tries again, and fail once that was in vain.

So a dead host costs its time-out once, and not once for each of its URLs.
"""

from __future__ import annotations

from . import retry
from .errors import Kind
from .model import Outcome, Verdict

SUSPECTED = 3
"""Connections in a row that did not come about, after which a host that has answered before seems dead."""
_BUDGET = 0.9
"""Of the time to connect: how long a host that has never answered is tried further. So all of it takes less than
twice that time."""
_AT_MOST = 4
"""Tries that this time is divided by; more of them take longer, or no connection could come about in any."""
_WAITED = 1 / 3
"""Of the time for one further try: how much of it may be spent before it begins."""
_LEFT_ALONE = 60.0
"""Seconds for which a host that was given up is not asked; twice as long each time, up to the next figure."""
_LONGEST_LEFT_ALONE = 900.0


class Outage:
    """One host to which no connection comes about.

    Args:
        host: as people know it.
        answered: it has answered before, so it is likely to come back, and gets as much time as any failure.
        retries: further tries before it is given up.
        retry_delay: seconds; see `retry.backoff`.
        connect_timeout: seconds.
    """

    __slots__ = (
        "_answered", "_probe", "_retries", "_retry_delay", "_rounds", "_share", "_timeout", "again_at", "due",
        "failure", "given_up", "host", "probes",
    )  # fmt: skip

    def __init__(
        self, host: str, *, answered: bool, retries: int, retry_delay: float, connect_timeout: float
    ) -> None:
        self.host = host
        self.probes = 0
        """Further tries that were made in vain."""
        self.due = False
        """The next download of the host may try it."""
        self.given_up = False
        self.again_at = 0.0
        """When a host that was given up may be tried once more."""
        self.failure: Outcome | None = None
        """What its downloads end with once it is given up."""
        self._answered = answered
        self._retries = retries
        self._retry_delay = retry_delay
        self._timeout = connect_timeout
        self._share = _BUDGET * connect_timeout / min(max(1, retries), _AT_MOST)
        self._rounds = 0
        self._probe: int | None = None

    def delay(self) -> float:
        """Seconds until the next try."""
        drawn = retry.backoff(self.host, self.probes + 1, self._retry_delay)
        return drawn if self._answered else min(drawn, self._share * _WAITED)

    @property
    def limit(self) -> float | None:
        """Seconds in which a try must connect; None if it has the usual time."""
        return None if self._answered else self._share * (1 - _WAITED)

    @property
    def exhausted(self) -> bool:
        """There are no further tries."""
        return self.probes >= self._retries

    def send(self, probe: int) -> None:
        """This attempt tries the host; its file may have others under way, which began before."""
        self._probe, self.due = probe, False

    def end_of(self, attempt: int) -> bool:
        """Whether what has ended was the try; then none is under way any more."""
        if self._probe != attempt:
            return False
        self._probe = None
        return True

    def give_up(self, now: float) -> None:
        """The host has had its tries: its downloads fail, and for a while those that come later do at once."""
        further = f", nor in {self.probes} further tries" if self.probes else ""
        message = f"no connection to {self.host} within {self._timeout:g} s{further} (--connect-timeout)"
        self.failure = Outcome(Verdict.FAILED, Kind.TIMEOUT, message)
        self.given_up, self.due = True, False
        self.again_at = now + min(_LONGEST_LEFT_ALONE, _LEFT_ALONE * 2.0**self._rounds)
        self._rounds += 1

    def resume(self) -> None:
        """Try a host that was given up once more: one try decides."""
        self.given_up, self.due = False, True
        self.probes = max(0, self._retries - 1)


class Outages:
    """The hosts that do not answer, by name; the longest known make room where there are too many."""

    MOST = 65_536

    def __init__(self) -> None:
        self._known: dict[str, Outage] = {}

    def __bool__(self) -> bool:
        return bool(self._known)

    def get(self, host: str) -> Outage | None:
        return self._known.get(host)

    def add(self, outage: Outage) -> None:
        self._known[outage.host] = outage
        if len(self._known) > self.MOST:
            del self._known[next(iter(self._known))]

    def over(self, outage: Outage) -> None:
        """The host answers again."""
        self._known.pop(outage.host, None)
