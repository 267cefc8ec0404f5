"""Entries from Python: URLs, lines and Downloads, in a collection or from an iterator."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any, Protocol
from urllib.parse import quote

from pdl.errors import Kind
from pdl.model import Download, Entry, Malformed
from pdl.settings import Settings
from pdl.url import canonical

from .files import PATIENCE
from .lines import (
    FieldError,
    canonical_urls,
    checked_digest,
    checked_name,
    entry_of_bytes,
    entry_of_text,
    malformed,
)
from .source import Position


class Items(Protocol):
    """What an `ItemSource` reads, such as a `Feeder`."""

    def take(self, limit: int) -> list[Any] | None: ...
    def close(self) -> None: ...


class Collected:
    """The items of a collection that is in memory; reading it cannot block."""

    def __init__(self, given: Iterable[Any]) -> None:
        self._rest = iter(given)
        self._error: Exception | None = None

    def take(self, limit: int) -> list[Any] | None:
        taken = []
        try:
            for item in islice(self._rest, limit):
                taken.append(item)  # noqa: PERF402 - of a list() nothing is left when the set changes meanwhile
        except Exception as raised:  # a set that changes meanwhile, a subclass with ideas of its own
            self._rest, self._error = iter(()), raised
        if not taken and self._error is not None:
            error, self._error = self._error, None
            raise error
        return taken or None

    def close(self) -> None:
        self._rest = iter(())


class ItemSource:
    """The entries that items stand for.

    Args:
        items: where they come from.
        total: how many there are, if that is known.
        place: what stands before an item's number in `where` of a malformed one; empty for no `where`.
    """

    paths: tuple[str, ...] = ()

    def __init__(self, items: Items, total: int | None = None, place: str = "item") -> None:
        self._items = items
        self._total = total
        self._place = place
        self._passed = 0

    def take(self, limit: int) -> list[Entry] | None:
        if limit < 1:
            return []  # from an empty take nobody could tell the end
        give_up = time.monotonic() + PATIENCE
        while (items := self._items.take(limit)) is not None:
            entries = self._entries(items)
            if entries or not items or time.monotonic() > give_up:
                return entries
        return None

    def position(self) -> Position:
        if self._total is None:
            return Position()
        return Position(min(1.0, self._passed / self._total) if self._total else None, self._total)

    def close(self) -> None:
        self._items.close()

    def _entries(self, items: list[Any]) -> list[Entry]:
        entries = []
        for item in items:
            self._passed += 1
            entry = entry_of_item(item, f"{self._place} {self._passed}" if self._place else "")
            if entry is not None:
                entries.append(entry)
        return entries


def entry_of_item(item: Any, place: str) -> Entry | None:
    """The entry that an item stands for, None for a blank line or a comment; never raises."""
    if isinstance(item, str):
        entry = entry_of_text(item, "")
    elif isinstance(item, bytes):
        entry = entry_of_bytes(item.rstrip(b"\r\n"), "")
    elif isinstance(item, Download):
        entry = _checked(item)
    elif isinstance(item, Malformed):
        return item
    else:
        kind = type(item).__name__
        entry = malformed(f"an item is a URL, a line or a Download, not {kind}", f"<{kind}>", place)
    return entry._replace(where=entry.where or place) if isinstance(entry, Malformed) else entry


def _checked(given: Download) -> Entry:
    """The same download with canonical URLs and checked fields."""
    try:
        urls, credentials = canonical_urls([given.url, *given.mirrors])
        if given.size is not None and (type(given.size) is not int or given.size < 0):
            raise FieldError("size is a number of bytes")
        return given._replace(
            url=urls[0],
            mirrors=urls[1:],
            name=None if given.name is None else checked_name(given.name),
            digest=given.digest and checked_digest(given.digest.algorithm, given.digest.value),
            headers=Settings(headers=given.headers).headers if given.headers else (),
            credentials=tuple((dict(credentials) | _credentials(given)).items()),
            line=given.line or line_of(given),
        )
    except (ValueError, TypeError, AttributeError) as error:  # what it holds may be of any type
        message = str(error) if isinstance(error, ValueError) else f"a Download with wrong fields: {error}"
        line = given.line or given.url
        return malformed(
            message,
            line if isinstance(line, str) else "<Download>",
            given.where,
            getattr(error, "kind", Kind.INPUT),
        )


def _credentials(given: Download) -> dict[str, str]:
    """Those that do not stand in a URL, checked as if they did."""
    found = [canonical(_with_userinfo(url, userinfo)) for url, userinfo in given.credentials]
    return {url: credentials for url, credentials in found if credentials is not None}


def line_of(download: Download) -> str:
    """The line that says the same, but for the headers, which no line can hold."""
    credentials = dict(download.credentials)
    fields = [_with_userinfo(url, credentials.get(url)) for url in (download.url, *download.mirrors)]
    if download.name is not None:
        fields.append(f"name={download.name}")
    if download.digest is not None:
        fields.append(f"{download.digest.algorithm}={download.digest.value}")
    if download.size is not None:
        fields.append(f"size={download.size}")
    return "\t".join(fields)


def _with_userinfo(url: str, userinfo: str | None) -> str:
    if userinfo is None:
        return url
    user, _, password = userinfo.partition(":")
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"
