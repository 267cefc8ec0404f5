"""What a program takes: wall time, CPU and memory, of it and all its descendants."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

import psutil

LOOK_EVERY = 0.1
"""Seconds between two looks at the memory of all processes."""

_PATIENCE = 5.0  # seconds for processes that their parent left behind
_TOLD = 4096  # bytes of the last words that are kept
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux's prctl


@dataclass(frozen=True)
class Figures:
    """One run.

    Args:
        wall: seconds.
        cpu: seconds of the processor, of all processes of the program.
        rss: most memory at one time, of all processes of the program together, in MiB.
        server: seconds of the processor that the server took meanwhile.
        first: seconds until the first file was there, where that is measured.
    """

    wall: float
    cpu: float
    rss: float
    server: float = 0.0
    first: float | None = None


class Broken(SystemExit):
    """A program did not do what it was measured at."""


@dataclass(frozen=True)
class Around:
    """What a program runs in.

    Args:
        environment: all variables; None for those of this process.
        quiet: it prints nowhere; its last words are told if it fails.
        terminal: its standard error is a terminal, of 80 columns, that nobody sees.
        feed: what its standard input comes from; None for that of this process.
        limit: seconds after which it is ended.
        code: with which it ends when all went well.
    """

    environment: Mapping[str, str] | None = None
    quiet: bool = False
    terminal: bool = False
    feed: IO[bytes] | None = None
    limit: float | None = None
    code: int = 0


@dataclass
class Memory:
    """Watches the resident memory of a process and all its descendants; `peak` is in MiB.

    Memory that processes share counts for each. The system's own account of a child's most memory is of no use: it
    begins with that of this process, which the child was for an instant.
    """

    pid: int
    peak: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        wait = LOOK_EVERY / 5  # what is over soon is to be seen too
        while not self._over.wait(wait):
            wait = LOOK_EVERY
            self.peak = max(self.peak, self._look())

    def _look(self) -> float:
        total = most = 0
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.pid)
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    total += process.memory_info().rss
                    most = max(most, _most(process.pid))
        return max(total, most) / 2**20


def _most(pid: int) -> int:
    """The most memory that one process has held so far, in bytes; 0 where Linux does not tell."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


class _Screen:
    """A terminal that takes what is drawn, and keeps the end of it."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with suppress(OSError):  # Linux says so when the last one has closed the other end
            while piece := os.read(self._master, 65536):
                self._kept = (self._kept + piece)[-_TOLD:]

    def last_line(self) -> str:
        self._thread.join(1.0)
        return _last_line(self._kept)

    def close(self) -> None:
        self._thread.join(1.0)
        os.close(self._master)


class _Sheet:
    """A file that takes what is printed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.slave = os.dup(self._file.fileno())

    def last_line(self) -> str:
        self._file.seek(max(0, os.fstat(self._file.fileno()).st_size - _TOLD))
        return _last_line(self._file.read())

    def close(self) -> None:
        self._file.close()


def _last_line(text: bytes) -> str:
    lines = [line.strip() for line in text.decode(errors="replace").splitlines()]
    return next(filter(None, reversed(lines)), "")


def measure(command: list[str], around: Around | None = None, server: Callable[[], float] | None = None) -> Figures:
    """Run a program to its end.

    Args:
        command: its words.
        around: what it runs in.
        server: tells the seconds of the processor that the server has taken so far.

    Raises:
        Broken: if it ends with another code than it should, or not in time.
    """
    around = around or Around()
    paper = _Screen() if around.terminal else _Sheet() if around.quiet else None
    _adopt_orphans(adopt=True)
    try:
        before = server() if server else 0.0
        started = time.perf_counter()
        process = _start(command, around, paper)
        memory = Memory(process.pid)
        memory.start()
        try:
            late, wall, cpu = _wait(process, started, around.limit)
            memory.stop()
            cpu += _reap(process.pid)
        except BaseException:
            _end(process.pid)
            process.wait()
            memory.stop()
            raise
        taken = server() - before if server else 0.0
        if late:
            raise Broken(f"not done after {around.limit:.0f} s")
        if process.returncode != around.code:
            said = paper.last_line() if paper else ""
            raise Broken(
                f"{os.path.basename(command[0])} ended with code {process.returncode}{said and ': ' + said}"
            )
    finally:
        _adopt_orphans(adopt=False)
        if paper is not None:
            paper.close()
    return Figures(wall, cpu, memory.peak, taken)


def _start(command: list[str], around: Around, paper: _Screen | _Sheet | None) -> subprocess.Popen[bytes]:
    options: dict[str, Any] = {"stdin": around.feed, "env": around.environment, "start_new_session": True}
    if around.quiet or around.terminal:
        options["stdout"] = subprocess.DEVNULL
    if paper is not None:
        options["stderr"] = paper.slave
    try:
        return subprocess.Popen(command, **options)
    finally:
        if paper is not None:
            os.close(paper.slave)


def _wait(process: subprocess.Popen[bytes], started: float, limit: float | None) -> tuple[bool, float, float]:
    """Wait for the end of a program: whether it had to be ended, its wall time, and its CPU time."""
    late = threading.Event()

    def end() -> None:
        late.set()
        _end(process.pid)

    timer = threading.Timer(limit, end) if limit is not None else None
    if timer is not None:
        timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    finally:
        if timer is not None:  # for which an interrupted benchmark would wait before it ends
            timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return late.is_set(), wall, usage.ru_utime + usage.ru_stime


def _adopt_orphans(*, adopt: bool) -> None:
    """Be told of the CPU time of those whose parent ends before them, as their new parent; or no more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, int(adopt), 0, 0, 0)


def _reap(group: int) -> float:
    """Wait for what a program has left behind: seconds of the processor that this took."""
    cpu = 0.0
    until = time.monotonic() + _PATIENCE
    with suppress(ChildProcessError):
        while True:
            pid, _, usage = os.wait4(-group, os.WNOHANG)
            if pid:
                cpu += usage.ru_utime + usage.ru_stime
            elif time.monotonic() < until:
                time.sleep(0.002)
            else:
                _end(group)
    return cpu


def _end(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
