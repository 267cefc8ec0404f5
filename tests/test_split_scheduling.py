"""Which spans of a file start when, and what follows from how they ended, in a time that only the test moves."""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_scheduler import DEAD, GONE, RESET, RESTART, SHORT, STOPPED, World, busy, redirect

from pdl.errors import Kind
from pdl.model import Attempt, Outcome, Partial, Span, Verdict
from pdl.proxies import SUSPECTED
from pdl.task import Ended, Task

LEAST = 64 << 10
URL = "http://h/large"
TOTAL = 6 * LEAST
MISSED = Outcome(Verdict.FAILED, Kind.TIMEOUT, "no connection within 10 s", unreachable=True)
REFUSED = Outcome(Verdict.FAILED, Kind.PROXY, "refused", proxy_failed=True)


def world(**options: object) -> World:
    return World(**{"split": 4, "split_size": LEAST, **options})


def at(place: int, url: str = URL, total: int = TOTAL) -> Partial:
    return Partial(place, '"v1"', total, url)


def came(attempt: Attempt, total: int = TOTAL) -> Outcome:
    """All bytes of a span."""
    assert attempt.span is not None
    return Outcome(Verdict.SPAN, status=206, opened=True, partial=at(attempt.span.stop, attempt.url, total))


def broke(place: int) -> Outcome:
    return Outcome(Verdict.FAILED, Kind.RESET, "it broke", status=206, opened=True, partial=at(place))


def spans(attempts: Sequence[Attempt]) -> list[tuple[int, int]]:
    """What is asked for, in spans of the least size."""
    return [(each.span.start // LEAST, each.span.stop // LEAST) for each in attempts if each.span is not None]


def under_way(here: World) -> list[Attempt]:
    """The probe and three spans of a file of six, all begun."""
    probe = here.start()
    assert probe is not None
    assert here.scheduler.responded(probe.id, 206, at(0))
    return [probe, *here.start_all()]


def complete(here: World, attempts: list[Attempt]) -> Ended | None:
    """End all attempts well, those that start meanwhile too; answers the end of the last."""
    ended = None
    while attempts:
        attempt = attempts.pop(0)
        ended = here.end(attempt, came(attempt) if attempt.span else Outcome(Verdict.DONE, status=200))
        attempts += here.start_all()
    return ended


# the probe


def test_a_probe_goes_first_and_the_rest_when_it_was_answered():
    here = world()
    task = here.add(URL)
    probe = here.start()
    assert probe is not None
    assert probe.span == Span(0, LEAST)
    assert here.start() is None
    assert here.scheduler.responded(probe.id, 206, at(0))
    others = here.start_all()
    assert spans(others) == [(1, 2), (2, 3), (3, 4)]
    assert {each.span[2:] for each in others if each.span} == {('"v1"', TOTAL, False)}
    assert {each.part for each in others} == {probe.part}
    ended = complete(here, [probe, *others])
    assert ended is not None
    assert (ended.outcome.verdict, ended.outcome.size, task.attempts) == (Verdict.DONE, TOTAL, 6)
    assert here.scheduler.total == here.scheduler.active == 0


def test_a_probe_that_ends_before_it_is_told_of_shows_the_way_as_well():
    here = world()
    here.add(URL)
    probe = here.start()
    assert probe is not None
    assert here.end(probe, came(probe)) is None
    assert spans(here.start_all()) == [(1, 2), (2, 3), (3, 4), (4, 5)]


@pytest.mark.parametrize(
    ("status", "partial"), [(200, at(9)), (206, None), (206, at(9, total=LEAST)), (206, at(9)._replace(total=None))]
)
def test_other_answers_show_no_way(status: int, partial: Partial | None):
    here = world()
    task = here.add(URL)
    probe = here.start()
    assert probe is not None
    assert not here.scheduler.responded(probe.id, status, partial)
    assert here.start() is None
    ended = here.end(probe, Outcome(Verdict.DONE, status=status, size=9, opened=True))
    assert ended is not None
    assert task.split is None


def test_a_probe_that_fails_is_made_again():
    here = world()
    task = here.add(URL)
    probe = here.start()
    assert probe is not None
    assert here.end(probe, busy(None)) is None
    again = here.next_try()
    assert (again.span, task.attempts) == (Span(0, LEAST), 2)


def test_a_probe_that_comes_too_short_leaves_a_span():
    here = world(retry_delay=0)
    here.add(URL)
    probe = here.start()
    assert probe is not None
    assert here.end(probe, broke(1000)) is None
    attempts = here.start_all()
    assert len(attempts) == 4
    here.end(attempts[-1], came(attempts[-1]))
    attempts += here.start_all()
    assert Span(1000, LEAST, '"v1"', TOTAL) in [each.span for each in attempts]


def test_what_began_in_one_piece_goes_on_so():
    here = world(retry_delay=0)
    here.add(URL)
    probe = here.start()
    assert probe is not None
    outcome = Outcome(Verdict.FAILED, Kind.TRUNCATED, "cut", status=200, opened=True, partial=at(1000))
    here.end(probe, outcome)
    again = here.next_try()
    assert (again.span, again.partial) == (None, at(1000))


def test_a_file_that_is_not_to_be_split_is_asked_for_once_as_a_whole():
    here = world()
    task = here.add(URL)
    probe = here.start()
    assert probe is not None
    assert here.end(probe, RESTART) is None
    again = here.start()
    assert again is not None
    assert (again.span, again.partial, task.attempts) == (None, None, 2)
    assert here.start() is None
    assert here.end(again, Outcome(Verdict.DONE, status=200)) is not None


def test_small_files_by_the_list_and_hosts_without_ranges_are_not_probed():
    here = world()
    here.add(URL, size=LEAST)
    (first,) = here.start_all()
    assert first.span is None
    here.end(first, Outcome(Verdict.DONE, ranges_ignored=True))
    here.add(URL)
    (second,) = here.start_all()
    assert second.span is None


def test_spans_go_to_where_the_probe_was_led():
    here = world()
    task = here.add(URL)
    probe = here.start()
    assert probe is not None
    here.end(probe, redirect("http://other/there"))
    (led,) = here.start_all()
    assert (led.url, led.span) == ("http://other/there", Span(0, LEAST))
    assert here.scheduler.responded(led.id, 206, at(0, led.url))
    others = here.start_all()
    assert {each.url for each in others} == {led.url}
    ended = complete(here, [led, *others])
    assert ended is not None
    assert task.attempts == 1 + 5  # the hop's own answer is counted with the first request


# caps


@pytest.mark.parametrize(("options", "most"), [({"jobs": 2}, 2), ({"per_host": 3}, 3), ({}, 4), ({"split": 2}, 2)])
def test_spans_count_as_others_do(options: dict[str, int], most: int):
    here = world(**options)
    here.add(URL)
    attempts = under_way(here)
    assert len(attempts) == most
    while attempts:
        assert len(attempts) <= most
        attempt = attempts.pop(0)
        ended = here.end(attempt, came(attempt))
        attempts += here.start_all()
    assert ended is not None


def test_other_hosts_are_served_beside():
    here = world(per_host=2, capacity=4)
    here.add(URL)
    for number in range(3):
        here.add(f"http://other{number}/x")
    attempts = here.start_all()
    assert len(attempts) == 4
    assert here.scheduler.responded(attempts[0].id, 206, at(0))
    here.end(attempts[1], Outcome(Verdict.DONE, status=200))
    assert spans(here.start_all()) == [(1, 2)]


def test_a_host_that_shows_the_way_has_answered():
    here = world(capacity=4)  # else it would get no more than its share until its first attempt has ended
    here.add(URL)
    for number in range(3):
        here.add(f"http://other{number}/x")
    attempts = here.start_all()
    here.end(attempts[1], Outcome(Verdict.DONE, status=200))
    here.end(attempts[2], Outcome(Verdict.DONE, status=200))
    assert here.scheduler.responded(attempts[0].id, 206, at(0))
    assert spans(here.start_all()) == [(1, 2), (2, 3)]


# what breaks


def test_a_span_that_breaks_goes_on_after_its_own_pause_while_others_run():
    here = world()
    task = here.add(URL)
    probe, first, second, _ = under_way(here)
    assert here.end(first, broke(LEAST + 100)) is None
    assert spans(here.start_all()) == [(4, 5)]  # another connection takes what comes next meanwhile
    here.end(probe, came(probe))
    assert spans(here.start_all()) == [(5, 6)]
    here.end(second, came(second))
    here.go_on()
    (again,) = here.start_all()
    assert again.span == Span(LEAST + 100, 2 * LEAST, '"v1"', TOTAL)
    assert task.attempts == 7


def test_each_span_has_all_tries_and_then_ends_the_file_when_others_have_ended():
    here = world(retries=2, retry_delay=0.01)
    task = here.add(URL)
    probe, first, second, third = under_way(here)
    assert here.end(first, broke(LEAST)) is None
    assert here.end(probe, came(probe)) is None
    others = []
    for _ in range(2):
        here.now += 1
        begun = here.start_all()
        (again,) = [each for each in begun if each.span is not None and each.span.start == LEAST]
        others += [each for each in begun if each is not again]
        assert here.end(again, broke(LEAST)) is None
    here.now += 1
    assert here.start() is None  # nothing new of a file that has failed
    rest = [second, third, *others]
    ends = [here.end(attempt, came(attempt)) for attempt in rest]
    assert ends[:-1] == [None] * (len(rest) - 1)
    assert ends[-1] is not None
    assert (ends[-1].task, ends[-1].outcome.kind) == (task, Kind.RESET)
    assert here.scheduler.total == 0


@pytest.mark.parametrize("fault", [RESTART, GONE])
def test_nothing_starts_again_before_the_last_span_has_let_the_part_go(fault: Outcome):
    here = world()
    task = here.add(URL)
    attempts = under_way(here)
    assert here.end(attempts.pop(1), fault) is None
    assert here.start() is None
    assert here.end(attempts.pop(), RESET) is None
    assert here.end(attempts.pop(), came(attempts[0])) is None
    assert here.start() is None
    ended = here.end(attempts.pop(), STOPPED)
    if fault is GONE:
        assert ended is not None
        assert (ended.outcome, here.scheduler.total) == (GONE, 0)
        return
    assert ended is None
    (again,) = here.start_all()
    assert (again.span, again.partial, task.split) == (None, None, None)
    here.now += 100
    assert here.start() is None  # what waited for its next try is forgotten
    assert here.end(again, Outcome(Verdict.DONE, status=200)) is not None


def test_a_mirror_begins_anew():
    here = world()
    here.add(URL, "http://mirror/large")
    attempts = under_way(here)
    for attempt in attempts[:-1]:
        assert here.end(attempt, GONE) is None
    assert here.end(attempts[-1], came(attempts[-1])) is None
    (probe,) = here.start_all()
    assert (probe.url, probe.span, probe.partial) == ("http://mirror/large", Span(0, LEAST), None)


def test_a_file_that_is_the_wrong_one_is_asked_for_at_its_mirror():
    here = world()
    task = here.add(URL, "http://mirror/large")
    ended = complete(here, under_way(here))
    assert ended is not None
    assert here.scheduler.total == 0
    wrong = Outcome(Verdict.FAILED, Kind.DIGEST, "wrong")
    task.split = None
    assert here.scheduler.refuted(ended._replace(outcome=wrong), here.now) is None
    (probe,) = here.start_all()
    assert (probe.url, here.scheduler.total) == ("http://mirror/large", 1)
    ended = complete(here, [probe])
    assert ended is not None
    task.split = None
    last = here.scheduler.refuted(ended._replace(outcome=wrong), here.now)
    assert last is not None
    assert (last.task, last.outcome, here.scheduler.total) == (task, wrong, 0)


@pytest.mark.parametrize("outcome", [STOPPED, SHORT, DEAD])
def test_what_is_nobody_s_fault_costs_no_try(outcome: Outcome):
    here = world(retries=0)
    task = here.add(URL)
    _, first, _, _ = under_way(here)
    before = task.attempts
    assert here.end(first, outcome) is None
    assert task.attempts == before - 1
    again = here.next_try() if outcome is not SHORT else first
    assert again.span == first.span


def test_a_worker_s_second_death_on_the_same_span_ends_the_file():
    here = world()
    here.add(URL)
    attempts = under_way(here)
    assert here.end(attempts.pop(), DEAD) is None
    attempts += here.start_all()
    assert here.end(attempts.pop(), DEAD) is None
    ends = [here.end(attempt, came(attempt)) for attempt in attempts]
    assert ends[-1] is not None
    assert ends[-1].outcome.kind is Kind.WORKER


@pytest.mark.parametrize("refusal", [busy(None), Outcome(Verdict.FAILED, Kind.CONNECT, "refused"), RESET])
def test_a_span_that_is_refused_beside_others_has_their_number_for_a_limit(refusal: Outcome):
    here = world(retries=0)
    task = here.add(URL)
    probe, first, second, third = under_way(here)
    assert here.end(third, refusal) is None
    assert here.end(second, refusal) is None
    assert here.start() is None
    assert here.end(probe, came(probe)) is None
    again = here.start_all()
    assert spans(again) == [(2, 3)]
    ended = complete(here, [first, *again])
    assert ended is not None
    assert (ended.outcome.verdict, task.attempts) == (Verdict.DONE, 6 + 2)


def test_a_span_that_is_refused_alone_has_its_tries():
    here = world(retries=1, retry_delay=0)
    here.add(URL)
    probe, *others = under_way(here)
    for attempt in others:
        assert here.end(attempt, busy(None)) is None
    assert here.end(probe, came(probe)) is None
    (one,) = here.start_all()
    assert here.end(one, busy(None)) is None
    ended = here.end(here.next_try(), busy(None))
    assert ended is not None
    assert ended.outcome.kind is Kind.HTTP


def test_a_host_that_asks_for_a_pause_has_it_from_all_spans():
    here = world(per_host=2)
    here.add(URL)
    probe, first = under_way(here)
    here.end(first, busy(5))
    here.end(probe, came(probe))
    assert here.start() is None
    here.now += 5
    assert len(here.start_all()) == 1, "it gets no more at once than it had then"


def test_a_host_that_asks_for_too_long_a_pause_ends_its_files_once():
    here = world()
    task = here.add(URL)
    attempts = under_way(here)
    here.end(attempts.pop(), busy(9999))
    for attempt in attempts:
        assert here.end(attempt, came(attempt)) is None
    here.now += 1000
    assert here.start() is None
    (ended,) = here.scheduler.give_up_parked(here.now)
    assert (ended.task, ended.outcome.kind, here.scheduler.total) == (task, Kind.HTTP, 0)


def test_time_for_a_file_is_that_of_all_its_spans():
    here = world(max_time=10)
    here.add(URL)
    attempts = under_way(here)
    assert [attempt.time_limit for attempt in attempts] == [10] * 4
    here.now += 9.99
    here.end(attempts[0], came(attempts[0]))
    (late,) = here.start_all()
    assert late.time_limit == pytest.approx(0.01)
    over = Outcome(Verdict.FAILED, Kind.TIMEOUT, "the time is over")
    ends = [here.end(attempt, over) for attempt in [*attempts[1:], late]]
    assert ends[:-1] == [None] * 3
    assert ends[-1] is not None
    assert ends[-1].outcome.kind is Kind.TIMEOUT


def test_a_host_that_stops_answering_keeps_what_came():
    here = world(retries=2, retry_delay=0.01)
    task = here.add(URL)
    attempts = under_way(here)
    for attempt in attempts:
        assert here.end(attempt, MISSED) is None
    ended, tries = None, 0
    while ended is None and tries < 50:
        attempt = here.start()
        if attempt is None:
            lost = here.scheduler.give_up_lost(here.now)
            ended = lost[0] if lost else None
            if ended is None:
                here.now += 1
            continue
        tries += 1
        ended = here.end(attempt, MISSED)
    assert ended is not None
    assert (ended.task, ended.outcome.kind) == (task, Kind.TIMEOUT)
    assert here.scheduler.give_up_lost(here.now) == []
    assert here.scheduler.total == here.scheduler.active == 0
    assert tries < 20


def test_only_the_try_of_a_host_counts_as_one_though_its_file_has_older_attempts():
    here = world(retries=1, retry_delay=0.01)
    here.add(URL)
    probe, *attempts = under_way(here)
    assert here.end(probe, came(probe)) is None
    attempts += here.start_all()
    *three, last = attempts
    for attempt in three:
        assert here.end(attempt, MISSED) is None
    here.go_on()
    (tried,) = here.start_all()
    assert here.end(last, MISSED) is None
    assert here.start() is None, "one at a time tries it"
    here.now += 100
    assert here.start() is None
    assert len(here.scheduler.notices) == 1, "it is not given up"
    assert here.end(tried, came(tried)) is None
    assert here.scheduler.notices[-1].message == "h answers again"


def test_only_the_try_of_a_proxy_counts_as_one_though_its_file_has_older_attempts():
    here = world(proxy="http://proxy:1", retries=1, retry_delay=0.01)
    here.add(URL)
    *three, last = under_way(here)
    for attempt in three:
        assert here.end(attempt, REFUSED) is None
    here.go_on()
    tried = here.next_try()
    assert here.end(last, REFUSED) is None
    here.now += 100
    assert here.start() is None, "one at a time tries it"
    assert len(here.scheduler.notices) == 1, "it is not given up"
    assert here.end(tried, came(tried)) is None
    assert here.start() is not None


def test_a_place_that_was_lost_ends_no_file_that_has_ended_otherwise():
    here = world(proxy="http://proxy:1", retries=0)
    others = [here.add(f"http://other/{number}", size=1) for number in range(SUSPECTED)]
    begun = here.start_all()
    task = here.add(URL)
    probe, *spans_of_it = under_way(here)
    assert here.end(probe, came(probe)) is None  # so the next span is in line when the proxy is given up
    ends = [here.end(attempt, REFUSED) for attempt in begun]
    assert [each.task for each in ends if each is not None] == others
    ends = [here.end(attempt, GONE) for attempt in spans_of_it]
    assert ends[:-1] == [None, None]
    assert ends[-1] is not None
    assert (ends[-1].task, ends[-1].outcome) == (task, GONE)
    assert here.scheduler.give_up_lost(here.now) == []
    assert here.scheduler.total == 0


# later runs


def left(text: str, total: int = TOTAL) -> Partial:
    return Partial(LEAST, '"v1"', total, URL, spans=text)


def test_what_is_missing_of_an_earlier_run_is_fetched_at_once():
    here = world()
    task = here.add(URL)
    task.partial = left(f"0-{LEAST},{2 * LEAST}-{5 * LEAST}")
    attempts = here.start_all()
    assert spans(attempts) == [(1, 2), (5, 6)]
    assert {each.partial for each in attempts} == {None}
    assert complete(here, attempts) is not None


@pytest.mark.parametrize(
    ("options", "partial", "kept"),
    [
        ({"split": 1}, left(f"0-{LEAST}"), True),
        ({}, left(f"0-{TOTAL}")._replace(size=TOTAL), True),
        ({}, left("nonsense")._replace(size=0), False),
        ({"split": 1}, left(f"{LEAST}-{2 * LEAST}")._replace(size=0), False),
        ({}, at(LEAST), True),  # it came in one piece, and so does the rest
    ],
)
def test_what_cannot_go_on_in_spans_goes_on_from_its_first_bytes(
    options: dict[str, int], partial: Partial, kept: bool
):
    here = world(**options)
    here.add(URL).partial = partial
    (attempt,) = here.start_all()
    assert (attempt.span, attempt.partial) == (None, partial if kept else None)


def test_spans_of_another_url_are_of_no_use():
    here = world()
    here.add("http://h/other").partial = left(f"0-{LEAST}")
    (attempt,) = here.start_all()
    assert (attempt.span, attempt.partial) == (Span(0, LEAST), None)


# whatever happens


@given(st.integers(), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_whatever_happens_every_download_ends_once_and_no_cap_is_broken(
    seed: int, jobs: int, per_host: int, proxied: bool
):
    chance = random.Random(seed)
    here = world(
        jobs=jobs, per_host=per_host, retries=2, split=chance.choice([1, 2, 4]), proxy="http://p:1" * proxied
    )
    tasks = [here.add(f"http://h{number % 2}/{number}", f"http://m/{number}") for number in range(5)]
    ended: list[Task] = []
    active: list[Attempt] = []

    def outcome_of(attempt: Attempt) -> Outcome:
        if attempt.span is None:
            return chance.choice([Outcome(Verdict.DONE, status=200), RESET, GONE, RESTART, MISSED])
        reached = chance.randint(attempt.span.start, attempt.span.stop)
        return chance.choice(
            [
                *[came(attempt)] * 6,
                Outcome(Verdict.FAILED, Kind.RESET, "it broke", 206, opened=True, partial=at(reached, attempt.url)),
                RESET, GONE, RESTART, STOPPED, DEAD, SHORT, busy(1), busy(9999), MISSED,
                Outcome(Verdict.FAILED, Kind.PROXY, "refused", proxy_failed=True),
                Outcome(Verdict.FAILED, Kind.DISK, "full", errno=errno.ENOSPC),
            ]
        )  # fmt: skip

    for _ in range(5000):
        active += here.start_all()
        assert len(active) <= jobs
        for host in ("h0", "h1", "m"):
            assert sum(each.url.startswith(f"http://{host}/") for each in active) <= per_host
        by_row: dict[int, list[Attempt]] = {}
        for each in active:
            by_row.setdefault(each.row, []).append(each)
        for same in by_row.values():
            asked = sorted((each.span.start, each.span.stop) if each.span else (0, 1 << 60) for each in same)
            assert all(one[1] <= other[0] for one, other in pairwise(asked))
        if active and chance.random() < 0.7:
            attempt = chance.choice(active)
            if attempt.span is not None and attempt.span.is_probe and chance.random() < 0.5:
                here.scheduler.responded(attempt.id, 206, at(attempt.span.start, attempt.url))
                continue
            active.remove(attempt)
            end = here.end(attempt, outcome_of(attempt))
            ended += [] if end is None else [end.task]
        else:
            here.now += chance.choice([0.1, 1, 10])
        ended += [each.task for each in here.scheduler.give_up_lost(here.now)]
        ended += [each.task for each in here.scheduler.give_up_parked(here.now)]
        if not here.scheduler.total:
            break
    assert sorted(task.row for task in ended) == sorted(task.row for task in tasks)
    assert not active
    assert here.scheduler.active == 0
    assert list(here.scheduler.running()) == []
