"""The names of media types: which are the same, and which a file may bear as well (RFC 9110 section 8.3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pdl.patterns import pattern

_TYPE = pattern(r"\s*([!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+)\s*(?:[;,].*)?", re.DOTALL)

UNTOLD = frozenset(
    {
        "application/octet-stream", "binary/octet-stream", "application/octetstream", "application/binary",
        "application/download", "application/x-download", "application/force-download",
    }
)  # fmt: skip
"""Types that say only that a file has bytes."""

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/apng": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/x-bmp": "image/bmp",
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/ico": "image/x-icon",
    "image/heif": "image/heic",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heic",
    "image/avif-sequence": "image/avif",
    "image/svg": "image/svg+xml",
    "image/tif": "image/tiff",
    "image/x-photoshop": "image/vnd.adobe.photoshop",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
    "audio/x-mpeg": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-aiff": "audio/aiff",
    "audio/aacp": "audio/aac",
    "audio/x-aac": "audio/aac",
    "audio/x-midi": "audio/midi",
    "audio/mid": "audio/midi",
    "audio/opus": "audio/ogg",
    "video/x-m4v": "video/mp4",
    "video/avi": "video/x-msvideo",
    "video/msvideo": "video/x-msvideo",
    "application/x-pdf": "application/pdf",
    "application/x-gzip": "application/gzip",
    "application/x-zip": "application/zip",
    "application/x-zip-compressed": "application/zip",
    "application/x-rar": "application/vnd.rar",
    "application/x-rar-compressed": "application/vnd.rar",
    "application/bzip2": "application/x-bzip2",
    "application/x-bzip": "application/x-bzip2",
    "application/x-zstd": "application/zstd",
    "application/x-font-ttf": "font/ttf",
    "application/x-font-otf": "font/otf",
    "application/font-woff": "font/woff",
    "application/x-font-woff": "font/woff",
    "application/font-woff2": "font/woff2",
}
"""Other names of types that the first bytes tell."""

_KIN = {
    "video/mp4": ("audio/mp4", "video/quicktime", "video/3gpp", "audio/3gpp", "video/3gpp2"),
    "audio/mp4": ("video/mp4",),
    "video/quicktime": ("video/mp4",),
    "video/3gpp": ("audio/3gpp", "video/3gpp2", "video/mp4", "audio/mp4"),
    "image/heic": ("image/avif",),
    "image/avif": ("image/heic",),
    "video/webm": ("audio/webm", "video/x-matroska"),
    "video/x-matroska": ("audio/x-matroska", "video/webm", "audio/webm"),
    "video/x-ms-asf": ("video/x-ms-wmv", "audio/x-ms-wma"),
    "audio/ogg": ("application/ogg", "video/ogg"),
    "video/ogg": ("application/ogg", "audio/ogg"),
    "application/ogg": ("audio/ogg", "video/ogg"),
    "audio/mpeg": ("audio/aac",),
    "application/rtf": ("text/rtf",),
}
"""What a file of a type may be called as well: its first bytes are the same, or say no more."""


def essence(content_type: str | None) -> str | None:
    """The type that a Content-Type names, in lower case and without parameters; None if it names none."""
    match = _TYPE.fullmatch(content_type.lower()) if content_type is not None else None
    return match[1] if match else None


def common_name(media_type: str) -> str:
    """The one of the names of a type that the first bytes' table uses."""
    return _ALIASES.get(media_type, media_type)


def possible_names(media_type: str) -> tuple[str, ...]:
    """All types that a file may be which begins as one of this type."""
    return (media_type, *_KIN.get(media_type, ()))


def covers(ranges: Iterable[str], media_type: str) -> bool:
    """Whether a type is in one of some media ranges such as `image/*`, by any of its names."""
    name, main = common_name(media_type), media_type.partition("/")[0] + "/*"
    return any(each in ("*/*", main, media_type) or common_name(each) == name for each in ranges)
