"""The interface of all reporters, and the two that look at nothing themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pdl.model import Notice, Progress, Result

Reported = Progress | Result | Notice


class Reporter(Protocol):
    """Who is told how a run goes; only the loop calls it, in the caller's thread.

    One that has `hears_results` and finds it False is told of no `Result`, of which there are many.
    """

    def on(self, event: Reported) -> None:
        """Take note; cheap for a Result."""

    def close(self) -> None:
        """Show the last state and leave the terminal as it should be."""


class Silent:
    """Says nothing."""

    hears_results = False

    def on(self, event: Reported) -> None:
        pass

    def close(self) -> None:
        pass


class Tee:
    """Tells several reporters, in their order."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = reporters
        self._hearing = [each for each in reporters if hears_results(each)]
        self.hears_results = bool(self._hearing)

    def on(self, event: Reported) -> None:
        for reporter in self._hearing if isinstance(event, Result) else self._reporters:
            reporter.on(event)

    def close(self) -> None:
        for reporter in self._reporters:
            reporter.close()


def hears_results(reporter: Reporter) -> bool:
    """Whether a reporter wants to be told of every `Result`."""
    return bool(getattr(reporter, "hears_results", True))
