"""Contestants in turns: a noisy machine is then noisy for all, and none always comes first."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from measuring import Figures, measure
from nginx import Nginx

Command = Callable[[Path, Path], list[str]]
"""The words of a command that downloads a list to a folder."""


def in_turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """The number of a round and who has its turn in it; each begins with another one. Round 0 is to warm up."""
    for number in range(rounds + 1):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            yield number, name


def play(commands: dict[str, Command], server: Nginx, rounds: int) -> dict[str, list[Figures]]:
    """Have commands download all of a server's files in turns, by name."""
    figures: dict[str, list[Figures]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(dir=server.folder) as scratch:
        urls = Path(scratch, "urls.txt")
        urls.write_text("".join(f"{url}\n" for url in server.urls()))
        for number, name in in_turns(list(commands), rounds):
            dest = Path(scratch, "dest")
            measured = measure(commands[name](urls, dest))
            server.check(dest)
            shutil.rmtree(dest)
            if number:
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
