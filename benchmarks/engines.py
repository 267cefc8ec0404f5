"""Compare the engines with each other and with a hand-written pool of requests threads.

    python benchmarks/engines.py [--count 10000] [--size 10240] [--jobs 16] [--rounds 5] [ENGINE...]

Every measurement is a fresh process; the contestants run in turns, so that a noisy machine is noisy for all. What
each fetched is compared with the originals. Figures are medians; ratios are taken round by round. CPU and memory
are those of the process and all its descendants; memory that they share counts for each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path

from measuring import Figures
from nginx import Nginx
from turns import Command, play

from pdl import engines

HAND_WRITTEN = "requests pool"


def command_for(name: str, jobs: int, urls: Path, dest: Path) -> list[str]:
    if name == HAND_WRITTEN:
        script = Path(__file__).with_name("requests_pool.py")
        return [sys.executable, str(script), str(urls), str(dest), str(jobs)]
    return [sys.executable, "-m", "pdl", str(urls), "-q", "-d", str(dest), "-e", name, "-j", str(jobs)]


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
