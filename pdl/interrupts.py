"""Signals of the command: the first stops cleanly, the second at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


class Interrupted(SystemExit):
    """A signal came. A SystemExit, because that is what gevent's hub passes on to the main greenlet unprinted."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum


class Interrupts:
    """Handles the stop signals while it is entered.

    Args:
        stop: called on the first signal, in the main thread, with the exception that is to end the run.
    """

    def __init__(self, stop: Callable[[Interrupted], None]) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}
        self.received: Interrupted | None = None

    def __enter__(self) -> Interrupts:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from it
        for signum in _SIGNALS:
            if signal.getsignal(signum) is not signal.SIG_IGN:  # as nohup sets it
                self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _handle(self, signum: int, _: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + signum)
        self.received = Interrupted(signum)
        self._stop(self.received)
