"""What can be seen of a process and its children from outside, while they run."""

from __future__ import annotations

import contextlib
import threading
import time

import psutil

_EVERY = 0.02
_LOOKING = 0.05
"""The share of time that looking may take."""


class Watch:
    """Looks at a process tree again and again, in a thread; leaving the `with` block ends that.

    Args:
        pid: of the process.
    """

    def __init__(self, pid: int) -> None:
        self.rss = 0
        """Bytes in memory at the most, of all processes; what they share counts once where the system tells it."""
        self.threads = 0
        """At the most, in all processes."""
        self.processes = 0
        """At the most."""
        self._looks = self._blocked = 0
        self._pid = pid
        self._before = psutil.cpu_times()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pdl-watch", daemon=True)

    def __enter__(self) -> Watch:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from it
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def blocked(self) -> float | None:
        """Share of looks at which a process waited for the disk; None where the system can't tell."""
        return self._blocked / self._looks if self._looks and psutil.LINUX else None

    def machine(self) -> float:
        """Share of all CPUs that was in use, by everybody, since this was made."""
        before, after = self._before, psutil.cpu_times()
        idle = after.idle - before.idle + getattr(after, "iowait", 0.0) - getattr(before, "iowait", 0.0)
        total = sum(after[:8]) - sum(before[:8])  # what Linux adds behind is in the others already
        return max(0.0, 1 - idle / total) if total > 0 else 0.0

    def _run(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._pid)
            pause = _EVERY
            while not self._ended.wait(pause):
                started = time.perf_counter()
                self._look([process, *process.children(recursive=True)])
                pause = max(_EVERY, (time.perf_counter() - started) / _LOOKING)

    def _look(self, processes: list[psutil.Process]) -> None:
        rss = threads = count = 0
        blocked = False
        for each in processes:
            with contextlib.suppress(psutil.Error), each.oneshot():
                rss += _memory(each, alone=len(processes) == 1)
                threads += each.num_threads()
                blocked = blocked or each.status() == psutil.STATUS_DISK_SLEEP
                count += 1
        self.rss, self.threads = max(self.rss, rss), max(self.threads, threads)
        self.processes = max(self.processes, count)
        self._looks += 1
        self._blocked += blocked


def _memory(process: psutil.Process, *, alone: bool) -> int:
    """Bytes of a process in memory; of what it shares with others its part, unless there are no others."""
    if not alone and psutil.LINUX:
        with contextlib.suppress(psutil.AccessDenied):
            return int(process.memory_full_info().pss)
    return int(process.memory_info().rss)
