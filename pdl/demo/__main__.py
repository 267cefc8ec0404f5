"""`python -m pdl.demo`: serves the demo's files until it is interrupted.

It prints the URLs of the hosts that have them. With the argument `-`, as the demo itself starts it, it reads lines
from standard input: first a JSON object with the `knobs`, the `first` of its hosts and the `step` from one to the
next, then the names of questions. It answers each line with one of JSON, and serves until that input ends: so it
never outlives who started it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator

from pdl.descriptors import raise_limit
from pdl.errors import SettingsError

from .hosts import Hosts
from .knobs import Knobs, changed
from .presets import PRESETS


async def _serve_people(hosts: Hosts) -> None:
    """Serve for ever."""
    try:
        await hosts.start()
        for base in hosts.bases:
            print(base, flush=True)  # noqa: T201 - it is what whoever starts this waits for
        await asyncio.Event().wait()
    finally:
        await hosts.close()


async def _serve_program(hosts: Hosts, lines: Iterator[str]) -> None:
    """Serve until there are no more lines."""
    ended = asyncio.Event()
    answers = {"counts": hosts.counts, "start over": hosts.start_over}
    try:
        await hosts.start()
        _tell(hosts.bases)
        _watch(lines, lambda line: _tell(answers[line]()), ended.set)
        await ended.wait()
    finally:
        await hosts.close()


def _tell(answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - see _serve_people


def _watch(lines: Iterator[str], on_line: Callable[[str], object], on_end: Callable[[], object]) -> None:
    """Have the loop learn of each line and of the end, from a thread that waits for them."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        for line in lines:
            loop.call_soon_threadsafe(on_line, line)
        loop.call_soon_threadsafe(on_end)

    threading.Thread(target=watch, daemon=True).start()


def _lines() -> Iterator[str]:
    """Lines of standard input; past its buffer, whose lock would break the interpreter's exit."""
    received = b""
    while more := os.read(0, 65536):
        *lines, received = (received + more).split(b"\n")
        yield from (line.decode().rstrip("\r") for line in lines)


def _knobs() -> Knobs:
    """As the arguments have them."""
    parser = argparse.ArgumentParser(
        prog="python -m pdl.demo", description="Serve the files of pdl --demo until interrupted."
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="default", help="which server to be")
    parser.add_argument("--knobs", metavar="NAME=VALUE,...", help="change single knobs of it")
    given = parser.parse_args()
    knobs = PRESETS[given.preset].knobs
    try:
        return changed(knobs, given.knobs) if given.knobs is not None else knobs
    except SettingsError as error:
        parser.error(str(error))


def main() -> None:
    """Serve."""
    raise_limit()  # every connection is one
    try:
        if sys.argv[1:] == ["-"]:
            lines = _lines()
            wanted = json.loads(next(lines, "") or sys.exit(1))
            hosts = Hosts(Knobs(**wanted["knobs"]), wanted["first"], wanted["step"])
            asyncio.run(_serve_program(hosts, lines))
        else:
            asyncio.run(_serve_people(Hosts(_knobs())))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
