"""Entries as they come out of the ledger again, for a run that needs no list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .kinds import Failures
from .model import Download, parse_digest
from .sources.items import line_of
from .storage.ledger import Known, LedgerWriter

_SELECT = """SELECT entry.row, url, name, path, run, status, reason, entry.size, stood, place, mirrors, given.size,
    given.digest, withheld FROM entry LEFT JOIN given ON given.row = entry.row
    WHERE entry.row > ? AND path IS NOT NULL AND reason IS NOT 'duplicate'"""


class Recalled(NamedTuple):
    """An entry of earlier runs.

    Args:
        known: what the ledger knows of it.
        download: made from that.
        withheld: it had secrets, which the ledger does not keep; only its list can have it fetched.
    """

    known: Known
    download: Download
    withheld: bool


class Recall:
    """Reads downloads out of a ledger, in the order of the rows, while a run writes there.

    Args:
        ledger: of the destination.
        failures: those to read; None reads every download, whatever became of it.
        fetched_only: of these, only those whose file is there or was.
    """

    def __init__(
        self, ledger: LedgerWriter, failures: Sequence[Failures] | None, *, fetched_only: bool = False
    ) -> None:
        self._ledger = ledger
        self._last = 0
        self._condition, self._values = _condition(failures)
        if fetched_only:
            self._condition += " AND entry.size IS NOT NULL"
        counted = f"SELECT COUNT(*) FROM ({_SELECT} {self._condition})"  # noqa: S608 - made of our own words only
        self.total: int = ledger.select(counted, self._values_after(0))[0][0]
        """How many there are, before the run changes any."""

    def take(self, limit: int) -> list[Recalled]:
        """The next ones; none at the end."""
        statement = f"{_SELECT} {self._condition} ORDER BY entry.row LIMIT ?"
        found = [_recalled(row) for row in self._ledger.select(statement, (*self._values_after(self._last), limit))]
        if found:
            self._last = found[-1].known.row
        return found

    def _values_after(self, row: int) -> tuple[Any, ...]:
        return (row, *self._values)


def _condition(failures: Sequence[Failures] | None) -> tuple[str, list[Any]]:
    if failures is None:
        return "", []
    if not failures:
        return "AND status = 'failed'", []
    one = "(kind = ? AND COALESCE(http_status, 0) BETWEEN ? AND ?)"
    values: list[Any] = []
    for each in failures:
        values += [each.kind.value, each.least, each.most]
    return f"AND status = 'failed' AND ({' OR '.join([one] * len(failures))})", values


def _recalled(row: tuple[Any, ...]) -> Recalled:
    known, (place, mirrors, size, digest, withheld) = Known._make(row[:9]), row[9:]
    download = Download(
        known.url,
        mirrors=tuple(mirrors.split("\n")) if mirrors else (),
        name=known.name,
        digest=parse_digest(digest),
        size=size,
        where=place or "",
    )
    download = download._replace(line=line_of(download))
    return Recalled(known, download, bool(withheld))
