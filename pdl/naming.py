"""Names: one safe relative path below the destination for each download.

A path is safe on Linux, macOS and Windows alike, whichever of them made it, so that a destination can be carried
from one to another.
"""

from __future__ import annotations

import re
import struct
import sys
import unicodedata
from array import array
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import NewType
from urllib.parse import unquote_to_bytes

from .errors import SettingsError
from .model import Download, Entry, Malformed
from .patterns import pattern
from .settings import Layout

SafeName = NewType("SafeName", str)
"""One component of a path, safe on every platform; only `safe_name()` makes it."""

_NAME_LIMIT = 230  # bytes; file systems allow 255, a hash takes 17
_FOLDERS_LIMIT = 600  # bytes of all folders together; macOS allows 1,024 for a whole path
_EXTENSION_LIMIT = 20  # characters; what is longer is no extension

_WORD = struct.Struct("<Q").unpack

_DEVICES = r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])"
_DEVICE = pattern(rf"{_DEVICES} *(?:\.|$)", re.IGNORECASE)
_PLAIN = pattern(rf"(?!(?i:{_DEVICES}) *(?:\.|$))\w(?:[\w.~+=@!,()&% -]{{0,200}}[\w-])?", re.ASCII)
"""What is safe as it is: the fast path of nearly every name."""
_FORBIDDEN = frozenset('<>:"|?*\\/')


def identities(entries: Iterable[Entry]) -> array[int]:
    """64 bits for each entry that tell it from all others, the same on every machine.

    What a download is, is its URL and the name that the list gives it; what a malformed line is, is its text.
    """
    digests = [
        blake2b(entry.url.encode(), digest_size=8).digest()
        if isinstance(entry, Download) and entry.name is None
        else blake2b(_identifying(entry), digest_size=8).digest()
        for entry in entries
    ]
    hashes = array("Q", b"".join(digests))
    if sys.byteorder == "big":
        hashes.byteswap()
    return hashes


def _identifying(entry: Entry) -> bytes:
    # no URL holds a line feed
    text = f"\n\n{entry.line}" if isinstance(entry, Malformed) else f"{entry.url}\n{entry.name}"
    return text.encode("utf-8", "surrogatepass")


def hash64(text: str) -> int:
    """The hash of a text that `identities()` gives to a URL."""
    number: int = _WORD(blake2b(text.encode(), digest_size=8).digest())[0]
    return number


def safe_name(text: str) -> SafeName:
    """One component of a path from any text."""
    if _PLAIN.fullmatch(text):
        return SafeName(text)
    kept = "".join(map(_safe_character, unicodedata.normalize("NFC", text)))
    name = unicodedata.normalize("NFC", kept)
    while (safer := _safer(name)) != name:
        name = safer
    return SafeName(name)


def _safe_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cf", "Zl", "Zp"):  # what is invisible, or turns the direction of writing
        return ""
    return "_" if category in ("Cc", "Cs") or character in _FORBIDDEN else character


def _safer(name: str) -> str:
    """A step towards a safe name; a safe one stays as it is."""
    name = _cut(name.lstrip(" ").rstrip(" ."))
    if not name:
        return "index"
    if name[0] in ".-":  # hidden files, `.pdl` among them, and options of other programs
        return "_" + name[1:]
    return "_" + name if _DEVICE.match(name) else name


def _cut(name: str) -> str:
    encoded = name.encode()
    if len(encoded) <= _NAME_LIMIT:
        return name
    _, extension = _split_extension(name)
    keep = _NAME_LIMIT - len(extension.encode())
    return encoded[:keep].decode("utf-8", "ignore") + extension


def _split_extension(name: str) -> tuple[str, str]:
    dot = name.rfind(".")
    if dot <= 0 or not 1 < len(name) - dot <= _EXTENSION_LIMIT or " " in name[dot:]:
        return name, ""
    return name[:dot], name[dot:]


def with_hash(path: str, hash_: int) -> str:
    """The path with 16 hexadecimal digits before the extension of its last component."""
    return joined_by_hash(ends_for_hash(path), hash_)


def ends_for_hash(path: str) -> tuple[str, str]:
    """What stands before and after the hash in `with_hash()`."""
    folder, slash, name = path.rpartition("/")
    stem, extension = _split_extension(name)
    return f"{folder}{slash}{stem}", extension


def joined_by_hash(ends: tuple[str, str], hash_: int) -> str:
    """The path between whose ends the hash stands."""
    return f"{ends[0]}.{hash_:016x}{ends[1]}"


def key(path: str) -> str:
    """The form under which paths collide, on any file system."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def key_hash(path: str) -> int:
    """The hash of a path's key."""
    folded = path.lower() if path.isascii() else key(path)
    number: int = _WORD(blake2b(folded.encode(), digest_size=8).digest())[0]
    return number


class Naming:
    """Gives downloads their paths; makes nothing unique.

    Args:
        layout: `flat`, `tree` or `hash`.
        output: a template instead of a layout.

    Raises:
        SettingsError: the template makes no sense.
    """

    path: Callable[[Download, int, int], str]
    """The path of a download, given the row of its entry and its identity."""

    def __init__(self, layout: Layout = "flat", output: str | None = None) -> None:
        layouts = {"flat": _name, "tree": _tree, "hash": _hashed}
        self.path = layouts[layout] if output is None else _Template(output)


def _name(download: Download, row: int = 0, hash_: int = 0) -> SafeName:  # noqa: ARG001 - as a layout it is called with all
    if download.name is not None:
        return safe_name(download.name.replace("\\", "/").rpartition("/")[2])
    name = download.url.partition("?")[0].rpartition("/")[2]
    return safe_name(_decoded(name) if "%" in name else name)


def _tree(download: Download, row: int, hash_: int) -> str:  # noqa: ARG001 - all layouts are called alike
    base = download.url.partition("?")[0].rpartition("/")[0]
    return f"{_tree_folders(base)}/{_name(download)}"


def _hashed(download: Download, row: int, hash_: int) -> str:  # noqa: ARG001 - all layouts are called alike
    digits = f"{hash_:016x}"
    return f"{digits[:2]}/{digits[2:4]}/{_name(download)}"


def _decoded(segment: str) -> str:
    """A segment of a URL, percent-decoded once."""
    return unquote_to_bytes(segment).decode("utf-8", "replace")


@lru_cache(maxsize=1024)
def _tree_folders(base: str) -> str:
    """The folders for what lies below a URL that ends before its last slash."""
    path = _url_folders(base)
    return _bounded(f"{_host(base)}/{path}" if path else _host(base))


def _host(base: str) -> SafeName:
    authority = base.split("/", 3)[2]
    return safe_name(authority.replace("[", "").replace("]", "").replace(":", "_"))


def _url_folders(base: str) -> str:
    return "/".join(safe_name(_decoded(segment)) for segment in base.split("/")[3:] if segment)


def _bounded(folders: str) -> str:
    """Folders that are too many for a path end in one that stands for the rest."""
    if len(folders.encode()) <= _FOLDERS_LIMIT:
        return folders
    kept = folders.encode()[: _FOLDERS_LIMIT - 17].decode("utf-8", "ignore").rpartition("/")[0]
    return f"{kept}/{hash64(folders):016x}"


_FIELDS: dict[str, Callable[[Download, int, int], str | int]] = {
    "name": lambda download, _row, _hash: _name(download),
    "stem": lambda download, _row, _hash: _split_extension(_name(download))[0],
    "ext": lambda download, _row, _hash: _split_extension(_name(download))[1],
    "host": lambda download, _row, _hash: _host(download.url),
    "path": lambda download, _row, _hash: _url_folders(download.url.partition("?")[0].rpartition("/")[0]),
    "index": lambda _download, row, _hash: row,
    "hash": lambda _download, _row, hash_: f"{hash_:016x}",
}
_INDEX_FORMAT = pattern(r"(?:0?[1-9][0-9]?)?d?")
_TEXT_FORMAT = pattern(r"(?:\.[1-9][0-9]?)?")


class _Template:
    """Paths by a template such as `{host}/{index:06d}{ext}`."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._fields = {field: _FIELDS[field] for field in _checked_fields(template)}

    def __call__(self, download: Download, row: int, hash_: int) -> str:
        values = {field: get(download, row, hash_) for field, get in self._fields.items()}
        filled = self._template.format_map(values)
        *folders, name = filled.split("/")
        above = _bounded("/".join(safe_name(folder) for folder in folders if folder))
        return f"{above}/{safe_name(name)}" if above else safe_name(name)


def _checked_fields(template: str) -> set[str]:
    try:
        import string  # noqa: PLC0415 - takes time, and few have a template

        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise SettingsError(f"output: {template!r} is no template: {error}") from None
    components = template.split("/")
    if not components[0] or ".." in components:
        raise SettingsError(f"output: {template!r} leads out of the destination")
    if not components[-1]:
        raise SettingsError(f"output: {template!r} ends in a folder, not in a file")
    fields = set()
    for _, field, form, conversion in pieces:
        if field is not None:
            _check_field(field, form or "", conversion)
            fields.add(field)
    return fields


def _check_field(field: str, form: str, conversion: str | None) -> None:
    if field not in _FIELDS:
        raise SettingsError(f"output: there is no field {{{field}}}; there are {{{'}, {'.join(_FIELDS)}}}")
    allowed = _INDEX_FORMAT if field == "index" else _TEXT_FORMAT
    if conversion is not None or not allowed.fullmatch(form):
        example = "{index:06d}" if field == "index" else f"{{{field}:.8}}"
        raise SettingsError(f"output: {{{field}}} takes no other format than such as {example}")
