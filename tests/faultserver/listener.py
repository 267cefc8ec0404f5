"""A listening socket with a thread for each connection, all of which end when it is closed."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from .connection import Connection
from .gate import Gate, ready
from .records import Journal, Record

_BACKLOG = 512  # a short queue makes connects wait for a second and more
_CLOSING_TIME = 10.0

THREAD_PREFIX = "faultserver"
_LIVE: weakref.WeakSet[Listener] = weakref.WeakSet()


def own_descriptors() -> set[int]:
    """Descriptors that belong to the servers of this process."""
    return {one for listener in list(_LIVE) for one in listener.descriptors()}


class Listener(ABC):
    """A server on a port of its own, as soon as it is made.

    Args:
        host: address to listen on.
        port: to listen on; 0 for one that is free.
        tls: speak TLS with this context.
    """

    def __init__(self, host: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.journal = Journal()
        self.failed_handshakes: list[str] = []
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._workers: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._accepted: SimpleQueue[Connection | None] = SimpleQueue()
        self._numbers = itertools.count(1)
        self._closing = Gate()
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()
        self.origin = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, name=f"{THREAD_PREFIX}-{self.port}", daemon=True)
        _LIVE.add(self)
        self._acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @abstractmethod
    def handle(self, connection: Connection) -> None:
        """Carry a connection to its end, which a return or an OSError is."""

    def next_request(self, connection: Connection) -> tuple[int, Record] | None:
        """A connection's next request with its serial number, or None at its end; what is not HTTP is refused."""
        head = connection.read_head()
        if head is None:
            return None
        try:
            return self.journal.begin(head, connection)
        except ValueError:
            connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return None

    # What came in

    @property
    def requests(self) -> list[Record]:
        """Every request so far, in order of arrival."""
        return self.journal.records()

    def requests_for(self, path: str) -> list[Record]:
        """The requests for a target, or for a path with any query."""
        return [record for record in self.requests if path in (record.target, record.path)]

    def clear(self) -> None:
        """Forget all requests and start counting anew."""
        self.journal.clear()

    def wait_for(self, wanted: Callable[[Record], object], timeout: float = 10.0) -> Record:
        """The first request that is wanted, also one that came already; AssertionError if none comes in time."""
        return self.journal.wait_for(wanted, timeout)

    def wait_until(self, holds: Callable[[], object], timeout: float = 10.0) -> None:
        """Wait until a condition on this server holds, such as `lambda: not server.open_connections`."""
        self.journal.wait_until(holds, timeout)

    def in_flight(self, prefix: str = "") -> int:
        """Requests under way whose target begins like this."""
        return self.journal.in_flight(prefix)

    def max_in_flight(self, prefix: str = "") -> int:
        """The most that were under way at once; never too high, unless a client gave up on a request.

        A request counts from its head until just before the last bytes of its response are sent, or the
        client's next one could arrive before this one was counted out.
        """
        return self.journal.max_in_flight(prefix)

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    # How it runs

    def _accept(self) -> None:
        while self._closing.sockets[0] not in ready([self._socket, self._closing.sockets[0]], None):
            for sock in self._waiting():
                self._start(sock)

    def _waiting(self) -> Iterator[socket.socket]:
        while True:
            try:
                sock, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:
                time.sleep(0.01)  # out of descriptors: the queue stays readable, so don't spin
                return
            yield sock

    def _start(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        try:
            connection = Connection(sock, next(self._numbers))
        except OSError:  # gone before it was looked at
            sock.close()
            return
        with self._lock:
            self._connections.add(connection)
        self._accepted.put(connection)
        if not self._idle.acquire(blocking=False):
            self._add_worker()

    def _add_worker(self) -> None:
        name = f"{THREAD_PREFIX}-{self.port}-{len(self._workers) + 1}"
        worker = threading.Thread(target=self._work, name=name, daemon=True)
        self._workers.append(worker)
        worker.start()

    def _work(self) -> None:
        # threads are used again, as starting one for each connection costs more than most requests
        while (connection := self._accepted.get()) is not None:
            self._carry(connection)
            self._idle.release()

    def _carry(self, connection: Connection) -> None:
        try:
            with contextlib.suppress(OSError):  # the client hung up, or the server is closing
                if self._shake_hands(connection):
                    self.handle(connection)
        finally:
            with self._lock:
                connection.close()
                self._connections.discard(connection)
            self.journal.changed()

    def _shake_hands(self, connection: Connection) -> bool:
        if self._tls is None:
            return True
        try:
            with self._lock:  # the plain socket gives its descriptor away
                connection.sock = self._tls.wrap_socket(
                    connection.sock, server_side=True, do_handshake_on_connect=False
                )
            connection.sock.do_handshake()
        except OSError as error:
            self.failed_handshakes.append(str(error))
            return False
        return True

    def descriptors(self) -> set[int]:
        """Every descriptor in use here."""
        with self._lock:
            sockets = [self._socket, *self._closing.sockets, *(one.sock for one in self._connections)]
        return {one.fileno() for one in sockets}

    def close(self) -> None:
        """End all connections and threads at once; a second call does nothing."""
        if self not in _LIVE:
            return
        self._closing.open()
        self._acceptor.join()
        self._socket.close()
        with self._lock:
            for connection in self._connections:
                connection.shut_down()
        for _ in self._workers:
            self._accepted.put(None)
        deadline = time.monotonic() + _CLOSING_TIME
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        self._closing.discard()
        _LIVE.discard(self)
        assert not any(worker.is_alive() for worker in self._workers), "a connection's thread does not end"
