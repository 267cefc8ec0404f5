"""Writes a list of so many URLs below another one to standard output, as fast as it is read.

python benchmarks/long_list.py http://127.0.0.1:8000/many 10000000
"""

from __future__ import annotations

import sys
from contextlib import suppress


def main(origin: str, count: str) -> None:
    lines = (f"{origin}/{number % 1000:03d}/{number:08d}.jpg\n" for number in range(int(count)))
    with suppress(BrokenPipeError), open(1, "w", buffering=1 << 16, closefd=False) as out:
        out.writelines(lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
