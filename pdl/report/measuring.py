"""What runs in the process of one measurement: a run like any other, and what it can tell of itself."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import threading
from contextlib import suppress
from typing import IO, Any, NamedTuple

from pdl.descriptors import raise_limit
from pdl.errors import PdlError
from pdl.model import Notice, Progress, Result
from pdl.progress.pace import share
from pdl.settings import Settings

from .histogram import Quantiles

_TOLD_EVERY = 0.5
"""Seconds."""


class Order(NamedTuple):
    """What to measure.

    Args:
        settings: of the run.
        spool: path of the list.
        entries: of the list.
    """

    settings: Settings
    spool: str
    entries: int


class Told(NamedTuple):
    """What a run tells of itself.

    Args:
        error: what ended it, if it could not be carried out.
        fatal: no other run would fare better.
        stopped: why it ended before the list did.
        seconds: that it took.
        read: entries.
        done: files.
        skipped: entries.
        failed: entries.
        size: bytes of the files.
        attempts: requests.
        retries: of them, those after an entry's first.
        errors: by kind.
        working: CPU seconds that it took while it ran, without the start of Python.
        cpu: user and system CPU seconds until it told this, children that have ended included.
        peak: bytes of memory at the most, of this process alone; None where the system does not tell.
        first_byte: None if the engine can't tell.
        file: None where none came.
        active: downloads under way, on average; what waits for another try counts.
        tail: share of the run, from 0 to 1, after the last moment when nearly as many as ever were under way.
        waited: share of the downloads' time without bytes of a body; None if the engine can't tell.
        mean: seconds of a download, failed ones included.
        loaded: bytes on the disk at the end, of unfinished files as well.
    """

    error: str | None = None
    fatal: bool = False
    stopped: str | None = None
    seconds: float = 0.0
    read: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    size: int = 0
    attempts: int = 0
    retries: int = 0
    errors: dict[str, int] = {}  # noqa: RUF012 - a named tuple's default; nobody changes it
    working: float = 0.0
    cpu: tuple[float, float] = (0.0, 0.0)
    peak: int | None = None
    first_byte: Quantiles | None = None
    file: Quantiles | None = None
    active: float = 0.0
    tail: float = 0.0
    waited: float | None = None
    mean: float = 0.0
    loaded: int = 0


def main() -> None:
    """Carry out the order that standard input holds, and tell of it on standard output.

    The end of standard input ends the run: it never outlives who ordered it.
    """
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is none of our words
    try:
        order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    except (EOFError, pickle.UnpicklingError):  # which has thought better of it
        return
    raise_limit()
    with suppress(BrokenPipeError):  # who ordered it was killed
        pickle.dump(_carry_out(order, output), output)
        output.flush()
    with suppress(BrokenPipeError):
        output.close()


def _carry_out(order: Order, output: IO[bytes]) -> Told:
    gc.disable()  # as the command does: what is imported stays
    from pdl.progress import Tee  # noqa: PLC0415 - see above
    from pdl.run import Run  # noqa: PLC0415 - see above

    from .recorder import Recorder  # noqa: PLC0415 - see above
    from .spool import SpooledSource  # noqa: PLC0415 - see above

    recorder = Recorder()
    try:
        run = Run(SpooledSource(order.spool, order.entries), order.settings, Tee([recorder, _Teller(output)]))
        gc.freeze()
        gc.enable()
        _watch_input(run)
        before = sum(_cpu())
        for _ in run.results():
            pass
        working = sum(_cpu()) - before
    except PdlError as error:
        from pdl.errors import DestinationError  # noqa: PLC0415 - it is rare

        return Told(error=str(error), fatal=isinstance(error, DestinationError))
    summary = run.summary
    return Told(
        stopped=summary.stopped,
        seconds=summary.seconds,
        read=summary.read,
        done=summary.done,
        skipped=summary.skipped,
        failed=summary.failed,
        size=summary.size,
        attempts=recorder.attempts,
        retries=recorder.retries,
        errors=dict(summary.failed_by_kind),
        working=working,
        cpu=_cpu(),
        peak=_peak(),
        first_byte=recorder.first_byte.quantiles(),
        file=recorder.file.quantiles(),
        active=recorder.seconds / summary.seconds,
        tail=recorder.course.tail(),
        waited=recorder.waited,
        mean=recorder.mean,
        loaded=recorder.course.size,
    )


class _Teller:
    """A reporter that tells now and then how far the run is."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self._next = 0.0

    def on(self, event: Progress | Result | Notice) -> None:
        if isinstance(event, Progress) and event.seconds >= self._next:
            self._next = event.seconds + _TOLD_EVERY
            with suppress(BrokenPipeError):
                pickle.dump(share(event), self._output)
                self._output.flush()

    def close(self) -> None:
        """Nothing is held back."""


def _watch_input(run: Any) -> None:
    """Stop the run when standard input ends; past its buffer, whose lock would break the interpreter's exit."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        run.stop()

    threading.Thread(target=watch, daemon=True).start()


def _cpu() -> tuple[float, float]:
    """User and system CPU seconds of this process and of its children that have ended."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        times = os.times()
    else:
        ours, theirs = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return ours.ru_utime + theirs.ru_utime, ours.ru_stime + theirs.ru_stime
    return times.user + times.children_user, times.system + times.children_system


def _peak() -> int | None:
    """Bytes of memory at the most: on Linux of this program alone, not of the one that it was forked from."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


if __name__ == "__main__":
    main()
