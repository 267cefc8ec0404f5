"""Content codings undone piece by piece, and checked to their end (RFC 9110 section 8.4). No sockets.

Client libraries take a coded stream that was cut for a whole one. Here a stream is whole only if its own end came.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from pdl.decompressors import Decompressor, Zlib, Zstandard
from pdl.errors import Kind

from .fault import TransferError

MOST_CODINGS = 5
"""Codings of one body; more of them serve no purpose but to multiply."""
MOST_EXPANSION = 1000
"""Bytes that a coded one may become; deflate by itself comes to 1,032."""
FREE_EXPANSION = 1 << 20
"""Bytes that may come on top of that, so that small files may be as uniform as they like."""
MOST_DROPPED = 1 << 20
"""Bytes that are passed over behind the end of the coded data."""

_STEP_IN = 1024
_STEP_OUT = 65_536
_ZSTD_STEP = 128
_ZSTD_WINDOW = 8 << 20  # bytes; RFC 9659
_ADVICE = "(--raw keeps a file as it is sent)"


def _gzip(_begin: bytes) -> Decompressor:
    return Zlib(31)


def _deflate(begin: bytes) -> Decompressor:
    """With zlib's wrapping, as it should be, or raw, as some servers send it and browsers accept it."""
    method, flags = begin[:2]
    wrapped = method & 0x0F == 8 and (method << 8 | flags) % 31 == 0
    return Zlib(15 if wrapped else -15)


def _zstd(_begin: bytes) -> Any:
    if sys.version_info >= (3, 14):
        module = import_module("compression.zstd")
        largest = {module.DecompressionParameter.window_log_max: _ZSTD_WINDOW.bit_length() - 1}
        return module.ZstdDecompressor(options=largest)
    return Zstandard(_ZSTD_STEP, max_window_size=_ZSTD_WINDOW)


class _Coding(NamedTuple):
    """A coding that can be undone.

    Args:
        name: as it is registered.
        begin: gives what undoes a member, from its first bytes.
        least: bytes that `begin` must see.
        again: what a further member begins with, or None if everything behind the first one is taken for one;
            what begins otherwise is no part of the file.
    """

    name: str
    begin: Callable[[bytes], Decompressor]
    least: int = 1
    again: bytes | None = b""


_GZIP = _Coding("gzip", _gzip, again=b"\x1f\x8b\x08")
_CODINGS = {
    "gzip": _GZIP,
    "x-gzip": _GZIP,
    "deflate": _Coding("deflate", _deflate, least=2),
    "zstd": _Coding("zstd", _zstd, again=None),
}


def named_codings(values: Iterable[str]) -> list[str]:
    """The codings of a Content-Encoding's lines, in the order in which they were applied."""
    members = (each.strip(" \t").lower() for value in values for each in value.split(","))
    return [each for each in members if each not in ("", "identity")]


class Decoder:
    """Undoes the codings of one body.

    Args:
        names: the codings, in the order in which they were applied.

    Raises:
        TransferError: CODING, for codings that cannot be undone.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if len(names) > MOST_CODINGS:
            raise TransferError(
                Kind.CODING, f"the server coded the file {len(names)} times; at most {MOST_CODINGS} are undone"
            )
        if unknown := [name for name in names if name not in _CODINGS]:
            raise TransferError(
                Kind.CODING,
                f"the server coded the file as {', '.join(unknown)[:40]!r}, though asked not to; undone are gzip, "
                f"deflate and zstd only {_ADVICE}",
            )
        self._stages = [_Stage(_CODINGS[name]) for name in reversed(names)]
        self._taken = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a piece of the body holds, in pieces of some 64 KiB; never an empty one.

        Raises:
            TransferError: CODING, for data that is damaged or expands beyond measure.
        """
        out = bytearray()
        for start in range(0, len(data), _STEP_IN):
            step = data[start : start + _STEP_IN]
            self._taken += len(step)
            pieces: Iterator[bytes] = iter((step,))
            for stage in self._stages:
                pieces = self._expanded(stage, pieces)
            for piece in pieces:
                out += piece
                if len(out) >= _STEP_OUT:
                    yield bytes(out)
                    out.clear()
        if out:
            yield bytes(out)

    def end(self) -> None:
        """The body has ended.

        Raises:
            TransferError: TRUNCATED, if the coded data has not.
        """
        for stage in self._stages:
            if not stage.is_whole:
                raise TransferError(
                    Kind.TRUNCATED, f"the {stage.name} data is cut short, though the body ended as its framing says"
                )

    def _expanded(self, stage: _Stage, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """One coding undone; each must keep to the measure, or a harmless last one could hide what went before."""
        for piece in pieces:
            for out in stage.feed(piece):
                if stage.made > FREE_EXPANSION + MOST_EXPANSION * self._taken:
                    raise TransferError(
                        Kind.CODING,
                        f"the {stage.name} data expands to more than {MOST_EXPANSION} times its size {_ADVICE}",
                    )
                yield out


class _Stage:
    """One coding being undone: its members or frames one after another, then what is no part of the file.

    `made` counts the bytes that came out.
    """

    def __init__(self, coding: _Coding) -> None:
        self.name = coding.name
        self.made = 0
        self._coding = coding
        self._member: Decompressor | None = None
        self._ahead = b""  # too few bytes to tell what they begin
        self._members = 0
        self._over = False
        self._dropped = 0

    @property
    def is_whole(self) -> bool:
        """The data may end here."""
        return self._members > 0 and self._member is None and not self._ahead

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a piece holds, in pieces of bounded size.

        Raises:
            TransferError: CODING.
        """
        while data or (self._member is not None and not self._member.needs_input):
            if self._member is None and (data := self._opened(data)) == b"":
                return
            assert self._member is not None
            out = self._decompress(self._member, data)
            data = b""
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
                self._members += 1
            if out:
                self.made += len(out)
                yield out

    def _opened(self, data: bytes) -> bytes:
        """Begin a member with these bytes, and give what it begins with; nothing if it cannot begin yet."""
        data, self._ahead = self._ahead + data, b""
        if self._members and (data := self._continued(data)) == b"":
            return b""
        if len(data) < self._coding.least:
            self._ahead = data
            return b""
        try:
            self._member = self._coding.begin(data)
        except ImportError as error:
            raise TransferError(
                Kind.CODING, f"to undo {self.name}, the module {error.name} is needed {_ADVICE}"
            ) from error
        return data

    def _continued(self, data: bytes) -> bytes:
        """What follows a whole member, if it is a further one; anything else is dropped, as browsers do."""
        again = self._coding.again
        if again is None:
            return data
        if not self._over and again:
            padded, data = data, data.lstrip(b"\0")
            self._drop(len(padded) - len(data))
            if data.startswith(again):
                return data
            if again.startswith(data):
                self._ahead = data
                return b""
        self._over = True
        self._drop(len(data))
        return b""

    def _drop(self, count: int) -> None:
        self._dropped += count
        if self._dropped > MOST_DROPPED:
            raise TransferError(
                Kind.CODING, f"more than {MOST_DROPPED} bytes follow the end of the {self.name} data"
            )

    def _decompress(self, member: Decompressor, data: bytes) -> bytes:
        try:
            return member.decompress(data, _STEP_OUT)
        except Exception as error:  # each library has an error of its own
            raise TransferError(Kind.CODING, f"the {self.name} data is damaged: {error}") from error
