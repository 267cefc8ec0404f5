"""The time-outs of one attempt, kept by pdl itself: per-read time-outs of libraries don't stop drip-feeding."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pdl.errors import Kind
from pdl.settings import Settings

from .fault import NoConnectionError, TransferError

_SAMPLES = 8  # a window; how finely the average speed is judged
_LONGEST_WAIT = 1e6  # seconds; system calls take no more than some 2**31 milliseconds


class TransferClock:
    """Judges connect time, speed and total time of one attempt.

    Args:
        settings: the limits.
        time_limit: seconds for the whole attempt, or None.
        now: the time in seconds; an engine whose work stands still between two `wait`s gives a clock that does too.
        connect_within: seconds to connect, where the settings' do not hold.
        started: when the attempt began, if that was before now.
    """

    def __init__(
        self,
        settings: Settings,
        time_limit: float | None,
        now: Callable[[], float],
        connect_within: float | None = None,
        started: float | None = None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._connect_within = settings.connect_timeout if connect_within is None else connect_within
        if started is None:
            started = now()
        self._connect_until: float | None = started + self._connect_within
        self._end = None if time_limit is None else started + time_limit
        self._received = 0
        self._progressed = started
        self._samples: deque[tuple[float, int]]  # once bytes are expected

    def connecting(self) -> None:
        """Name resolution, connection and TLS begin."""
        self._connect_until = self._now() + self._connect_within

    def transferring(self) -> None:
        """The request goes out; from now on bytes are expected."""
        self._connect_until = None
        self._progressed = self._now()
        self._samples = deque([(self._progressed, self._received)])

    def advance(self, count: int) -> None:
        """Bytes came.

        Raises:
            TransferError: TIMEOUT, for bytes that come too slowly.
        """
        now = self._now()
        self._received += count
        self._progressed = now
        if self._connect_until is None and now - self._samples[-1][0] >= self._settings.timeout / _SAMPLES:
            self._samples.append((now, self._received))
        self.check()

    def hurry(self, seconds: float) -> None:
        """What is left to do is not worth more than so many seconds."""
        until = self._now() + seconds
        self._end = until if self._end is None else min(self._end, until)

    def remaining(self) -> float:
        """Seconds until the attempt is over its limits if nothing more comes, as what is waited for takes them."""
        if self._connect_until is not None:
            until = self._connect_until
        else:
            until = self._progressed + self._settings.timeout
        if self._end is not None:
            until = min(until, self._end)
        return min(max(until - self._now(), 0.001), _LONGEST_WAIT)

    def check(self) -> None:
        """Judge.

        Raises:
            TransferError: TIMEOUT, naming the limit.
        """
        now = self._now()
        settings = self._settings
        if self._end is not None and now >= self._end:
            raise TransferError(Kind.TIMEOUT, "the time for this file is over (--max-time or --deadline)")
        if self._connect_until is not None:
            if now >= self._connect_until:
                raise NoConnectionError(
                    Kind.TIMEOUT, f"no connection within {self._connect_within:g} s (--connect-timeout)"
                )
            return
        if now - self._progressed >= settings.timeout:
            raise TransferError(Kind.TIMEOUT, f"nothing came for {settings.timeout:g} s (--timeout)")
        self._check_speed(now)

    def _check_speed(self, now: float) -> None:
        window = self._settings.timeout
        samples = self._samples
        while len(samples) > 1 and now - samples[1][0] >= window:
            samples.popleft()
        since, received = samples[0]
        if now - since >= window and self._received - received < self._settings.min_speed * window:
            raise TransferError(
                Kind.TIMEOUT,
                f"{self._received - received} bytes in {now - since:.0f} s are too slow (--min-speed, --timeout)",
            )
