"""What intake costs for each URL, on three lists: all different, every tenth a repeat, all of one name.

    python benchmarks/intake.py [--count 10000000] [--list different] [--layout flat]

Entries are made outside the clock. Each list runs in a process of its own, so that its peak of memory is its own;
of that, what the process held before is told apart. Where all names differ, a hash in a name is a false answer of
the filter.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator

from pdl.intake import Intake
from pdl.model import Download, Result
from pdl.naming import Naming
from pdl.settings import Settings
from pdl.storage.ledger import LedgerWriter

BATCH = 1000


def different(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"https://images{number % 20}.example.org/photos/{number // 1000:05d}/picture-{number:08d}.jpg"


def repeats(count: int) -> Iterator[str]:
    """Every tenth entry repeats one from anywhere before it."""
    draw = random.Random(1).randrange
    for number in range(count):
        other = draw(number) if number % 10 == 9 else number
        while other % 10 == 9:
            other -= 1
        yield f"https://images{other % 20}.example.org/photos/{other // 1000:05d}/picture-{other:08d}.jpg"


def one_name(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"https://images{number % 20}.example.org/photos/{number:08d}/image.jpg"


LISTS = {"different": different, "repeats": repeats, "one-name": one_name}


def peak() -> float:
    """The most memory this process ever held, in MiB."""
    import resource  # noqa: PLC0415 - Windows has none

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 / (1024 if sys.platform == "darwin" else 1)


def batches(name: str, count: int) -> Iterator[list[Download]]:
    batch = []
    for url in LISTS[name](count):
        batch.append(Download(url))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def measure(name: str, count: int, layout: str) -> None:
    before = peak()
    decisions: Counter[str] = Counter()
    hashed = 0
    slowest = spent = processor = 0.0
    with tempfile.TemporaryDirectory(prefix="pdl-intake-") as dest:
        ledger = LedgerWriter(dest)
        intake = Intake(ledger, Naming(layout), Settings(dest=dest), reserved=())
        for batch in batches(name, count):
            started, ran = time.perf_counter(), time.process_time()
            decided = intake.admit(batch)
            ledger.flush_if_due(started)
            took = time.perf_counter() - started
            processor += time.process_time() - ran
            spent += took
            slowest = max(slowest, took)
            for entry in decided:
                decisions[str(entry.reason) if isinstance(entry, Result) else "admitted"] += 1
                hashed += not isinstance(entry, Result) and entry.path[-21:-20] == "."
        started = time.perf_counter()
        ledger.close()
        spent += time.perf_counter() - started
        size = os.path.getsize(ledger.path)
    print(f"{name}: {count:,} URLs, layout {layout}")
    print(f"  {spent / count * 1e6:.2f} us a URL, {processor / count * 1e6:.2f} of the processor", end="")
    print(f"; the slowest {BATCH:,} took {slowest * 1e3:.0f} ms")
    print(f"  {peak():.0f} MiB at the most, {before:.0f} before; {size / count:.0f} bytes of ledger a URL")
    print(f"  {', '.join(f'{number:,} {reason}' for reason, number in decisions.items())}")
    print(f"  {hashed:,} names with a hash, {hashed / decisions['admitted']:.4%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--layout", default="flat", choices=("flat", "tree", "hash"))
    parser.add_argument("--list", choices=LISTS, action="append", dest="lists")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for name in options.lists or LISTS:
        process = context.Process(target=measure, args=(name, options.count, options.layout))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
