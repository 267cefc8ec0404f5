"""libcurl's easy handles: set up once for the job, and anew for each attempt."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import lru_cache
from typing import Any, Protocol

import pycurl

from pdl import url as urls
from pdl.http.routes import ca_location
from pdl.http.transfer import Request, basic_credentials
from pdl.model import Attempt, Headers
from pdl.resolver import Address
from pdl.settings import Settings

from .names import CachedNames, entry, name_of

_OUT_OF_REACH = 10**9  # milliseconds; a time-out of libcurl's own, where pdl's clocks judge
_SUPPRESS_CONNECT_HEADERS = 265  # pycurl has no name for it; else the head of a proxy's answer to CONNECT comes too
_BUFFER = 512 * 1024
"""Bytes; libcurl has one for all transfers of a loop."""
_STOP = 0
"""What a write callback answers to end its transfer: it took fewer bytes than it was given."""
_FOREVER = -1
_NONE_SET: tuple[Address, ...] = ()


class Rider(Protocol):
    """What takes the body that comes over a handle."""

    def take(self, data: bytes) -> bool:
        """Take a piece; False if the transfer is to be ended."""


class Handle:
    """One easy handle: what was last set on it, and where its answers go.

    The head's lines gather in a list, as libcurl gives them one by one. The body goes to whoever rides now. What is
    called back runs no function of Python that an exception could come out of; see `loop`.
    """

    __slots__ = (
        "addresses",
        "apart",
        "curl",
        "fresh",
        "headers",
        "lines",
        "name",
        "origin",
        "patient",
        "proxy",
        "raised",
        "rider",
        "scope",
        "secure",
        "version",
    )

    def __init__(self, curl: Any) -> None:
        self.curl = curl
        self.origin = ""
        self.secure = self.patient = self.fresh = self.apart = False
        self.proxy: str | None = None
        self.version = 0  # of HTTP, in libcurl's numbers
        self.headers: Headers = ()
        self.name = ""
        """The entry of libcurl's cache of names that it goes by."""
        self.addresses = _NONE_SET
        """What was last put there."""
        self.scope = 0
        self.lines: list[bytes] = []
        self.rider: Rider | None = None
        self.raised: BaseException | None = None
        """What was raised while the rider took a piece: by a signal handler, or by a bug."""
        body = self._take_body()
        next(body)
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        curl.setopt(pycurl.WRITEFUNCTION, body.send)

    def mount(self, rider: Rider) -> None:
        """Have the answers of the next transfer go to this one."""
        self.lines.clear()
        self.raised = None
        self.rider = rider

    def connect_anew(self) -> None:
        """Have the next transfer make a connection of its own."""
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)
        self.fresh = True

    def _take_body(self) -> Generator[int | None, bytes, None]:
        """Take the pieces of bodies as they are sent here."""
        answer: int | None = None
        while True:
            try:
                while True:
                    data = yield answer
                    answer = None if self.rider is not None and self.rider.take(data) else _STOP
            except GeneratorExit:
                raise
            except BaseException as error:
                self.raised = error
                answer = _STOP


class Handles:
    """Gives handles that are ready to be added, and takes them back.

    Args:
        settings: of the job.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: list[Handle] = []
        self._share = pycurl.CurlShare()
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)
        self._ca: str | None = None
        self.names = CachedNames()

    def take(self, attempt: Attempt, request: Request, addresses: tuple[Address, ...], *, patient: bool) -> Handle:
        """A handle for one attempt; what it does with the answer is still to be set.

        Args:
            attempt: that it will carry.
            request: to send.
            addresses: to connect to.
            patient: wait for a connection that is being made, as it will carry this attempt too.
        """
        handle = self._free.pop() if self._free else self._new()
        setopt, parts, proxy = handle.curl.setopt, request.parts, attempt.proxy
        origin, apart = f"{parts.scheme}://{parts.authority}/", attempt.span is not None and goes_apart(attempt)
        if origin != handle.origin or proxy != handle.proxy or apart != handle.apart:
            handle.apart = apart
            self._aim(handle, origin, proxy)
        if request.headers != handle.headers:
            setopt(pycurl.HTTPHEADER, [_field(name, value) for name, value in request.headers])
            handle.headers = request.headers
        if handle.fresh:
            setopt(pycurl.FRESH_CONNECT, 0)
            handle.fresh = False
        if patient != handle.patient:
            setopt(pycurl.PIPEWAIT, int(patient))
            handle.patient = patient
        # the target goes on the wire as it is; of the URL, libcurl takes the origin only
        setopt(pycurl.REQUEST_TARGET, request.url if proxy and not handle.secure else parts.target)
        self._resolve(handle, attempt, addresses)
        return handle

    def _resolve(self, handle: Handle, attempt: Attempt, addresses: tuple[Address, ...]) -> None:
        """Put the addresses into libcurl's cache of names, unless they are there."""
        if handle.addresses == addresses:
            return
        if not handle.name:
            handle.name = name_of(peer(attempt))
            self.names.need(handle.name)
        handle.addresses = addresses
        handle.curl.setopt(pycurl.RESOLVE, entry(handle.name, addresses))
        scope = next((address.scope for address in addresses if address.scope), 0)
        if scope != handle.scope:
            handle.curl.setopt(pycurl.ADDRESS_SCOPE, scope)
            handle.scope = scope

    def give_back(self, handle: Handle, attempt: Attempt) -> None:
        """Take a handle that is no longer in the loop.

        One that carried a secret is not used again: libcurl has had faults that let such handles tell it to others.
        """
        if attempt.credentials is not None or attempt.headers or attempt.proxy is not None:
            self._release_name(handle)
            handle.curl.close()
        else:
            self._free.append(handle)

    def _new(self) -> Handle:
        curl = pycurl.Curl()
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.HTTP_CONTENT_DECODING, 0),
            (pycurl.HTTP_TRANSFER_DECODING, 0),  # chunks are taken apart as on the other engines
            (pycurl.PATH_AS_IS, 1),
            (pycurl.CONNECTTIMEOUT_MS, _OUT_OF_REACH),
            (pycurl.DNS_CACHE_TIMEOUT, _FOREVER),  # see `names`
            (pycurl.NOPROXY, ""),  # else the environment is asked
            (pycurl.PROXY, ""),
            (pycurl.BUFFERSIZE, _BUFFER),
            (_SUPPRESS_CONNECT_HEADERS, 1),
            (pycurl.SHARE, self._share),
        ):
            curl.setopt(option, value)
        for option in (pycurl.SSLVERSION, pycurl.PROXY_SSLVERSION):
            curl.setopt(option, pycurl.SSLVERSION_TLSv1_2)
        return Handle(curl)

    def _aim(self, handle: Handle, origin: str, proxy: str | None) -> None:
        """Set where a handle's connection goes, and how."""
        curl = handle.curl
        self._release_name(handle)
        handle.origin, handle.secure = origin, origin.startswith("https:")
        if handle.secure or (proxy or "").startswith("https:"):
            self._trust(curl)
        curl.setopt(pycurl.URL, origin)
        version = self._version(proxy, multiplexes=handle.secure and not handle.apart)
        if version != handle.version:
            curl.setopt(pycurl.HTTP_VERSION, version)
            handle.version = version
        if proxy is not None:  # one that has had a proxy is not used again
            handle.proxy = proxy
            _set_proxy(curl, proxy)

    def _release_name(self, handle: Handle) -> None:
        if handle.name:
            self.names.release(handle.name)
            handle.name, handle.addresses = "", _NONE_SET

    def _version(self, proxy: str | None, *, multiplexes: bool) -> int:
        if not multiplexes:
            return int(pycurl.CURL_HTTP_VERSION_1_1)
        if self._settings.http3 and proxy is None:
            return int(pycurl.CURL_HTTP_VERSION_3)
        return int(pycurl.CURL_HTTP_VERSION_2TLS)

    def _trust(self, curl: Any) -> None:
        """Set which certificates are trusted, by origins and proxies alike."""
        if self._settings.insecure:
            for option in (
                pycurl.SSL_VERIFYPEER, pycurl.SSL_VERIFYHOST, pycurl.PROXY_SSL_VERIFYPEER,
                pycurl.PROXY_SSL_VERIFYHOST,
            ):  # fmt: skip
                curl.setopt(option, 0)
            return
        if self._ca is None:
            self._ca = ca_location(self._settings)
        for file, folder in ((pycurl.CAINFO, pycurl.CAPATH), (pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH)):
            if os.path.isdir(self._ca):
                curl.unsetopt(file)
                curl.setopt(folder, self._ca)
            else:
                curl.setopt(file, self._ca)

    def close(self) -> None:
        """Close the handles that are not in use."""
        for handle in self._free:
            handle.curl.close()
        self._free.clear()
        self._share.close()


def goes_apart(attempt: Attempt) -> bool:
    """Whether an attempt is to have a connection for itself, as spans of a file do; a probe need not yet."""
    return attempt.span is not None and not attempt.span.is_probe


def peer(attempt: Attempt) -> urls.Parts:
    """What the connection of an attempt goes to: the origin, or the proxy before it."""
    return urls.split(attempt.url) if attempt.proxy is None else _proxy(attempt.proxy)


@lru_cache(maxsize=64)
def _proxy(proxy: str) -> urls.Parts:
    return urls.split(urls.canonical(proxy).url)


def _set_proxy(curl: Any, proxy: str) -> None:
    address, credentials = urls.canonical(proxy)
    curl.setopt(pycurl.PROXY, address)
    fields = ["Proxy-Connection:", "User-Agent:"]  # what libcurl would add
    if credentials is not None:
        fields.append(f"Proxy-Authorization: {basic_credentials(credentials)}")
    curl.setopt(pycurl.PROXYHEADER, fields)


def _field(name: str, value: str) -> bytes:
    """A header field for libcurl, to which a name without a value says that there is to be no such field."""
    return f"{name}: {value}".encode("latin-1") if value else f"{name};".encode("latin-1")
