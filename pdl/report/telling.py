"""How people are told how a comparison goes."""

from __future__ import annotations

import sys

from pdl.progress.steps import Steps

from .comparison import Measurement
from .contestants import label


class Telling:
    """Tells people on standard error how a comparison goes, or nobody.

    Args:
        shown: tell it.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._steps: Steps | None = None

    def begins(self, name: str, step: int, steps: int) -> None:
        if not self._shown:
            return
        if self._steps is None:
            self._steps = Steps(sys.stderr)
        self._steps.begin(name, step, steps)

    def goes_on(self, fraction: float) -> None:
        if self._steps is not None:
            self._steps.go_on(fraction)

    def ended(self, measurement: Measurement) -> None:
        if self._steps is None:
            return
        name = label((measurement.engine, measurement.jobs))
        number = f"round {measurement.round}" if measurement.round else "warming up"
        rate = measurement.done / measurement.seconds
        failed = f", {measurement.failed:,} failed" if measurement.failed else ""
        self._steps.end(f"{name}, {number}: {measurement.seconds:.2f} s, {rate:,.1f} files/s{failed}")

    def notes(self, text: str) -> None:
        if self._steps is not None:
            self._steps.say(f"pdl: {text}")

    def close(self) -> None:
        """Take the bar away."""
        if self._steps is not None:
            self._steps.close()
