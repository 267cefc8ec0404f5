"""What reporting costs a run: downloads with `--report` and without, in turns.

    python benchmarks/report.py [--count 10000] [--size 10240] [--jobs 16] [--rounds 5] [--engine curl]

The rate is that of the whole command, its start and the writing of the report included. Ratios are taken round by
round. The engine `curl` on files from the same machine is where it costs most: a file takes some 0.1 ms there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path

from engines import Command, play
from nginx import Nginx


def command(engine: str, jobs: int, reports: list[str], urls: Path, dest: Path) -> list[str]:
    options = [*reports, str(dest.with_suffix(".json"))] if reports else []
    words = [str(urls), "-q", "-d", str(dest), "-e", engine, "-j", str(jobs)]
    return [sys.executable, "-m", "pdl", *words, *options]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=10_240)
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", default="curl")
    options = parser.parse_args()
    ways: dict[str, list[str]] = {"without": [], "with --report": ["--report"]}
    commands: dict[str, Command] = {
        name: partial(command, options.engine, options.jobs, words) for name, words in ways.items()
    }
    server = Nginx(options.count, options.size)
    try:
        figures = play(commands, server, options.rounds)
    finally:
        server.close()
    for name, measured in figures.items():
        wall, processor = (statistics.median(getattr(each, what) for each in measured) for what in ("wall", "cpu"))
        per_file = processor / options.count * 1e6
        print(f"{name:14} {options.count / wall:7.0f} files/s, {per_file:4.0f} us of the processor a file")
    ratios = [plain.wall / reported.wall for plain, reported in zip(*figures.values(), strict=True)]
    print(f"files/s with a report against without: {statistics.median(ratios):.3f}", end="")
    print(f" ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
