"""A disk that takes some bytes and names and no more; also for worker processes, which share its room."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

HOME = str(Path(__file__).parent)
IN_WORKERS = """
    import sys
    sys.path.append({home!r})
    from disks import Disk
    from pdl.storage import part

    part.os = Disk(**{options!r})
"""
"""What a worker process runs first to have its parts on such a disk."""


class Disk:
    """What a module sees of `os`.

    Args:
        room: bytes that it takes.
        shared: a file with that number, where several processes fill the disk.
        closes: whether files can be closed without a fault.
        links: whether files can be linked.
        code: what it says when it is full.
    """

    def __init__(
        self,
        *,
        room: float = float("inf"),
        shared: str | None = None,
        closes: bool = True,
        links: bool = True,
        code: int = errno.ENOSPC,
    ) -> None:
        self._room = room
        self._shared = shared
        self._closes = closes
        self._links = links
        self._full = OSError(code, os.strerror(code))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: bytes) -> int:
        taken = data[: self._take(len(data))]
        if data and not taken:
            raise self._full
        return os.write(descriptor, taken)

    def _take(self, size: int) -> int:
        if self._shared is None:
            taken = int(min(self._room, size))
            self._room -= taken
            return taken
        import fcntl  # noqa: PLC0415 - POSIX only

        with open(self._shared, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            room = int(file.read())
            file.seek(0)
            file.write(f"{max(0, room - size):20}")
        return min(room, size)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
        if not self._closes:
            raise self._full

    def link(self, *args: Any, **options: Any) -> None:
        if not self._links:
            raise self._full
        os.link(*args, **options)
