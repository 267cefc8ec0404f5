"""A list kept in a file, so that every measurement gets the same one."""

from __future__ import annotations

import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any

from pdl import url as urls
from pdl.model import Entry, Malformed
from pdl.sources import Position, Source

_TOGETHER = 500
TOLD_APART = 1_000_000
"""Hosts that are told apart; what further ones have is counted together."""
OTHERS = "(others)"
_NOTHING_YET = 0.02
"""Seconds until a source that had nothing is asked again."""


@dataclass(slots=True)
class Spooled:
    """A list in a file, and what was learnt of it on the way there.

    Args:
        path: of the file.
        entries: how many there are.
        hosts: how many entries each host has; a malformed line counts for the host `""`.
    """

    path: str
    entries: int = 0
    hosts: Counter[str] = field(default_factory=Counter)

    @property
    def host_count(self) -> int:
        """How many hosts there are."""
        return len(self.hosts) - ("" in self.hosts)


class SpoolWriter:
    """Writes entries to a file that only its owner may read: they may have credentials."""

    def __init__(self, path: str) -> None:
        self.spooled = Spooled(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file: IO[bytes] = os.fdopen(os.open(path, flags, 0o600), "wb")

    def add(self, entries: list[Entry]) -> None:
        """Write some more."""
        pickle.dump(entries, self._file, pickle.HIGHEST_PROTOCOL)
        self.spooled.entries += len(entries)
        hosts = self.spooled.hosts
        for entry in entries:
            host = host_of(entry)
            hosts[host if host in hosts or len(hosts) < TOLD_APART else OTHERS] += 1

    def close(self) -> None:
        self._file.close()


def spool(source: Source, path: str, check: Callable[[], object]) -> Spooled:
    """Read a list to its end, and close it.

    Args:
        source: the list.
        path: of the file to make.
        check: is called now and then; what it raises ends it.

    Raises:
        SourceError: the list broke in the middle.
        OSError: the file cannot be written.
    """
    writer = SpoolWriter(path)
    try:
        while (entries := source.take(_TOGETHER)) is not None:
            check()
            if entries:
                writer.add(entries)
            else:
                time.sleep(_NOTHING_YET)
    finally:
        source.close()
        writer.close()
    return writer.spooled


def write_spool(entries: Iterator[Entry], path: str) -> Spooled:
    """Write entries to a file.

    Raises:
        OSError: it cannot be written.
    """
    writer = SpoolWriter(path)
    try:
        while batch := list(islice(entries, _TOGETHER)):
            writer.add(batch)
    finally:
        writer.close()
    return writer.spooled


def host_of(entry: Entry) -> str:
    """The host, with its port, that an entry is first asked from; empty for a malformed line."""
    return "" if isinstance(entry, Malformed) else urls.split(entry.url).authority


def read_spool(path: str) -> Iterator[Entry]:
    """The entries of a file, in their order."""
    return chain.from_iterable(_batches(path))


def _batches(path: str) -> Iterator[list[Entry]]:
    with open(path, "rb") as file:
        while True:
            try:
                batch: Any = pickle.load(file)  # noqa: S301 - our own file, in a folder that is closed to others
            except EOFError:
                return
            yield batch


class SpooledSource:
    """A list out of its file, as a source.

    Args:
        path: of the file.
        total: its entries.
        paths: of the files that it was read from.
    """

    def __init__(self, path: str, total: int, paths: tuple[str, ...] = ()) -> None:
        self.paths = paths
        self._batches = _batches(path)
        self._batch: list[Entry] = []
        self._total = total
        self._taken = 0

    def take(self, limit: int) -> list[Entry] | None:
        if not self._batch:
            batch = next(self._batches, None)
            if batch is None:
                return None
            self._batch = batch
        taken, self._batch = self._batch[:limit], self._batch[limit:]
        self._taken += len(taken)
        return taken

    def position(self) -> Position:
        return Position(self._taken / self._total if self._total else None, self._total)

    def close(self) -> None:
        self._batches.close()  # type: ignore[attr-defined]  # it is a generator
