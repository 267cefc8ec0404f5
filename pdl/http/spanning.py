"""What the answer to the request for a span of a file means, beside what other attempts fetch of it."""

from __future__ import annotations

from typing import NamedTuple

from pdl.model import Headers, Span, Validator
from pdl.retry import RETRIED_STATUSES

from .fields import ContentRange, content_range, strong_validator
from .head import ResponseHead

_REFUSALS = frozenset({400, 405, 412, 416, 501})
"""Statuses that may mean that the server wants no ranges, or has not even one byte to send."""


class Fit(NamedTuple):
    """The body is what was asked for.

    Args:
        stop: the byte after its last one.
        total: bytes of the whole file.
        if_range: its strong validator; None only if the body is the whole file.
    """

    stop: int
    total: int
    if_range: str | None


def range_fields(span: Span) -> Headers:
    """The header fields that ask for a span (RFC 9110 sections 13.1.5 and 14.2)."""
    asked = ("Range", f"bytes={span.start}-{span.stop - 1}")
    return (asked,) if span.if_range is None else (asked, ("If-Range", span.if_range))


def judged(span: Span, url: str, head: ResponseHead) -> Fit | str | None:
    """What to make of an answer.

    Args:
        span: that was asked for.
        url: where.
        head: of the answer.

    Returns:
        That the body fits; or in words, why the file is to be fetched in one piece; or None where the answer means
        what it would mean to a request without a range.
    """
    if head.status == 206:
        return _of_probe(span, url, head) if span.if_range is None else _of_rest(span, span.if_range, head)
    if span.is_probe:
        return f"the server answered {head.status} to a range request" if head.status in _REFUSALS else None
    if head.status in RETRIED_STATUSES or head.status == 407:
        return None
    return f"the server answered {head.status} to a range request, as it did not to the one before"


def _of_probe(span: Span, url: str, head: ResponseHead) -> Fit | str:
    found = one_content_range(head)
    if found is None or found.last is None or found.total is None:
        return "the server answered a range request without a valid Content-Range that tells the file's size"
    stop = min(span.stop, found.total)
    if (found.first, found.last) != (0, stop - 1) or head.content_length not in (None, stop):
        return _other(span, found)
    given = Validator(url, head.get("etag"), head.get("last-modified"), head.get("date"))
    validator = strong_validator(given)
    if validator is None and stop < found.total:
        return "the server gives no strong validator, so nothing tells the file's versions apart"
    return Fit(stop, found.total, validator)


def _of_rest(span: Span, if_range: str, head: ResponseHead) -> Fit | str:
    found = one_content_range(head)
    if found is None or found.first is None:
        return "the server answered a range request without a valid Content-Range"
    if found[:2] != (span.start, span.stop - 1) or found.total not in (None, span.total):
        return _other(span, found)
    if not is_of_version(head, if_range) or head.content_length not in (None, span.stop - span.start):
        return "a span of the file belongs to another version or contradicts itself"
    assert span.total is not None
    return Fit(span.stop, span.total, if_range)


def _other(span: Span, found: ContentRange) -> str:
    total = span.total or "the file"
    return f"asked for {span.start}-{span.stop - 1} of {total}, got {found.first}-{found.last} of {found.total}"


def one_content_range(head: ResponseHead) -> ContentRange | None:
    """The Content-Range, if it is valid and the response has no second one that differs."""
    values = set(head.get_all("content-range"))
    return content_range(values.pop()) if len(values) == 1 else None


def is_of_version(head: ResponseHead, validator: str) -> bool:
    """The response carries the validator that was sent, or none at all."""
    name = "etag" if validator.startswith('"') else "last-modified"
    return all(value == validator for value in head.get_all(name))
