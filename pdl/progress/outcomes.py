"""A line for what happened to an entry, and for notices."""

from __future__ import annotations

from collections.abc import Callable

from pdl.errors import Kind
from pdl.model import Notice, Progress, Result

from .reporter import Reported
from .text import amount, printable


class OutcomeLog:
    """Notices, with verbosity 1 also each failure, with 2 each outcome.

    Args:
        line: writes a line; a bar's own `line` keeps the two apart.
        verbosity: from 0.
    """

    def __init__(self, line: Callable[[str], None], verbosity: int) -> None:
        self._line = line
        self._verbosity = verbosity
        self.hears_results = verbosity > 0

    def on(self, event: Reported) -> None:
        if isinstance(event, Progress):
            return
        if isinstance(event, Notice):
            if event.verbosity <= self._verbosity:
                for line in event.message.splitlines():
                    self._line(printable(line))
        elif self._verbosity > 1 or (self._verbosity and event.status == "failed"):
            self._line(printable(_outcome(event)))

    def close(self) -> None:
        pass


def fault(kind: Kind | None, http_status: int | None) -> str:
    """What went wrong in a word or two: the kind, and for `http` the status."""
    return f"{kind} {http_status}" if kind is Kind.HTTP and http_status else str(kind or Kind.INTERNAL)


def _outcome(result: Result) -> str:
    if result.status == "done":
        said = ["done", result.path, amount(result.size), result.url]
    elif result.status == "skipped":
        said = ["skipped", result.reason, result.path, result.url]
    else:
        said = ["failed", fault(result.kind, result.http_status), result.url, result.where, result.message]
    return "  ".join(word for word in said if word)
