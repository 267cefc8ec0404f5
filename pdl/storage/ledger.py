"""The ledger: what became of every entry, in `DEST/.pdl/ledger.sqlite3`.

Rows stand in the order of the list. The loop alone writes, in batches; nothing in here is a secret.
"""

from __future__ import annotations

import os
import sqlite3
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any, NamedTuple, cast

from pdl.errors import Kind
from pdl.model import Reason, Result, Status

from .database import connect, open_database, storable, translated
from .destination import prepare_destination
from .hold import Hold
from .identities import Identities

_BATCH = 1000
"""Changes that are committed together."""
_PATIENCE = 1.0
"""Seconds that a change waits for others."""

_TOGETHER = 50
"""Rows of one statement, where many are written or read: half the time of so many statements."""
_APPEND = "INSERT INTO entry(row, hash, url, name, path, run) VALUES (?, ?, ?, ?, ?, ?)"
_APPEND_MANY = _APPEND + ", (?, ?, ?, ?, ?, ?)" * (_TOGETHER - 1)
_READMIT = """UPDATE entry SET run = ?, status = NULL, reason = NULL, kind = NULL, message = NULL,
    http_status = NULL, size = NULL, attempts = NULL, final_url = NULL, seconds = NULL, place = NULL
    WHERE row = ?"""
_RECORD = """UPDATE entry SET run = ?, path = COALESCE(?, path), status = ?, reason = ?, kind = ?, message = ?,
    http_status = ?, size = ?, attempts = ?, final_url = ?, seconds = ?, place = ? WHERE row = ?"""
_MOVE = "UPDATE entry SET path = ? WHERE row = ?"
_SOME = f"({', '.join('?' * _TOGETHER)})"
_CONFIRM = (
    "UPDATE entry SET run = ?, status = 'skipped', reason = 'done', kind = NULL, message = NULL, place = NULL"
)
_CONFIRM += f" WHERE row IN {_SOME}"
_COLUMNS = "SELECT row, url, name, path, run, status, reason, size FROM entry WHERE row"
_KNOWN = f"{_COLUMNS} BETWEEN ? AND ?"
_KNOWN_MANY = f"{_COLUMNS} IN {_SOME}"
_OWNERS = """SELECT row, hash, path FROM entry WHERE row > ? AND reason IS NOT 'duplicate' ORDER BY row LIMIT ?"""
_FAILURES = """SELECT row, status, url, path, reason, kind, message, http_status, size, attempts, final_url,
    seconds, place FROM entry WHERE status = 'failed' AND run = ? AND row > ? ORDER BY row LIMIT 500"""


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

    @property
    def finished_size(self) -> int | None:
        """Bytes of the file, if a run has fetched it."""
        finished = self.status == "done" or self.reason in ("done", "not-modified")
        return self.size if finished else None


class Ledger:
    """The account of a destination, held by one run at a time.

    Args:
        dest: folder that receives the files; made if it is not there.

    Raises:
        DestinationError: the destination cannot be used, another run holds it, or its ledger cannot be read.

    Every method but `close` and `failures` raises DestinationError when the ledger cannot be written any more, and
    OSError (ENOSPC) when the disk is full.
    """

    def __init__(self, dest: str) -> None:
        prepare_destination(dest)
        self.folder = os.path.abspath(os.path.join(dest, ".pdl"))
        self.path = os.path.join(self.folder, "ledger.sqlite3")
        self._changes = 0  # not committed yet
        self._since: float | None = None
        self._hold = Hold(dest, self.folder)
        try:
            self._connection = open_database(self.path)
            self._begin_run()
        except BaseException:
            self._hold.release()
            raise
        self.identities = Identities(self.folder)

    def _begin_run(self) -> None:
        try:
            (last,) = self._execute("SELECT COALESCE(MAX(row), 0) FROM entry").fetchone()
            (run,) = self._execute("SELECT COALESCE(MAX(number), 0) + 1 FROM run").fetchone()
            self._change("INSERT INTO run VALUES (?, ?)", [(run, time.time())])
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
        values = zip(rows, signed, urls, names, paths, repeat(self.run))
        together = (list(chain.from_iterable(islice(values, _TOGETHER))) for _ in range(len(hashes) // _TOGETHER))
        self._change(_APPEND_MANY, together)
        self._change(_APPEND, values)
        self.last += len(hashes)

    def readmit(self, rows: Iterable[int]) -> None:
        """Have entries of earlier runs as left again."""
        self._change(_READMIT, [(self.run, row) for row in rows])

    def confirm(self, rows: Sequence[int]) -> None:
        """Have entries that earlier runs have finished as skipped because they are done."""
        self._change(_CONFIRM, ((self.run, *padded) for padded in _padded(rows)))

    def record(self, *results: Result) -> None:
        """Write down how entries ended; a path that is not given stays."""
        self._change(_RECORD, [_values(self.run, result) for result in results])

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
        return [Known._make(values) for values in self._execute(_KNOWN, (row, row + count - 1))]

    def _scattered(self, rows: list[int]) -> Iterator[Known]:
        self._begin()
        for padded in _padded(rows):
            yield from map(Known._make, self._execute(_KNOWN_MANY, padded))

    def owners(self, after: int, limit: int) -> list[tuple[int, int, str | None]]:
        """Rows, identities and paths of entries after a row, without those that only repeat others."""
        rows = self._execute(_OWNERS, (after, limit))
        return [(row, hash_ & 0xFFFF_FFFF_FFFF_FFFF, path) for row, hash_, path in rows]

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


def _padded(rows: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Rows by `_TOGETHER`, the last filled up with 0, which is no row: so there is one statement to prepare."""
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        yield (*some, *repeat(0, _TOGETHER - len(some)))


def _values(run: int, result: Result) -> tuple[Any, ...]:
    return (
        run,
        result.path,
        result.status,
        result.reason,
        result.kind and result.kind.value,
        storable(result.message) or None,
        result.http_status,
        result.size,
        result.attempts or None,
        result.final_url,
        result.seconds or None,
        storable(result.where) or None,
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
