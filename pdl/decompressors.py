"""Decompressors with one face: one member of compressed data each, in steps that need little memory."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any, Protocol


class Decompressor(Protocol):
    """One member of compressed data, as `bz2.BZ2Decompressor` has it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Zlib:
    """zlib's decompressor with that face.

    Args:
        wbits: as `zlib.decompressobj` takes it: the wrapping of the data.
    """

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits=wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # a full output may have left something inside zlib even if no input is left
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length and not self.eof
        return out


class Zstandard:
    """The `zstandard` package's decompressor with that face.

    It knows no `max_length`, and makes up to 128 KiB of four bytes; so it is fed a few bytes at a time.

    Args:
        step: bytes that it is given at once.
        options: of `zstandard.ZstdDecompressor`.
    """

    def __init__(self, step: int, **options: Any) -> None:
        self._inner = import_module("zstandard").ZstdDecompressor(**options).decompressobj()
        self._step = step
        self._rest = b""

    @property
    def needs_input(self) -> bool:
        return not self._rest

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + self._rest

    def decompress(self, data: bytes, _max_length: int) -> bytes:
        data = self._rest + data
        self._rest = data[self._step :]
        return bytes(self._inner.decompress(data[: self._step]))
