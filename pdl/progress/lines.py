"""Progress as plain lines, for logs, pipes and screen readers."""

from __future__ import annotations

import time
from collections.abc import Callable

from pdl.model import Progress

from .outlet import Outlet
from .pace import Pace, ended, share
from .reporter import Reported
from .text import amount, duration

_INTERVAL = 10.0


class LineReporter:
    """One line every ten seconds, and nothing else.

    Args:
        outlet: where lines go.
        clock: seconds on a clock that only goes forward.
    """

    hears_results = False

    def __init__(self, outlet: Outlet, clock: Callable[[], float] = time.monotonic) -> None:
        self._outlet = outlet
        self._clock = clock
        self._next = clock() + _INTERVAL
        self._pace = Pace()

    def on(self, event: Reported) -> None:
        if not isinstance(event, Progress):
            return
        self._pace.learn(event)
        now = self._clock()
        if now >= self._next:
            self._next = now + _INTERVAL
            self._outlet.line(_line(event, self._pace))

    def close(self) -> None:
        pass


def _line(progress: Progress, pace: Pace) -> str:
    part = share(progress)
    said = [] if part is None else [f"{int(part * 100)} %"]
    if progress.total is not None:
        said.append(f"{ended(progress):,} of {progress.total:,}")
    said += [
        f"done {progress.done:,}",
        f"skipped {progress.skipped:,}",
        f"failed {progress.failed:,}",
        amount(progress.size),
        f"{amount(pace.speed)}/s",
        f"ETA {'?' if pace.left is None else duration(pace.left)}",
    ]
    return f"[{duration(progress.seconds)}] {', '.join(said)}"
