"""Header fields that decide how a transfer goes on: parsed without ever raising."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import NamedTuple

from pdl.model import Validator
from pdl.patterns import pattern

_LARGEST = 2**63 - 1
_CONTENT_RANGE = pattern(r"bytes[ \t]+(?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)", re.IGNORECASE | re.ASCII)
_STRONG_ETAG = pattern(r'"[\x21\x23-\x7e\x80-\xff]*"')


class ContentRange(NamedTuple):
    """A Content-Range field (RFC 9110 section 14.4); positions are None in an unsatisfied range."""

    first: int | None
    last: int | None
    total: int | None


def content_range(value: str | None) -> ContentRange | None:
    """The field's meaning, or None if it is missing or breaks the rules."""
    match = _CONTENT_RANGE.fullmatch(value.strip()) if value else None
    if match is None:
        return None
    first, last, total = (int(group) if group and group != "*" else None for group in match.groups())
    if first is None:
        return ContentRange(None, None, total) if total is not None and total <= _LARGEST else None
    assert last is not None
    if last < first or last > _LARGEST or (total is not None and not last < total <= _LARGEST):
        return None
    return ContentRange(first, last, total)


def http_date(value: str | None) -> datetime | None:
    """An HTTP date (RFC 9110 section 5.6.7) in UTC, or None."""
    if not value:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - takes time, and few answers need a date of them

    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment


def retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After field (RFC 9110 section 10.2.3), or None for no usable hint.

    A date is measured against the response's own Date, so that a clock that is wrong here does no harm.
    """
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])  # a longer number is out of reach all the same
    until = http_date(value)
    if until is None:
        return None
    try:
        seconds = (until - (http_date(date) or now)).total_seconds()
    except OverflowError:
        return None
    return seconds if seconds > 0 else None


def strong_validator(validator: Validator) -> str | None:
    """What may be sent as If-Range: a strong entity tag, or a date that is strong (RFC 9110 section 13.1.5).

    A date is strong if it is at least a second older than the response's Date (section 8.8.2.2); it is not used
    beside an entity tag, not even a weak one.
    """
    if validator.etag is not None:
        return validator.etag if _STRONG_ETAG.fullmatch(validator.etag) else None
    modified, sent = http_date(validator.last_modified), http_date(validator.date)
    if modified is None or sent is None or (sent - modified).total_seconds() < 1:
        return None
    return validator.last_modified
