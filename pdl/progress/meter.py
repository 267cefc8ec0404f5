"""One line of a terminal that tqdm draws over and over; the only file that imports tqdm."""

from __future__ import annotations

import threading
from typing import Any, ClassVar
from weakref import WeakSet

from tqdm import tqdm

from .outlet import Outlet


class Meter(tqdm):  # type: ignore[type-arg]  # only the stubs are generic
    """A bar with text on both sides, drawn only when it is told to.

    Args:
        outlet: the terminal.
        position: lines below the topmost meter; that one stays when it is closed, the others go.
    """

    # on this class and not on tqdm, which may have other users in the process:
    monitor_interval = 0  # no thread
    _instances: ClassVar[WeakSet[Any]] = WeakSet()  # a line is written above our own bars only

    def __init__(self, outlet: Outlet, position: int) -> None:
        columns, rows = outlet.shape()
        super().__init__(
            total=1.0,
            file=outlet,
            position=position,
            leave=position == 0,
            ncols=columns,
            nrows=rows,
            bar_format=" ",
        )
        self.outlet = outlet
        # tqdm's own look at the terminal takes a size of 0, as some pseudo-terminals have it, for "no bar"
        self.dynamic_ncols = lambda _: outlet.shape()  # type: ignore[assignment]  # the stubs know only booleans

    def show(self, left: str, part: float | None, right: str) -> None:
        """Draw the line, its bar `part` full, or without a bar for None."""
        self.n = part or 0.0
        bar = "" if part is None else "|{bar}| "
        self.bar_format = _literal(left) + bar + _literal(right)
        self.refresh()

    def line(self, text: str) -> None:
        """Write lines above all meters."""
        self.write(text, file=self.outlet)


# tqdm's own lock makes a semaphore of multiprocessing, and with it a process that tracks it; the same thread may
# enter again, in case a signal handler raised while it drew
Meter.set_lock(threading.RLock())


def _literal(text: str) -> str:
    """Text for a format string."""
    return text.replace("{", "{{").replace("}", "}}") or "{desc}"
