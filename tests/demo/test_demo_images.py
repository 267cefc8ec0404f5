"""The demo's pictures are PNGs, and the same whenever and wherever they are made."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.demo.images import Picture, picture_of, png

PICTURES = st.builds(Picture, st.integers(1, 300), st.integers(1, 300), st.integers(0, 10_000))


def chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each chunk, after a look at the signature and the check sums."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    rest = file[8:]
    while rest:
        length, kind = struct.unpack(">I4s", rest[:8])
        data, (crc,) = rest[8 : 8 + length], struct.unpack(">I", rest[8 + length : 12 + length])
        assert crc == zlib.crc32(kind + data)
        yield kind, data
        rest = rest[12 + length :]


def pixels(file: bytes) -> bytes:
    return zlib.decompress(dict(chunks(file))[b"IDAT"])


@given(PICTURES)
def test_a_picture_is_a_png_of_its_dimensions(picture):
    (first, header), (second, data), last = chunks(png(picture))
    assert (first, second, last) == (b"IHDR", b"IDAT", (b"IEND", b""))
    assert struct.unpack(">IIBBBBB", header) == (picture.width, picture.height, 8, 2, 0, 0, 0)
    row = 1 + 3 * picture.width
    scanlines = zlib.decompress(data)
    assert len(scanlines) == picture.height * row
    assert set(scanlines[::row]) == {0}  # a filter type that every reader knows


@given(PICTURES)
def test_a_picture_is_the_same_each_time(picture):
    assert png(picture) == png(Picture(picture.width, picture.height, picture.seed))


def test_a_picture_has_the_same_pixels_on_every_machine():
    digest = hashlib.sha256(pixels(png(Picture(200, 150, 7)))).hexdigest()
    assert digest == "418b67b36ccf4f1ccf61185786904fc44fa239c63d520ef57443ae714cfc8c00"


def test_pictures_of_one_size_differ_by_their_seed():
    assert len({png(Picture(20, 15, seed)) for seed in range(300)}) == 300


@pytest.mark.parametrize("size", [100, 3_000, 10_000, 100_000, 1_000_000, 10_000_000])
def test_a_picture_has_the_size_that_is_asked_for_and_little_of_it_is_filling(size):
    *_, (_, data), (kind, filling), _ = chunks(png(picture_of(size, 1)))
    assert len(png(picture_of(size, 1))) == size
    assert kind == b"fiLl"
    assert len(filling) <= 100 + size // 100
    assert len(data) >= size * 0.9 - 100


@given(st.integers(100, 50_000), st.integers(0, 10_000))
def test_a_picture_of_any_size_has_it(size, seed):
    assert len(png(picture_of(size, seed))) == size


def test_the_smallest_picture_has_a_pixel():
    assert picture_of(0, 1) == Picture(1, 1, 1)
    assert len(png(Picture(1, 1, 1))) <= 100 - 12
