"""The ledger as an SQLite database: its tables, how it is opened, and what its errors mean."""

from __future__ import annotations

import errno
import os
import sqlite3

from pdl.errors import DestinationError

SCHEMA_VERSION = 1
_CHECKPOINT = 4000
"""Pages of 4 KiB in the log before they are written to their places, which waits for the disk."""

_SCHEMA = f"""
BEGIN;
CREATE TABLE entry (
    row INTEGER PRIMARY KEY,  -- the number of the entry, from 1
    hash INTEGER NOT NULL,  -- its identity, signed
    url TEXT NOT NULL,  -- without userinfo; of a malformed line, its printable text
    name TEXT,  -- as the list gives it
    path TEXT,  -- below the destination
    run INTEGER NOT NULL,  -- the last one that saw it
    status TEXT,  -- done, skipped, failed; NULL is left
    reason TEXT,
    kind TEXT,
    message TEXT,
    http_status INTEGER,
    size INTEGER,
    attempts INTEGER,
    final_url TEXT,
    seconds REAL,
    place TEXT  -- FILE:LINE, of what has ended
);
CREATE INDEX entry_failed ON entry(run, row) WHERE status = 'failed';
CREATE TABLE run (number INTEGER PRIMARY KEY, started REAL NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def open_database(path: str) -> sqlite3.Connection:
    """The ledger, made if it is not there."""
    connection = connect(path, "rwc")
    try:
        if _is_new(connection, path):
            connection.executescript(_SCHEMA)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise translated(error, path) from error
        raise
    return connection


def connect(path: str, mode: str) -> sqlite3.Connection:
    """Open a database; `mode` is `rw`, or `rwc` to create it."""
    quoted = "file:" + "".join(f"%{byte:02x}" for byte in os.fsencode(path)) + f"?mode={mode}"
    try:
        # the loop may be advanced from different threads, one at a time
        return sqlite3.connect(quoted, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translated(error, path) from error


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if version > SCHEMA_VERSION:
        raise DestinationError(f"{path} was written by a newer version of pdl; this one cannot read it")
    if tables and not version:
        raise DestinationError(f"{path} is not a ledger of pdl")
    return not tables


def translated(error: sqlite3.Error, path: str) -> OSError | DestinationError:
    """SQLite's error as what it means for a run; by its text, since Python 3.10 gives no code."""
    text = str(error)
    if "disk is full" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    if "not a database" in text or "malformed" in text:
        return DestinationError(f"{path} is damaged or not a ledger of pdl: {text}; move it away to begin anew")
    return DestinationError(f"the ledger {path} cannot be used: {text}")


def storable(text: str) -> str:
    """Text as SQLite takes it: lone surrogates, as in names of files that are not UTF-8, are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
