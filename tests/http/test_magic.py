"""What files are by their first bytes, and that an answer stands whatever follows."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.demo.images import picture_of, png
from pdl.http.magic import LONGEST, PROVEN, media_type
from pdl.http.markup import HTML, SVG


def box(brand: bytes, *further: bytes) -> bytes:
    """The first box of an MP4 file."""
    body = b"ftyp" + brand + bytes(4) + b"".join(further)
    return (len(body) + 4).to_bytes(4, "big") + body


def ogg(packet: bytes) -> bytes:
    return b"OggS" + bytes(22) + b"\x01\x1e" + packet + bytes(16)


def ebml(kind: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82" + bytes([0x80 | len(kind)]) + kind


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a/file"), io.BytesIO())
    return out.getvalue()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "text")
    return out.getvalue()


SAMPLES: list[tuple[str, bytes]] = [
    ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("image/gif", b"GIF89a\1\0\1\0"),
    ("image/gif", b"GIF87a\1\0\1\0"),
    ("image/webp", b"RIFF\x24\0\0\0WEBPVP8 "),
    ("image/avif", box(b"avif", b"avifmif1")),
    ("image/avif", box(b"mif1", b"miaf", b"avif")),
    ("image/heic", box(b"heic", b"mif1heic")),
    ("image/heic", box(b"mif1", b"mif1heic")),
    ("image/heic", box(b"mif1", b"mif1")),
    ("image/bmp", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0"),
    ("image/tiff", b"II*\0\x08\0\0\0"),
    ("image/tiff", b"MM\0*\0\0\0\x08"),
    ("image/x-icon", b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0"),
    ("image/jxl", b"\xff\x0a\xfa\1"),
    ("image/jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("image/vnd.adobe.photoshop", b"8BPS\0\1"),
    (SVG, b'<svg xmlns="http://www.w3.org/2000/svg">'),
    (SVG, b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <html> -->\n<!DOCTYPE svg PUBLIC "x">\n<svg>'),
    (SVG, b"<svg:svg xmlns:svg='x'>"),
    ("application/pdf", b"%PDF-1.7\n"),
    ("application/zip", zipped()),
    ("application/zip", b"PK\5\6" + bytes(18)),
    ("application/gzip", gzip.compress(b"x", mtime=0)),
    ("application/x-bzip2", b"BZh91AY&SY"),
    ("application/x-xz", b"\xfd7zXZ\0\0\4"),
    ("application/zstd", b"\x28\xb5\x2f\xfd\4"),
    ("application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c\0\4"),
    ("application/vnd.rar", b"Rar!\x1a\7\1\0"),
    ("application/x-tar", tar()),
    ("application/rtf", b"{\\rtf1\\ansi"),
    ("application/postscript", b"%!PS-Adobe-3.0"),
    ("video/mp4", box(b"isom", b"isomiso2")),
    ("video/mp4", box(b"mp42")),
    ("audio/mp4", box(b"M4A ")),
    ("video/quicktime", box(b"qt  ")),
    ("video/quicktime", b"\0\0\0\x08wide\0\0\1\0mdat"),
    ("video/3gpp", box(b"3gp5")),
    ("video/webm", ebml(b"webm")),
    ("video/x-matroska", ebml(b"matroska")),
    ("video/x-msvideo", b"RIFF\x24\0\0\0AVI LIST"),
    ("video/mpeg", b"\0\0\1\xba\x44"),
    ("video/mp2t", (b"\x47" + bytes(187)) * 3),
    ("video/x-flv", b"FLV\1\5"),
    ("video/x-ms-asf", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")),
    ("video/ogg", ogg(b"\x80theora")),
    ("audio/ogg", ogg(b"\x01vorbis")),
    ("audio/ogg", ogg(b"OpusHead")),
    ("application/ogg", ogg(b"fishead\0")),
    ("audio/mpeg", b"ID3\4\0"),
    ("audio/mpeg", b"\xff\xfb\x90\x64\0"),
    ("audio/mpeg", b"\xff\xf3\x40\xc0\0"),
    ("audio/aac", b"\xff\xf1\x50\x80\0"),
    ("audio/wav", b"RIFF\x24\0\0\0WAVEfmt "),
    ("audio/aiff", b"FORM\0\0\0\x24AIFFCOMM"),
    ("audio/flac", b"fLaC\0\0\0\x22"),
    ("audio/midi", b"MThd\0\0\0\6"),
    ("audio/amr", b"#!AMR\n"),
    ("font/woff2", b"wOF2\0\1\0\0"),
    ("font/ttf", b"\0\1\0\0\0\x0c"),
    (HTML, b"<!DOCTYPE html><html>"),
    (HTML, b"\xef\xbb\xbf \r\n\t<!doctype HTML >"),
    (HTML, b"<HTML lang=en>"),
    (HTML, b"<!-- saved --> <!-- twice --><head>"),
    (HTML, b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">'),
    (HTML, b"<script>location='/login'</script>"),
    (HTML, b"<title>404 Not Found</title>"),
    (HTML, b"<h1>It works!</h1>"),
    (HTML, "<html>".encode("utf-16")),
    (HTML, b"\xfe\xff" + "\n<!DOCTYPE html>".encode("utf-16-be")),
]  # fmt: skip

NOTHING = [
    b"",
    b"\0" * 5000,
    b"text",
    b"{}",
    b"a < b",
    b"<",
    b"<html",
    b"<htmlx>",
    b"<?xml version='1.0'?><rss>",
    b"<!-- <html>",
    b"text <html>",
    b"BM is not only a picture of bits",
    b"\0\0\1\0" + b"ftypisom" + bytes(99),  # a box of 256 bytes, no icon
    b"RIFF\0\0\0\0CDXA",
    b"FORM\0\0\0\0ILBM",
    b"\xff\xfe\xfd\xfc",
    b"\xff\xff\xff\xff",
    b"\xff\xfb\xff\xff",
    b"the free world",
    b"Go on and on. " * 99,
    b"\x1a\x45\xdf\xa3" + bytes(60),
    zlib.compress(b"x"),
]


@pytest.mark.parametrize(("name", "data"), SAMPLES)
def test_a_format_is_known_by_its_first_bytes(name: str, data: bytes):
    assert media_type(data) == name
    assert media_type(data + bytes(LONGEST)) == name


def test_the_pictures_of_the_demo_are_what_they_are():
    assert media_type(png(picture_of(0, 1))) == "image/png"


@pytest.mark.parametrize("data", NOTHING)
def test_what_is_not_in_the_table_is_not_guessed(data: bytes):
    assert media_type(data) in (None, "video/mp4" if b"ftyp" in data else None)


def test_what_proves_a_type_is_what_the_table_answers():
    assert {name for name, _ in SAMPLES} - {HTML} <= PROVEN
    assert HTML not in PROVEN


CRUMBS = [
    b"<", b">", b" ", b"!doctype", b"html", b"svg", b"<!--", b"-->", b"<?", b"?>", b"x", b"%PDF-", b"\0", b"BM",
    b"OggS", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xfb", b"ftyp", b"mif1", b"avif", b"RIFF", b"WAVE",
]  # fmt: skip
DATA = st.one_of(
    st.binary(max_size=500),
    st.builds(bytes.__add__, st.sampled_from([data for _, data in SAMPLES]), st.binary(max_size=40)),
    st.lists(st.sampled_from(CRUMBS), max_size=20).map(b"".join),
)


@given(DATA, st.integers(0, 500))
def test_more_bytes_never_change_an_answer(data: bytes, size: int):
    sooner = media_type(data[:size])
    assert sooner is None or sooner == media_type(data)


@pytest.mark.parametrize(("name", "data"), SAMPLES)
def test_an_answer_stands_from_the_first_byte_that_gives_it(name: str, data: bytes):
    answers = [media_type(data[:size]) for size in range(len(data) + 1)]
    first = answers.index(name)
    assert set(answers[:first]) <= {None}
    assert set(answers[first:]) == {name}
