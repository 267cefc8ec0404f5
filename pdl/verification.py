"""Whether the files that are there are still what was fetched."""

from __future__ import annotations

import os

from .model import Download
from .paths import Disk
from .storage.ledger import LedgerWriter


class Verification:
    """Holds files against the digests that the list or the ledger has, and counts.

    Args:
        ledger: of the destination.
        disk: the destination's files.
    """

    def __init__(self, ledger: LedgerWriter, disk: Disk) -> None:
        self.by_digest = 0
        """Files that are whole by their digest."""
        self.by_size = 0
        """Files of which no digest is known; their size is as it was."""
        self._ledger = ledger
        self._disk = disk

    def damage(self, row: int, download: Download, path: str, found: os.stat_result) -> str:
        """What is wrong with a file of the size that it should have, in words; empty if nothing is."""
        wanted = download.digest or self._ledger.digest(row, found.st_size)
        if wanted is None:
            self.by_size += 1
            return ""
        try:
            actual = self._disk.digest(path, wanted.algorithm)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        if actual != wanted.value:
            return f"is damaged: its {wanted.algorithm} has changed"
        self.by_digest += 1
        return ""

    def account(self) -> str:
        """A sentence for people."""
        total = self.by_digest + self.by_size
        if not self.by_size:
            return f"{total:,} files are whole by their digests"
        return (
            f"{total:,} files are whole: {self.by_digest:,} by their digests, {self.by_size:,} by their size only"
        )
