"""What the made-up files contain: told by their names, so that it can be checked without the originals at hand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

PIECE = 2**20


def pieces(name: str, size: int) -> Iterator[bytes]:
    """The content of a file of so many bytes, in pieces of `PIECE` bytes, each unlike the others.

    Within a piece the same 31 bytes come again and again: an odd number, so that bytes which are displaced by a
    power of two are noticed.
    """
    for number, start in enumerate(range(0, size, PIECE)):
        length = min(PIECE, size - start)
        block = hashlib.sha256(f"{name} {number}".encode()).digest()[:31]
        yield (block * (length // 31 + 1))[:length]


def write(path: Path, size: int) -> None:
    """Make up a file; its content depends on its name."""
    with path.open("wb") as file:
        file.writelines(pieces(path.name, size))


def is_whole(path: str | Path, name: str, size: int) -> bool:
    """Whether a file has the content that belongs to a name."""
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size != size:
            return False
        return all(file.read(PIECE) == piece for piece in pieces(name, size))
