"""How far some work in steps is, a comparison for one: a bar on terminals, a line for each step elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from .choice import can_be_drawn_over
from .meter import Meter
from .outlet import Outlet
from .text import duration, printable


class Steps:
    """Shows which step is under way, how many there are, and how long the rest will take.

    Args:
        stream: where it goes; standard error without one.
        clock: seconds on a clock that only goes forward.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        stream = stream or sys.stderr
        self._outlet = Outlet(stream)
        self._meter = Meter(self._outlet, 0) if can_be_drawn_over(stream) else None
        self._clock = clock
        self._began = clock()
        self._name, self._step, self._steps = "", 0, 1

    def begin(self, name: str, step: int, steps: int) -> None:
        """A step begins, after `step` others of `steps`."""
        self._name, self._step, self._steps = printable(name), step, steps
        self.go_on(0.0)

    def go_on(self, fraction: float) -> None:
        """So much of the step is done, from 0 to 1."""
        if self._meter is None:
            return
        part = (self._step + min(1.0, fraction)) / self._steps
        took = self._clock() - self._began
        left = f", {duration(took * (1 - part) / part)} left" if part > 0 else ""
        self._meter.show(f"{self._name} ", part, f"{self._step + 1}/{self._steps}{left}")

    def end(self, line: str) -> None:
        """A step has ended, as this line says: printed where there is no bar."""
        if self._meter is None:
            self.say(f"[{self._step + 1}/{self._steps}] {line}")

    def say(self, line: str) -> None:
        """Write a line, above the bar."""
        if self._meter is None:
            self._outlet.line(printable(line))
        else:
            self._meter.line(printable(line))

    def close(self) -> None:
        """Take the bar away."""
        if self._meter is not None:
            self._meter.leave = False
            self._meter.close()
            self._meter = None
