"""What reporting costs a run: downloads with `--report` and without, in turns.

    python benchmarks/report.py [--count 10000] [--size 10240] [--jobs 16] [--rounds 5] [--engine curl]

The rate is that of the whole command, its start and the writing of the report included. Ratios are taken round by
round. The engine `curl` on files from the same machine is where it costs most: a file takes some 0.1 ms there.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from turns import Command, contrast


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
    ways: dict[str, list[str]] = {"with --report": ["--report"], "without": []}
    commands: dict[str, Command] = {
        name: partial(command, options.engine, options.jobs, words) for name, words in ways.items()
    }
    contrast(commands, options.count, options.size, options.rounds)


if __name__ == "__main__":
    main()
