"""The plan of a file in spans: no byte is asked for twice or forgotten, whatever becomes of the attempts."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.model import Outcome, Partial, Span, Verdict
from pdl.spans import Piece, Spans, leading

URL = "http://h/large"
DONE = Outcome(Verdict.SPAN, status=206)


def version(total: int) -> Partial:
    return Partial(3, '"v1"', total, URL, "name")


def planned(total: int, most: int = 4, least: int = 10) -> Spans:
    """Of a file whose probe, attempt 1, is under way."""
    spans = Spans(most, least)
    assert spans.begin(1) == Span(0, least)
    assert spans.goes_beyond_probe(total)
    spans.plan(version(total))
    return spans


def came_to(place: int | None) -> Outcome:
    partial = None if place is None else version(0)._replace(size=place)
    return Outcome(Verdict.FAILED, Kind.RESET, partial=partial)


def whole(span: Span) -> Outcome:
    return DONE._replace(partial=version(0)._replace(size=span.stop))


# the plan


def test_it_begins_with_a_probe_for_the_first_bytes():
    spans = Spans(4, 10)
    assert (spans.wanted, spans.is_planned, spans.is_whole, spans.partial()) == (1, False, False, None)
    probe = spans.begin(1)
    assert (probe, probe.is_probe) == (Span(0, 10), True)
    assert (spans.wanted, spans.is_active) == (0, True)
    assert [spans.goes_beyond_probe(total) for total in (0, 9, 10, 11)] == [False, False, False, True]


def test_the_rest_is_divided_in_spans_of_the_least_size_or_four_for_each_attempt():
    spans = planned(45)
    assert [spans.begin(number) for number in (2, 3, 4)] == [
        Span(10, 20, '"v1"', 45), Span(20, 30, '"v1"', 45), Span(30, 40, '"v1"', 45),
    ]  # fmt: skip
    assert spans.wanted == 0  # four are under way
    spans = planned(10 + 1600)
    assert [spans.begin(number).stop - 10 for number in (2, 3, 4)] == [100, 200, 300]


def test_one_more_byte_than_the_probe_s_is_a_span():
    spans = planned(11)
    assert spans.begin(2) == Span(10, 11, '"v1"', 11)
    assert spans.wanted == 0


# what came


def test_what_is_left_of_a_piece_is_asked_for_next():
    spans = planned(45)
    spans.begin(2)
    piece = spans.end(2, came_to(14))
    assert piece is not None
    assert (piece.start, piece.stop, spans.size) == (14, 20, 4)
    spans.put_back(piece)
    assert spans.begin(3) == Span(14, 20, '"v1"', 45)


@pytest.mark.parametrize("place", [None, 0, 3, 10])
def test_bytes_that_are_not_good_do_not_count(place: int | None):
    spans = planned(45)
    span = spans.begin(2)
    spans.advance(2, 18)
    assert spans.size == 8
    piece = spans.end(2, came_to(place))
    assert piece is not None
    assert (piece.start, spans.size) == (span.start, 0)


def test_bytes_behind_a_span_do_not_count():
    spans = planned(45)
    spans.begin(2)
    spans.advance(2, 99)
    assert spans.partial() == Partial(0, '"v1"', 45, URL, "name", spans="10-20")
    assert spans.end(2, came_to(99)) is None
    assert spans.partial() == Partial(0, '"v1"', 45, URL, "name", spans="10-20")


def test_what_is_there_is_told_with_what_is_under_way():
    spans = planned(45)
    spans.begin(2)
    spans.begin(3)
    assert spans.partial() is None
    spans.advance(1, 7)
    spans.advance(3, 25)
    assert spans.size == 12
    assert spans.partial() == Partial(7, '"v1"', 45, URL, "name", spans="0-7,20-25")
    spans.advance(3, 21)  # late news
    assert spans.size == 12
    spans.end(1, whole(Span(0, 10)))
    spans.end(2, whole(Span(10, 20)))
    assert spans.partial() == Partial(25, '"v1"', 45, URL, "name", spans="0-25")


def test_the_end_of_the_last_attempt_is_that_of_the_file():
    spans = planned(15)
    spans.begin(2)
    spans.end(2, whole(Span(10, 15))._replace(first_byte=7.0))
    assert not spans.is_whole
    last = whole(Span(0, 10))._replace(first_byte=5.0, etag=None, kind=Kind.TIMEOUT, message="just in time")
    assert spans.end(1, last) is None
    assert spans.is_whole
    outcome = spans.outcome(last)
    assert (outcome.verdict, outcome.kind, outcome.message, outcome.size) == (Verdict.DONE, None, "", 15)
    assert (outcome.first_byte, outcome.etag, outcome.last_modified, outcome.name) == (5.0, '"v1"', None, "name")
    told = last._replace(etag='"v1"', last_modified="Tue")
    assert (spans.outcome(told).etag, spans.outcome(told).last_modified) == ('"v1"', "Tue")


def test_a_date_that_stood_for_the_version_is_what_is_known_of_it():
    spans = Spans(4, 10)
    spans.begin(1)
    spans.plan(version(11)._replace(if_range="Tue, 03 Mar 2026 05:06:07 GMT"))
    outcome = spans.outcome(DONE)
    assert (outcome.etag, outcome.last_modified) == (None, "Tue, 03 Mar 2026 05:06:07 GMT")


@pytest.mark.parametrize(
    ("failures", "retries", "worth", "may"),
    [(1, 2, 9, True), (2, 2, 9, True), (3, 2, 9, False), (1, 2, 1, True), (2, 2, 1, False), (1, 2, 0, False)],
)
def test_each_piece_has_its_own_tries(failures: int, retries: int, worth: float, may: bool):
    piece = Piece(0, 9)
    for _ in range(failures - 1):
        piece.may_fail(Kind.RESET, retries, worth)
    assert piece.may_fail(Kind.RESET, retries, worth) is may


# later runs


def restored(text: str | None, total: int | None = 45, seen: int = 0) -> Spans | None:
    partial = Partial(leading(text or ""), '"v1"', total, URL, "name", text)
    return Spans.restored(partial, 4, 10, seen)


def test_a_later_run_fetches_what_is_missing():
    spans = restored("0-7,20-25,40-45")
    assert spans is not None
    assert (spans.size, spans.is_planned, spans.is_whole) == (17, True, False)
    assert [spans.begin(number) for number in (1, 2, 3)] == [
        Span(7, 17, '"v1"', 45), Span(17, 20, '"v1"', 45), Span(25, 35, '"v1"', 45),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0",
        "0-",
        "-5",
        "5-3",
        "5-5",
        "0-46",
        "0-9,4-12",
        "0-9,9-12",
        "10-12,0-9",
        "0-9,",
        "0-9 ",
        "\u0660-\u0669",
    ],
)
def test_nonsense_is_not_restored(text: str):
    assert restored(text) is None


def test_what_cannot_go_on_in_spans_is_not_restored():
    assert restored(None) is None
    assert restored("0-45") is None  # nothing is missing
    assert restored("0-9", total=None) is None
    assert restored("0-9", seen=10) is None
    spans = restored("0-9", seen=9)
    assert spans is not None
    assert spans.begin(1).unseen


@pytest.mark.parametrize(
    ("text", "size"), [("0-7,9-12", 7), ("3-7", 0), ("nonsense", 0), ("", 0), ("0-99999999999999999999", 0)]
)
def test_the_leading_bytes_are_of_use_by_themselves(text: str, size: int):
    assert leading(text) == size


# whatever happens


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 2000), st.integers())
def test_every_byte_is_asked_for_until_it_is_there_and_none_by_two_at_once(
    least: int, most: int, more: int, seed: int
):
    chance, total = random.Random(seed), least + more
    spans = Spans(most, least)
    active = {0: spans.begin(0)}
    spans.plan(version(total))
    there = [False] * total
    held: list[Piece] = []
    number = 0
    for _ in range(20_000):
        if spans.is_whole:
            break
        if spans.wanted and chance.random() < 0.5:
            number += 1
            active[number] = spans.begin(number)
            assert len(active) <= most
        elif active:
            which = chance.choice(sorted(active))
            span = active.pop(which)
            place = chance.choice([None, span.stop, span.stop, (span.start + span.stop) // 2])
            for at in range(span.start, place or span.start):
                assert not there[at]
                there[at] = True
            piece = spans.end(which, came_to(place))
            assert (piece is None) == (place == span.stop)
            if piece is not None:
                held.append(piece)
        elif held:
            spans.put_back(held.pop())
        asked = sorted((span.start, span.stop) for span in active.values())
        assert all(one[1] <= other[0] for one, other in pairwise(asked))
        assert spans.size == sum(there)
        partial = spans.partial()
        if partial is not None and not all(there):
            again = Spans.restored(partial, most, least, 0)
            assert again is not None
            assert again.size == sum(there)
            assert again.partial() == partial
            assert partial.size == (there.index(False) if there[0] else 0)
        while held and chance.random() < 0.5:
            spans.put_back(held.pop())
    assert spans.is_whole == all(there)
    assert spans.is_whole
