"""Good files: what a correct server answers, with validators, ranges and conditions (RFC 9110)."""

from __future__ import annotations

import gzip
import zlib

from .ask import Ask
from .reply import Reply, chunked, plain_reply, until_close, with_length
from .steps import Steps

LAST_MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT"


def whole(ask: Ask) -> Steps:
    return with_length(answer(ask))


def in_chunks(ask: Ask) -> Steps:
    return chunked(answer(ask), ask.whole("chunk", 400))


def delimited_by_close(ask: Ask) -> Steps:
    return until_close(answer(ask))


def empty(ask: Ask) -> Steps:
    return with_length(answer(ask, content=b""))


def html(ask: Ask) -> Steps:
    page = b"<!DOCTYPE html><html><title>Please log in</title><p>This is not your file.</html>"
    return with_length(plain_reply(ask, 200, page, "text/html; charset=utf-8"))


def answer(ask: Ask, version: int = 1, content: bytes | None = None) -> Reply:
    """The right response to a request for a file, not yet framed.

    Parameters: `etag=` strong (the default), weak, none, or as given; `modified=` none, now (the same as Date), or
    as given; `date=none`; `type=`; `field=NAME:VALUE`.
    """
    whole = ask.content(version) if content is None else content
    validators = _validators(ask, whole)
    if _is_not_modified(ask, validators):
        return _made(ask, 304, validators)
    span = ask.span(len(whole)) if _range_is_wanted(ask, validators) else None
    if span is None:
        return _made(ask, 200, validators, whole).put("Accept-Ranges", "bytes")
    start, end = span
    if start >= len(whole):
        return _made(ask, 416, {}, b"There is nothing there.\n").put("Content-Range", f"bytes */{len(whole)}")
    return _made(ask, 206, validators, memoryview(whole)[start:end]).put(
        "Content-Range", f"bytes {start}-{end - 1}/{len(whole)}"
    )


def _made(ask: Ask, status: int, validators: dict[str, str], body: bytes | memoryview = b"") -> Reply:
    reply = plain_reply(ask, status, body, ask.text("type", "application/octet-stream"))
    for name, value in validators.items():
        reply.put(name, dict(reply.fields).get("Date", "") if value == "now" else value)
    return reply


def _validators(ask: Ask, whole: bytes) -> dict[str, str]:
    etag, modified = ask.text("etag", "strong"), ask.text("modified", LAST_MODIFIED)
    if etag in ("strong", "weak"):
        etag = ("W/" if etag == "weak" else "") + f'"{zlib.crc32(whole):08x}"'
    return {name: value for name, value in (("ETag", etag), ("Last-Modified", modified)) if value != "none"}


def _range_is_wanted(ask: Ask, validators: dict[str, str]) -> bool:
    """Whether If-Range, if there is one, matches: strongly for an ETag, exactly for a date (section 13.1.5)."""
    wanted = ask.record.header("If-Range")
    if wanted is None:
        return True
    return not wanted.startswith("W/") and wanted in validators.values()


def _is_not_modified(ask: Ask, validators: dict[str, str]) -> bool:
    """Weak comparison for an ETag; If-Modified-Since counts only without one (sections 13.1.2 and 13.1.3)."""
    if wanted := ask.record.header("If-None-Match"):
        etag = validators.get("ETag", "").removeprefix("W/")
        return wanted == "*" or etag in [one.strip().removeprefix("W/") for one in wanted.split(",")]
    return ask.record.header("If-Modified-Since") == validators.get("Last-Modified", "")


# Coded bodies, in spite of `Accept-Encoding: identity`


def coded(ask: Ask) -> Steps:
    return with_length(coded_answer(ask))


def coded_answer(ask: Ask) -> Reply:
    """A gzip-coded file whose ranges count coded bytes.

    Parameters: `label=` what Content-Encoding says (gzip); `codings=N` codes it N times (1); `flip=N` damages the
    Nth coded byte; `short=N` drops the last N coded bytes; `junk=N` adds some.
    """
    data, label = _coded(ask, ask.content())
    if "flip" in ask:
        at = ask.whole("flip")
        data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    data = data[: len(data) - ask.whole("short")] + bytes(ask.whole("junk"))
    return answer(ask, content=data).put("Content-Encoding", label)


def bomb(ask: Ask) -> Steps:
    """Zeros that take a thousandth of their size on the wire; `size=` counts what they decode to.

    Parameters: `codings=N` codes them N times, to next to nothing.
    """
    data, label = _coded(ask, bytes(ask.whole("size", 10_000_000)))
    return with_length(plain_reply(ask, 200, data).put("Content-Encoding", label))


def _coded(ask: Ask, data: bytes) -> tuple[bytes, str]:
    """Data as it is coded, and what Content-Encoding says of that."""
    times = ask.whole("codings", 1)
    for _ in range(times):
        data = gzip.compress(data, mtime=0)
    return data, ask.text("label", ", ".join(["gzip"] * times))
