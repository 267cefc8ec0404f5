"""The copies of a list's files that measurements leave: one is kept, the others are held against it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pdl.storage.reading import Ledger

from .difference import Difference, differences, in_words
from .wording import plural

_TOLD = 100
"""Differences that are remembered."""


@dataclass(frozen=True)
class Copy:
    """What a measurement has fetched.

    Args:
        dest: its folder.
        state: folder of its ledger, if that is elsewhere.
        engine: that fetched it.
        done: files in it.
        stopped: why it has not all of the list, if it has not.
    """

    dest: str
    state: str | None
    engine: str
    done: int
    stopped: str | None

    def ledger(self) -> Ledger:
        """What its run has written down."""
        return Ledger(self.dest, state_dir=self.state)

    def remove(self) -> None:
        """Remove it."""
        shutil.rmtree(self.dest)
        if self.state is not None:
            shutil.rmtree(self.state)


class Found(NamedTuple):
    """What a copy differs in from the one that is kept.

    Args:
        differing: entries.
        words: some of them; empty if there are none.
    """

    differing: int
    words: str


class Copies:
    """Keeps the copy with most files, and compares the others with it, byte by byte."""

    def __init__(self) -> None:
        self.kept: Copy | None = None

    def take(self, copy: Copy, is_stopped: Callable[[], bool]) -> Found | None:
        """Hold another copy against the one that is kept; the one with fewer files is removed.

        Args:
            copy: the new one.
            is_stopped: whether nobody wants to know any more; then there is no answer.
        """
        if self.kept is None:
            self.kept = copy
            return Found(0, "")
        found: list[Difference] = []
        count = 0
        for each in differences(self.kept.ledger(), self.kept.dest, copy.ledger(), copy.dest, is_stopped):
            count += 1
            if len(found) < _TOLD:
                found.append(each)
        if is_stopped():
            return None
        better = copy.done > self.kept.done or (copy.stopped is None and self.kept.stopped is not None)
        if better:
            copy, self.kept = self.kept, copy
        copy.remove()
        if not count:
            return Found(0, "")
        kind = "contents" if any(each.content for each in found) else "ends"
        return Found(count, f"{plural(count, 'entry', 'entries')} with other {kind}: {in_words(found)}")
