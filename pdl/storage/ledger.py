"""The ledger: what became of every entry, in `DEST/.pdl/ledger.sqlite3`.

Rows stand in the order of the list. The loop alone writes, in batches; nothing in here is a secret.
"""

from __future__ import annotations

import os
import sqlite3
import time
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat
from typing import Any, NamedTuple, cast

from pdl.errors import Kind
from pdl.model import Digest, Download, Outcome, Partial, Reason, Result, Status, Validator, parse_digest

from .database import connect, make_durable, open_database, storable, translated
from .destination import prepare_destination
from .hold import Hold
from .identities import Identities
from .state import ledger_path, prepare_state, state_folder

_BATCH = 1000
"""Changes that are committed together."""
_PATIENCE = 1.0
"""Seconds that a change waits for others."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF

_TOGETHER = 50
"""Rows of one statement, where many are written or read: half the time of so many statements."""
_APPEND = "INSERT INTO entry(run, queued, row, hash, url, name, path) VALUES (?, ?, ?, ?, ?, ?, ?)"
_APPEND_MANY = _APPEND + ", (?, ?, ?, ?, ?, ?, ?)" * (_TOGETHER - 1)
_GIVEN = "INSERT OR REPLACE INTO given(row, mirrors, size, digest, withheld) VALUES (?, ?, ?, ?, ?)"
_READMIT = """UPDATE entry SET run = ?, stood = ?, queued = ?, status = NULL, reason = NULL, kind = NULL,
    message = NULL, http_status = NULL, size = CASE WHEN reason = 'exists' THEN NULL ELSE size END, attempts = NULL,
    seconds = NULL, place = NULL WHERE row = ?"""
_RECORD = """UPDATE entry SET run = ?, path = COALESCE(?, path), status = ?, reason = ?, kind = ?,
    message = ?, http_status = ?, digest = CASE WHEN size IS COALESCE(?, size) THEN digest END,
    size = COALESCE(?, size), attempts = ?, final_url = COALESCE(?, final_url), seconds = ?, place = ?, ended = ?
    WHERE row = ?"""
_FETCHED = """UPDATE entry SET status = 'done', reason = NULL, kind = NULL, message = NULL, run = ?, fetched = ?,
    path = COALESCE(?, path), http_status = ?, size = ?, attempts = ?, final_url = ?, seconds = ?, place = ?,
    ended = ?, first_byte = ?, digest = ?, etag = ?, last_modified = ? WHERE row = ?"""
_PART = "INSERT OR REPLACE INTO part(row, inode, validator, total, url, name) VALUES (?, ?, ?, ?, ?, ?)"
_MOVE = "UPDATE entry SET path = ? WHERE row = ?"
_SOME = f"({', '.join('?' * _TOGETHER)})"
_CONFIRM = (
    "UPDATE entry SET run = ?, status = 'skipped', reason = 'done', kind = NULL, message = NULL, place = NULL"
)
_CONFIRM += " WHERE row BETWEEN ? AND ?"
_COLUMNS = "SELECT row, url, name, path, run, status, reason, size, stood FROM entry WHERE row"
_KNOWN = f"{_COLUMNS} BETWEEN ? AND ?"
_KNOWN_MANY = f"{_COLUMNS} IN {_SOME}"
_OWNERS = """SELECT row, hash, path FROM entry WHERE row > ? AND reason IS NOT 'duplicate' ORDER BY row LIMIT ?"""
_FAILURES = """SELECT row, status, url, path, reason, kind, message, http_status, size, attempts, final_url,
    seconds, place FROM entry WHERE status = 'failed' AND run = ? AND row > ? ORDER BY row LIMIT 500"""


_new = tuple.__new__


class Known(NamedTuple):
    """What the ledger says of an entry."""

    row: int
    url: str
    name: str | None
    path: str | None
    run: int
    status: Status | None = None
    reason: Reason | None = None
    size: int | None = None
    stood: int | None = None

    @property
    def finished_size(self) -> int | None:
        """Bytes of the file that a run has put at the path, whatever later ones made of the entry."""
        return None if self.reason == "exists" else self.size


class LedgerWriter:
    """The account of a destination, held by one run at a time.

    Args:
        dest: folder that receives the files; made if it is not there.
        engine: name of the engine that fetches in this run.
        durable: what is committed outlives a loss of power.

    Raises:
        DestinationError: the destination cannot be used, another run holds it, or its ledger cannot be read.

    Every method but `close` and `failures` raises DestinationError when the ledger cannot be written any more, and
    OSError (ENOSPC) when the disk is full.
    """

    def __init__(self, dest: str, engine: str = "", *, durable: bool = False, state_dir: str | None = None) -> None:
        self.parts = prepare_destination(dest)
        """Folder of the part files."""
        self._part_beginning = os.path.join(self.parts, "")
        if state_dir is not None:
            prepare_state(dest, state_dir)
        self._engine = engine
        self.folder = state_folder(dest, state_dir)
        self._killed: frozenset[int] | None = None
        self.path = ledger_path(dest, state_dir)
        self._changes = 0  # not committed yet
        self._since: float | None = None
        self._hold = Hold(dest, self.folder, home=os.path.dirname(self.parts))
        try:
            self._connection = self._open()
            self._begin_run(durable=durable)
        except BaseException:
            self._hold.release()
            raise
        self.identities = Identities(self.folder)

    def part_path(self, row: int) -> str:
        """Path of an entry's part file: named after its row, so that any worker and any later run finds it."""
        return f"{self._part_beginning}{row}.part"

    def _open(self) -> sqlite3.Connection:
        return open_database(self.path)

    def _begin_run(self, *, durable: bool) -> None:
        try:
            if durable:
                make_durable(self._connection)
            (last,) = self._execute("SELECT COALESCE(MAX(row), 0) FROM entry").fetchone()
            (run,) = self._execute("SELECT COALESCE(MAX(number), 0) + 1 FROM run").fetchone()
            self._change(
                "INSERT INTO run(number, started, engine) VALUES (?, ?, ?)", [(run, time.time(), self._engine)]
            )
        except BaseException:
            self._connection.close()
            raise
        self.last: int = last
        """The last row."""
        self.committed: int = last
        """The last row that outlives a kill; what was given to later rows may be given to others then."""
        self.run: int = run
        """The number of this run."""

    # -- writing

    def append(
        self, hashes: Sequence[int], urls: Sequence[str], names: Iterable[str | None], paths: Iterable[str | None]
    ) -> None:
        """Append entries after the last row, as left."""
        if not hashes:
            return
        signed = memoryview(array("Q", hashes)).cast("B").cast("q")
        rows = range(self.last + 1, self.last + 1 + len(hashes))
        run, now = repeat(self.run), repeat(time.time())
        # names and paths may be any iterables
        values = zip(run, now, rows, signed, urls, names, paths, strict=False)
        together = (islice(values, _TOGETHER) for _ in range(len(hashes) // _TOGETHER))
        self._change(_APPEND_MANY, (list(chain.from_iterable(some)) for some in together))
        self._change(_APPEND, values)
        self.last += len(hashes)

    def give(self, rows: Mapping[int, Download]) -> None:
        """Write down what the list says of some entries beside URL and name; no secret is kept."""
        self._change(_GIVEN, [_given(row, download) for row, download in rows.items()])

    def note_standing(self, rows: Iterable[int]) -> None:
        """Files were there before these entries got their paths."""
        self._change("UPDATE entry SET stood = 1 WHERE row = ?", [(row,) for row in rows])

    def readmit(self, rows: Iterable[int], *, standing: Container[int] = ()) -> None:
        """Have entries of earlier runs as left again.

        Args:
            rows: of the entries.
            standing: those whose file is there, and will be replaced.
        """
        now = time.time()
        self._change(_READMIT, [(self.run, int(row in standing) or None, now, row) for row in rows])

    def confirm(self, rows: Sequence[int]) -> None:
        """Have entries that earlier runs have finished as skipped because they are done."""
        self._change(_CONFIRM, [(self.run, first, last) for first, last in _runs(rows)])

    def record(self, *results: Result) -> None:
        """Write down how entries ended; a path that is not given stays."""
        now = time.time()
        self._change(_RECORD, [_values(self.run, result, now) for result in results])

    def record_fetched(self, fetched: Iterable[tuple[Result, Outcome]]) -> None:
        """Write down which files have come, and what is known of them."""
        now = time.time()
        self._change(_FETCHED, [_fetched_values(self.run, result, outcome, now) for result, outcome in fetched])

    def keep_part(self, row: int, inode: int, partial: Partial) -> None:
        """Write down by what the part of an entry can be continued, in this run or a later one.

        Args:
            row: of the entry.
            inode: number of the part file: the record holds for no other.
            partial: what is known of it; its size is for the disk to tell.
        """
        inode -= inode >> 63 << 64  # SQLite's integers are signed
        name = partial.name if partial.name is None else storable(partial.name)
        self._change(_PART, [(row, inode, partial.if_range, partial.total, partial.url, name)])

    def drop_parts(self, rows: Iterable[int]) -> None:
        """Forget how parts can be continued."""
        self._change("DELETE FROM part WHERE row = ?", [(row,) for row in rows])

    def move(self, row: int, path: str) -> None:
        """Give an entry another path, and commit that: before a file has the path, so that a kill forgets none."""
        self._change(_MOVE, [(path, row)])
        self.flush()

    def flush_if_due(self, now: float) -> None:
        """Commit what has waited for a second or is enough for a batch.

        Args:
            now: seconds of a clock that never goes back.
        """
        if not self._changes:
            return
        if self._since is None:
            self._since = now
        if self._changes >= _BATCH or now - self._since >= _PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Commit everything."""
        if self._connection.in_transaction:
            self._execute("COMMIT")
        self._changes, self._since, self.committed = 0, None, self.last

    def end_run(self) -> None:
        """Note that everything is written down: a later run need not look for more."""
        self._change("UPDATE run SET closed = ? WHERE number = ?", [(time.time(), self.run)])

    def close(self) -> None:
        """Commit, and let other runs have the destination; again does nothing.

        Raises:
            DestinationError, OSError: the last changes could not be written.
        """
        if self._hold.is_released:
            return
        try:
            self.flush()
        finally:
            self.identities.close()
            try:
                self._connection.close()
            finally:
                self._hold.release()

    # -- reading

    def find(self, identities: Iterable[int]) -> dict[int, Known]:
        """Entries that are likely to have these identities; no answer is a sure one.

        Args:
            identities: of entries that may be in `identities`.
        """
        rows = {identity: row for identity in identities for row in islice(self.identities.find(identity), 1)}
        known = {each.row: each for each in self._scattered(sorted(rows.values()))}
        return {identity: known[row] for identity, row in rows.items()}

    def candidates(self, identity: int) -> Iterator[Known]:
        """Every entry that may have this identity."""
        return chain.from_iterable(self.known(row, 1) for row in self.identities.find(identity))

    def known(self, row: int, count: int) -> list[Known]:
        """What is known of some entries, from a row on."""
        self._begin()  # otherwise every look-up locks and unlocks the database for itself
        # as `_make` does, without its call: a finished run does hardly anything else
        return [_new(Known, values) for values in self._execute(_KNOWN, (row, row + count - 1))]

    def _scattered(self, rows: list[int]) -> Iterator[Known]:
        self._begin()
        for padded in _padded(rows):
            yield from map(Known._make, self._execute(_KNOWN_MANY, padded))

    def may_be_published(self, known: Known) -> bool:
        """Whether a run that was killed may have put a file at an entry's path without writing it down."""
        if known.status is not None or known.stood:
            return False
        if self._killed is None:
            runs = self.select("SELECT number FROM run WHERE closed IS NULL AND number != ?", (self.run,))
            self._killed = frozenset(number for (number,) in runs)
        if known.run not in self._killed:
            return False
        try:
            return os.lstat(self.part_path(known.row)).st_nlink > 1
        except OSError:
            return True

    def part(self, row: int, found: os.stat_result) -> Partial | None:
        """By what the part of an entry can be continued, if that is known.

        Args:
            row: of the entry.
            found: what the disk tells of the part.
        """
        self._begin()
        statement = "SELECT inode, validator, total, url, name FROM part WHERE row = ?"
        known = self._execute(statement, (row,)).fetchone()
        if known is None:
            return None
        if known[0] & _MASK != found.st_ino & _MASK or not found.st_size:
            self.drop_parts([row])
            return None
        return Partial(found.st_size, *known[1:])

    def validator(self, row: int) -> Validator | None:
        """The version of a finished file, and the URL that sent it; None if the server told nothing of it."""
        self._begin()
        statement = "SELECT COALESCE(final_url, url), etag, last_modified FROM entry WHERE row = ?"
        validator = Validator(*self._execute(statement, (row,)).fetchone())
        return validator or None

    def digest(self, row: int, size: int) -> Digest | None:
        """The digest of a file that a run has put there, or of the list; None if there is none.

        Args:
            row: of the entry.
            size: bytes of the file now; a digest of one of another size says nothing.
        """
        statement = """SELECT COALESCE(entry.digest, given.digest) FROM entry LEFT JOIN given USING (row)
            WHERE row = ? AND entry.size = ?"""
        found = self.select(statement, (row, size))
        return parse_digest(found[0][0]) if found else None

    def renew(self, row: int, outcome: Outcome) -> None:
        """Write down the version of a file that was there already, as the server calls it now."""
        statement = "UPDATE entry SET etag = ?, last_modified = ? WHERE row = ?"
        self._change(statement, [(outcome.etag, outcome.last_modified, row)])

    def owners(self, after: int, limit: int) -> list[tuple[int, int, str | None]]:
        """Rows, identities and paths of entries after a row, without those that only repeat others."""
        rows = self._execute(_OWNERS, (after, limit))
        return [(row, hash_ & _MASK, path) for row, hash_, path in rows]

    def select(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """What a query finds."""
        self._begin()
        return self._execute(statement, values).fetchall()

    def failures(self) -> Failures:
        """This run's failed entries, as far as they are committed."""
        return Failures(self.path, self.run)

    # -- SQLite

    def _change(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._begin()
        try:
            self._changes += self._connection.executemany(statement, rows).rowcount
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._execute("BEGIN IMMEDIATE")

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise translated(error, self.path) from error


class Failures:
    """The failed entries of a run, read from the ledger a few at a time; needs no open run.

    Raises:
        DestinationError: the ledger is gone or cannot be read.
    """

    def __init__(self, path: str, run: int) -> None:
        self._path = path
        self._run = run

    def __len__(self) -> int:
        count = "SELECT COUNT(*) FROM entry WHERE status = 'failed' AND run = ?"
        return cast("int", self._read(count, (self._run,))[0][0])

    def __iter__(self) -> Iterator[Result]:
        row = 0
        while batch := self._read(_FAILURES, (self._run, row)):
            yield from map(_result, batch)
            row = batch[-1][0]

    def _read(self, statement: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        """One statement over a connection of its own: none stays open while the results are looked at."""
        connection = connect(self._path, "rw")
        try:
            return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self._path) from error
        finally:
            connection.close()


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of rows that follow one another."""
    begins = [place for place in range(len(rows)) if not place or rows[place] != rows[place - 1] + 1]
    for begin, end in zip(begins, (*begins[1:], len(rows)), strict=True):
        yield rows[begin], rows[end - 1]


def _padded(rows: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Rows by `_TOGETHER`, the last filled up with 0, which is no row: so there is one statement to prepare."""
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        yield (*some, *repeat(0, _TOGETHER - len(some)))


def _given(row: int, download: Download) -> tuple[Any, ...]:
    digest = download.digest
    return (
        row,
        "\n".join(download.mirrors) or None,
        download.size,
        digest and str(digest),
        int(bool(download.credentials or download.headers)) or None,
    )


def _fetched_values(run: int, result: Result, outcome: Outcome, now: float) -> tuple[Any, ...]:
    digest = outcome.digest
    return (
        run,
        run,
        result.path,
        result.http_status,
        result.size,
        result.attempts,
        result.final_url,
        result.seconds,
        storable(result.where) or None,
        now,
        outcome.first_byte,
        digest and str(digest),
        outcome.etag,
        outcome.last_modified,
        result.index,
    )


def _values(run: int, result: Result, now: float) -> tuple[Any, ...]:
    stands = result.status == "done" or result.reason in ("done", "exists", "not-modified")
    size = result.size if stands else None
    return (
        run,
        result.path,
        result.status,
        result.reason,
        result.kind and result.kind.value,
        storable(result.message) or None,
        result.http_status,
        size,
        size,
        result.attempts or None,
        result.final_url,
        result.seconds or None,
        storable(result.where) or None,
        now,
        result.index,
    )


def _result(values: tuple[Any, ...]) -> Result:
    row, status, url, path, reason, kind, message, http_status, size, attempts, final_url, seconds, place = values
    return Result(
        index=row,
        status=status,
        url=url,
        path=path,
        reason=reason,
        kind=kind and Kind(kind),
        message=message or "",
        http_status=http_status,
        size=size or 0,
        attempts=attempts or 0,
        final_url=final_url,
        seconds=seconds or 0.0,
        where=place or "",
        line="" if path else url,
    )
