"""Files that were fetched in spans, whose bytes are looked at as a whole before they are published.

The spans come in any order, so nobody could compute a digest on the way. The bytes are read a few at a time,
between two looks at what the engine brings.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import Kind
from .model import Digest, Outcome, Verdict
from .task import Ended

SLICE = 0.02
"""Seconds of reading between two looks at other things."""
_READ = 1 << 20
_READ_ONLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Unchecked:
    """Downloads whose bytes have all come, in that order.

    Args:
        part: path of the part of a row.
        algorithm: of the digest to compute where the list gives none; None computes none.
    """

    def __init__(self, part: Callable[[int], str], algorithm: str | None) -> None:
        self._files: deque[Ended] = deque()
        self._part = part
        self._algorithm = algorithm
        self._fd = -1  # of the first one
        self._digest: Any = None

    def __len__(self) -> int:
        return len(self._files)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(ended.outcome.size for ended in self._files)

    def add(self, ended: Ended) -> None:
        """Have a download looked at."""
        self._files.append(ended)

    def look(self) -> list[Ended]:
        """Look at them for a short while; answers those that have been, with what was found."""
        until, looked = time.monotonic() + SLICE, []
        while self._files and time.monotonic() < until:
            outcome = self._step(self._files[0])
            if outcome is not None:
                self.close()
                looked.append(self._files.popleft()._replace(outcome=outcome))
        return looked

    def close(self) -> None:
        """Close what is open; downloads that were not looked at stay as they are."""
        fd, self._fd, self._digest = self._fd, -1, None
        if fd >= 0:
            os.close(fd)

    def _step(self, ended: Ended) -> Outcome | None:
        """Go on with the first one; its outcome, once that is known."""
        wanted, outcome = ended.task.download.digest, ended.outcome
        algorithm = self._algorithm if wanted is None else wanted.algorithm
        path = self._part(ended.task.row)
        try:
            if self._fd < 0:
                self._fd = os.open(path, _READ_ONLY)
                size = os.fstat(self._fd).st_size
                if size != outcome.size:
                    message = f"{path} has {size} bytes of {outcome.size}: something else has changed it"
                    return _failed(Kind.DISK, message, outcome)
                if algorithm is None:
                    return outcome
                # MD5 and SHA-1 detect damage here; some systems forbid them for anything else
                self._digest = hashlib.new(algorithm, usedforsecurity=False)
            data = os.read(self._fd, _READ)
        except OSError as error:
            return _failed(Kind.DISK, f"cannot read {path}: {error.strerror or error}", outcome, error.errno)
        if data:
            self._digest.update(data)
            return None
        assert algorithm is not None
        found = Digest(algorithm, self._digest.hexdigest())
        if wanted is not None and found != wanted:
            return _failed(Kind.DIGEST, wanted.refutes(found), outcome)._replace(digest=found)
        return outcome._replace(digest=found)


def _failed(kind: Kind, message: str, outcome: Outcome, errno: int | None = None) -> Outcome:
    return Outcome(Verdict.FAILED, kind, message, status=outcome.status, errno=errno, timings=outcome.timings)
