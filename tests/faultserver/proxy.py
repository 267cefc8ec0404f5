"""A forward proxy that keeps a record of what it was asked for."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from .connection import Connection
from .gate import ready
from .listener import Listener
from .records import Record
from .steps import End

Address = tuple[str, int]
_OWN_FIELDS = ("proxy-authorization", "proxy-connection", "connection")
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ProxyServer(Listener):
    """Forwards absolute-form requests and tunnels CONNECT.

    Args:
        credentials: `user:password` that it wants, or it answers 407.
        connect_status: what it answers to CONNECT instead of tunnelling.
        hosts: addresses of host names that only this proxy knows.
        host: address to listen on.
        port: to listen on; 0 for one that is free.
        tls: speak TLS with this context.
    """

    def __init__(
        self,
        *,
        credentials: str | None = None,
        connect_status: int | None = None,
        hosts: Mapping[str, Address] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._wanted = None if credentials is None else _basic(credentials)
        self._connect_status = connect_status
        self._hosts = dict(hosts or {})
        self._upstreams: set[socket.socket] = set()
        super().__init__(host, port=port, tls=tls)

    @property
    def url(self) -> str:
        return self.origin

    def handle(self, connection: Connection) -> None:
        while request := self.next_request(connection):
            serial, record = request
            try:
                if not (self._answer(record, connection) and record.keeps_open):
                    connection.end(End.CLOSE)
                    return
            finally:
                self.journal.end(serial)

    def _answer(self, record: Record, connection: Connection) -> bool:
        """Whether the connection can carry another request."""
        if self._wanted is not None and record.values("Proxy-Authorization") != [self._wanted]:
            return _refuse(connection, 407, 'Proxy-Authenticate: Basic realm="proxy"\r\n')
        if record.method == "CONNECT":
            if self._connect_status is not None:
                return _refuse(connection, self._connect_status)
            url = urlsplit(f"//{record.target}")
            return self._carry_over(url, connection, ours=_ESTABLISHED)
        url = urlsplit(record.target)
        if url.scheme != "http":
            return _refuse(connection, 400)
        return self._carry_over(url, connection, theirs=_origin_form(record))

    def _carry_over(
        self, url: SplitResult, connection: Connection, *, ours: bytes = b"", theirs: bytes = b""
    ) -> bool:
        """Connect the client with an origin; the client gets `ours` first, the origin `theirs`."""
        try:
            upstream = socket.create_connection(self._address(url), timeout=5)
        except OSError:
            return _refuse(connection, 502)
        upstream.settimeout(None)
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._upstreams.add(upstream)
        try:
            connection.send(ours)
            upstream.sendall(theirs)
            _relay(connection, upstream)
        finally:
            with self._lock:
                self._upstreams.discard(upstream)
                upstream.close()
        return False

    def _address(self, url: SplitResult) -> Address:
        """Where an origin is; what is not on this machine cannot be reached."""
        host = url.hostname or ""
        if host in self._hosts:
            return self._hosts[host]
        if host == "localhost" or host.startswith("127."):
            return host, url.port or 80
        raise OSError(f"{host} is not on this machine")

    def descriptors(self) -> set[int]:
        with self._lock:
            own = {one.fileno() for one in self._upstreams}
        return own | super().descriptors()


def _basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def _refuse(connection: Connection, status: int, fields: str = "") -> bool:
    """Answer in the origin's place; the connection can go on."""
    connection.send(f"HTTP/1.1 {status} Not By This Proxy\r\n{fields}Content-Length: 0\r\n\r\n".encode())
    return True


def _origin_form(record: Record) -> bytes:
    """The request as the origin gets it: the target without its authority, and no field that is for the proxy."""
    target = record.target[record.target.index("//") + 2 :]
    slash = target.find("/")
    fields = [f"{name}: {value}" for name, value in record.headers if name.lower() not in _OWN_FIELDS]
    path = target[slash:] if slash >= 0 else "/"
    lines = [f"{record.method} {path} HTTP/1.1", *fields, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _relay(connection: Connection, upstream: socket.socket) -> None:
    """Carry bytes both ways until either side ends, and end the client's side as the origin did."""
    upstream.sendall(connection.taken())
    end = End.CLOSE
    while True:
        sides = ready([connection.sock, upstream], None)
        if connection.sock in sides:
            connection.take_what_is_there()
            upstream.sendall(connection.taken())
        if upstream in sides:
            try:
                data = upstream.recv(65536)
            except ConnectionResetError:
                data, end = b"", End.RESET
            if not data:
                connection.end(end)
                return
            connection.send(data)
