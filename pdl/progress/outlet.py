"""The stream that people look at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Outlet:
    """A text stream that never fails the run: it goes quiet when nobody reads it any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False
        self._pieces: list[str] | None = None
        self.encoding = getattr(stream, "encoding", None) or "ascii"

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is written meanwhile goes out in one piece, so that nobody sees lines half drawn."""
        pieces = self._pieces = []
        try:
            yield
        finally:
            self._pieces = None
            self.write("".join(pieces))

    def write(self, text: str) -> None:
        if self._pieces is not None:
            self._pieces.append(text)
        elif text and not self._gone:
            self._write(text)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            self._write(text.encode("ascii", "backslashreplace").decode("ascii"))
        except BlockingIOError:
            return  # a terminal that another program made non-blocking: this text is lost, the next may pass
        except (OSError, ValueError):  # ValueError: closed
            self._gone = True

    def line(self, text: str) -> None:
        self.write(text + "\n")

    def flush(self) -> None:
        """Every write is flushed already."""

    def shape(self) -> tuple[int, int]:
        """Columns that can be filled without wrapping, and rows."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError, AttributeError):
            columns, rows = 0, 0
        return (columns or 80) - 1, rows or 24  # terminals of unknown size say 0
