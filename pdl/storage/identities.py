"""Rows by identity: what the filter thinks it has seen is looked up here, exactly enough for the ledger to confirm.

Every insertion into an index by hash touches another page, which ends at 19,000 URLs a second. So identities are
gathered, sorted, written as segments into unnamed files and merged there four by four, a little at every
insertion: all of it sequential, 8 bytes an entry, and nothing is left behind when the process dies. A later run
reads them from the ledger again.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO

_GATHERED = 1 << 13
"""Entries in memory before they become a segment."""
_FAN = 4
"""Segments that become one of the next level."""
_BLOCK = 256
"""Entries read for one look-up: 2 KiB."""
_MERGED = 1 << 11
"""Entries of one segment held at once while merging."""
_PACE = 2
"""Entries merged on a level for each that is added; from 1 on, a level is done before it is due again."""

_LOW = (1 << 32) - 1
"""An entry is the upper half of its hash, then its row: one integer that sorts, compares and packs by itself."""


class Identities:
    """Finds the rows of entries by their 64-bit identities.

    Args:
        folder: where the segments lie.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._gathered: dict[int, int] = {}
        self._levels: list[_Level] = []
        self._segments: list[_Segment] = []  # the largest first: it has most of what is looked for

    def add(self, rows: Mapping[int, int]) -> None:
        """Add rows, below 2**32, by identity.

        Raises:
            OSError: a segment cannot be written.
        """
        self._gathered.update(rows)
        if len(self._gathered) >= _GATHERED:
            self._seal()
        for number, level in enumerate(self._levels):
            merged = level.advance(_PACE * len(rows), self._folder)
            if merged is not None:
                self._place(merged, number + 1)

    def find(self, identity: int) -> Iterator[int]:
        """Rows that may have this identity, the right one nearly always first."""
        row = self._gathered.get(identity)
        if row is not None:
            yield row
        least, most = identity & ~_LOW, identity | _LOW
        for segment in self._segments:
            yield from segment.find(least, most)

    def close(self) -> None:
        """Give up all files."""
        for level in self._levels:
            level.close()
        self._gathered, self._levels, self._segments = {}, [], []

    def _seal(self) -> None:
        entries = sorted([identity & ~_LOW | row for identity, row in self._gathered.items()])
        segment = _Segment(self._folder)
        segment.write(entries)
        self._gathered = {}
        self._place(segment, 0)

    def _place(self, segment: _Segment, number: int) -> None:
        if number == len(self._levels):
            self._levels.append(_Level())
        self._levels[number].segments.append(segment)
        every = [segment for level in self._levels for segment in level.segments]
        self._segments = sorted(every, key=lambda segment: -segment.count)


class _Level:
    """Segments of about the same size, and the merging of the oldest of them."""

    def __init__(self) -> None:
        self.segments: list[_Segment] = []
        self._merging: Iterator[int] | None = None
        self._merged: _Segment | None = None
        self._due = 0

    def advance(self, entries: int, folder: str) -> _Segment | None:
        """Merge about as many entries; answers the new segment when it is whole, and gives up the old ones."""
        if self._merged is None:
            if len(self.segments) < _FAN:
                return None
            self._merged = _Segment(folder)
            self._merging = _merge(self.segments[:_FAN], self._merged)
            self._due = 0
        self._due += entries
        assert self._merging is not None
        while self._due > 0:
            step = next(self._merging, None)
            if step is None:
                return self._finish()
            self._due -= step
        return None

    def _finish(self) -> _Segment | None:
        for segment in self.segments[:_FAN]:
            segment.close()
        del self.segments[:_FAN]
        merged, self._merged = self._merged, None
        return merged

    def close(self) -> None:
        for segment in self.segments:
            segment.close()
        if self._merged is not None:
            self._merged.close()


class _Segment:
    """Sorted entries in a file without a name, and the first of every block in memory."""

    def __init__(self, folder: str) -> None:
        import tempfile  # noqa: PLC0415 - takes time, and only long lists have segments

        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - close() does it
        self._fences = array("Q")
        self.count = 0

    def write(self, entries: list[int]) -> None:
        """Append entries; they sort after all before."""
        self._fences.fromlist(entries[-self.count % _BLOCK :: _BLOCK])
        data = memoryview(array("Q", entries).tobytes())
        self._file.seek(8 * self.count)
        while data:
            data = data[self._file.write(data) :]
        self.count += len(entries)

    def read(self, start: int, count: int) -> array[int]:
        """Entries from a place on; fewer at the end."""
        entries = array("Q")
        entries.frombytes(_read_at(self._file, 8 * start, 8 * count))
        return entries

    def find(self, least: int, most: int) -> list[int]:
        """The rows of the entries from `least` to `most`."""
        found: list[int] = []
        fences = self._fences
        block = max(0, bisect_right(fences, least) - 1)
        while block < len(fences) and fences[block] <= most:
            entries = self.read(block * _BLOCK, _BLOCK)
            place = bisect_left(entries, least)
            while place < len(entries) and entries[place] <= most:
                found.append(entries[place] & _LOW)
                place += 1
            block += 1
        return found

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def _seek_and_read(file: IO[bytes], start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _read_in_place(file: IO[bytes], start: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, start)


_read_at = _read_in_place if hasattr(os, "pread") else _seek_and_read


def _merge(segments: list[_Segment], into: _Segment) -> Iterator[int]:
    """Merge in steps; yields the entries of each."""
    held = [array("Q") for _ in segments]
    taken = [0] * len(segments)
    while True:
        for number, segment in enumerate(segments):
            if not held[number]:
                held[number] = segment.read(taken[number], _MERGED)
                taken[number] += len(held[number])
        filled = [entries for entries in held if entries]
        if not filled:
            return
        bound = min(entries[-1] for entries in filled)
        merged: list[int] = []
        for number, entries in enumerate(held):
            cut = bisect_right(entries, bound)
            merged += entries[:cut]
            held[number] = entries[cut:]
        merged.sort()
        into.write(merged)
        yield len(merged)
