"""The server in processes of its own, so that it takes no time from the downloads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from pdl.apart import apart
from pdl.errors import PdlError

from .counts import Counts, merged
from .knobs import Knobs
from .plan import plan, urls

_PATIENCE = 2.0
"""Seconds that a process gets to end by itself."""
_DEFAULTS = Knobs()
_MOST_PROCESSES = 4


class DemoServer:
    """A running server; leaving the `with` block ends it, and so does the death of this process.

    Hosts are divided among its processes, each of which has all that there is to know of its hosts.

    Args:
        knobs: what it is to be like.
        processes: that serve; by default one for two cores, but never more than 4 nor than there are hosts.

    Raises:
        PdlError: it did not start; it has said why on standard error.
    """

    def __init__(self, knobs: Knobs = _DEFAULTS, processes: int | None = None) -> None:
        self.knobs = knobs
        self.table = plan(knobs)
        wanted = min(_MOST_PROCESSES, (os.cpu_count() or 1) // 2) if processes is None else processes
        step = max(1, min(wanted, knobs.hosts))
        self._processes: list[subprocess.Popen[str]] = []
        try:
            for _ in range(step):
                self._processes.append(_start())
            self.bases = self._learn_bases()
        except BaseException:
            self.close()
            raise

    def _learn_bases(self) -> Sequence[str]:
        """The URLs of the hosts, each with a `/` at its end, by their numbers."""
        step = len(self._processes)
        for first, process in enumerate(self._processes):
            _write(process, json.dumps({"knobs": asdict(self.knobs), "first": first, "step": step}))
        bases = [""] * self.knobs.hosts
        for first, process in enumerate(self._processes):
            bases[first::step] = _read(process, "did not start")
        return bases

    @property
    def processes(self) -> int:
        """How many serve."""
        return len(self._processes)

    @property
    def base(self) -> str:
        """The URL of the first host."""
        return self.bases[0]

    @property
    def urls(self) -> list[str]:
        """The list to download."""
        return urls(self.table, self.bases)

    def counts(self) -> Counts:
        """What it has done since its start, or since it was last told to start over.

        Raises:
            PdlError: it has ended.
        """
        told = self._ask("counts")
        names = [urlsplit(base).netloc for base in self.bases]
        tallies = [(names[first + len(told) * nth], tally) for first, each in enumerate(told)
                   for nth, tally in enumerate(each["hosts"])]  # fmt: skip
        return merged(tallies, sum(each["cpu"] for each in told))

    def start_over(self) -> None:
        """Forget the counts, and answer each path with its first reply again: for the next client.

        Raises:
            PdlError: it has ended.
        """
        self._ask("start over")

    def _ask(self, question: str) -> list[Any]:
        """What each process answers."""
        for process in self._processes:
            _write(process, question)
        return [_read(process, "has ended") for process in self._processes]

    def __enter__(self) -> DemoServer:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, by the end of their input; again does nothing."""
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        for process in self._processes:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start() -> subprocess.Popen[str]:
    """Start a process."""
    command = [sys.executable, "-m", "pdl.demo", "-"]
    home = Path(__file__).parents[2]  # comes first in its path: the same pdl as here, and nothing of the user's
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=home, stdin=pipe, stdout=pipe, text=True, **apart())  # noqa: S603 - our own


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended; so does what it says
        process.stdin.write(line + "\n")
        process.stdin.flush()


def _read(process: subprocess.Popen[str], otherwise: str) -> Any:
    """The answer to a line.

    Raises:
        PdlError: there is none.
    """
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise PdlError(f"the server of the demo {otherwise}")
    return json.loads(line)
