"""Whether a run of the demo came out as planned."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from pdl.model import Notice, Progress, Result

from .images import png
from .plan import Served


class Witness:
    """A reporter that remembers how each URL ended."""

    def __init__(self) -> None:
        self.results: dict[str, Result] = {}

    def on(self, event: Progress | Result | Notice) -> None:
        if isinstance(event, Result):
            self.results[event.url] = event

    def close(self) -> None:
        """Nothing is held back."""


def differences(table: Iterable[Served], bases: Sequence[str], witness: Witness, dest: str) -> Iterator[str]:
    """What is not as planned, a few words for each entry; the files are compared byte by byte.

    Args:
        table: the plan.
        bases: of the server's hosts.
        witness: of the run.
        dest: where the files are.
    """
    for served in table:
        if served.listed:
            fault = _fault(served, witness.results.get(served.url(bases)), dest)
            if fault:
                yield f"{served.name} {fault}"


def _fault(served: Served, result: Result | None, dest: str) -> str:
    """What is wrong with an entry; nothing if all is well."""
    if result is None:
        return "never ended"
    if result.status == "failed":
        planned = served.ends == result.http_status != 200
        return "" if planned else f"failed ({result.kind}: {result.message})"
    if result.status == "skipped":
        return f"was skipped ({result.reason})"
    if served.ends != 200:
        return f"came, instead of failing with {served.ends}"
    assert result.path is not None
    return "" if _holds(os.path.join(dest, result.path), served) else "is not what was served"


def _holds(path: str, served: Served) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == png(served.picture)
    except OSError:
        return False
