"""Whole files that wait to be flushed together, before they are published and told of."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator

from .storage.durability import FlushedFolders, flush_files
from .task import Ended

FILES = 64
"""Files that are enough for a batch."""
SIZE = 64 << 20
"""Bytes that are: more would hold the run up for too long at once."""
PATIENCE = 0.5
"""Seconds that a file waits for others at the most."""


class Held:
    """The files of a batch, in the order in which they came.

    Args:
        folders: those that receive the files.
        part: path of the part of a row.
    """

    def __init__(self, folders: FlushedFolders, part: Callable[[int], str]) -> None:
        self._files: deque[Ended] = deque()
        self._part = part
        self._since = math.inf
        self._folders = folders
        self.size = 0
        """Bytes of all."""

    def __len__(self) -> int:
        return len(self._files)

    def add(self, ended: Ended, now: float) -> None:
        """Hold a download whose part is whole."""
        if not self._files:
            self._since = now
        self._files.append(ended)
        self.size += ended.outcome.size

    def is_due(self, now: float) -> bool:
        """Whether there are enough for a batch, or one has waited for long enough."""
        return len(self._files) >= FILES or self.size >= SIZE or now - self._since >= PATIENCE

    def rows(self) -> list[int]:
        """The rows of all."""
        return [ended.task.row for ended in self._files]

    def flush(self) -> dict[int, OSError]:
        """Flush the parts; answers what the disk refused, by row."""
        parts = {self._part(row): row for row in self.rows()}
        return {parts[path]: fault for path, fault in flush_files(parts).items()}

    def flush_names(self, paths: list[str]) -> None:
        """Flush the folders in which published files have their names.

        Raises:
            OSError: any of the names may be lost.
        """
        self._folders.flush(paths)

    def take(self) -> Iterator[Ended]:
        """All, each of them let go when its turn comes."""
        while self._files:
            ended = self._files.popleft()
            self.size -= ended.outcome.size
            yield ended
