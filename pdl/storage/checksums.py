"""Files of checksums, such as `sha256sum` writes, looked up by path."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from pdl.errors import SettingsError
from pdl.model import DIGEST_LENGTHS, Digest
from pdl.patterns import pattern

_ALGORITHMS = {length: algorithm for algorithm, length in DIGEST_LENGTHS.items()}
_GNU = pattern(r"(\\?)([0-9A-Fa-f]+) [ *](.+)")
_BSD = pattern(r"(\\?)(?:MD5|SHA1|SHA256|SHA512) \((.+)\) = ([0-9A-Fa-f]+)")
_ESCAPED = pattern(r"\\([\\nr])")
_UNESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}


class Checksums:
    """The digests of a checksum file, in a database of its own that lies on disk once it is large.

    Args:
        path: of the file; the names in it are relative to the destination.

    Raises:
        SettingsError: it cannot be read, or a line of it is none of a checksum file.
    """

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("CREATE TABLE digest (path TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO digest VALUES (?, ?)", _lines(path))
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.close()
            raise

    def digest(self, path: str) -> Digest | None:
        """The digest that the file at a path below the destination must have, if one is given."""
        found = self._connection.execute("SELECT value FROM digest WHERE path = ?", (path,)).fetchone()
        return None if found is None else Digest(_ALGORITHMS[len(found[0])], found[0])

    def close(self) -> None:
        """Give the database up."""
        self._connection.close()


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Paths and digests."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, 1):
                text = line.rstrip("\r\n")
                if text and not text.startswith("#"):
                    yield _parsed(text, f"{path}:{number}")
    except OSError as error:
        raise SettingsError(f"the checksums {path!r} cannot be read: {error.strerror or error}") from None


def _parsed(text: str, where: str) -> tuple[str, str]:
    if match := _GNU.fullmatch(text):
        escaped, value, name = match.groups()
    elif match := _BSD.fullmatch(text):
        escaped, name, value = match.groups()
    else:
        raise SettingsError(f"{where} is no line of a file of checksums, such as sha256sum writes")
    if len(value) not in _ALGORITHMS:
        raise SettingsError(
            f"{where} has a checksum of {len(value)} digits, which is none of sha256, sha512, sha1, md5"
        )
    if escaped:
        name = _ESCAPED.sub(lambda found: _UNESCAPED[found[1]], name)
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return name.removeprefix("./"), value.lower()
