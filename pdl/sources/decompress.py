"""Lists compressed with gzip, bzip2, xz or zstd, known by their first bytes (RFC 1952, RFC 8878 and the like).

Input and output go in small steps, so that a bomb needs no memory, and of damaged data nearly everything that
stands before the damage is given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from pdl.decompressors import Decompressor, Zlib, Zstandard
from pdl.errors import SourceError

_STEP_IN = 256
_STEP_OUT = 1024
_ZSTD_STEP = 32
_CHUNK = 65_536
_XZ_MEMORY = 256 << 20  # bytes; `xz -9` needs 65 MiB


def _gzip() -> Decompressor:
    return Zlib(31)


def _bzip2() -> Any:
    return import_module("bz2").BZ2Decompressor()


def _xz() -> Any:
    lzma = import_module("lzma")
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        return import_module("compression.zstd").ZstdDecompressor()
    return Zstandard(_ZSTD_STEP)


_FORMATS: dict[str, tuple[Callable[[], Decompressor], tuple[bytes, ...]]] = {
    "gzip": (_gzip, (b"\x1f\x8b\x08",)),
    "bzip2": (
        _bzip2,
        tuple(b"BZh%d" % level + block for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")),
    ),
    "xz": (_xz, (b"\xfd7zXZ\x00",)),
    "zstd": (_zstd, (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + i]) + b"\x2a\x4d\x18" for i in range(16)))),
}
"""What opens each format, and the bytes that it begins with; zstd may begin with a skippable frame."""


def decompressed(chunks: Iterator[bytes | None], name: str) -> Iterator[bytes | None]:
    """The plain bytes of a list, whether it is compressed or not; None stands for "nothing yet".

    Raises:
        SourceError: damaged or cut data, or no library that reads it, after what stands before.
    """
    head = b""
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        head += chunk
        if not _may_become_magic(head):
            break
    for kind, (begin, magics) in _FORMATS.items():
        if head.startswith(magics):
            yield from _Members(kind, begin, name).read(head, chunks)
            return
    yield head
    yield from chunks


def _may_become_magic(head: bytes) -> bool:
    return any(
        len(head) < len(magic) and magic.startswith(head) for _, magics in _FORMATS.values() for magic in magics
    )


class _Members:
    """The members, frames or streams of one compressed file, one after another."""

    def __init__(self, kind: str, begin: Callable[[], Decompressor], name: str) -> None:
        self._kind = kind
        self._begin = begin
        self._name = name
        self._current: Decompressor | None = None

    def read(self, head: bytes, chunks: Iterator[bytes | None]) -> Iterator[bytes | None]:
        yield from self._expand(head)
        for chunk in chunks:
            if chunk is None:
                yield None
            else:
                yield from self._expand(chunk)
        if self._current is not None:
            raise SourceError(f"{self._name}: the {self._kind} data is cut short")

    def _expand(self, chunk: bytes) -> Iterator[bytes]:
        """What a chunk holds, in chunks of some 64 KiB; damage is raised after what stands before it."""
        out = bytearray()
        try:
            for start in range(0, len(chunk), _STEP_IN):
                for piece in self._step(chunk[start : start + _STEP_IN]):
                    out += piece
                    if len(out) >= _CHUNK:
                        yield bytes(out)
                        out.clear()
        except SourceError:
            yield bytes(out)
            raise
        yield bytes(out)

    def _step(self, data: bytes) -> Iterator[bytes]:
        while data or (self._current is not None and not self._current.needs_input):
            if self._current is None:
                data = data.lstrip(b"\0")  # padding between members
                if not data:
                    return
                self._current = self._opened()
            yield self._decompress(self._current, data)
            data = b""
            if self._current.eof:
                data = self._current.unused_data
                self._current = None

    def _opened(self) -> Decompressor:
        try:
            return self._begin()
        except ImportError as error:
            raise SourceError(f"{self._name}: to read {self._kind}, the module {error.name} is needed") from error

    def _decompress(self, decompressor: Decompressor, data: bytes) -> bytes:
        try:
            return decompressor.decompress(data, _STEP_OUT)
        except Exception as error:  # each library has an error of its own
            raise SourceError(f"{self._name}: the {self._kind} data is damaged: {error}") from error
