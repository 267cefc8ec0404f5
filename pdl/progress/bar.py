"""Progress as bars on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pdl.model import Progress, Running

from .outlet import Outlet
from .pace import Pace, ended, share
from .reporter import Reported
from .text import amount, duration, fitted, printable

if TYPE_CHECKING:
    from .meter import Meter

_FILES = 5  # downloads with a bar of their own
_INTERVAL = 0.1  # seconds between two drawings
_LEAST_BAR = 12  # columns; text gives way to that


class BarReporter:
    """A bar for the whole list and, with `files`, one for each of the largest downloads under way.

    Args:
        outlet: the terminal.
        files: show single downloads.
        clock: seconds on a clock that only goes forward.
    """

    hears_results = False

    def __init__(self, outlet: Outlet, *, files: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        from .meter import Meter  # noqa: PLC0415 - tqdm is for those who look at bars

        self._meter: Callable[[Outlet, int], Meter] = Meter
        self._outlet = outlet
        self._clock = clock
        self._pace = Pace()
        self._meters: list[Meter] = []  # the whole list's, then the files'
        self._most = 1 + (_FILES if files else 0)
        self._last: Progress | None = None
        self._draw_at = self._flush_at = clock()
        self._lines: list[str] = []

    def on(self, event: Reported) -> None:
        if isinstance(event, Progress):
            self._last = event
            self._pace.learn(event)
            if self._clock() >= self._draw_at:
                self._draw(event)

    def line(self, text: str) -> None:
        """Write a line above the bars: at once, or with the next drawing if there is a flood of them."""
        self._lines.append(text)
        if self._clock() >= self._flush_at:
            with self._outlet.at_once():
                self._flush()

    def close(self) -> None:
        if self._last is not None:
            self._draw(self._last)
            self._last = None
        with self._outlet.at_once():
            self._flush()
            while self._meters:
                self._meters.pop().close()

    def _draw(self, progress: Progress) -> None:
        self._draw_at = self._clock() + _INTERVAL
        largest = sorted(progress.running, key=lambda one: one.total or one.size, reverse=True)
        shown = sorted(largest[: self._most - 1], key=lambda one: one.index)
        columns, _ = self._outlet.shape()
        with self._outlet.at_once():
            self._flush()
            while len(self._meters) <= len(shown):
                self._meters.append(self._meter(self._outlet, len(self._meters)))
            self._meters[0].show(*_whole(progress, self._pace, columns))
            for meter, one in zip(self._meters[1:], shown, strict=False):
                meter.show(*_single(one, columns))
            for meter in self._meters[1 + len(shown) :]:
                meter.show("", None, "")

    def _flush(self) -> None:
        """Write the lines that wait."""
        self._flush_at = self._clock() + _INTERVAL
        if not self._lines:
            return
        text = "\n".join(self._lines)
        self._lines.clear()
        if self._meters:
            self._meters[0].line(text)
        else:
            self._outlet.line(text)


def _whole(progress: Progress, pace: Pace, columns: int) -> tuple[str, float | None, str]:
    """Text, bar and text for the whole list; what matters least is left out where it does not fit."""
    part = share(progress)
    count = f"{ended(progress):,}" + ("" if progress.total is None else f"/{progress.total:,}")
    said = [count, f"{amount(pace.speed)}/s", amount(progress.size)]
    if pace.left:
        said.insert(2, f"ETA {duration(pace.left)}")
    if progress.failed:
        said.insert(1, f"{progress.failed:,} failed")
    left = "" if part is None else f"{int(part * 100):3}% "
    room = columns - len(left) - (0 if part is None else _LEAST_BAR + len("|| "))
    while len(said) > 1 and len(", ".join(said)) > room:
        said.pop()
    return left, part, ", ".join(said)


def _single(one: Running, columns: int) -> tuple[str, float | None, str]:
    """Text, bar and text for a download."""
    name = fitted(printable(one.path), max(8, columns // 3))
    if not one.total:
        return f"  {name} ", None, amount(one.size)
    return f"  {name} ", min(1.0, one.size / one.total), f"{amount(one.size)} of {amount(one.total)}".rjust(18)
