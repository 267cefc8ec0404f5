"""The one table of what is tried again, and the back-off."""

from __future__ import annotations

import errno
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.model import Outcome, Verdict
from pdl.retry import LONGEST_DELAY, RETRIED_STATUSES, RETRIES, backoff, further_tries


def failed(kind: Kind, **fields: int) -> Outcome:
    return Outcome(Verdict.FAILED, kind, **fields)


def test_every_kind_has_its_row_in_the_table():
    assert set(RETRIES) == set(Kind)
    assert all(tries >= 0 for tries in RETRIES.values())


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        (Kind.DNS, math.inf), (Kind.CONNECT, math.inf), (Kind.PROXY, math.inf), (Kind.TIMEOUT, math.inf),
        (Kind.RESET, math.inf), (Kind.TRUNCATED, math.inf), (Kind.TLS, 0), (Kind.PROTOCOL, 0), (Kind.BLOCKED, 0),
        (Kind.DIGEST, 0), (Kind.DISK, 0), (Kind.EMPTY, 0), (Kind.REDIRECT, 0), (Kind.TOO_LARGE, 0),
        (Kind.CODING, 0), (Kind.INPUT, 0), (Kind.INTERNAL, 0), (Kind.NAME, 0),
        (Kind.CONTENT_TYPE, 0), (Kind.WORKER, 0), (Kind.HTTP, 0),
    ],
)  # fmt: skip
def test_a_kind_says_how_many_further_tries_it_is_worth(kind: Kind, tries: float):
    assert further_tries(failed(kind)) == tries


def test_a_status_says_whether_it_is_tried_again():
    tried = {status for status in range(100, 600) if further_tries(failed(Kind.HTTP, status=status)) > 0}
    assert tried == RETRIED_STATUSES
    assert further_tries(failed(Kind.HTTP)) == 0


def test_the_statuses_that_are_tried_again_are_those_that_may_pass():
    assert {408, 429, 500, 502, 503, 504} <= RETRIED_STATUSES
    assert not {400, 401, 403, 404, 405, 410, 416, 501} & RETRIED_STATUSES


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("tries", [0, 1])
def test_a_failure_that_says_how_many_tries_it_is_worth_is_believed(kind: Kind, tries: int):
    assert further_tries(failed(kind, retries=tries, status=503)) == tries


@pytest.mark.fault(51)
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_lack_of_descriptors_passes(number: int):
    assert further_tries(failed(Kind.DISK, errno=number)) == math.inf
    assert further_tries(failed(Kind.DISK, errno=errno.ENOSPC)) == 0


URLS = st.text(max_size=30)


@given(URLS, st.integers(1, 10_000), st.floats(0, 1e300))
def test_a_back_off_stays_within_its_range(url: str, tries: int, first: float):
    delay = backoff(url, tries, first)
    assert 0 <= delay <= LONGEST_DELAY
    assert delay <= first * 2.0 ** min(tries - 1, 30)
    assert delay == backoff(url, tries, first)


def test_the_range_doubles_with_each_try():
    drawn = {tries: [backoff(f"http://h/{n}", tries, 1.0) for n in range(500)] for tries in (1, 2, 3, 4)}
    for tries, delays in drawn.items():
        widest = 2.0 ** (tries - 1)
        assert 0.9 * widest < max(delays) <= widest
        assert min(delays) < 0.1 * widest


def test_urls_and_tries_do_not_march_in_step():
    assert len({backoff(f"http://h/{n}", tries, 1.0) for n in range(100) for tries in (5, 6)}) == 200


def test_a_first_delay_of_nothing_means_no_delay():
    assert backoff("http://h/", 9, 0.0) == 0.0
