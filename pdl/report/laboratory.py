"""Has one measurement made, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from pdl.apart import apart
from pdl.errors import PdlError

from .measuring import Order, Told
from .watch import Watch

_PROGRAM = """import sys
sys.path[:] = [{!r}, *filter(None, sys.path)]  # and not what lies in the current folder
from pdl.report.measuring import main
main()"""
_PATIENCE = 5.0
"""Seconds that a process gets to end when it is told to."""


class Seen(NamedTuple):
    """What a process told of itself, and what was seen of it."""

    told: Told
    user: float
    system: float
    rss: int
    threads: int
    processes: int
    machine: float
    blocked: float | None


class Laboratory:
    """Measures, one run at a time."""

    def __init__(self) -> None:
        self.is_stopped = False
        self._line: int | None = None  # the end of it ends the process's run
        self._process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """Have the measurement under way end early, and make no more; may be called from a signal handler."""
        self.is_stopped = True
        self._hang_up()
        if (process := self._process) is not None:
            killer = threading.Timer(_PATIENCE, _kill, [process])
            killer.daemon = True
            killer.start()

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            os.close(line)

    def measure(self, order: Order, tell: Callable[[float], object]) -> Seen:
        """Carry out an order.

        Args:
            order: what to do.
            tell: is told now and then which part of it is done, from 0 to 1.

        Raises:
            PdlError: the process ended without a word; it may have said why on standard error.
        """
        theirs, self._line = os.pipe()
        try:
            process = self._process = _start(theirs)
        finally:
            os.close(theirs)
        assert process.stdout is not None
        try:
            with process.stdout, Watch(process.pid) as watch:
                if self.is_stopped:  # just before there was anything to stop
                    self._hang_up()
                self._give(order)
                told = _hear(process.stdout, tell)
                user, system = _await(process, told)
                machine = watch.machine()
        except BaseException:
            _kill(process)
            process.wait()
            raise
        finally:
            self._process = None
            self._hang_up()
        if told is None:
            raise PdlError(f"the process of a measurement has ended unexpectedly (exit code {process.returncode})")
        rss = told.peak if told.peak is not None and watch.processes <= 1 else max(watch.rss, told.peak or 0)
        return Seen(told, user, system, rss, watch.threads, watch.processes, machine, watch.blocked)

    def _give(self, order: Order) -> None:
        left = memoryview(pickle.dumps(order))
        with contextlib.suppress(OSError):  # it has died, and is heard next; or the line was cut just now
            while left and self._line is not None:
                left = left[os.write(self._line, left) :]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that does not end by itself, with its children."""
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for each in family:
            with contextlib.suppress(psutil.Error):
                each.kill()


def _start(line: int) -> subprocess.Popen[bytes]:
    """Start the process."""
    program = _PROGRAM.format(str(Path(__file__).parents[2]))  # the same pdl as here, wherever we were started
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=line, stdout=subprocess.PIPE, **apart())  # noqa: S603 - our own


def _hear(output: IO[bytes], tell: Callable[[float], object]) -> Told | None:
    """What the process tells at its end; None if it dies before."""
    while True:
        try:
            said: Told | float = pickle.load(output)  # noqa: S301 - from our own process
        except (EOFError, pickle.UnpicklingError):
            return None
        if isinstance(said, Told):
            return said
        tell(said)


def _await(process: subprocess.Popen[bytes], told: Told | None) -> tuple[float, float]:
    """The end of the process: user and system CPU seconds of it and its children."""
    guard = threading.Timer(_PATIENCE, _kill, [process])
    guard.start()
    try:
        if hasattr(os, "wait4"):
            with contextlib.suppress(ChildProcessError):  # the program has others wait for all children
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage.ru_utime, usage.ru_stime
        process.wait()
        return told.cpu if told is not None else (0.0, 0.0)
    finally:
        guard.cancel()
