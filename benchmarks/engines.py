"""Compare the engines with each other and with a hand-written pool of requests threads.

    python benchmarks/engines.py [--count 10000] [--size 10240] [--jobs 16] [--rounds 5] [ENGINE...]

Every measurement is a fresh process; the contestants run in turns, so that a noisy machine is noisy for all. What
each fetched is compared with the originals. Figures are medians; ratios are taken round by round. CPU and memory
are those of the process and all its descendants; memory that they share counts for each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from nginx import Nginx

from pdl import engines

HAND_WRITTEN = "requests pool"
LOOK_EVERY = 0.1
"""Seconds between two looks at the memory of all processes."""


@dataclass(frozen=True)
class Figures:
    """One run: seconds, seconds of CPU, peak memory in MiB."""

    wall: float
    cpu: float
    rss: float


class Memory(threading.Thread):
    """Watches the resident memory of a process and all its descendants; `peak` is in MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.peak = 0.0
        self._pid = pid
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self.peak = max(self.peak, self._look())

    def _look(self) -> float:
        total = 0
        try:
            root = psutil.Process(self._pid)
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    total += process.memory_info().rss
        except psutil.NoSuchProcess:
            pass
        return total / 2**20

    def stop(self) -> None:
        self._over.set()
        self.join()


def measure(command: list[str]) -> Figures:
    started = time.perf_counter()
    process = subprocess.Popen(command)
    memory = Memory(process.pid)
    memory.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    memory.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    return Figures(wall, usage.ru_utime + usage.ru_stime, max(memory.peak, usage.ru_maxrss / 1024))


Command = Callable[[Path, Path], list[str]]
"""The words of a command that downloads a list to a folder."""


def command_for(name: str, jobs: int, urls: Path, dest: Path) -> list[str]:
    if name == HAND_WRITTEN:
        script = Path(__file__).with_name("requests_pool.py")
        return [sys.executable, str(script), str(urls), str(dest), str(jobs)]
    return [sys.executable, "-m", "pdl", str(urls), "-q", "-d", str(dest), "-e", name, "-j", str(jobs)]


def play(commands: dict[str, Command], server: Nginx, rounds: int) -> dict[str, list[Figures]]:
    """Have commands download all of a server's files in turns, by name."""
    names = list(commands)
    figures: dict[str, list[Figures]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(dir=server.folder) as scratch:
        urls = Path(scratch, "urls.txt")
        urls.write_text("".join(f"{url}\n" for url in server.urls()))
        for turn in range(rounds + 1):  # the first is a warm-up
            order = names[turn % len(names) :] + names[: turn % len(names)]
            for name in order:
                dest = Path(scratch, "dest")
                measured = measure(commands[name](urls, dest))
                server.check(dest)
                shutil.rmtree(dest)
                if turn:
                    figures[name].append(measured)
    return figures


def contrast(commands: dict[str, Command], count: int, size: int, rounds: int) -> None:
    """Have two commands download so many files of so many bytes in turns, and tell the first by the second."""
    server = Nginx(count, size)
    try:
        figures = play(commands, server, rounds)
    finally:
        server.close()
    for name, measured in figures.items():
        wall, processor = (statistics.median(getattr(each, what) for each in measured) for what in ("wall", "cpu"))
        print(f"{name:14} {count / wall:7.0f} files/s, {processor / count * 1e6:4.0f} us of the processor a file")
    (first, ours), (second, theirs) = figures.items()
    ratios = [without.wall / kept.wall for kept, without in zip(ours, theirs, strict=True)]
    told = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    print(f"throughput {first} against {second}: {told}")


def show(figures: dict[str, list[Figures]], count: int) -> None:
    base = figures.get(HAND_WRITTEN, [])
    print(f"{'':14} {'files/s':>9} {'ratio':>7} {'CPU ms/file':>12} {'peak MiB':>9}   seconds, each round")
    for name, rounds in figures.items():
        wall = statistics.median(each.wall for each in rounds)
        cpu = statistics.median(each.cpu for each in rounds)
        rss = statistics.median(each.rss for each in rounds)
        ratios = [theirs.wall / ours.wall for ours, theirs in zip(rounds, base, strict=True)] if base else []
        ratio = f"{statistics.median(ratios):.2f}" if ratios else "-"
        walls = " ".join(f"{each.wall:.2f}" for each in rounds)
        print(f"{name:14} {count / wall:9.0f} {ratio:>7} {1000 * cpu / count:12.3f} {rss:9.0f}   {walls}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the engines on files from a local nginx.")
    parser.add_argument("engines", nargs="*", default=[HAND_WRITTEN, *engines.names()])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=10_240)
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = Nginx(options.count, options.size)
    try:
        commands: dict[str, Command] = {name: partial(command_for, name, options.jobs) for name in options.engines}
        show(play(commands, server, options.rounds), options.count)
    finally:
        server.close()


if __name__ == "__main__":
    main()
