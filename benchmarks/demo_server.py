"""What the demo's server can do: requests a second without delay, over raw sockets that are kept alive.

    python benchmarks/demo_server.py [--connections 64] [--seconds 5] [--rounds 5]

The client is this process and does next to nothing; the server is a process of its own, and its CPU time is told,
so that one can see which of the two was the limit. Figures are medians.
"""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import statistics
import time
from urllib.parse import urlsplit

from pdl.demo import DemoServer, Knobs
from pdl.demo.images import png
from pdl.demo.plan import plan

KNOBS = Knobs(files=10, delay=0.0)


class Client:
    """One connection that asks for the same path again and again."""

    def __init__(self, base: str, path: str) -> None:
        parts = urlsplit(base)
        self.sock = socket.create_connection((parts.hostname, parts.port))
        self.length = self.missing = self.length_of(f"HEAD {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n")
        self.request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self.sock.sendall(self.request)
        self.answered = 0

    def length_of(self, request: str) -> int:
        """Bytes of every response to GET, by the head that HEAD gives."""
        self.sock.sendall(request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(65536)
        field = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
        return len(head) + int(field.partition(b":")[2])

    def go_on(self) -> None:
        received = self.sock.recv(1 << 20)
        if not received:
            raise SystemExit("the server hung up")
        self.missing -= len(received)
        if not self.missing:
            self.answered += 1
            self.missing = self.length
            self.sock.sendall(self.request)


def ask(base: str, path: str, connections: int, seconds: float) -> tuple[int, float]:
    """How many responses came in how much time."""
    clients = [Client(base, path) for _ in range(connections)]
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client.go_on)
        started = time.perf_counter()
        while (took := time.perf_counter() - started) < seconds:
            for key, _ in selector.select():
                key.data()
    for client in clients:
        client.sock.close()
    return sum(client.answered for client in clients), took


def measure(path: str, connections: int, seconds: float) -> tuple[float, float]:
    """Requests a second, and microseconds of the server's CPU for each, its start included."""
    before = os.times()
    with DemoServer(KNOBS) as server:
        answered, took = ask(server.base, path, connections, seconds)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return answered / took, 1e6 * spent / answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sizes = sorted((len(png(each.picture)), each.path) for each in plan(KNOBS) if not each.note)
    print(f"{'bytes':>9} {'requests/s':>11} {'server CPU us':>14}   requests/s, each round")
    for size, path in (sizes[0], sizes[len(sizes) // 2], sizes[-1]):
        rounds = [measure(path, options.connections, options.seconds) for _ in range(options.rounds)]
        rate = statistics.median(rate for rate, _ in rounds)
        cpu = statistics.median(cpu for _, cpu in rounds)
        shown = " ".join(f"{rate:.0f}" for rate, _ in rounds)
        print(f"{size:9,} {rate:11,.0f} {cpu:14.0f}   {shown}", flush=True)


if __name__ == "__main__":
    main()
