"""Which reporter a run gets."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

from .bar import BarReporter
from .lines import LineReporter
from .outcomes import OutcomeLog
from .outlet import Outlet
from .reporter import Reporter, Silent, Tee


def reporter_for(
    stream: TextIO | None = None,
    *,
    quiet: bool = False,
    verbosity: int = 0,
    files: bool = False,
    drawn: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Reporter:
    """The reporter for what the user asked for and what the stream can show: bars on terminals, lines elsewhere.

    Args:
        stream: where everything goes; without one standard error, as standard output is for results.
        quiet: say nothing at all, whatever the rest says.
        verbosity: 1 for a line for each failure, 2 for each outcome.
        files: further bars for the largest downloads under way.
        drawn: a bar may be drawn; not where results are printed on the same terminal.
        clock: seconds on a clock that only goes forward.
    """
    stream = stream or sys.stderr
    if quiet or stream is None:  # programs without a console have no standard error
        return Silent()
    outlet = Outlet(stream)
    if not drawn or not can_be_drawn_over(stream):
        return Tee([OutcomeLog(outlet.line, verbosity), LineReporter(outlet, clock)])
    bar = BarReporter(outlet, files=files, clock=clock)
    return Tee([OutcomeLog(bar.line, verbosity), bar])


def can_be_drawn_over(stream: TextIO) -> bool:
    """Whether it is a terminal on which a line can be written again."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
