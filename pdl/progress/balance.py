"""The closing account of a run, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .text import amount, duration


class Count(Protocol):
    """What became of the entries: `done`, `skipped`, `failed` and `left` together are `read`."""

    @property
    def read(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def left(self) -> int: ...
    @property
    def skipped_by_reason(self) -> Mapping[str, int]: ...
    @property
    def failed_by_kind(self) -> Mapping[str, int]: ...


class Balance(Count, Protocol):
    """That, of what size, and how long it took."""

    @property
    def size(self) -> int: ...
    @property
    def seconds(self) -> float: ...


def closing_lines(balance: Balance) -> list[str]:
    """The account in two lines: how many came to which end, and how fast."""
    files = "1 file" if balance.done == 1 else f"{balance.done:,} files"
    second = f"{files}, {amount(balance.size)} in {_time(balance.seconds)}"
    if balance.seconds > 0 and balance.done:
        speed, rate = balance.size / balance.seconds, balance.done / balance.seconds
        second += f", {amount(speed)}/s"
        if rate >= 1:
            second += f", {rate:,.{0 if rate >= 100 else 1}f} files/s"
    return [balance_line(balance), second]


def balance_line(count: Count) -> str:
    """How many came to which end."""
    entries = "1 entry" if count.read == 1 else f"{count.read:,} entries"
    return (
        f"{entries}: done {count.done:,}, skipped {count.skipped:,}{_made_of(count.skipped_by_reason, ' ')}, "
        f"failed {count.failed:,}{_made_of(count.failed_by_kind, ': ')}, left {count.left:,}"
    )


def _made_of(counts: Mapping[str, int], between: str) -> str:
    """What a sum is made of, the most frequent first."""
    parts = sorted((-count, name) for name, count in counts.items() if count)
    return f" ({', '.join(f'{name}{between}{-count:,}' for count, name in parts)})" if parts else ""


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)
