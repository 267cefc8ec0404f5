"""Pictures that nobody had to take: PNGs (RFC 2083) that follow from their dimensions and a number."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BYTES_A_PIXEL = 3
_SWAY = 64
"""Pixels by which the bands of a picture sway to the side, at the most."""
_AROUND = 12
"""Bytes of a chunk beside its data."""
_FRAME = len(_SIGNATURE) + 4 * _AROUND + 13 + 20
"""Bytes of a file beside its pixels, at the most: four chunks, the header's data, and what frames data in zlib."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be made at any time: bands of colour, in a pattern of its own for each seed.

    Args:
        width: in pixels.
        height: in pixels.
        seed: of the pattern.
        size: bytes that the file is filled up to, with a chunk that readers skip, if it has at least 12 fewer.
    """

    width: int
    height: int
    seed: int
    size: int = 0


def picture_of(size: int, seed: int) -> Picture:
    """The picture in the format 4:3 whose file has so many bytes; at least the hundred that one pixel needs."""
    room = max(1, size - _FRAME - size // 1000)  # zlib, whichever it is, adds less to what it stores
    width = max(1, round(math.sqrt(room / _BYTES_A_PIXEL * 4 / 3)))
    return Picture(width, max(1, room // (1 + width * _BYTES_A_PIXEL)), seed, size)


def png(picture: Picture) -> bytes:
    """The file; its pixels are stored, not compressed, so that thousands of files cost next to nothing."""
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    pixels = zlib.compress(_scanlines(picture), 0)
    file = _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels)
    end = _chunk(b"IEND", b"")
    missing = picture.size - len(file) - len(end) - _AROUND
    return file + (_chunk(b"fiLl", bytes(missing)) if missing >= 0 else b"") + end


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _scanlines(picture: Picture) -> bytes:
    """All rows, each after its filter byte; a row is a piece of one strip of colours."""
    strip = _strip(picture.width + _SWAY, picture.seed)
    swing = 60 + picture.seed * 37 % 120  # rows from one side to the other
    rows = []
    for y in range(picture.height):
        begin = _between(y, swing) * _SWAY // swing * _BYTES_A_PIXEL
        rows.append(b"\0" + strip[begin : begin + picture.width * _BYTES_A_PIXEL])
    return b"".join(rows)


def _strip(length: int, seed: int) -> bytes:
    """Pixels whose red, green and blue rise and fall at paces of their own."""
    paces = [1 + seed * factor % 7 for factor in (3, 5, 11)]
    return bytes(_between(x * pace + seed * 29, 255) for x in range(length) for pace in paces)


def _between(position: int, top: int) -> int:
    """A triangle wave of whole numbers from 0 to `top` and back, the same on every machine."""
    return top - abs(position % (2 * top) - top)
