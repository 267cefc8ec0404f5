"""What stands in libcurl's cache of names: the addresses that pdl gives it, as long as a handle needs them.

libcurl would look a name up by itself that is not there, and looks through all entries when a transfer ends if they
can grow old. So ours never do, and are taken out again when there are many that no handle needs.
"""

from __future__ import annotations

import pycurl

from pdl import url as urls
from pdl.resolver import Address

_MANY = 256
"""Entries that no handle needs, until they are taken out together."""


class CachedNames:
    """Counts which entries are needed, by how many handles."""

    def __init__(self) -> None:
        self._needed: dict[str, int] = {}
        self._needless: dict[str, None] = {}

    def need(self, name: str) -> None:
        """One more handle goes by the entry of this name."""
        self._needed[name] = self._needed.get(name, 0) + 1
        self._needless.pop(name, None)

    def release(self, name: str) -> None:
        """One handle goes by it no more."""
        left = self._needed.pop(name) - 1
        if left:
            self._needed[name] = left
        else:
            self._needless[name] = None

    @property
    def are_many(self) -> bool:
        """It is time to take out what is needless."""
        return len(self._needless) >= _MANY

    def remover(self) -> pycurl.Curl:
        """A handle whose transfer takes out what is needless, and ends there, as it may not have its protocol."""
        curl = pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP)
        curl.setopt(pycurl.URL, "ftp://-/")
        curl.setopt(pycurl.RESOLVE, [f"-{name}" for name in self._needless])
        self._needless.clear()
        return curl


def name_of(to: urls.Parts) -> str:
    """The name of the entry for a host."""
    return f"{to.host}:{to.port}"


def entry(name: str, addresses: tuple[Address, ...]) -> list[str]:
    """What tells libcurl the addresses of a name, in place of those that it has."""
    found = ",".join([f"[{each.ip}]" if ":" in each.ip else each.ip for each in addresses])
    return [f"{name}:{found}"]
