"""The ledger as others read it: every entry with all that is known of it, and what they add up to.

A run may be writing meanwhile. Nothing is made or changed on disk.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar, cast, get_args

from pdl.errors import DestinationError, Kind
from pdl.model import Digest, Reason, parse_digest

from .database import SCHEMA_VERSION, connect, translated, version_of
from .state import ledger_path

_T = TypeVar("_T")

_TOGETHER = 500
"""Entries that are read, and held in memory, at once."""
_STANDING = ("done", "exists", "not-modified")
"""Reasons to skip an entry for its file."""

_ENTRY = """SELECT entry.row, COALESCE(status, 'left'), reason, entry.url, mirrors, entry.name, path, entry.size,
    entry.digest, given.size, given.digest, kind, message, http_status, attempts, final_url, etag, last_modified,
    queued, first_byte, ended, seconds, engine, place
    FROM entry LEFT JOIN given ON given.row = entry.row LEFT JOIN run ON run.number = entry.fetched"""
_ENTRIES = f"{_ENTRY} WHERE entry.row > ? ORDER BY entry.row LIMIT {_TOGETHER}"
_OLDEST_LEFT = f"{_ENTRY} WHERE status IS NULL ORDER BY queued, entry.row LIMIT 1"
_COUNTS = f"""SELECT SUM(status = 'done'), SUM(status IS NULL),
    SUM(CASE WHEN status = 'done' OR (status = 'skipped' AND reason IN {_STANDING}) THEN size END),
    {", ".join(f"SUM(status = 'skipped' AND reason = '{each}')" for each in get_args(Reason))}
    FROM entry"""  # noqa: S608 - made of our own words only; FILTER is too new for some systems' SQLite
_BY_KIND = """SELECT CASE WHEN kind = 'http' AND http_status THEN kind || ' ' || http_status ELSE kind END AS fault,
    COUNT(*) FROM entry WHERE status = 'failed' GROUP BY fault ORDER BY 2 DESC, 1"""
_BY_HOST = """WITH failed(rest) AS (SELECT substr(url, instr(url, '://') + 3) || '/' FROM entry
    WHERE status = 'failed' AND path IS NOT NULL)
    SELECT substr(rest, 1, instr(rest, '/') - 1) AS host, COUNT(*) FROM failed GROUP BY host
    ORDER BY 2 DESC, 1 LIMIT ?"""  # what has no path is a malformed line


class LedgerEntry(NamedTuple):
    """What the ledger knows of an entry; None where it knows nothing.

    Args:
        row: the entry's number, from 1.
        status: `done`, `skipped`, `failed`, or `left` if it has not ended.
        reason: why it was skipped.
        url: the entry's URL without userinfo; a malformed line's text.
        mirrors: further URLs of the same file.
        name: the file's name as the list gives it.
        path: the file below the destination, with `/` between folders.
        size: bytes of the file.
        digest: of the file, if it was computed when the file came.
        wanted_size: bytes that the file must have, as the list says.
        wanted_digest: what the file must hash to, as the list says.
        kind: why it failed.
        message: the failure in a sentence; else empty.
        http_status: the last HTTP status.
        attempts: requests made in the entry's last run, without the hops of redirects.
        final_url: where the bytes came from, if that was not `url`.
        etag: that the file came with.
        last_modified: that the file came with.
        queued: when it was last taken from a list to be fetched, in seconds since 1970 as all times.
        first_byte: when the head came of the response that brought the file.
        ended: when it last ended; of a file that later runs have only found done, when that came.
        seconds: from the first attempt's start to the end.
        engine: that brought the file.
        where: `FILE:LINE` of the entry, once it has ended; else empty.
    """

    row: int
    status: Literal["done", "skipped", "failed", "left"]
    reason: Reason | None
    url: str
    mirrors: tuple[str, ...]
    name: str | None
    path: str | None
    size: int | None
    digest: Digest | None
    wanted_size: int | None
    wanted_digest: Digest | None
    kind: Kind | None
    message: str
    http_status: int | None
    attempts: int
    final_url: str | None
    etag: str | None
    last_modified: str | None
    queued: float | None
    first_byte: float | None
    ended: float | None
    seconds: float | None
    engine: str | None
    where: str

    @property
    def is_done(self) -> bool:
        """Whether the file is there as a run has fetched or checked it, be it the last one or one before."""
        return self.status == "done" or (self.status == "skipped" and self.reason in ("done", "not-modified"))


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """How many entries came to which end; `done + skipped + failed + left == read`.

    Args:
        read: entries of all runs.
        done: files fetched, and not met again by a later run.
        left: entries that have not ended.
        skipped_by_reason: how many of each reason.
        failed_by_kind: how many of each kind, `http` with its status; the most frequent first.
        failed_by_host: how many of each host (name and port) of the entries' URLs; the most frequent first.
        size: bytes of the files that are done, or were skipped because they are there.
        oldest_left: of the entries that have not ended, the one that waits longest.
    """

    read: int
    done: int
    left: int
    skipped_by_reason: dict[str, int]
    failed_by_kind: dict[str, int]
    failed_by_host: dict[str, int]
    size: int
    oldest_left: LedgerEntry | None

    @property
    def skipped(self) -> int:
        """Entries that were skipped."""
        return sum(self.skipped_by_reason.values())

    @property
    def failed(self) -> int:
        """Entries that failed."""
        return sum(self.failed_by_kind.values())

    @property
    def files(self) -> int:
        """Files that `size` is of."""
        return self.done + sum(self.skipped_by_reason.get(reason, 0) for reason in _STANDING)


class Ledger:
    """What is known of every entry of a destination, in the order of the list; for reading only.

    Entries are read a few hundred at a time, each of them as it is then: a run may be writing meanwhile.

    Args:
        dest: folder that received the files.
        state_dir: folder of the ledger, where `--state-dir` put it elsewhere.

    Raises:
        DestinationError: there is no ledger, or it cannot be read; also raised while it is read.
    """

    def __init__(
        self, dest: str | os.PathLike[str] = ".", *, state_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self._dest = os.fspath(dest)
        self.path = ledger_path(self._dest, None if state_dir is None else os.fspath(state_dir))
        self._read(_last)

    def __len__(self) -> int:
        return self._read(_last)

    def __iter__(self) -> Iterator[LedgerEntry]:
        row = 0
        while batch := self._batch(row):
            yield from batch
            row = batch[-1].row

    def _batch(self, row: int) -> list[LedgerEntry]:
        """Some entries after a row; their connection is closed before anybody looks at them."""
        return self._read(lambda connection: [_entry(each) for each in connection.execute(_ENTRIES, (row,))])

    def find(self, urls: Sequence[str]) -> dict[str, list[LedgerEntry]]:
        """The entries of some URLs, in the order of the list.

        Without an index, see `index_urls`, the whole ledger is gone through.
        """
        some = f"{_ENTRY} WHERE entry.url IN ({', '.join('?' * len(urls))}) ORDER BY entry.row"
        found: dict[str, list[LedgerEntry]] = {url: [] for url in urls}
        for values in self._read(lambda connection: connection.execute(some, tuple(urls)).fetchall()):
            entry = _entry(values)
            found[entry.url].append(entry)
        return found

    def counts(self, hosts: int = 10) -> LedgerCounts:
        """What the entries add up to, all at one moment.

        Args:
            hosts: how many of those with failures to name.
        """
        return self._read(lambda connection: _counts(connection, hosts))

    def _read(self, ask: Callable[[sqlite3.Connection], _T]) -> _T:
        """An answer from the ledger as it is at one moment, over a connection of its own."""
        while True:
            state = self._state()
            try:
                answer = self._ask(ask, still=not state.is_open)
            except sqlite3.Error as error:
                if state == self._state():
                    raise translated(error, self.path) from error
            else:
                if state == self._state():
                    return answer

    def _ask(self, ask: Callable[[sqlite3.Connection], _T], *, still: bool) -> _T:
        with closing(connect(self.path, "ro", still=still)) as connection:
            connection.execute("BEGIN")
            version = version_of(connection, self.path)
            if not version:
                raise self._missing()
            if version < SCHEMA_VERSION:
                raise DestinationError(
                    f"{self.path} was written by an older version of pdl; the next run brings it up to date"
                )
            try:
                return ask(connection)
            except ValueError as error:  # a word that is none of ours
                raise DestinationError(f"{self.path} is damaged or of a newer version of pdl: {error}") from error

    def _state(self) -> _State:
        try:
            found = os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
            raise self._missing() from None
        except OSError as error:
            raise DestinationError(f"the ledger {self.path} cannot be read: {error.strerror or error}") from None
        if not stat.S_ISREG(found.st_mode):
            raise DestinationError(f"{self.path} is not a regular file")
        if any(os.path.lexists(self.path + end) for end in ("-wal", "-journal")):
            return _State(is_open=True)
        return _State(is_open=False, version=(found.st_ino, found.st_size, found.st_mtime_ns))

    def _missing(self) -> DestinationError:
        return DestinationError(f"there is no ledger of pdl in {self._dest!r}; a run makes one in its destination")


class _State(NamedTuple):
    """Whether somebody writes to a ledger, or has not come to put everything in its place.

    SQLite reads an open one beside the writer. Of one that nobody has open it would have to make files first: it is
    read as it stands, and again if it has changed meanwhile.
    """

    is_open: bool
    version: tuple[int, int, int] | None = None


def _last(connection: sqlite3.Connection) -> int:
    """The last row, which is how many there are."""
    (row,) = connection.execute("SELECT COALESCE(MAX(row), 0) FROM entry").fetchone()
    return cast("int", row)


def _counts(connection: sqlite3.Connection, hosts: int) -> LedgerCounts:
    done, left, size, *skipped = (number or 0 for number in connection.execute(_COUNTS).fetchone())
    oldest = connection.execute(_OLDEST_LEFT).fetchone() if left else None
    return LedgerCounts(
        read=_last(connection),
        done=done,
        left=left,
        skipped_by_reason={reason: count for reason, count in zip(get_args(Reason), skipped, strict=True) if count},
        failed_by_kind=dict(connection.execute(_BY_KIND).fetchall()),
        failed_by_host=dict(connection.execute(_BY_HOST, (hosts,)).fetchall()),
        size=size,
        oldest_left=oldest and _entry(oldest),
    )


def _entry(values: tuple[Any, ...]) -> LedgerEntry:
    (
        row,
        status,
        reason,
        url,
        mirrors,
        name,
        path,
        size,
        digest,
        wanted_size,
        wanted_digest,
        kind,
        message,
        *more,
    ) = values
    http_status, attempts, final_url, etag, last_modified, queued, first_byte, ended, seconds, engine, where = more
    return LedgerEntry(
        row,
        status,
        reason,
        url,
        tuple(mirrors.split("\n")) if mirrors else (),
        name,
        path,
        size,
        parse_digest(digest),
        wanted_size,
        parse_digest(wanted_digest),
        kind and Kind(kind),
        message or "",
        http_status,
        attempts or 0,
        final_url,
        etag,
        last_modified,
        queued,
        first_byte,
        ended,
        seconds,
        engine or None,
        where or "",
    )
