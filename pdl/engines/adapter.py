"""requests, with everything that it would decide by itself taken out of its hands."""

from __future__ import annotations

import ssl
import threading
from typing import Any
from urllib.parse import unquote

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, PoolManager, ProxyManager
from urllib3.util import parse_url

from pdl.http.transfer import Request, basic_credentials
from pdl.resolver import Resolver
from pdl.settings import Settings

from .limits import DESCRIPTORS, affordable, room
from .pools import POOL_CLASSES, RiddenPool, Ride
from .sockets import Sockets
from .tls import is_ca_given, tls_context

_ORIGINS = 256
"""Origins whose idle connections are kept, where the limit of open files is high enough."""


class RiddenRequest(PreparedRequest):
    """A request that is not prepared any further: URL, target and fields are what goes on the wire."""

    def __init__(self, request: Request, ride: Ride, proxy: str | None) -> None:
        super().__init__()
        self.method = "GET"
        self.url = request.url
        self.headers = HTTPHeaderDict()  # type: ignore[assignment]  # keeps the order, and fields given twice
        for name, value in request.headers:
            self.headers.add(name, value)  # type: ignore[attr-defined]
        self.exact = request
        self.ride = ride
        self.proxy = proxy


class StrictAdapter(HTTPAdapter):
    """requests' adapter over our pools: no cookies, no netrc, no environment, no re-quoting, no retries.

    Args:
        settings: for TLS.
        sockets: of the engine.
        resolver: of the engine.
    """

    def __init__(self, settings: Settings, sockets: Sockets, resolver: Resolver) -> None:
        self._settings = settings
        self._sockets = sockets
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._managers: dict[str | None, PoolManager] = {}
        self.resolver = resolver
        if is_ca_given(settings):  # what is wrong with it should be known before anything starts
            self._tls = tls_context(sockets.ssl_context(), settings)
        self._origins = _kept_origins(settings.jobs)
        super().__init__(pool_connections=self._origins)

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        """Nothing yet: a pool manager is made when its first URL comes, as TLS takes time to set up."""

    def exchange(self, request: Request, ride: Ride, proxy: str | None) -> Response:
        """Send a request and read the head of its response.

        Raises:
            TransferError: whatever went wrong, by its kind.
        """
        return self.send(RiddenRequest(request, ride, proxy), stream=True)

    # -- what requests asks its adapter for

    def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
        parts = request.exact.parts
        manager = self._manager(request.proxy, secure=parts.scheme == "https")
        pool = manager.connection_from_host(parts.host, parts.port, parts.scheme)
        return RiddenPool(pool, request.ride)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """The context of the pool says what is trusted."""

    def request_url(self, request: Any, *_: Any, **__: Any) -> str:
        exact: Request = request.exact
        return exact.url if request.proxy and exact.parts.scheme == "http" else exact.parts.target

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        response = Response()
        response.status_code = resp.status
        response.reason = resp.reason
        response.raw = resp
        response.url = req.url or ""
        response.request = req
        return response

    # -- pools

    def _manager(self, proxy: str | None, *, secure: bool) -> PoolManager:
        secure = secure or (proxy or "").startswith("https:")
        if (manager := self._managers.get(proxy)) is not None and (not secure or self._tls is not None):
            return manager
        with self._lock:
            if secure and self._tls is None:
                self._tls = tls_context(self._sockets.ssl_context(), self._settings)
                for manager in self._managers.values():
                    manager.connection_pool_kw["ssl_context"] = self._tls
            if proxy not in self._managers:
                self._managers[proxy] = self._new_manager(proxy)
            return self._managers[proxy]

    def _new_manager(self, proxy: str | None) -> PoolManager:
        options: dict[str, Any] = {"num_pools": self._origins, "maxsize": 1, "ssl_context": self._tls}
        manager: PoolManager
        if proxy is None:
            manager = PoolManager(**options)
        else:
            address = parse_url(proxy)
            headers = {"Proxy-Authorization": basic_credentials(unquote(address.auth))} if address.auth else {}
            manager = ProxyManager(
                address._replace(auth=None).url, proxy_headers=headers, proxy_ssl_context=self._tls, **options
            )
        manager.pool_classes_by_scheme = POOL_CLASSES
        manager.pools.dispose_func = lambda pool: pool.close()  # else its idle connections wait for the collector
        return manager

    def abandon(self) -> None:
        """Let go of all idle connections from another thread than that of their loop."""
        for manager in self._managers.values():
            manager.pools.dispose_func = _abandon
            manager.clear()

    def shed(self) -> None:
        """Close the connections that nobody uses right now: others need their descriptors."""
        for manager in list(self._managers.values()):
            manager.clear()

    def close(self) -> None:
        """Close all idle connections."""
        for manager in self._managers.values():
            manager.clear()


def _kept_origins(jobs: int) -> int:
    allowed = room()
    if allowed is None:
        return _ORIGINS
    return max(1, min(_ORIGINS, allowed - affordable(jobs, DESCRIPTORS) * (DESCRIPTORS - 1)))


def _abandon(pool: Any) -> None:
    pool.abandon()
