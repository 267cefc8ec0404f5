"""A list in a file or on a pipe: its lines become entries as they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pdl.errors import SourceError
from pdl.model import Entry

from .chunks import Chunks
from .decompress import decompressed
from .lines import entry_of_bytes
from .source import Position
from .split import split, utf8

PATIENCE = 0.01
"""Seconds that one take() spends on what holds no entries, such as a line of 10 GB."""

_END: Any = object()


class ListSource:
    """The entries of one list.

    Args:
        name: what its lines are called by, as in `NAME:12`.
        chunks: its bytes.
        paths: its absolute path, if it has one.
    """

    def __init__(self, name: str, chunks: Chunks, paths: tuple[str, ...] = ()) -> None:
        self.paths = paths
        self._name = name
        self._chunks = chunks
        self._batches: Iterator[list[bytes] | None] = split(utf8(decompressed(iter(chunks), name)))
        self._lines: list[bytes] = []  # the newest batch
        self._next = 0  # its first line that was not taken
        self._passed = 0  # lines before it
        self._begun = 0  # bytes consumed before it
        self._ended = 0  # and with it
        self._error: SourceError | None = None

    def take(self, limit: int) -> list[Entry] | None:
        entries: list[Entry] = []
        give_up = time.monotonic() + PATIENCE
        found = -1
        while len(entries) < limit:
            if self._next == len(self._lines):
                if found == len(entries) and time.monotonic() > give_up:
                    break
                found = len(entries)
                batch = self._next_batch()
                if batch is None:
                    break
                if batch is _END:
                    self._raise_if_broken(after=entries)
                    return entries or None
            self._parse(entries, limit - len(entries))
        return entries

    def position(self) -> Position:
        if not self._chunks.size:
            return Position()
        share = self._next / len(self._lines) if self._lines else 1.0
        consumed = self._begun + (self._ended - self._begun) * share
        return Position(min(1.0, consumed / self._chunks.size))

    def close(self) -> None:
        self._batches = iter(())
        self._lines = []
        self._next = 0
        self._chunks.close()

    def _next_batch(self) -> list[bytes] | None:
        try:
            batch = next(self._batches, _END)
        except SourceError as error:
            self._error = error
            batch = _END
        if batch is not None:
            self._passed += len(self._lines)
            self._lines = [] if batch is _END else batch
            self._next = 0
            self._begun, self._ended = self._ended, self._chunks.consumed
        return batch

    def _parse(self, entries: list[Entry], limit: int) -> None:
        lines = self._lines[self._next : self._next + limit]
        name = self._name
        for number, raw in enumerate(lines, self._passed + self._next + 1):
            entry = entry_of_bytes(raw, f"{name}:{number}") if raw else None
            if entry is not None:
                entries.append(entry)
        self._next += len(lines)

    def _raise_if_broken(self, after: list[Entry]) -> None:
        if self._error is not None and not after:
            error, self._error = self._error, None
            raise error
