"""An engine that gives the files of a copy, so that what was measured need not be fetched once more."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress

from pdl.errors import Kind
from pdl.model import Attempt, Event, Finished, Outcome, Verdict
from pdl.storage.database import index_urls
from pdl.storage.exclusive import make_way
from pdl.storage.reading import Ledger, LedgerEntry


class ReplayEngine:
    """Answers attempts out of a copy of the list's files: each ends as it did there. Files are moved from it.

    Args:
        dest: folder of the copy, which nobody else uses any more.
        ledger: of the copy.
        name: of the engine that fetched it.
        named: the servers' names are wanted.
    """

    capacity = 64

    def __init__(self, dest: str, ledger: Ledger, name: str, *, named: bool) -> None:
        self.name = name
        self._dest = dest
        self._ledger = ledger
        self._named = named
        self._chosen: dict[int, LedgerEntry] = {}  # by row: what an entry's further attempts are answered with
        self._begun: list[Attempt] = []
        self._closed = False
        index_urls(ledger.path)

    def start(self, attempt: Attempt) -> None:
        self._begun.append(attempt)

    def wait(self, timeout: float) -> list[Event]:
        begun, self._begun = self._begun, []
        if not begun:
            time.sleep(timeout)
            return []
        if self._closed:
            return [Finished(each.id, Outcome(Verdict.STOPPED, message="stopped")) for each in begun]
        found = self._ledger.find(list({each.url for each in begun if each.row not in self._chosen}))
        return [Finished(each.id, self._outcome(each, found)) for each in begun]

    def close(self) -> None:
        self._closed = True

    def _outcome(self, attempt: Attempt, found: dict[str, list[LedgerEntry]]) -> Outcome:
        entry = self._chosen.pop(attempt.row, None) or self._choose(found[attempt.url])
        if entry is None:
            message = "it is not in the copy that is being published; run again without --report"
            return Outcome(Verdict.FAILED, Kind.INTERNAL, message, retries=0)
        past = (entry.attempts, entry.seconds or 0.0)
        if entry.status != "done" or entry.path is None:
            if entry.mirrors:
                self._chosen[attempt.row] = entry  # a mirror may be asked next
            kind, message = entry.kind or Kind.INTERNAL, entry.message or "it did not come"
            return Outcome(Verdict.FAILED, kind, message, status=entry.http_status, retries=0, past=past)
        if entry.final_url is not None and entry.final_url != attempt.url:
            self._chosen[attempt.row] = entry
            return Outcome(Verdict.REDIRECT, location=entry.final_url)
        try:
            return self._hand_over(attempt, entry, self._path(entry.path))._replace(past=past)
        except OSError as error:
            message = f"cannot write {attempt.part}: {error.strerror or error}"
            return Outcome(Verdict.FAILED, Kind.DISK, message, errno=error.errno)

    def _path(self, path: str) -> str:
        return os.path.join(self._dest, *path.split("/"))

    def _choose(self, entries: list[LedgerEntry]) -> LedgerEntry | None:
        """Of the entries of a URL one whose file has not been moved yet; else one that has none."""
        fitting = [each for each in entries if each.reason != "duplicate"]
        there = (each for each in fitting if each.path is not None and os.path.lexists(self._path(each.path)))
        return next(there, None) or next(iter(fitting), None)

    def _hand_over(self, attempt: Attempt, entry: LedgerEntry, path: str) -> Outcome:
        """Have the file as the attempt's part."""
        with suppress(FileNotFoundError), make_way(attempt.part):
            pass
        shutil.move(path, attempt.part)
        return Outcome(
            Verdict.DONE,
            status=entry.http_status,
            size=os.stat(attempt.part).st_size,
            opened=True,
            digest=entry.digest,
            first_byte=entry.first_byte,
            etag=entry.etag,
            last_modified=entry.last_modified,
            name=os.path.basename(path) if self._named else None,
        )
