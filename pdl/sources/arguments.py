"""Sources as the command line names them: paths, `-` for standard input, and URLs, one after another."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from pdl.errors import SourceError
from pdl.model import Entry

from .chunks import FileChunks, Pipe, PipeChunks, fifo, unreadable
from .files import ListSource
from .items import Collected, ItemSource
from .lines import printable
from .source import Position, Source


class Part(NamedTuple):
    """A source that was checked and is opened when its turn comes.

    Args:
        open: opens it; raises SourceError.
        size: its bytes, if they are known.
        paths: its absolute path, if it has one.
    """

    open: Callable[[], Source]
    size: int | None = None
    paths: tuple[str, ...] = ()


class Chain:
    """Sources that are read one after another, each opened when the one before has ended."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.paths = tuple(path for part in parts for path in part.paths)
        self._parts = parts
        self._ended = 0
        self._current: Source | None = parts[0].open() if parts else None

    def take(self, limit: int) -> list[Entry] | None:
        while self._current is not None:
            entries = self._current.take(limit)
            if entries is not None:
                return entries
            self.close()
            self._ended += 1
            if self._ended < len(self._parts):
                self._current = self._parts[self._ended].open()
        return None

    def position(self) -> Position:
        sizes = [part.size for part in self._parts if part.size is not None]
        if len(sizes) < len(self._parts) or not sum(sizes):
            return Position()
        within = self._current.position().fraction if self._current is not None else None
        consumed = sum(sizes[: self._ended]) + (sizes[self._ended] * within if within is not None else 0)
        return Position(consumed / sum(sizes))

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None


def open_source_arguments(arguments: Sequence[str]) -> Source:
    """The entries of sources that are named as on the command line: `["a.txt", "-", "http://..."]`.

    Raises:
        SourceError: one of them cannot be opened; the message names it and says why.
    """
    parts: list[Part] = []
    for are_urls, group in groupby(arguments, key=lambda argument: "://" in argument):
        if are_urls:
            parts.append(_urls(list(group)))
        else:
            parts.extend(map(_file, group))
    return parts[0].open() if len(parts) == 1 else Chain(parts)


def _urls(urls: list[str]) -> Part:
    return Part(lambda: ItemSource(Collected(urls), len(urls), place=""), size=sum(map(len, urls)))


def _file(path: str) -> Part:
    if path == "-":
        return standard_input()
    name = printable(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{name}: a folder, not a list of URLs")
        paths = (os.path.abspath(path),)
        if stat.S_ISREG(status.st_mode):
            io.FileIO(path).close()
            return Part(partial(_open_file, path, name, paths), status.st_size, paths)
        if not os.access(path, os.R_OK):
            raise SourceError(f"{name}: permission denied")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(name, error) from error
    return Part(lambda: ListSource(name, PipeChunks(partial(fifo, path), name), paths), paths=paths)


def _open_file(path: str, name: str, paths: tuple[str, ...]) -> Source:
    try:
        return ListSource(name, FileChunks(io.FileIO(path), name, owned=True), paths)
    except OSError as error:
        raise unreadable(name, error) from error


def standard_input() -> Part:
    """Standard input; its buffer is passed by, for a thread that hangs in it would break the interpreter's exit."""
    if sys.stdin is None:
        raise SourceError("-: standard input is closed")
    try:
        raw = sys.stdin.buffer.raw  # type: ignore[union-attr] # typeshed has only what every binary file has
        status = os.fstat(raw.fileno())
    except (AttributeError, OSError, ValueError):
        return Part(lambda: ListSource("-", PipeChunks(_replaced_input, "-")))
    if stat.S_ISREG(status.st_mode):
        return Part(lambda: ListSource("-", FileChunks(raw, "-", owned=False)), status.st_size)
    return Part(lambda: ListSource("-", PipeChunks(lambda: Pipe(raw.read, raw.fileno(), _leave_open), "-")))


def _replaced_input() -> Pipe:
    """What the program has put in the place of standard input: any file object, of bytes or of text."""
    stdin = sys.stdin
    binary = getattr(stdin, "buffer", None)
    if binary is not None:
        return Pipe(getattr(binary, "read1", binary.read), None, _leave_open)
    return Pipe(lambda size: stdin.read(size).encode("utf-8", "surrogatepass"), None, _leave_open)


def _leave_open() -> None:
    """Standard input belongs to the program."""
