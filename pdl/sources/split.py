"""The bytes of a list become lines of UTF-8, in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from .lines import LONGEST

_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_CUT = b"..."


def utf8(chunks: Iterator[bytes | None]) -> Iterator[bytes | None]:
    """The same text as UTF-8, where a byte order mark says that it is UTF-16, as PowerShell's `>` writes it."""
    head = b""
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        head += chunk
        if len(head) > 1 or (head and not any(bom.startswith(head) for bom in _UTF_16)):
            break
    if head[:2] in _UTF_16:
        yield from _transcoded(head, chunks)
    else:
        yield head
        yield from chunks


def _transcoded(head: bytes, chunks: Iterator[bytes | None]) -> Iterator[bytes | None]:
    # what is broken is kept broken, so that its line, not the whole list, is malformed
    decoder = codecs.getincrementaldecoder(_UTF_16[head[:2]])("surrogatepass")
    yield decoder.decode(head[2:]).encode("utf-8", "surrogatepass")
    for chunk in chunks:
        yield None if chunk is None else decoder.decode(chunk).encode("utf-8", "surrogatepass")
    if decoder.getstate()[0]:
        yield b"\xff"


def split(chunks: Iterator[bytes | None]) -> Iterator[list[bytes] | None]:
    """Lines without their LF, as they come; None stands for "nothing yet".

    Of a line that is longer than `LONGEST`, its beginning and a little more is given, whatever its length.
    """
    tail = b""
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        *lines, tail = (tail + chunk).split(b"\n")
        if len(tail) > LONGEST + 1:  # one more than a line, for its CR
            tail = tail[:LONGEST] + _CUT
        yield lines
    if tail:
        yield [tail]
