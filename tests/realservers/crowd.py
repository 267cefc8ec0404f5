"""Answers nobody until so many wait at once; then it answers everybody.

`python crowd.py COUNT` prints its port, and, once standard input ends, how many waited at once at the most.
"""

from __future__ import annotations

import asyncio
import sys

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_BACKLOG = 4096  # a short queue makes connects wait for a second and more


class _Crowd:
    def __init__(self, count: int) -> None:
        self.most = self._now = 0
        self._count = count
        self._complete = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self._now += 1
                self.most = max(self.most, self._now)
                if self._now == self._count:
                    self._complete.set()
                await self._complete.wait()
                self._now -= 1
                writer.write(_ANSWER)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()


async def _main(count: int) -> None:
    crowd = _Crowd(count)
    server = await asyncio.start_server(crowd.serve, "127.0.0.1", 0, backlog=_BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the test reads it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(crowd.most, flush=True)  # noqa: T201 - this too


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
