"""The chunked transfer coding, decoded strictly and without sockets (RFC 9112 section 7.1)."""

from __future__ import annotations

from pdl.errors import Kind
from pdl.patterns import pattern

from .fault import TransferError

MAX_LINE = 100 * 1024
"""Bytes of a chunk's size with its extensions, and of all trailers together."""

_SIZE = pattern(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?")


class ChunkDecoder:
    """Takes a chunked body in pieces of any size and gives what is in its chunks."""

    def __init__(self) -> None:
        self.done = False
        """The last chunk and its trailers have come."""
        self.surplus = False
        """Bytes came after the end."""
        self._left = 0  # bytes of the current chunk that are still to come
        self._begun = False  # a chunk has ended, so its line end comes next
        self._last = False  # the last chunk has come, so trailers come next
        self._line = bytearray()
        self._trailers = 0

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the coded body; gives the part of the file in it.

        Raises:
            TransferError: PROTOCOL, for chunks that break the rules; worth one further try.
        """
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            if self.done:
                self.surplus = True
                break
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
            else:
                at = self._take_line(data, at)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_line(self, data: bytes, at: int) -> int:
        """Take what belongs to the current line; answers where the rest begins."""
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        self._line += data[at:stop]
        if len(self._line) + self._trailers > MAX_LINE:
            raise _broken("its size or the trailer is endless")
        if end >= 0:
            line = bytes(self._line)
            self._line.clear()
            self._on_line(line[:-2] if line.endswith(b"\r\n") else line[:-1])
        return stop

    def _on_line(self, line: bytes) -> None:
        if self._last:
            self._trailers += len(line)
            self.done = not line
        elif self._begun:
            if line:
                raise _broken("it is longer than its size says")
            self._begun = False
        else:
            self._on_size(line)

    def _on_size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise _broken("its size is not a number")
        self._left = int(match[1], 16)
        if self._left >= 2**63:
            raise _broken("its size is beyond all bounds")
        self._last, self._begun = self._left == 0, self._left > 0

    def end(self) -> None:
        """The connection ended.

        Raises:
            TransferError: TRUNCATED, if the body had not.
        """
        if not self.done:
            raise TransferError(Kind.TRUNCATED, "the connection ended before the last chunk")


def _broken(why: str) -> TransferError:
    return TransferError(Kind.PROTOCOL, f"a chunk of the body breaks the rules: {why}", retries=1)
