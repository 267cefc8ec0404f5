"""What the files hold: bytes that follow from a size and a seed, so that a test knows them beforehand."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from urllib.parse import parse_qs

DEFAULT_SIZE = 1000
_SMALL = 1 << 20


def content(size: int, seed: object = 0) -> bytes:
    """The bytes of a file; other sizes and other seeds have nothing in common with them."""
    return (_small if size <= _SMALL else _large)(size, str(seed))


def content_of(target: str, version: int = 1) -> bytes:
    """The bytes of the whole file behind a target, in its first or a later version."""
    path, params = parsed(target)
    size = int(params.get("size", [DEFAULT_SIZE])[0])
    seed = params.get("seed", [path])[0]
    whole = content(size, seed if version == 1 else f"{seed} version {version}")
    if "begin" in params:
        begin = params["begin"][0].encode("latin-1")[:size]
        whole = begin + whole[len(begin) :]
    return whole


def _digest(size: int, seed: str) -> bytes:
    return hashlib.shake_128(f"{size} {seed}".encode()).digest(size)


_small = lru_cache(256)(_digest)
_large = lru_cache(4)(_digest)


@lru_cache(4096)
def parsed(target: str) -> tuple[str, dict[str, list[str]]]:
    """The raw path and the decoded query of a target."""
    path, _, query = target.partition("?")
    return path, parse_qs(query, keep_blank_values=True, encoding="latin-1")
