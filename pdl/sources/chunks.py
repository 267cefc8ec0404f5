"""The bytes of a list as they are there: from a regular file, or from what may stay quiet for long."""

from __future__ import annotations

import io
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from pdl.errors import SourceError

from .feeder import Feeder

_CHUNK = 65_536
_PIPE_WINDOW = 4  # chunks that are read ahead: 256 KiB
_PIPE_WAIT = 0.2  # seconds until the feeder looks whether it was closed

# Without a writer, opening a FIFO blocks, and nothing could end the thread. Only Linux then keeps `poll` from
# reporting the end of the file, so elsewhere the open itself waits for the writer.
_FIFO_FLAGS = getattr(os, "O_NONBLOCK", 0) if sys.platform == "linux" else 0


class Chunks(Protocol):
    """Bytes as they are there; None stands for "nothing yet".

    Args:
        size: bytes in all, if that is known.
        consumed: bytes that were given so far.
    """

    size: int | None
    consumed: int

    def __iter__(self) -> Iterator[bytes | None]: ...
    def close(self) -> None: ...


class FileChunks:
    """A regular file from where it stands, read in the caller's thread."""

    def __init__(self, raw: io.RawIOBase, name: str, *, owned: bool) -> None:
        self.size: int | None = max(0, os.fstat(raw.fileno()).st_size - raw.tell())
        self.consumed = 0
        self._raw = raw
        self._name = name
        self._owned = owned

    def __iter__(self) -> Iterator[bytes | None]:
        try:
            while chunk := self._raw.read(_CHUNK):
                self.consumed += len(chunk)
                yield chunk
        except OSError as error:
            raise unreadable(self._name, error) from error
        finally:
            self.close()

    def close(self) -> None:
        if self._owned:
            self._raw.close()


class Pipe(NamedTuple):
    """What a feeder reads: `read` gives what is there, b"" at the end, None if it would block."""

    read: Callable[[int], bytes | None]
    descriptor: int | None
    close: Callable[[], None]


class PipeChunks:
    """A pipe, FIFO, terminal or socket, opened and read by a feeder."""

    size: int | None = None

    def __init__(self, opened: Callable[[], Pipe], name: str) -> None:
        self.consumed = 0
        self._opened = opened
        self._name = name
        self._closed = False
        self._feeder = Feeder(self._read(), _PIPE_WINDOW)

    def __iter__(self) -> Iterator[bytes | None]:
        while (taken := self._feeder.take(1)) is not None:
            self.consumed += sum(map(len, taken))
            yield taken[0] if taken else None

    def close(self) -> None:
        self._closed = True
        self._feeder.close()

    def _read(self) -> Iterator[bytes]:
        try:
            pipe = self._opened()
            try:
                yield from self._chunks(pipe)
            finally:
                pipe.close()
        except OSError as error:
            raise unreadable(self._name, error) from error

    def _chunks(self, pipe: Pipe) -> Iterator[bytes]:
        while not self._closed:
            if not _has_news(pipe.descriptor):
                continue
            chunk = pipe.read(_CHUNK)
            if chunk:
                yield chunk
            elif chunk is None:  # somebody else who holds the pipe was faster
                time.sleep(_PIPE_WAIT / 10)
            else:
                return


def _has_news(descriptor: int | None) -> bool:
    """Wait a little for something to read; where that cannot be asked, the read itself waits.

    A feeder that waits here and not in the read ends soon after it was closed, and as a greenlet, where gevent
    has patched the program, it holds up nobody.
    """
    if descriptor is None or not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_PIPE_WAIT * 1000))


def fifo(path: str) -> Pipe:
    """A FIFO or device, opened by its path; raises OSError."""
    raw = io.FileIO(path, opener=lambda path, flags: os.open(path, flags | _FIFO_FLAGS))
    return Pipe(raw.read, raw.fileno(), raw.close)


def unreadable(name: str, error: Exception) -> SourceError:
    """The error for a list that the system does not give."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SourceError(f"{name}: {reason}")
