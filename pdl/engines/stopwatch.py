"""A clock that runs only while an engine works."""

from __future__ import annotations

import time


class Stopwatch:
    """Seconds spent inside its `with` blocks.

    An engine whose work stands still while the caller holds the loop measures time-outs with it: what the caller
    does between two `wait`s costs no attempt anything.
    """

    def __init__(self) -> None:
        self._state: tuple[float, float | None] = (0.0, None)  # one value, as it may be read from another thread

    def now(self) -> float:
        """Seconds so far; from any thread."""
        before, since = self._state
        return before + (time.monotonic() - since if since is not None else 0.0)

    def __enter__(self) -> None:
        self._state = self._state[0], time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._state = self.now(), None
