"""One line of a list: a URL, and fields behind TABs, become an entry.

    URL [TAB URL]... [TAB name=FILE] [TAB sha256=HEX | sha512= | sha1= | md5=] [TAB size=BYTES]

Blank lines and lines that begin with `#` are no entries.
"""

from __future__ import annotations

from pdl.errors import Kind
from pdl.model import DIGEST_LENGTHS, Digest, Download, Entry, Malformed
from pdl.patterns import pattern
from pdl.url import UrlError, canonical, concealed

LONGEST = 65_536
"""Bytes of the longest line that is read, without its end."""

SHOWN = 200
"""Characters of a malformed line that are kept for people."""

_ESCAPED = 1000  # characters that are made printable; of them, userinfo may take most
_NAMED = frozenset({"name", "size", *DIGEST_LENGTHS})
_UNPRINTABLE_IN_FIELD = pattern(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CUT_AUTHORITY = pattern(r"(?<=://)[^/?#]*\Z")  # of which nobody can tell whether it is userinfo
_SPLITS = pattern(r"[\n\r\ud800-\udfff]")  # what an item from Python may hold, and a line of a file may not
_HEXADECIMAL = pattern(r"[0-9a-f]*")


_new = tuple.__new__


class FieldError(UrlError):
    """A line that holds a URL, and something else that is not understood."""

    def __init__(self, message: str) -> None:
        super().__init__(Kind.INPUT, message)


def entry_of_bytes(raw: bytes, where: str) -> Entry | None:
    """The entry that a line of a file holds, None for a blank line or a comment; never raises."""
    if raw[:1] == b"#":
        return None
    if raw[-1:] == b"\r":
        raw = raw.rstrip(b"\r")
    if len(raw) > LONGEST:
        return _too_long(_readable(raw), where)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        whole = raw.decode("utf-8", "surrogateescape")
        return malformed("the line is not UTF-8", _readable(raw), where)._replace(raw=whole)
    return entry_of(text, where)


def entry_of_text(text: str, where: str) -> Entry | None:
    """As `entry_of_bytes`, for a line or URL that is a string and may have its line end."""
    text = text.rstrip("\r\n")
    # a character has at most four bytes, so that nearly every line is measured without encoding it
    if len(text) > LONGEST // 4 and len(text.encode("utf-8", "surrogatepass")) > LONGEST:
        return None if text[0] == "#" else _too_long(text[:LONGEST], where)
    return entry_of(text, where)


def entry_of(text: str, where: str) -> Entry | None:
    """As `entry_of_bytes`, for a line without its end that is not over-long."""
    if not text or text[0] == "#":
        return None
    try:
        if "\t" in text:
            return _download(text, where)
        url, credentials = canonical(text)
    except UrlError as error:
        if text[0] == "\ufeff":  # a byte order mark; where files were joined it stands at any line
            return entry_of(text.lstrip("\ufeff"), where)
        if not text.strip(" \t"):
            return None
        raw = "" if _SPLITS.search(text) else text
        return malformed(error.message, text, where, error.kind)._replace(raw=raw)
    if credentials is None:
        return _new(Download, (url, (), None, None, None, (), (), text, where))  # the shortest way, for every entry
    return Download(url, credentials=((url, credentials),), line=text, where=where)


def malformed(message: str, line: str, where: str, kind: Kind = Kind.INPUT) -> Malformed:
    """The entry that stands for a line that is none."""
    return Malformed(kind, printable(message), printable(line), where)


def printable(text: str) -> str:
    """A text for people: escaped, without userinfo, and cut."""
    shown = concealed(text)
    if len(shown) > _ESCAPED:
        shown = _CUT_AUTHORITY.sub("", shown[:_ESCAPED]) + "..."
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else _escaped(char) for char in shown)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."


def _readable(raw: bytes) -> str:
    return raw[: 4 * _ESCAPED + 4].decode("utf-8", "backslashreplace")  # more characters than are escaped


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _too_long(text: str, where: str) -> Malformed:
    return malformed(f"the line is longer than {LONGEST} bytes", text, where)


def _download(text: str, where: str) -> Download:
    """The download that a line with fields describes; raises UrlError."""
    first, *fields = text.split("\t")
    given = [first]
    named: dict[str, str] = {}
    for field in filter(None, fields):  # spreadsheets write empty columns
        key, equals, value = field.partition("=")
        if equals and key in _NAMED:
            if key in named:
                raise FieldError(f"{key}= is given twice")
            named[key] = value
        elif equals and "://" not in key:
            raise FieldError(f"there is no field {key}=; there are name=, size= and {'=, '.join(DIGEST_LENGTHS)}=")
        else:
            given.append(field)
    urls, credentials = canonical_urls(given)
    digests = [checked_digest(key, named[key]) for key in DIGEST_LENGTHS if key in named]
    return Download(
        urls[0],
        mirrors=urls[1:],
        name=checked_name(named["name"]) if "name" in named else None,
        digest=digests[0] if digests else None,  # the strongest
        size=_size(named["size"]) if "size" in named else None,
        credentials=credentials,
        line=text,
        where=where,
    )


def canonical_urls(given: list[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The canonical URLs, each once, and the userinfo of those that had one; raises UrlError."""
    urls: dict[str, str | None] = {}
    for text in given:
        url, credentials = canonical(text)
        urls.setdefault(url, credentials)
    return tuple(urls), tuple((url, userinfo) for url, userinfo in urls.items() if userinfo is not None)


def checked_name(name: str) -> str:
    """A name that can stand in a line; raises FieldError."""
    if not name or _UNPRINTABLE_IN_FIELD.search(name):
        raise FieldError("name= is empty or has control characters or broken text in it")
    return name


def checked_digest(algorithm: str, value: str) -> Digest:
    """A digest of the right length; raises FieldError."""
    if algorithm not in DIGEST_LENGTHS:
        raise FieldError(f"{algorithm} is not a digest; there are {', '.join(DIGEST_LENGTHS)}")
    value = value.strip(" ").lower()
    if len(value) != DIGEST_LENGTHS[algorithm] or not _HEXADECIMAL.fullmatch(value):
        raise FieldError(f"{algorithm}= takes {DIGEST_LENGTHS[algorithm]} hexadecimal digits")
    return Digest(algorithm, value)


def _size(value: str) -> int:
    value = value.strip(" ")
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise FieldError("size= takes a number of bytes")
    return int(value)
