"""The ledger as an SQLite database: its tables, how it is opened, and what its errors mean."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing

from pdl.errors import DestinationError

_CHECKPOINT = 4000
"""Pages of 4 KiB in the log before they are written to their places, which waits for the disk."""

_STEPS = (
    """
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
""",
    """
ALTER TABLE entry ADD COLUMN stood INTEGER;  -- a file was there already when the path was settled
ALTER TABLE entry ADD COLUMN queued REAL;  -- seconds since 1970, as the other times
ALTER TABLE entry ADD COLUMN first_byte REAL;  -- when the head came of the response that brought the file
ALTER TABLE entry ADD COLUMN ended REAL;
ALTER TABLE entry ADD COLUMN fetched INTEGER;  -- the run that brought the file
ALTER TABLE entry ADD COLUMN digest TEXT;  -- of the file, as ALGORITHM:HEX
ALTER TABLE entry ADD COLUMN etag TEXT;
ALTER TABLE entry ADD COLUMN last_modified TEXT;
ALTER TABLE run ADD COLUMN engine TEXT;
ALTER TABLE run ADD COLUMN closed REAL;  -- when it had written down everything; never, if it was killed
UPDATE entry SET size = NULL WHERE status = 'failed' OR reason = 'duplicate';
UPDATE entry SET fetched = run WHERE status = 'done';
CREATE TABLE given (  -- what the list says of an entry beside its URL and name
    row INTEGER PRIMARY KEY,
    mirrors TEXT,  -- a line each
    size INTEGER,
    digest TEXT,  -- as above
    withheld INTEGER  -- it had userinfo or header fields of its own, which are not kept
);
CREATE TABLE part (  -- the beginnings of files that can be continued
    row INTEGER PRIMARY KEY,
    inode INTEGER NOT NULL,  -- of the part file: another one has other bytes
    validator TEXT NOT NULL,  -- for If-Range
    total INTEGER,
    url TEXT NOT NULL,
    name TEXT  -- that the server gave
);
""",
    """
ALTER TABLE part ADD COLUMN spans TEXT;  -- START-STOP,... that are there, where it is as long as the whole file
""",
)
"""What makes each version of the schema of the one before it; the first one, of nothing."""
SCHEMA_VERSION = len(_STEPS)


def open_database(path: str) -> sqlite3.Connection:
    """The ledger, made if it is not there."""
    connection = connect(path, "rwc")
    try:
        for version in range(version_of(connection, path), SCHEMA_VERSION):
            step = f"BEGIN IMMEDIATE; {_STEPS[version]} PRAGMA user_version = {version + 1}; COMMIT;"
            connection.executescript(step)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise translated(error, path) from error
        raise
    return connection


def transient_database() -> sqlite3.Connection:
    """An empty ledger in a temporary file that has no name: SQLite makes it when its cache is full."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.executescript("".join(_STEPS))
    connection.execute("PRAGMA journal_mode = MEMORY")  # without one, a full disk would spoil the database
    return connection


def index_urls(path: str) -> None:
    """Have entries be found by their URLs soon, in a ledger that no run uses any more."""
    with closing(connect(path, "rw")) as connection:
        connection.execute("CREATE INDEX IF NOT EXISTS entry_url ON entry(url)")


def make_durable(connection: sqlite3.Connection) -> None:
    """Have every commit wait for the disk, and on macOS for the drive's own memory."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")


def connect(path: str, mode: str, *, still: bool = False) -> sqlite3.Connection:
    """Open a database.

    Args:
        path: of its file.
        mode: `ro`, `rw`, or `rwc` to create it.
        still: nobody writes to it meanwhile, so nothing is locked, nor made beside it.
    """
    quoted = "file:" + "".join(f"%{byte:02x}" for byte in os.fsencode(path)) + f"?mode={mode}"
    quoted += "&immutable=1" if still else ""
    try:
        # the loop may be advanced from different threads, one at a time
        return sqlite3.connect(quoted, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translated(error, path) from error


def version_of(connection: sqlite3.Connection, path: str) -> int:
    """The version of the schema; 0 if there is none yet."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if version > SCHEMA_VERSION:
        raise DestinationError(f"{path} was written by a newer version of pdl; this one cannot read it")
    if tables and not version:
        raise DestinationError(f"{path} is not a ledger of pdl")
    return int(version)


def translated(error: sqlite3.Error, path: str) -> OSError | DestinationError:
    """SQLite's error as what it means for a run; by its text, since Python 3.10 gives no code."""
    text = str(error)
    if "disk is full" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    if "not a database" in text or "malformed" in text:
        return DestinationError(f"{path} is damaged or not a ledger of pdl: {text}; move it away to begin anew")
    if "lock" in text or "disk I/O" in text:  # what network file systems make of SQLite
        text += "; if this is a network file system, --state-dir puts the ledger elsewhere, on a local disk"
    return DestinationError(f"the ledger {path} cannot be used: {text}")


def storable(text: str) -> str:
    """Text as SQLite takes it: lone surrogates, as in names of files that are not UTF-8, are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
