"""libcurl's codes by pdl's names, for what its callbacks do not tell better."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

import pycurl

from pdl.descriptors import shortage
from pdl.errors import Kind
from pdl.http.fault import TransferError, unreachable_proxy
from pdl.patterns import pattern


class Failure(NamedTuple):
    """What libcurl says of a transfer that failed.

    Args:
        code: libcurl's code.
        message: libcurl's words.
        errno: the system's error, if one was behind it.
        tunnel: the status of the proxy's answer to CONNECT; 0 without one.
        proxied: a proxy stands between.
        secure: the origin speaks TLS.
        answered: a response has begun.
        connected: the origin, or the proxy in its place, could be asked.
    """

    code: int
    message: str
    errno: int
    tunnel: int
    proxied: bool
    secure: bool
    answered: bool
    connected: bool


# codes that pycurl has no names for
_WEIRD_SERVER_REPLY, _HTTP2_STREAM, _HTTP3, _QUIC_CONNECT, _PROXY, _TOO_LARGE = 8, 92, 95, 96, 97, 100

_KINDS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: Kind.PROTOCOL,  # HTTP/0.9
    pycurl.E_URL_MALFORMAT: Kind.INPUT,
    pycurl.E_COULDNT_RESOLVE_PROXY: Kind.DNS,
    pycurl.E_COULDNT_RESOLVE_HOST: Kind.DNS,
    pycurl.E_COULDNT_CONNECT: Kind.CONNECT,
    _WEIRD_SERVER_REPLY: Kind.PROTOCOL,
    pycurl.E_HTTP2: Kind.RESET,
    pycurl.E_PARTIAL_FILE: Kind.TRUNCATED,
    pycurl.E_OPERATION_TIMEDOUT: Kind.TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: Kind.TLS,
    pycurl.E_GOT_NOTHING: Kind.RESET,
    pycurl.E_SSL_ENGINE_NOTFOUND: Kind.TLS,
    pycurl.E_SSL_ENGINE_SETFAILED: Kind.TLS,
    pycurl.E_SEND_ERROR: Kind.RESET,
    pycurl.E_RECV_ERROR: Kind.RESET,
    pycurl.E_SSL_CERTPROBLEM: Kind.TLS,
    pycurl.E_SSL_CIPHER: Kind.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Kind.TLS,
    pycurl.E_SSL_CACERT_BADFILE: Kind.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Kind.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: Kind.TLS,
    _HTTP2_STREAM: Kind.RESET,
    _HTTP3: Kind.RESET,
    _QUIC_CONNECT: Kind.CONNECT,
    _PROXY: Kind.PROXY,
    _TOO_LARGE: Kind.PROTOCOL,
}


_ENDS_EARLY = pattern(r"invalid frame: FRAME\[DATA, .*\beos=1\b")
"""libcurl's words for the last piece of a body that is shorter than its Content-Length (RFC 9113 section 8.1.1)."""


def fault(failure: Failure) -> TransferError:
    """The fault that a transfer died of."""
    if failure.proxied and failure.secure and not failure.answered:
        if failure.tunnel >= 300:
            return TransferError(
                Kind.PROXY,
                f"the proxy refused the tunnel: {failure.tunnel}",
                retries=0 if 400 <= failure.tunnel < 500 else None,
                proxy_failed=failure.tunnel == 407,
            )
        # over a proxy nothing else is connected to; what libcurl says of times is not to be relied on here
        refused = failure.code == pycurl.E_COULDNT_CONNECT
        if failure.tunnel == 0 and (refused or not failure.connected):
            return unreachable_proxy(_direct(failure))
    found = _direct(failure)
    if failure.proxied and not failure.secure and found.kind in (Kind.CONNECT, Kind.TLS, Kind.DNS):
        return unreachable_proxy(found)
    return found


def _direct(failure: Failure) -> TransferError:
    """The fault, as if there were no proxy."""
    kind = _KINDS.get(failure.code, Kind.INTERNAL)
    if kind is Kind.TLS:
        return _tls(failure)
    if kind is Kind.CONNECT:
        short = shortage() if failure.errno == 0 else None  # libcurl does not tell what the system said of a socket
        words = _words(failure) if short is None else os.strerror(short)
        return TransferError(kind, f"cannot connect: {words}", errno=short)
    if kind is Kind.RESET:
        return _broken(failure)
    if failure.code == pycurl.E_PARTIAL_FILE and not failure.message:
        return TransferError(kind, "the connection ended within the body")
    return TransferError(kind, _words(failure))


def _tls(failure: Failure) -> TransferError:
    if failure.code == pycurl.E_PEER_FAILED_VERIFICATION:
        return TransferError(Kind.TLS, f"the certificate is not trusted: {_words(failure)}")
    if failure.errno in (errno.ECONNRESET, errno.EPIPE):
        return TransferError(Kind.CONNECT, f"the connection failed: {os.strerror(failure.errno)}")
    if "unexpected eof" in failure.message or "SSL_ERROR_SYSCALL" in failure.message:
        return TransferError(Kind.RESET, "the server ended the connection within the TLS handshake")
    return TransferError(Kind.TLS, f"the TLS handshake failed: {_words(failure)}")


def _broken(failure: Failure) -> TransferError:
    """The connection ended; in a body over TLS, and without a word of the system, its closing alert is missing."""
    if "oo large" in failure.message:
        return TransferError(Kind.PROTOCOL, f"the response head is out of bounds: {_words(failure)}")
    silent = failure.code == pycurl.E_RECV_ERROR and not failure.errno
    if failure.answered and failure.secure and (silent or "unexpected eof" in failure.message):
        return TransferError(Kind.TRUNCATED, "the TLS connection was cut without its closing alert")
    if failure.code == _HTTP2_STREAM and _ENDS_EARLY.search(failure.message):
        return TransferError(
            Kind.TRUNCATED, "the server ended the HTTP/2 stream before the length that it had told"
        )
    if failure.code == pycurl.E_GOT_NOTHING:
        return TransferError(Kind.RESET, "the server closed the connection without a reply")
    return TransferError(Kind.RESET, f"the connection broke: {_words(failure)}")


def _words(failure: Failure) -> str:
    """What to tell people: the system's words where it is the system that refuses."""
    if failure.errno and failure.code == pycurl.E_COULDNT_CONNECT:
        return os.strerror(failure.errno)
    return failure.message or f"libcurl's code {failure.code}"
