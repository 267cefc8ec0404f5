"""What the demo's server can do: requests a second without delay, over raw sockets that are kept alive.

    python benchmarks/demo_server.py [--connections 64] [--seconds 5] [--rounds 5]

The client is this process and does next to nothing; the server is a process of its own, and its CPU time is told,
so that one can see which of the two was the limit. Figures are medians.
"""

from __future__ import annotations

import argparse
import statistics

from pdl.demo import Knobs, measure_limit

SIZES = (1_000, 5_000, 400_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'bytes':>9} {'requests/s':>11} {'server CPU us':>14}   requests/s, each round")
    for size in SIZES:
        knobs = Knobs(files=10, smallest=size, largest=size)
        rounds = [
            measure_limit(knobs, seconds=options.seconds, connections=options.connections)
            for _ in range(options.rounds)
        ]
        rate = statistics.median(limit.rate for limit in rounds)
        cpu = 1e6 * statistics.median(limit.cpu for limit in rounds)
        shown = " ".join(f"{limit.rate:.0f}" for limit in rounds)
        print(f"{size:9,} {rate:11,.0f} {cpu:14.0f}   {shown}", flush=True)


if __name__ == "__main__":
    main()
