"""URLs: checked, encoded once, and taken apart (RFC 3986).

A canonical URL is what goes on the wire: lower-case scheme and host, IDNA-encoded host, no default port, no dot
segments, every character that may not stand in a URL percent-encoded, no userinfo, no fragment. Escapes that are
there already stay as they are, in their own case: a signature may have been made over them.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from .errors import Kind
from .patterns import pattern

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNRESERVED_AND_SUB = r"A-Za-z0-9\-._~!$&'()*+,;="

_PLAIN_ORIGIN = pattern(
    r"https?://(?![^/]{254})[a-z0-9_]+(?:(?:\.|-+)[a-z0-9_]+)*\.?"
    r"(?::(?!(?:6553[6-9]|655[4-9]\d|65[6-9]\d\d|6[6-9]\d{3}|[7-9]\d{4})$)[1-9][0-9]{0,4})?"
)
_PLAIN_TARGET = pattern(rf"/[{_UNRESERVED_AND_SUB}:@/%]*(?:\?[{_UNRESERVED_AND_SUB}:@/%?]*)?")
"""What is canonical already, unless `_SUSPECT` finds something: the fast path of nearly every list."""
_SUSPECT = pattern(r"/\.\.?(?:[/?]|$)|%(?![0-9A-Fa-f]{2})")

_SPLIT = pattern(r"([^:/?#]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)  # RFC 3986 appendix B
_ANY_SCHEME = pattern(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?/+")
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NOT_IN_PATH = pattern(rf"%(?![0-9A-Fa-f]{{2}})|[^{_UNRESERVED_AND_SUB}:@/%]")
_NOT_IN_QUERY = pattern(rf"%(?![0-9A-Fa-f]{{2}})|[^{_UNRESERVED_AND_SUB}:@/%?]")
_CONTROL = pattern(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HOST = pattern(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?")


class UrlError(ValueError):
    """Not a URL that pdl fetches; `kind` is INPUT or BLOCKED."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return self.message


class Canonical(NamedTuple):
    """A canonical URL and the userinfo that stood in it, decoded, as `user:password`."""

    url: str
    credentials: str | None


class Parts(NamedTuple):
    """A canonical URL taken apart."""

    scheme: str
    host: str  # without brackets
    port: int
    authority: str  # the value of the Host field: with brackets, and the port if it is not the default
    target: str  # path and query, as on the request line


def canonical(text: str) -> Canonical:
    """The canonical form of a URL.

    Raises:
        UrlError: INPUT for what is not a URL, BLOCKED for schemes other than http and https.
    """
    end = text.find("/", 8)
    if (
        end > 0
        and _is_plain_origin(text[:end])
        and _PLAIN_TARGET.fullmatch(text, end)
        and not (("%" in text or "/." in text) and _SUSPECT.search(text, end))
    ):
        return Canonical(text, None)
    return _canonical(text)


@lru_cache(maxsize=4096)
def _is_plain_origin(origin: str) -> bool:
    """Whether a scheme and authority are canonical already, as nearly all are."""
    default = ":80" if origin.startswith("http:") else ":443"
    return _PLAIN_ORIGIN.fullmatch(origin) is not None and not origin.endswith(default)


def _canonical(text: str) -> Canonical:
    text = text.strip(" ")
    if _CONTROL.search(text):
        raise UrlError(Kind.INPUT, "the URL has control characters or broken text in it")
    match = _SPLIT.fullmatch(text)
    if match is None or not match[1]:
        if (named := _SCHEME.match(text)) and not re.match(r"[^:/]+:\d+(?:[/?#]|$)", text):
            scheme = named[0].lower()
            if scheme[:-1] in _DEFAULT_PORTS:
                raise UrlError(Kind.INPUT, f"the URL lacks // after {scheme}")
            raise UrlError(Kind.BLOCKED, f"only http and https are fetched, not {scheme[:-1]}")
        raise UrlError(Kind.INPUT, "not a URL: it does not begin with http:// or https://")
    scheme = match[1].lower()
    if scheme not in _DEFAULT_PORTS:
        if not _SCHEME.fullmatch(scheme + ":"):
            raise UrlError(Kind.INPUT, "not a URL: it does not begin with http:// or https://")
        raise UrlError(Kind.BLOCKED, f"only http and https are fetched, not {scheme}")
    userinfo, at, hostport = match[2].rpartition("@")
    authority = _authority(scheme, hostport)
    path = remove_dot_segments(_NOT_IN_PATH.sub(_escape, match[3])) or "/"
    query = "" if match[4] is None else "?" + _NOT_IN_QUERY.sub(_escape, match[4])
    return Canonical(f"{scheme}://{authority}{path}{query}", _credentials(userinfo) if at else None)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8"))


def _credentials(userinfo: str) -> str | None:
    user, _, password = userinfo.partition(":")
    if not user and not password:
        return None
    decoded = [unquote_to_bytes(part).decode("utf-8", "replace") for part in (user, password)]
    if any(_CONTROL.search(part) for part in decoded) or ":" in decoded[0]:
        raise UrlError(Kind.INPUT, "the user name or password in the URL has characters that cannot be sent")
    return ":".join(decoded)


def _authority(scheme: str, hostport: str) -> str:
    if hostport.startswith("["):
        literal, bracket, rest = hostport[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UrlError(Kind.INPUT, f"{hostport!r} is not an IPv6 address with an optional port")
        host, port = _ipv6_host(literal), rest[1:]
    else:
        name, _, port = hostport.partition(":")
        host = _ascii_host(name)
    if not port:
        return host
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        # not quoted: in http://user:pass/word@host/ it is the beginning of a password
        raise UrlError(Kind.INPUT, "the URL's port is not a number from 1 to 65535")
    return host if int(port) == _DEFAULT_PORTS[scheme] else f"{host}:{int(port)}"


def _ipv6_host(literal: str) -> str:
    """The address in brackets, in the form of RFC 5952; without a zone, which has a meaning on one machine only."""
    try:
        address = ipaddress.IPv6Address(literal)
    except ValueError:
        address = None
    if address is None or "%" in literal:
        raise UrlError(Kind.INPUT, f"{literal!r} is not an IPv6 address")
    mapped = address.ipv4_mapped  # spelled out, as Python does from 3.13 on but not before
    return f"[::ffff:{mapped}]" if mapped else f"[{address.compressed}]"


@lru_cache(maxsize=1024)
def _ascii_host(name: str) -> str:
    """The host name as DNS takes it: lower case, IDNA (UTS 46) where it is not ASCII."""
    if not name:
        raise UrlError(Kind.INPUT, "the URL names no host")
    host = name.lower()
    if not host.isascii():
        import idna  # noqa: PLC0415 - one list in many needs it; the rest should not pay for the import

        try:
            host = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise UrlError(Kind.INPUT, f"{name!r} is not a host name") from None
    if not _HOST.fullmatch(host) or len(host) > 254:
        raise UrlError(Kind.INPUT, f"{name!r} is not a host name")
    return host


def remove_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4, for absolute paths."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def resolve(base: str, reference: str) -> Canonical:
    """The canonical target of a reference, such as a Location field (RFC 3986 section 5.2).

    Raises:
        UrlError: as `canonical()` does.
    """
    reference = reference.strip(" \t").partition("#")[0]
    if _CONTROL.search(reference):
        raise UrlError(Kind.INPUT, "the reference has control characters or broken text in it")
    parts = split(base)
    root = f"{parts.scheme}://{parts.authority}"
    if reference.startswith("//"):
        return canonical(f"{parts.scheme}:{reference}")
    if _SCHEME.match(reference):
        return canonical(reference)
    if reference.startswith("/"):
        return canonical(root + reference)
    path = parts.target.partition("?")[0]
    if not reference:
        return canonical(base)
    if reference.startswith("?"):
        return canonical(root + path + reference)
    return canonical(root + path[: path.rfind("/") + 1] + reference)


@lru_cache(maxsize=4096)
def split(url: str) -> Parts:
    """Take a canonical URL apart."""
    end = url.index("/", 8)
    return Parts(*_origin_parts(url[:end]), url[end:])


@lru_cache(maxsize=4096)
def _origin_parts(origin: str) -> tuple[str, str, int, str]:
    scheme, _, authority = origin.partition("://")
    if authority.startswith("["):
        host, _, port = authority[1:].partition("]")
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
    return scheme, host, int(port) if port else _DEFAULT_PORTS[scheme], authority


def origin(url: str) -> str:
    """Scheme and authority of a canonical URL: what credentials and user headers are bound to (RFC 6454)."""
    return url[: url.index("/", 8)]


def concealed(text: str) -> str:
    """A text that is no canonical URL, for people: what may be userinfo is taken out of each of its TAB fields.

    Where a password has a slash or the like in it, nobody knows where it begins; it ends before the last `@`.
    """
    return "\t".join(map(_concealed_field, text.split("\t")))


def _concealed_field(text: str) -> str:
    before, at, after = text.rpartition("@")
    if not at:
        return text
    scheme = _ANY_SCHEME.match(before)
    return f"{scheme[0] if scheme else ''}***@{after}"


def masked(text: str) -> str:
    """A text for people with the userinfo of any URL in it taken out."""
    return re.sub(r"(?<=://)[^/?#\s@]*(?:@[^/?#\s@]*)*@", "***@", text)
