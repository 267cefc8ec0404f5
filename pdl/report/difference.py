"""Two runs of the same list held against each other, entry by entry."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pdl.storage.reading import LedgerEntry

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that came to another end in one run than in the other, or to another file.

    Args:
        url: of the entry.
        what: how it differs, in a few words.
        content: both have a file, and not the same.
    """

    url: str
    what: str
    content: bool


def differences(
    ours: Iterable[LedgerEntry],
    dest: str,
    theirs: Iterable[LedgerEntry],
    other: str,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Difference]:
    """What differs between two destinations that have received the same list, byte by byte.

    Args:
        ours: the ledger of one.
        dest: its folder.
        theirs: the ledger of the other.
        other: its folder.
        is_stopped: whether nobody wants to know any more.

    Raises:
        DestinationError: one of their ledgers cannot be read.
    """
    for one, another in zip(ours, theirs, strict=False):
        if is_stopped():
            return
        what = _difference(dest, one, other, another)
        if what is not None:
            yield what


def in_words(found: Iterable[Difference]) -> str:
    """The first of some differences, in a sentence."""
    shown = [f"{each.url} {each.what}" for each in list(found)[:_SHOWN]]
    return "; ".join(shown)


def _difference(kept: str, ours: LedgerEntry, other: str, theirs: LedgerEntry) -> Difference | None:
    if "left" in (ours.status, theirs.status):  # a run that was stopped
        return None
    if ours.status != theirs.status:
        return Difference(ours.url, f"is {_end(theirs)}, and {_end(ours)} in the first copy", content=False)
    if ours.status != "done" or ours.path is None or theirs.path is None:
        return None
    try:
        if filecmp.cmp(_path(kept, ours.path), _path(other, theirs.path), shallow=False):
            return None
    except OSError as error:
        return Difference(ours.url, f"cannot be compared: {error.strerror or error}", content=True)
    size = "" if theirs.size == ours.size else f" ({theirs.size:,} of them instead of {ours.size:,})"
    return Difference(ours.url, f"has other bytes{size}", content=True)


def _path(dest: str, path: str) -> str:
    return os.path.join(dest, *path.split("/"))


def _end(entry: LedgerEntry) -> str:
    return f"failed ({entry.kind})" if entry.status == "failed" else entry.status
