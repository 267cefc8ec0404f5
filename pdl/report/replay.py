"""An engine that gives the files of a copy, so that what was measured need not be fetched once more."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress

from pdl.errors import Kind
from pdl.model import Attempt, Event, Finished, Outcome, Verdict
from pdl.storage.exclusive import make_way
from pdl.storage.reading import LedgerEntry


class ReplayEngine:
    """Answers attempts out of a copy of the list's files: each ends as it did there.

    The copy's ledger is read on as entries are asked for. They come about in the order of the list, so that few are
    kept in memory.

    Args:
        dest: folder of the copy.
        entries: of its ledger.
        name: of the engine that fetched it.
        named: the servers' names are wanted.
    """

    capacity = 64

    def __init__(self, dest: str, entries: Iterable[LedgerEntry], name: str, *, named: bool) -> None:
        self.name = name
        self._dest = dest
        self._entries = iter(entries)
        self._named = named
        self._passed: dict[str, list[LedgerEntry]] = {}  # by URL: what was read on the way to others
        self._chosen: dict[int, LedgerEntry] = {}  # by row: what an entry's further attempts are answered with
        self._begun: list[Attempt] = []
        self._closed = False

    def start(self, attempt: Attempt) -> None:
        self._begun.append(attempt)

    def wait(self, timeout: float) -> list[Event]:
        begun, self._begun = self._begun, []
        if not begun:
            time.sleep(timeout)
        return [Finished(attempt.id, self._outcome(attempt)) for attempt in begun]

    def close(self) -> None:
        self._closed = True

    def _outcome(self, attempt: Attempt) -> Outcome:
        if self._closed:
            return Outcome(Verdict.STOPPED, message="stopped", partial=attempt.partial)
        entry = self._chosen.pop(attempt.row, None) or self._seek(attempt.url)
        if entry is None:
            message = "it is not in the copy that is being published; run again without --report"
            return Outcome(Verdict.FAILED, Kind.INTERNAL, message, retries=0)
        if entry.status != "done" or entry.path is None:
            self._chosen[attempt.row] = entry  # a mirror may be asked next
            kind, message = entry.kind or Kind.INTERNAL, entry.message or "it did not come"
            return Outcome(Verdict.FAILED, kind, message, status=entry.http_status, retries=0)
        if entry.final_url is not None and entry.final_url != attempt.url:
            self._chosen[attempt.row] = entry
            return Outcome(Verdict.REDIRECT, location=entry.final_url)
        try:
            return self._hand_over(attempt, entry, os.path.join(self._dest, *entry.path.split("/")))
        except OSError as error:
            message = f"cannot write {attempt.part}: {error.strerror or error}"
            return Outcome(Verdict.FAILED, Kind.DISK, message, errno=error.errno)

    def _seek(self, url: str) -> LedgerEntry | None:
        """The next entry of a URL; None if there is none."""
        if passed := self._passed.get(url):
            entry = passed.pop(0)
            if not passed:
                del self._passed[url]
            return entry
        for entry in self._entries:
            if entry.reason == "duplicate":
                continue
            if entry.url == url:
                return entry
            self._passed.setdefault(entry.url, []).append(entry)
        return None

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
