"""Header fields that decide how a transfer goes on; none of them ever raises."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdl.http.fields import ContentRange, content_range, http_date, retry_after, strong_validator
from pdl.model import Validator

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
DATE = "Wed, 04 Mar 2026 05:06:07 GMT"
LARGEST = 2**63 - 1


def later(**parts: int) -> str:
    return format_datetime(NOW + timedelta(**parts), usegmt=True)


# Content-Range


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes 0-0/1", ContentRange(0, 0, 1)),
        ("bytes 5-9/10", ContentRange(5, 9, 10)),
        ("bytes 5-9/*", ContentRange(5, 9, None)),
        ("Bytes\t5-9/10", ContentRange(5, 9, 10)),
        ("  bytes  5-9/10 ", ContentRange(5, 9, 10)),
        ("bytes */10", ContentRange(None, None, 10)),
        ("bytes */0", ContentRange(None, None, 0)),
        (f"bytes 0-{LARGEST - 1}/{LARGEST}", ContentRange(0, LARGEST - 1, LARGEST)),
    ],
)
def test_a_content_range_gives_its_positions(value: str, expected: ContentRange):
    assert content_range(value) == expected


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    "value",
    [
        None, "", "bytes", "bytes ", "5-9/10", "bytes=5-9/10", "lines 5-9/10", "bytes 5-9", "bytes 9-5/10",
        "bytes 5-9/9", "bytes 5-10/10", "bytes -5/10", "bytes 5-/10", "bytes 5 - 9/10", "bytes 5-9/ 10",
        "bytes */*", "bytes 5-9/-1", "bytes +5-9/10", "bytes 5-9/10, bytes 0-4/10", "bytes 5-9/10;x",
        "bytes 0x5-9/10", "bytes \u0665-9/10", "bytes 5-9/1_0", "multipart/byteranges",
        f"bytes 0-{LARGEST}/{LARGEST + 1}", f"bytes 0-{LARGEST + 1}/*", f"bytes */{LARGEST + 1}",
        "bytes 0-9/99999999999999999999",
    ],
)  # fmt: skip
def test_a_broken_content_range_is_none_at_all(value: str | None):
    assert content_range(value) is None


@given(st.integers(0, LARGEST), st.integers(0, LARGEST), st.integers(0, LARGEST))
def test_a_content_range_is_valid_if_its_positions_are_in_order(first: int, last: int, total: int):
    found = content_range(f"bytes {first}-{last}/{total}")
    assert found == (ContentRange(first, last, total) if first <= last < total else None)


@pytest.mark.fault(11)
@given(st.text() | st.from_regex(r"bytes [0-9*]*-?[0-9]*/[0-9*]*", fullmatch=True))
def test_any_content_range_gives_an_answer_in_bounds(value: str):
    found = content_range(value)
    if found is not None and found.first is not None:
        assert 0 <= found.first <= found.last <= LARGEST
        assert found.total is None or found.last < found.total


# Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("120", 120.0), (" 5 ", 5.0), ("007", 7.0), ("301", 301.0), (later(seconds=90), 90.0),
        (later(days=400), 400 * 86400.0),
    ],
)  # fmt: skip
def test_a_server_asks_to_wait_in_seconds_or_until_a_date(value: str, seconds: float):
    assert retry_after(value, DATE, NOW) == seconds


@pytest.mark.fault(52)
def test_a_date_to_wait_for_counts_from_the_date_of_the_response():
    wrong_clock = NOW + timedelta(days=1000)
    assert retry_after(later(seconds=30), DATE, wrong_clock) == 30.0


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_a_date_of_the_response_our_own_clock_counts(date: str | None):
    assert retry_after(later(seconds=30), date, NOW) == 30.0


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    "value",
    [
        None, "", " ", "soon", "-5", "+5", "1e10", "5.5", "5s", "1,2", "\u0665", "inf", "nan", DATE,
        later(seconds=-1), later(days=-9000), "Wed, 04 Mar 2026", "Wed, 32 Mar 2026 05:06:07 GMT",
        "Wed, 04 Mar 99999 05:06:07 GMT", "0000-00-00", "Wed, 04 Mar 2026 05:06:07 +999999999999",
    ],
)  # fmt: skip
def test_garbage_and_past_dates_are_no_hint(value: str | None):
    assert retry_after(value, DATE, NOW) is None


@pytest.mark.fault(28)
@pytest.mark.parametrize("value", ["9" * 12, "9" * 400, "1" + "0" * 5000])
def test_a_number_beyond_all_bounds_stays_a_number(value: str):
    assert retry_after(value, None, NOW) >= 1e11


DATEISH = st.lists(
    st.sampled_from(
        [
            "Wed,", "04", "Mar", "2026", "05:06:07", "GMT", "+0000", "-0000", "-9999", "9999999999", "99:99:99",
            ",", "-", ":", "1", "0001", "Dec", "31", "9999", "23:59:59", "+2359", "EST", "\0", "ä",
        ]
    ),
    max_size=8,
).map(" ".join)  # fmt: skip


@pytest.mark.fault(28)
@given(st.text() | DATEISH, st.none() | st.text() | DATEISH)
@example("Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359")
def test_any_retry_after_gives_seconds_or_nothing(value: str, date: str | None):
    found = retry_after(value, date, NOW)
    assert found is None or 0 <= found < 1e13


# dates


@pytest.mark.parametrize(
    "value",
    [DATE, "Wednesday, 04-Mar-26 05:06:07 GMT", "Wed Mar  4 05:06:07 2026", "Wed, 04 Mar 2026 06:06:07 +0100"],
)
def test_each_form_of_an_http_date_is_understood(value: str):
    assert http_date(value) == NOW


@given(st.text() | DATEISH)
def test_any_date_has_a_time_zone_or_is_none(value: str):
    found = http_date(value)
    assert found is None or found.tzinfo is not None


# strong validators (RFC 9110 sections 8.8 and 13.1.5)


@pytest.mark.parametrize("etag", ['"x"', '""', '"a b"'.replace(" ", "\x80"), '"W/x"', '"\xff!#~"'])
def test_a_strong_entity_tag_validates(etag: str):
    assert strong_validator(Validator("http://h/", etag=etag)) == etag


@pytest.mark.fault(14)
@pytest.mark.parametrize("etag", ['W/"x"', "x", '"x', 'x"', '"a"b"', '"a b"', '"\x7f"', "", '"\u20ac"', '"a","b"'])
def test_a_weak_or_broken_entity_tag_does_not_and_no_date_stands_in_for_it(etag: str):
    old = "Tue, 03 Mar 2026 05:06:07 GMT"
    assert strong_validator(Validator("http://h/", etag=etag, last_modified=old, date=DATE)) is None


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("modified", "date", "strong"),
    [
        (later(seconds=-1), DATE, True),
        (later(days=-1), DATE, True),
        (DATE, DATE, False),
        (later(seconds=1), DATE, False),
        (later(days=-1), None, False),
        (later(days=-1), "now", False),
        ("then", DATE, False),
        (None, DATE, False),
        (None, None, False),
    ],
)
def test_a_date_validates_only_when_it_is_older_than_the_response(
    modified: str | None, date: str | None, strong: bool
):
    found = strong_validator(Validator("http://h/", last_modified=modified, date=date))
    assert found == (modified if strong else None)


@given(st.none() | st.text(), st.none() | st.text() | DATEISH, st.none() | st.text() | DATEISH)
@example(None, "Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359")
def test_any_validator_gives_itself_or_nothing(etag: str | None, modified: str | None, date: str | None):
    found = strong_validator(Validator("http://h/", etag, modified, date))
    assert found in (None, etag if etag is not None else modified)
