"""urllib3's connections and pools with our resolver, our sockets and our reading of responses."""

from __future__ import annotations

import functools
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util.connection import is_connection_dropped
from urllib3.util.proxy import connection_requires_http_tunnel

from pdl.descriptors import SHORTAGES
from pdl.errors import Kind
from pdl.http.fault import NoConnectionError, TransferError, unreachable_proxy
from pdl.model import Reach
from pdl.resolver import Resolver

from .addresses import allowed, found
from .connect import connect
from .leash import Leash, close_raw
from .response import EmptyReplyError, StrictResponse
from .sockets import Sockets


@dataclass(frozen=True, slots=True)
class Ride:
    """What a connection needs of the attempt that it carries right now."""

    leash: Leash
    resolver: Resolver
    sockets: Sockets
    reach: Reach


def _mount(conn: Any, ride: Ride) -> None:
    """Tell a connection which attempt it carries now."""
    conn.ride = ride
    conn.response_class = functools.partial(StrictResponse, leash=ride.leash, timeouts=ride.sockets.timeouts)


class _Mounted:
    """A connection that connects by our rules; mixed into urllib3's two classes."""

    def _new_conn(self: Any) -> Any:
        ride: Ride = self.ride
        phases = ride.leash.phases
        lookup = ride.resolver.lookup(self._dns_host)
        if not lookup.done:
            ride.sockets.await_lookup(lookup, ride.leash)
            if phases is not None:
                phases.look_up()
        addresses = allowed(found(lookup), ride.reach)
        if phases is not None:
            phases.begin_to_connect()
        sock = connect(addresses, self.port, ride.leash, ride.sockets)
        if phases is not None and not self.proxy_is_tunneling:
            phases.connect()
        try:
            ride.leash.hold(sock, ride.sockets.grip(sock) if self.secure else None)
            self.timeout = ride.leash.clock.remaining() if ride.sockets.timeouts else None
            sock.settimeout(self.timeout)
        except BaseException:  # it was cut just now, and nobody else has the socket yet
            sock.close()
            raise
        return sock

    def _tunnel(self: Any) -> None:
        super()._tunnel()  # type: ignore[misc]  # of urllib3's connection, which this is mixed into
        if (phases := self.ride.leash.phases) is not None:
            phases.connect()


class _HTTPConnection(_Mounted, HTTPConnection):
    secure = False


class _HTTPSConnection(_Mounted, HTTPSConnection):
    secure = True


class _Idle:
    """Idle connections of one origin, last in, first out; mixed into urllib3's two pools.

    urllib3's own queue is filled with placeholders up to its size, which costs a millisecond an origin at a
    thousand jobs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: deque[Any] = deque()
        self._over = False

    def take(self: Any, *, fresh: bool) -> Any:
        """A connection; one that is open already, unless it must be fresh."""
        while self._idle and not fresh:
            try:
                conn = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if not is_connection_dropped(conn):
                return conn
            conn.close()
        return self._new_conn()

    def _put_conn(self, conn: Any) -> None:
        if conn is None:
            return
        if self._over or conn.is_closed:
            conn.close()
        else:
            self._idle.append(conn)

    def abandon(self) -> None:
        """Close idle connections that belong to a loop of another thread."""
        self._over = True
        while self._idle:
            close_raw(self._idle.pop().sock)

    def close(self) -> None:
        self._over = True
        while self._idle:
            self._idle.pop().close()
        super().close()  # type: ignore[misc]  # of urllib3's pool, which this is mixed into


class _HTTPPool(_Idle, HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_Idle, HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


POOL_CLASSES: dict[str, Any] = {"http": _HTTPPool, "https": _HTTPSPool}


class RiddenPool:
    """A pool bound to one attempt: what requests' adapter calls `urlopen` on."""

    def __init__(self, pool: Any, ride: Ride) -> None:
        self._pool = pool
        self._ride = ride

    def urlopen(self, *, url: str, headers: Any, **_: Any) -> BaseHTTPResponse:
        """Send a GET request and read the response's head.

        A re-used connection that the server has closed meanwhile is replaced once, silently: the request cannot
        have been answered (RFC 9112 section 9.3.1).

        Raises:
            TransferError: whatever went wrong, by its kind.
        """
        try:
            return self._exchange(url, headers, fresh=False)
        except _StaleError:
            return self._exchange(url, headers, fresh=True)

    def _exchange(self, url: str, headers: Any, *, fresh: bool) -> BaseHTTPResponse:
        pool = self._pool
        conn = pool.take(fresh=fresh)
        reused = not conn.is_closed
        _mount(conn, self._ride)
        try:
            if reused:
                self._ride.leash.hold(conn.sock)
                if self._ride.leash.phases is not None:
                    self._ride.leash.phases.keep()
            else:
                self._connect(conn)
            return self._ask(conn, url, headers)
        except (EmptyReplyError, ConnectionError) as error:
            conn.close()
            if reused and self._ride.leash.fault is None:
                raise _StaleError from None
            raise self._named(error, Kind.RESET) from error
        except BaseException:
            conn.close()
            raise

    def _connect(self, conn: Any) -> None:
        """Connect, through the proxy's tunnel and with TLS where the URL asks for them."""
        pool = self._pool
        tunnel = connection_requires_http_tunnel(pool.proxy, pool.proxy_config, pool.scheme)
        self._ride.leash.clock.connecting()
        try:
            if tunnel:
                pool._prepare_proxy(conn)  # noqa: SLF001 - the only way to a tunnel that urllib3 has
            else:
                conn.connect()
            if self._ride.leash.phases is not None:
                self._ride.leash.phases.secure(tls=conn.secure)
            self._ride.leash.hold(conn.sock)
        except (TransferError, OSError, HTTPError, ValueError) as error:
            fault = self._named(error, Kind.CONNECT)
            if pool.proxy is not None and not conn.has_connected_to_proxy:
                fault = _of_proxy(fault, connected=conn.sock is not None)
            raise fault from error

    def _named(self, error: BaseException, kind: Kind) -> TransferError:
        """The fault that an exception of the socket or TLS library is."""
        leash = self._ride.leash
        if isinstance(leash.fault, TransferError):
            return leash.fault
        if leash.fault is not None:
            raise leash.fault
        if isinstance(error, TransferError):
            return error
        text = str(error)
        if text.startswith("Tunnel connection failed"):
            code = text.removeprefix("Tunnel connection failed: ")
            return TransferError(
                Kind.PROXY,
                f"the proxy refused the tunnel: {code[:60]}",
                retries=0 if code.startswith("4") else None,
                proxy_failed=code.startswith("407"),
            )
        if isinstance(error, TimeoutError) or "timed out" in text:
            try:
                leash.check()
            except TransferError as judged:
                return judged
            return NoConnectionError(Kind.TIMEOUT, "no connection in time (--connect-timeout)")
        if isinstance(error, ssl.SSLCertVerificationError):
            return TransferError(Kind.TLS, f"the certificate is not trusted: {error.verify_message}")
        if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return TransferError(Kind.RESET, "the server ended the connection within the TLS handshake")
        if isinstance(error, ssl.SSLError):
            return TransferError(Kind.TLS, f"the TLS handshake failed: {error.reason or error}")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else text or type(error).__name__
        shortage = error.errno if isinstance(error, OSError) and error.errno in SHORTAGES else None
        return TransferError(kind, f"the connection failed: {reason}", errno=shortage)

    def _ask(self, conn: Any, url: str, headers: Any) -> BaseHTTPResponse:
        pool, leash = self._pool, self._ride.leash
        leash.clock.transferring()
        conn.timeout = leash.clock.remaining() if self._ride.sockets.timeouts else None
        if pool.proxy is not None and not conn.proxy_is_tunneling:
            headers = HTTPHeaderDict(headers)
            headers.extend(pool.proxy_headers)
        if leash.phases is not None:
            leash.phases.ask()
        conn.request("GET", url, headers=headers, preload_content=False, decode_content=False)
        response: BaseHTTPResponse = conn.getresponse()
        response._connection = conn  # type: ignore[attr-defined]  # noqa: SLF001 - as urllib3's pool does,
        response._pool = pool  # type: ignore[attr-defined]  # noqa: SLF001 - so that its end gives it back
        return response


def _of_proxy(fault: TransferError, *, connected: bool) -> TransferError:
    """The fault of a connection to a proxy; the time that a file may take has nothing to do with one."""
    if fault.kind is Kind.PROXY:  # it was reached, and has refused the tunnel
        return fault
    if fault.kind is Kind.TIMEOUT and (connected or not isinstance(fault, NoConnectionError)):
        return fault
    return unreachable_proxy(fault)


class _StaleError(Exception):
    """The re-used connection turned out to be closed."""
