"""The account of a run that keeps none: what names, repeats and failures need, until the run is forgotten."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pdl.errors import DestinationError
from pdl.model import Download, Outcome, Partial, Result

from .database import transient_database, translated
from .ledger import Failures, LedgerWriter
from .parts import remove_transient_parts


class TransientLedger(LedgerWriter):
    """A ledger in a temporary file without a name, which is gone when the process ends, however it does.

    It knows which entry has which path, and which have failed; a ledger that the destination has from other runs is
    neither read nor changed, and the parts that it knows of stay.

    Args:
        dest: folder that receives the files; made if it is not there.
        engine: name of the engine that fetches.

    Raises:
        DestinationError: the destination cannot be used, or another run holds it.
    """

    def __init__(self, dest: str, engine: str = "") -> None:
        super().__init__(dest, engine)
        self.path = "in the folder for temporary files"
        self._part_beginning += "t"
        self._failures = _HeldFailures(self._connection, self.run)
        try:
            remove_transient_parts(self.parts)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._hold.is_released:
            return
        with suppress(DestinationError):
            remove_transient_parts(self.parts)  # no run can go on with them
        self.identities.close()
        self._hold.release()

    def failures(self) -> Failures:
        return self._failures

    # -- what only later runs ask for

    def record(self, *results: Result) -> None:
        super().record(*(result for result in results if result.status == "failed"))

    def record_fetched(self, fetched: Iterable[tuple[Result, Outcome]]) -> None:
        pass

    def give(self, rows: Mapping[int, Download]) -> None:
        pass

    def note_standing(self, rows: Iterable[int]) -> None:
        pass

    def keep_part(self, row: int, inode: int, partial: Partial) -> None:
        pass

    def drop_parts(self, rows: Iterable[int]) -> None:
        pass

    def confirm(self, rows: Sequence[int]) -> None:
        pass

    def _open(self) -> sqlite3.Connection:
        return transient_database()


class _HeldFailures(Failures):
    """Failures that are read over the connection that knows them: nobody but them needs it after the run."""

    def __init__(self, connection: sqlite3.Connection, run: int) -> None:
        super().__init__("", run)
        self._connection = connection
        weakref.finalize(self, connection.close)

    def _read(self, statement: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self._path) from error
