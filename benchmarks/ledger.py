"""What the ledger costs and gives: downloads with it and without, and a finished run once more.

    python benchmarks/ledger.py [--count 10000] [--size 10240] [--jobs 16] [--rounds 5]
    python benchmarks/ledger.py --again 1000000 [--layout flat] [--rounds 3]

The first form downloads with the ledger and with `--no-state` in turns; ratios are taken round by round. The second
one downloads so many files of 32 bytes each, and a tenth of them into another folder, ends the server, and runs the
same commands again: a single request would fail.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from measuring import measure
from nginx import Nginx
from turns import Command, contrast

WAYS: dict[str, list[str]] = {"with ledger": [], "with --no-state": ["--no-state"]}


def command(*words: str | Path) -> list[str]:
    """A run of pdl with these options, and at the end its list and its destination."""
    *options, urls, dest = map(str, words)
    return [sys.executable, "-m", "pdl", urls, "-q", "-d", dest, "-e", "curl", *options]


def compare(count: int, size: int, jobs: int, rounds: int) -> None:
    """Download with the ledger and without it, in turns."""
    commands: dict[str, Command] = {
        name: partial(command, "-j", str(jobs), *options) for name, options in WAYS.items()
    }
    contrast(commands, count, size, rounds)


def again(count: int, layout: str, rounds: int) -> None:
    """Run what is finished once more, on the whole list and on a tenth of it."""
    with tempfile.TemporaryDirectory(prefix="pdl-again-") as scratch:
        server = Nginx(1, 32)
        try:
            base = f"http://127.0.0.1:{server.port}/many"
            lists = {each: Path(scratch, f"{each}.txt") for each in (count // 10, count)}
            for each, urls in lists.items():
                with urls.open("w") as file:
                    file.writelines(f"{base}/{number % 1000:03d}/{number:08d}.jpg\n" for number in range(each))
                subprocess.run(command("--layout", layout, urls, urls.with_suffix("")), check=True)
        finally:
            server.close()
        for each, urls in lists.items():
            dest = urls.with_suffix("")
            measured = [measure(command("--layout", layout, urls, dest)) for _ in range(rounds)]
            wall = statistics.median(one.wall for one in measured)
            peak = max(one.rss for one in measured)
            ledger = (dest / ".pdl" / "ledger.sqlite3").stat().st_size
            print(f"{each:,} URLs again, layout {layout}: {each / wall:,.0f} URLs/s in {wall:.2f} s", end="")
            print(f", {peak:.0f} MiB at the most; {ledger / each:.0f} bytes of ledger a URL", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=10_240)
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--again", type=int, metavar="COUNT")
    parser.add_argument("--layout", default="flat", choices=("flat", "tree", "hash"))
    options = parser.parse_args()
    if options.again is not None:
        again(options.again, options.layout, options.rounds)
    else:
        compare(options.count, options.size, options.jobs, options.rounds)


if __name__ == "__main__":
    main()
