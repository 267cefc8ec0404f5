"""The account of a run: every entry that was read ended as done, skipped or failed, or is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from .errors import FailuresError
from .model import Result
from .progress import fault

Stop = Literal["deadline", "disk-full", "closed"]


class Tally:
    """Counts results as they come."""

    def __init__(self) -> None:
        self.done = self.size = 0
        self.skipped: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        """One entry has ended."""
        if result.status == "done":
            self.done += 1
            self.size += result.size
        elif result.status == "skipped":
            self.skipped[str(result.reason)] += 1
        else:
            self.failed[fault(result.kind, result.http_status)] += 1

    @property
    def ended(self) -> int:
        """Entries that have ended."""
        return self.done + sum(self.skipped.values()) + sum(self.failed.values())


@dataclass(frozen=True)
class Summary:
    """How a run ended; `done + skipped + failed + left == read`.

    Args:
        read: entries read from the list.
        done: files fetched.
        skipped: entries skipped.
        failed: entries that failed.
        left: entries that were read but not ended, because the run was stopped.
        skipped_by_reason: how many of each reason.
        failed_by_kind: how many of each kind, `http` with its status.
        size: bytes of the files fetched.
        seconds: how long it took.
        failures: the failed entries as `Result`s, read from the ledger as they are asked for.
        stopped: why the run ended before the list did, if it did.
    """

    read: int
    done: int
    skipped: int
    failed: int
    left: int
    skipped_by_reason: dict[str, int]
    failed_by_kind: dict[str, int]
    size: int
    seconds: float
    failures: Iterable[Result] = field(repr=False)
    stopped: Stop | None = None

    def raise_for_failures(self) -> None:
        """Do nothing if no entry failed.

        Raises:
            FailuresError: some did.
        """
        if self.failed:
            kinds = ", ".join(f"{kind}: {count}" for kind, count in self.failed_by_kind.items())
            raise FailuresError(self.failed, f"{self.failed} of {self.read} downloads failed ({kinds})")

    @property
    def exit_code(self) -> int:
        """What a command returns: 5 stopped, 6 a wrong digest, 4 all failed, 3 some failed, 0 otherwise."""
        if self.stopped in ("deadline", "disk-full"):
            return 5
        if self.failed_by_kind.get("digest"):
            return 6
        if not self.failed:
            return 0
        return 4 if self.failed == self.read else 3
