"""A clock that runs only while an engine works."""

from __future__ import annotations

import time


class Stopwatch:
    """Seconds spent inside its `with` blocks.

    An engine whose work stands still while the caller holds the loop measures time-outs with it: what the caller
    does between two `wait`s costs no attempt anything.
    """

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def now(self) -> float:
        """Seconds so far."""
        return self._before + (time.monotonic() - self._since if self._since is not None else 0.0)

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._before, self._since = self.now(), None
