"""`python -m pdl.demo`: serves the demo's files until it is interrupted.

It prints the URL that they are below. With the argument `-`, as the demo itself starts it, it reads one line from
standard input, `Knobs` as a JSON object, and serves until that input ends: so it never outlives who started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable

from .plan import Knobs, plan
from .server import Server
from .site import Site


async def _serve(knobs: Knobs, watch: Callable[[Callable[[], object]], None] | None) -> None:
    """Serve until the watcher calls what it is given; for ever without one."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    server = Server(Site(plan(knobs)))
    await server.start()
    print(server.base, flush=True)  # noqa: T201 - it is what whoever starts this waits for
    try:
        if watch is not None:
            watch(lambda: loop.call_soon_threadsafe(ended.set))
        await ended.wait()
    finally:
        server.close()
        await asyncio.sleep(0)  # for the connections to learn that they are closed


def _watch_input(call: Callable[[], object]) -> None:
    """Call when standard input has ended; past its buffer, whose lock would break the interpreter's exit."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        call()

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Serve."""
    try:
        if sys.argv[1:] == ["-"]:
            asyncio.run(_serve(Knobs(**json.loads(sys.stdin.readline())), _watch_input))
        elif len(sys.argv) == 1:
            asyncio.run(_serve(Knobs(), None))
        else:
            print("usage: python -m pdl.demo", file=sys.stderr)  # noqa: T201 - see _serve
            sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
