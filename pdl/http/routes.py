"""By which way an origin is reached: directly, or through which proxy; and which certificates are trusted."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping
from functools import lru_cache

from pdl import url as urls
from pdl.errors import SettingsError
from pdl.patterns import pattern
from pdl.settings import Settings

_SCHEMES = ("http", "https")
_WITH_PORT = pattern(r"([^:\[\]]*|\[.*\]):([0-9]+)")


class Routes:
    """The proxy of every URL, looked up once an origin.

    Args:
        settings: `proxy` wins over the environment; an empty one means none at all.
        environment: proxy URLs by scheme, with `all` and `no`, as `urllib.request.getproxies()` gives them.

    Raises:
        SettingsError: a proxy that pdl cannot speak to, or CA certificates that are asked for and not there.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        known: Mapping[str, str] = _given_proxies() if environment is None else environment
        if settings.proxy is not None:
            known = {"all": settings.proxy}
        if settings.cacert:
            ca_location(settings)
        self._by_scheme = {scheme: _checked(known.get(scheme) or known.get("all")) for scheme in _SCHEMES}
        self._exempt = known.get("no", "").lower().replace(",", " ").split()
        self.has_proxies = any(self._by_scheme.values())
        self._proxy_of_origin = lru_cache(maxsize=4096)(self._look_up)

    def proxy(self, url: str) -> str | None:
        """The proxy for a canonical URL, or None for a direct connection."""
        return self._proxy_of_origin(urls.origin(url)) if self.has_proxies else None

    def _look_up(self, origin: str) -> str | None:
        parts = urls.split(origin + "/")
        proxy = self._by_scheme[parts.scheme]
        if proxy is None or any(_exempts(entry, parts.host, parts.port) for entry in self._exempt):
            return None
        return proxy


def _given_proxies() -> Mapping[str, str]:
    """The proxies of the environment, on macOS and Windows also those of the system's settings."""
    elsewhere = sys.platform in ("darwin", "win32")
    if not elsewhere and not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies  # noqa: PLC0415 - brings half of the standard library along

    return getproxies()


def _checked(proxy: str | None) -> str | None:
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = "http://" + proxy
    try:
        urls.canonical(proxy)
    except urls.UrlError:
        shown = urls.concealed(proxy)
        raise SettingsError(f"the proxy {shown!r} is not an http:// or https:// URL with a host") from None
    scheme, colon, rest = proxy.strip().partition(":")
    return scheme.lower() + colon + rest


def _exempts(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY covers a host: `*`, a name and all below it, an address, or a CIDR block.

    All but `*` may end in a port; an IPv6 address then stands in brackets.
    """
    if entry == "*":
        return True
    if with_port := _WITH_PORT.fullmatch(entry):
        if with_port[2] != str(port):
            return False
        entry = with_port[1]
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name, host = entry.lstrip("*").strip("."), host.rstrip(".")
        return bool(name) and (host == name or host.endswith("." + name))


def given_ca_location(settings: Settings, environment: Mapping[str, str] = os.environ) -> str | None:
    """File or folder of the CA certificates that the option or one of the usual variables names.

    Raises:
        SettingsError: nothing is there.
    """
    given = [("--cacert", settings.cacert)]
    given += [(name, environment.get(name)) for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")]
    given += [(name, environment.get(name)) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
    for name, place in given:
        if place:
            if not os.path.exists(place):
                raise SettingsError(f"{name} names {place!r}, which does not exist")
            return place
    return None


def ca_location(settings: Settings, environment: Mapping[str, str] = os.environ) -> str:
    """File or folder of the CA certificates to trust: the given one, else certifi's.

    Raises:
        SettingsError: nothing is where it should be.
    """
    if (place := given_ca_location(settings, environment)) is not None:
        return place
    import certifi  # noqa: PLC0415 - only https needs it

    return certifi.where()
