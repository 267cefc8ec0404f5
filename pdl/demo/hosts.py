"""The hosts that one process of the demo's server has: started, asked and ended together."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .knobs import Knobs
from .plan import plan
from .server import Server
from .site import Site


class Hosts:
    """Every so manieth host of a plan.

    Args:
        knobs: say what there is.
        first: number of the first host, from 0.
        step: from one host to the next.
    """

    def __init__(self, knobs: Knobs, first: int = 0, step: int = 1) -> None:
        table = plan(knobs)
        self._servers = [
            Server(
                Site((served for served in table if served.host == number), keep_alive=knobs.keep_alive),
                number,
                knobs.bandwidth,
            )
            for number in range(first, knobs.hosts, step)
        ]
        self._cpu_before = 0.0

    @property
    def bases(self) -> list[str]:
        """The URLs of the hosts, once they are started."""
        return [server.base for server in self._servers]

    async def start(self) -> None:
        """Listen."""
        for server in self._servers:
            await server.start()
        self.start_over()

    def start_over(self) -> None:
        """Begin all replies anew, and forget the counts."""
        for server in self._servers:
            server.site.start_over()
        self._cpu_before = time.process_time()

    def counts(self) -> dict[str, Any]:
        """What was counted, as a JSON object for `counts.merged`."""
        return {
            "cpu": time.process_time() - self._cpu_before,
            "hosts": [server.site.tally.told() for server in self._servers],
        }

    async def close(self) -> None:
        """Stop listening, and hang up on everybody."""
        for server in self._servers:
            if server.base:
                server.close()
        await asyncio.sleep(0)  # for the connections to learn that they are closed
