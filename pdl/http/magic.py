"""What a file is by its first bytes: a table of our own for common formats.

An answer stands, whatever follows: more bytes of the same file never change it.
"""

from __future__ import annotations

from collections.abc import Callable

from .markup import SVG, markup_type

LONGEST = 4096
"""Bytes after which nothing more can be told."""

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"MThd", "audio/midi"),
    (b"#!AMR", "audio/amr"),
    (b"FLV\1", "video/x-flv"),
    (b"\0\0\1\xba", "video/mpeg"),
    (b"\0\0\1\xb3", "video/mpeg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c", "video/x-ms-asf"),
    (b"PK\3\4", "application/zip"),
    (b"PK\5\6", "application/zip"),
    (b"PK\7\x08", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    *((b"BZh%d" % level, "application/x-bzip2") for level in range(1, 10)),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\7", "application/vnd.rar"),
    (b"%PDF-", "application/pdf"),
    (b"\xef\xbb\xbf%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"OTTO", "font/otf"),
    (b"\0\1\0\0\0", "font/ttf"),
)

_FORMS = {
    (b"RIFF", b"WEBP"): "image/webp",
    (b"RIFF", b"WAVE"): "audio/wav",
    (b"RIFF", b"AVI "): "video/x-msvideo",
    (b"FORM", b"AIFF"): "audio/aiff",
    (b"FORM", b"AIFC"): "audio/aiff",
}
"""By the first four bytes and the four from the eighth on."""

_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "image/heic"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), "audio/mp4"),
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3gp7", b"3g2a", b"3g2b"), "video/3gpp"),
    b"qt  ": "video/quicktime",
}
_STILL = frozenset({b"mif1", b"msf1", b"miaf"})  # some image: which one, a further brand says
_QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})  # with which one without brands begins

_OGG_CODECS = (
    (b"\x80theora", "video/ogg"),
    (b"\x01vorbis", "audio/ogg"),
    (b"OpusHead", "audio/ogg"),
    (b"\x7fFLAC", "audio/ogg"),
    (b"Speex   ", "audio/ogg"),
)
_EBML = b"\x1a\x45\xdf\xa3"
_EBML_KINDS = ((b"\x42\x82\x84webm", "video/webm"), (b"\x42\x82\x88matroska", "video/x-matroska"))
_BMP_HEADS = frozenset({12, 40, 52, 56, 64, 108, 124})  # bytes that the second head of a BMP may have


def media_type(beginning: bytes) -> str | None:
    """The media type that a file with these first bytes has, or None if they do not tell it (yet)."""
    for magic, name in _BEGINNINGS:
        if beginning.startswith(magic):
            return name
    for look in _LOOKS:
        if (found := look(beginning)) is not None:
            return found
    return None


def _form(data: bytes) -> str | None:
    return _FORMS.get((data[:4], data[8:12]))


def _boxes(data: bytes) -> str | None:
    """The family of MP4 (ISO 14496-12), by the brands in its first box."""
    box, brand = data[4:8], data[8:12]
    if box in _QUICKTIME_BOXES and data[0] == 0:
        return "video/quicktime"
    if box != b"ftyp" or len(brand) < 4:
        return None
    if brand not in _STILL:
        return _BRANDS.get(brand, "video/mp4")
    end = min(int.from_bytes(data[:4], "big"), LONGEST)
    if len(data) < end:
        return None
    further = (_BRANDS.get(data[at : at + 4]) for at in range(16, end, 4))
    return next((name for name in further if name), "image/heic")


def _ogg(data: bytes) -> str | None:
    if not data.startswith(b"OggS") or len(data) < 27:
        return None
    packet = data[27 + data[26] :]
    if len(packet) < 8:
        return None
    return next((name for magic, name in _OGG_CODECS if packet.startswith(magic)), "application/ogg")


def _ebml(data: bytes) -> str | None:
    if not data.startswith(_EBML):
        return None
    return next((name for magic, name in _EBML_KINDS if data.find(magic, 0, 64) >= 0), None)


def _bitmap(data: bytes) -> str | None:
    if not data.startswith(b"BM") or len(data) < 18 or any(data[6:10]):
        return None
    return "image/bmp" if int.from_bytes(data[14:18], "little") in _BMP_HEADS else None


def _icon(data: bytes) -> str | None:
    """An icon or a cursor: some pictures, but not so many that this would be the size of another format's box."""
    if not data.startswith((b"\0\0\1\0", b"\0\0\2\0")) or len(data) < 10:
        return None
    return "image/x-icon" if data[4] and not data[5] and not data[9] else None


def _audio_frame(data: bytes) -> str | None:
    """The head of an MPEG audio frame: all ones, the layer, a bit rate and a sampling rate that exist."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    if data[1] & 0xF6 == 0xF0:
        return "audio/aac"  # ADTS
    version, layer, rates = data[1] >> 3 & 3, data[1] >> 1 & 3, data[2]
    exists = version != 1 and layer in (1, 2) and rates >> 4 not in (0, 15) and rates >> 2 & 3 != 3
    return "audio/mpeg" if exists else None


def _transport_stream(data: bytes) -> str | None:
    packets = len(data) > 376 and data[0] == data[188] == data[376] == 0x47
    return "video/mp2t" if packets else None


def _tar(data: bytes) -> str | None:
    return "application/x-tar" if data[257:262] == b"ustar" else None


_LOOKS: tuple[Callable[[bytes], str | None], ...] = (
    _form, _boxes, _ogg, _ebml, _bitmap, _icon, _audio_frame, markup_type, _transport_stream, _tar,
)  # fmt: skip

PROVEN = frozenset(
    {
        *(name for _, name in (*_BEGINNINGS, *_OGG_CODECS, *_EBML_KINDS)),
        *_FORMS.values(),
        *_BRANDS.values(),
        *("video/mp4", "application/ogg", "image/bmp", "image/x-icon", "audio/aac", "video/mp2t", SVG),
        "application/x-tar",
    }
)
"""Types whose files are sure to begin as the table says."""
