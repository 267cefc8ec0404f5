"""What the demo's server can do at most, so that nobody takes its limit for one of an engine."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from urllib.parse import urlsplit

from pdl.errors import PdlError

from .knobs import Knobs
from .process import DemoServer

_MOST_PATHS = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """What was measured.

    Args:
        rate: responses a second, with their bodies read.
        speed: bytes of bodies a second.
        cpu: seconds of processor time that the server took for one response.
        processes: of the server.
    """

    rate: float
    speed: float
    cpu: float
    processes: int


class Client:
    """One connection that asks for the same paths again and again.

    Args:
        base: URL of the host.
        paths: of that host.
    """

    def __init__(self, base: str, paths: Sequence[str]) -> None:
        parts = urlsplit(base)
        self.sock = socket.create_connection((parts.hostname, parts.port))
        self._buffer = memoryview(bytearray(1 << 18))
        rest = f"HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
        requests = [f"{path} {rest}" for path in paths]
        self._asked = cycle([(f"GET {each}".encode(), self._length(f"HEAD {each}")) for each in requests])
        self.answered = 0

    def _length(self, request: str) -> int:
        """Bytes of every response to GET, by the head that HEAD gives."""
        self.sock.sendall(request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._buffer[: self._receive()]
        field = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
        return len(head) + int(field.partition(b":")[2])

    def ask(self) -> None:
        """Send the next request."""
        request, self._missing = next(self._asked)
        self.sock.sendall(request)

    def go_on(self) -> None:
        """Read what is there; after a whole response, ask again."""
        self._missing -= self._receive()
        if not self._missing:
            self.answered += 1
            self.ask()

    def _receive(self) -> int:
        """Bytes that have come into the buffer."""
        received = self.sock.recv_into(self._buffer)
        if not received:
            raise PdlError("the server of the demo hung up while its limit was measured")
        return received


def ask(clients: Sequence[Client], seconds: float) -> float:
    """Have the clients ask for so many seconds, which are given back as they were; all are closed then."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client.go_on)
            client.ask()
        started = time.perf_counter()
        while (took := time.perf_counter() - started) < seconds:
            for key, _ in selector.select(seconds - took):
                key.data()
    for client in clients:
        client.sock.close()
    return took


def measure_limit(knobs: Knobs, *, seconds: float = 1.0, connections: int = 64) -> Limit:
    """How many of its files a server with these knobs can answer in a second, on this machine as it is now.

    Measured is another server with the same files, hosts and processes, but without delays, limits and faults.
    This process asks it over raw sockets that are kept alive, does nothing with what it reads, and goes through the
    paths of each host (64 at most) again and again. So the rate is what the two reach together while other programs
    have their share of the cores: the server alone can do more, up to one response in `cpu` seconds for each core
    that its processes have to themselves. A client near this rate has reached the server's limit and not its own.

    Args:
        knobs: of the server that is meant.
        seconds: to ask for, beside the start.
        connections: at once, at least one for each host.

    Raises:
        PdlError: it did not start.
    """
    plain = replace(knobs, delay=0.0, bandwidth=0, busy=0.0, failing=0.0, reset=0.0, keep_alive=True, special=False)
    with DemoServer(plain) as server:
        clients = list(_clients(server, connections))
        server.start_over()
        took = ask(clients, seconds)
        counts = server.counts()
        answered = sum(client.answered for client in clients)
        return Limit(
            answered / took,
            counts.body_bytes / took,
            counts.cpu / max(1, answered),
            server.processes,
        )


def _clients(server: DemoServer, connections: int) -> Iterator[Client]:
    """So many, or one for each host that has files; those of one host begin at different paths."""
    paths = [[each.path for each in server.table if each.host == host] for host in range(len(server.bases))]
    used = [host for host, each in enumerate(paths) if each]
    for number in range(max(connections, len(used))):
        host = used[number % len(used)]
        own = paths[host][:_MOST_PATHS]
        begin = 7 * (number // len(used)) % len(own)
        yield Client(server.bases[host], own[begin:] + own[:begin])
