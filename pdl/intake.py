"""Intake: what is decided when an entry is read: its row, its path, whether it is a repeat or is there already.

Memory stays the same however long the list is, but for two filters of 2 to 5 bytes an entry each. An entry whose
identity the one has never seen is new; a path that the other may have seen gets a hash. Neither needs a look-up;
only what may be a repeat is looked up.

In a later run, entries are first held against the ledger row by row: the same list needs no filter at all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import compress
from operator import not_
from typing import NamedTuple

from .errors import Kind
from .model import Download, Entry, Malformed, Partial, Reason, Result, Validator
from .naming import Naming, identities, key, safe_name
from .paths import Disk, Found, Paths, seen_from
from .recall import Recalled
from .settings import Settings
from .storage.checksums import Checksums
from .storage.database import storable
from .storage.filter import Filter
from .storage.ledger import Known, LedgerWriter
from .verification import Verification

_LOADED = 5000
"""Rows of earlier runs that are read at once."""


_new = tuple.__new__


class Admitted(NamedTuple):
    """A download that has a row and a path, and is to be fetched."""

    row: int
    download: Download
    path: str
    partial: Partial | None = None
    """What an earlier run has left of it, to be continued."""
    standing: int | None = None
    """Bytes of pdl's own file that is there and gives way."""
    unless: Validator | None = None
    """The version of that file, where only another one is wanted."""


class NameTaken(Exception):  # noqa: N818 - what was found, not a fault of the program
    """A file cannot have the name that its server gave; the message says why and what to do."""


class Intake:
    """Decides on entries in the order of the list.

    Args:
        ledger: of the destination.
        naming: gives the plain paths.
        settings: of the job.
        reserved: absolute paths of the job's own files, which are never a target.
    """

    def __init__(self, ledger: LedgerWriter, naming: Naming, settings: Settings, reserved: Iterable[str]) -> None:
        self.read = 0
        """Entries so far."""
        self._ledger = ledger
        self._plain_path = naming.path
        self._overwrite = settings.overwrite
        self._update = settings.update
        self._renames = settings.content_disposition and settings.output is None  # servers may name files
        dest = settings.dest
        own = {path for file in reserved for path in seen_from(dest, file)}
        self._reserved = frozenset(map(key, own))
        self._disk = Disk(dest, self._reserved)
        self._paths = Paths(self._disk, own)
        self._seen = Filter()
        self._before = ledger.last  # rows of earlier runs
        self._loaded = not self._before
        self._next = 1  # the row that the next entry is likely to have; 0 if none is
        self._in_step = True  # the list has been that of the ledger, from the first row on
        self._damage = ""  # of the file that was looked at last
        self._found_last = 0  # the row of an earlier run that was looked up last
        self._batch = _Batch(0)
        self.verification = Verification(ledger, self._disk) if settings.verify else None
        self._dry_run = settings.dry_run
        self._checksums = Checksums(settings.checksums) if settings.checksums is not None else None

    def close(self) -> None:
        """Give up what was opened for looking things up."""
        if self._checksums is not None:
            self._checksums.close()

    def set_check(self, check: Callable[[], None]) -> None:
        """Have something called now and then while files are read, which ends that by raising."""
        self._disk.check = check

    def admit(self, entries: Sequence[Entry]) -> list[Result | Admitted]:
        """Decide on the next entries, and write that down.

        Raises:
            DestinationError, OSError: as the ledger does.
        """
        self.read += len(entries)
        self._batch = _Batch(self._ledger.last + 1)
        followed = self._follow(entries)
        decided = [self._again(known, entry) for known, entry in zip(followed, entries, strict=False)]
        if len(followed) < len(entries):
            self._load()
            self._batch.met.update(known.row for known in followed)
            decided += self._judge(entries[len(followed) :])
        self._batch.write(self._ledger)
        return decided

    def recall(self, recalled: Sequence[Recalled]) -> list[Result | Admitted]:
        """Decide on entries that come from the ledger itself, and write that down.

        Raises:
            DestinationError, OSError: as the ledger does.
        """
        self.read += len(recalled)
        self._batch = _Batch(self._ledger.last + 1)
        decided = [
            _not_kept(each) if each.withheld else self._again(each.known, each.download) for each in recalled
        ]
        self._batch.write(self._ledger)
        return decided

    def rename(self, download: Download, path: str, name: str) -> str:
        """The path of an admitted download whose server has named it; the caller writes down a new one.

        Names are given in the order of the downloads' ends: whoever comes later gets a hash.

        Raises:
            NameTaken: something stands there that is not replaced.
            DestinationError: as the ledger does.
        """
        if not self._renames or download.name is not None:
            return path
        self._load()
        named = self._paths.rename(path, safe_name(name), identities([download])[0])
        found = None if named == path else self._paths.found
        if found is None:
            return named
        if isinstance(found, OSError):
            raise NameTaken(f"{named} cannot be looked at: {found.strerror or found}")
        if not stat.S_ISREG(found.st_mode):
            raise NameTaken(f"{named} is a link or something special, and never replaced; move it away")
        if not self._overwrite:
            raise NameTaken(f"{named}, as the server calls it, is there already; --overwrite replaces it")
        return named

    # -- entries of earlier runs

    def _follow(self, entries: Sequence[Entry]) -> list[Known]:
        """The rows of the first entries, as far as they stand in the ledger one after another."""
        if not 0 < self._next <= self._before:
            return []
        followed: list[Known] = []
        rows = self._ledger.known(self._next, min(len(entries), self._before - self._next + 1))
        for known, entry in zip(rows, entries, strict=False):
            if not _is_same(known, entry) or not (self._in_step or self._is_first(known)):
                break
            followed.append(known)
        if len(followed) < len(entries):
            self._in_step, self._next = False, 0
        elif followed:
            self._next = followed[-1].row + 1
        return followed

    def _is_first(self, known: Known) -> bool:
        """Whether this run has not met the row yet, and the row is not that of a repeat."""
        return known.run != self._ledger.run and known.reason != "duplicate" and known.row not in self._batch.met

    def _load(self) -> None:
        """Have the filters know what the ledger knows."""
        after = 0
        while not self._loaded:
            owners = self._ledger.owners(after, _LOADED)
            for after, mark, path in owners:  # noqa: B007 - the last row is where the next ones begin
                self._seen.add(mark)
                if path is not None:
                    self._paths.take(path)
            self._ledger.identities.add({mark: row for row, mark, _ in owners})
            self._loaded = len(owners) < _LOADED

    def _again(self, known: Known, entry: Entry) -> Result | Admitted:
        """Decide on an entry of an earlier run; it keeps its row and its path."""
        if isinstance(entry, Malformed) or known.path is None:
            return self._end(_malformed(known.row, entry))
        if known.reason == "duplicate":
            return self._end(_skipped(known.row, entry, self._path_of_repeat(entry, known.path), "duplicate"))
        if self._reserved and key(known.path) in self._reserved:
            message = f"{known.path} is a file of the job itself"
            return self._end(_failed(known.row, entry, known.path, message))
        entry, found = self._with_digest(entry, known.path), self._disk.look(known.path)
        ended = self._ended(known.row, entry, known.path, found, known)
        if self._dry_run:
            return ended or self._lost(known, entry, known.path, found)
        if ended is None:
            return self._readmit(known, entry, known.path, found)
        if ended.reason == "done" and known.finished_size is not None:  # nothing is new; nearly all are like this
            self._batch.confirmed.append(known.row)
            return ended
        return self._end(ended)

    def _with_digest(self, download: Download, path: str) -> Download:
        """The download, with the digest that the file of checksums has for its path, unless the list has one."""
        if self._checksums is None or download.digest is not None:
            return download
        return download._replace(digest=self._checksums.digest(path))

    def _lost(self, known: Known, download: Download, path: str, found: Found) -> Result:
        """What is told of a file that would be fetched again."""
        if not isinstance(found, os.stat_result):
            what = "is missing"
        elif found.st_size != known.finished_size:
            what = f"has {found.st_size} bytes, where {known.finished_size} were fetched"
        else:
            what = self._damage
        return _failed(
            known.row, download, path, f"{path} {what}; without --dry-run it is fetched again", Kind.DIGEST
        )

    def _readmit(self, known: Known, download: Download, path: str, found: Found) -> Admitted:
        """Have an entry of an earlier run fetched, or what is missing of it."""
        row, batch, standing, unless = known.row, self._batch, None, None
        batch.readmitted.append(row)
        if isinstance(found, os.stat_result):
            batch.standing.add(row)
            standing = None if known.finished_size is None else found.st_size
        if self._update and standing is not None and standing == known.finished_size:
            unless = self._ledger.validator(row)
            if unless is not None and unless.url in download.mirrors:
                unless = None  # what is asked first knows nothing of a mirror's versions
        if _says_more(download):
            batch.given[row] = download
        partial = None
        with suppress(OSError):  # there is no part, or none that can be continued
            partial = self._ledger.part(row, os.lstat(self._ledger.part_path(row)))
        return Admitted(row, download, path, partial, standing, unless)

    # -- entries by themselves

    def _judge(self, entries: Sequence[Entry]) -> Iterator[Result | Admitted]:
        batch, paths, claim, plain_path = self._batch, self._paths, self._paths.claim, self._plain_path
        marks = identities(entries)
        may_be_seen = list(map(self._seen.add, marks))
        if any(may_be_seen):
            batch.look_up(marks, may_be_seen, self._ledger)
        for entry, mark, maybe in zip(entries, marks, may_be_seen, strict=True):
            known = self._find(mark, entry) if maybe else None
            if known is not None or not isinstance(entry, Download):
                yield self._judge_other(entry, mark, known)
                continue
            row = batch.first + len(batch.paths)
            path = claim(plain_path(entry, row, mark), mark)
            if self._checksums is not None:
                entry = self._with_digest(entry, path)  # noqa: PLW2901 - the same one, with what is known of it
            batch.fresh[mark] = row
            batch.append(mark, entry.url, entry.name, path)
            if _says_more(entry):
                batch.given[row] = entry
            found = paths.found
            if found is None:
                yield Admitted(row, entry, path)
                continue
            batch.standing.add(row)
            ended = self._ended(row, entry, path, found, None)
            yield Admitted(row, entry, path) if ended is None else self._end(ended)

    def _judge_other(self, entry: Entry, mark: int, known: Known | None) -> Result | Admitted:
        """Decide on an entry that is known, or malformed."""
        if known is not None and self._is_first(known):
            self._expect(known.row)
            return self._again(known, entry)
        if isinstance(entry, Malformed):
            return self._judge_malformed(entry, mark, known)
        assert known is not None
        return self._judge_repeat(entry, mark, known)

    def _judge_repeat(self, download: Download, mark: int, known: Known) -> Result:
        assert known.path is not None
        row = self._batch.append(mark, known.url, download.name, known.path)
        return self._end(_skipped(row, download, self._path_of_repeat(download, known.path), "duplicate"))

    def _path_of_repeat(self, download: Download, path: str) -> str | None:
        """Nobody knows it where the server may name the file: the first of the entry's kind may be under way."""
        return None if self._renames and download.name is None else path

    def _judge_malformed(self, entry: Malformed, mark: int, known: Known | None) -> Result:
        row = self._batch.append(mark, storable(entry.line), None, None)
        if known is None:
            self._batch.fresh[mark] = row
        return self._end(_malformed(row, entry))

    def _find(self, mark: int, entry: Entry) -> Known | None:
        """The entry that this one repeats, in this batch or in the ledger."""
        batch = self._batch
        row = batch.fresh.get(mark)
        if row is not None:
            place = row - batch.first
            known = Known(row, batch.urls[place], batch.names[place], batch.paths[place], self._ledger.run)
            return known if _is_same(known, entry) else None
        likely = batch.likely.get(mark)
        if likely is None or _is_same(likely, entry):
            return likely
        return next((known for known in self._ledger.candidates(mark) if _is_same(known, entry)), None)

    def _expect(self, row: int) -> None:
        """Follow the ledger again after two rows in order: the list has moved, but is the same."""
        self._batch.met.add(row)
        self._next = row + 1 if row == self._found_last + 1 else 0
        self._found_last = row

    def _end(self, result: Result) -> Result:
        self._batch.ended.append(result)
        return result

    def _ended(self, row: int, download: Download, path: str, found: Found, known: Known | None) -> Result | None:
        """What becomes of a download because of what stands at its path; None if it is fetched."""
        if found is None:
            return None
        if isinstance(found, OSError):
            return _failed(row, download, path, f"{path} cannot be looked at: {found.strerror or found}")
        if stat.S_ISDIR(found.st_mode):
            return _failed(row, download, path, f"a folder stands at {path}; move it away")
        regular = stat.S_ISREG(found.st_mode)
        if self._overwrite:
            message = f"{path} is a link or something special, and never replaced; move it away"
            return None if regular else _failed(row, download, path, message)
        finished = None if known is None else known.finished_size
        if not regular:
            return _not_regular(row, download, path, finished)
        if finished is not None and (found.st_size < finished or (self._update and found.st_size == finished)):
            return None  # it is pdl's own: it was damaged, or may have changed on its server
        if self.verification is not None and known is not None and finished == found.st_size:
            self._damage = self.verification.damage(row, download, path, found)
            return None if self._damage else _skipped(row, download, path, "done", found.st_size)
        difference = self._disk.difference(download, path, found)
        if difference:
            return _failed(row, download, path, f"{path} is there with {difference}; --overwrite fetches it again")
        is_done = finished == found.st_size or (known is not None and self._ledger.may_be_published(known))
        is_done = is_done or download.size is not None or download.digest is not None  # and they agree
        if self.verification is not None:
            is_done = True
            if download.digest is None:
                self.verification.by_size += 1
            else:
                self.verification.by_digest += 1
        return _skipped(row, download, path, "done" if is_done else "exists", found.st_size)


def _says_more(download: Download) -> bool:
    """Whether the list says more of a download than its URL and name."""
    return bool(
        download.mirrors or download.digest or download.size is not None or download.credentials or download.headers
    )


def _is_same(known: Known, entry: Entry) -> bool:
    if isinstance(entry, Malformed):
        return known.path is None and known.url == storable(entry.line)
    name = entry.name if entry.name is None else storable(entry.name)
    return known.path is not None and known.url == entry.url and known.name == name


# -- results


def _malformed(row: int, entry: Entry) -> Result:
    assert isinstance(entry, Malformed)
    return Result(
        index=row,
        status="failed",
        url=entry.line,
        kind=entry.kind,
        message=entry.message,
        where=entry.where,
        line=entry.raw or f"# {entry.line}",
    )


def _skipped(row: int, download: Download, path: str | None, reason: Reason, size: int = 0) -> Result:
    # made in the shortest way, as it is made for every file of a finished run
    return _new(Result, (
        row, "skipped", download.url, path, reason, None, "", None, size, 0, None, 0.0, download.where,
        download.line, None,
    ))  # fmt: skip


def _failed(row: int, download: Download, path: str, message: str, kind: Kind = Kind.NAME) -> Result:
    return Result(
        index=row,
        status="failed",
        url=download.url,
        path=path,
        kind=kind,
        message=message,
        where=download.where,
        line=download.line,
    )


def _not_kept(recalled: Recalled) -> Result:
    """An entry that only its list can have fetched; its row stays as it is."""
    message = "its list gave it a password or header fields, which the ledger does not keep: run that list again"
    return _failed(recalled.known.row, recalled.download, recalled.known.path or "", message, Kind.INPUT)


def _not_regular(row: int, download: Download, path: str, finished: int | None) -> Result:
    """Links are not followed, but tools for datasets put them in the place of files: they count as the file."""
    if finished is not None:
        return _skipped(row, download, path, "done", finished)
    if download.size is not None or download.digest is not None:
        message = f"{path} is a link or something special, whose size and digest are not checked; move it away"
        return _failed(row, download, path, message)
    return _skipped(row, download, path, "exists")


# -- a batch


class _Batch:
    """What a batch of entries changes in the ledger."""

    def __init__(self, first: int) -> None:
        self.first = first  # the row of what is appended first
        self.identities: list[int] = []
        self.urls: list[str] = []
        self.names: list[str | None] = []
        self.paths: list[str | None] = []
        self.fresh: dict[int, int] = {}  # rows by identity, without repeats
        self.met: set[int] = set()  # rows of earlier runs
        self.likely: dict[int, Known] = {}  # what the ledger found, by identity
        self.given: dict[int, Download] = {}  # of which the list says more than the URL
        self.standing: set[int] = set()  # whose files were there before
        self.readmitted: list[int] = []
        self.confirmed: list[int] = []  # skipped, because they are done
        self.ended: list[Result] = []

    def append(self, mark: int, url: str, name: str | None, path: str | None) -> int:
        """Append an entry; answers its row."""
        self.identities.append(mark)
        self.urls.append(url)
        self.names.append(name if name is None else storable(name))
        self.paths.append(path)
        return self.first + len(self.paths) - 1

    def look_up(self, marks: Sequence[int], may_be_seen: Sequence[bool], ledger: LedgerWriter) -> None:
        """Find what may have been there before this batch."""
        wanted = set(compress(marks, may_be_seen))
        wanted.difference_update(compress(marks, map(not_, may_be_seen)))  # these came with the batch
        self.likely = ledger.find(wanted)

    def write(self, ledger: LedgerWriter) -> None:
        ledger.append(self.identities, self.urls, self.names, self.paths)
        ledger.identities.add(self.fresh)
        if self.given:
            ledger.give(self.given)
        if self.readmitted:
            ledger.readmit(self.readmitted, standing=self.standing)
        if standing := self.standing.difference(self.readmitted):
            ledger.note_standing(standing)
        if self.confirmed:
            ledger.confirm(self.confirmed)
        if self.ended:
            ledger.record(*self.ended)
