"""Attempts whose worker died in their company: what is known of them, and how they are carried again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pdl.engines.processes.engine import ProcessesEngine
from pdl.engines.processes.suspects import Suspects
from pdl.engines.processes.wire import packed_attempts, packed_events, unpacked_attempts, unpacked_events
from pdl.errors import Kind
from pdl.model import (
    Advanced,
    Attempt,
    Digest,
    Event,
    Finished,
    Outcome,
    Partial,
    Reach,
    Responded,
    Span,
    Timings,
    Validator,
    Verdict,
)
from pdl.settings import Settings

URL = "http://127.0.0.1/a"
PARTIAL = Partial(5, '"v1"', 10, URL)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "1.part"
    path.write_bytes(b"12345")
    return path


def carried_again(attempt: Attempt) -> Attempt:
    suspects = Suspects()
    suspects.set_out(attempt)
    suspects.add([attempt])
    return suspects.take()


def test_an_attempt_is_carried_again_as_it_was():
    attempt = Attempt(1, 1, URL, "1.part", headers=(("A", "b"),))
    assert carried_again(attempt) is attempt


def test_a_part_that_was_only_continued_is_continued_from_where_it_was(part: Path):
    attempt = Attempt(1, 1, URL, str(part), partial=PARTIAL)
    suspects = Suspects()
    suspects.set_out(attempt)
    with part.open("ab") as file:
        file.write(b"678")
    suspects.add([attempt])
    assert suspects.take().partial == PARTIAL


def test_a_part_that_was_begun_anew_is_not_continued_under_the_validator_of_the_old_one(part: Path):
    attempt = Attempt(1, 1, URL, str(part), partial=PARTIAL)
    suspects = Suspects()
    suspects.set_out(attempt)
    old = part.with_name("kept")  # so that its inode is not given out again
    part.rename(old)
    part.write_bytes(b"of another version")
    suspects.add([attempt])
    assert suspects.take() == attempt._replace(partial=None)


def test_a_part_that_is_gone_is_not_continued(part: Path):
    attempt = Attempt(1, 1, URL, str(part), partial=PARTIAL)
    suspects = Suspects()
    suspects.set_out(attempt)
    os.unlink(part)
    suspects.add([attempt])
    assert suspects.take().partial is None


def test_the_time_of_an_attempt_runs_on_over_its_workers_death(monkeypatch: pytest.MonkeyPatch):
    times = iter([100.0, 107.0, 200.0, 205.0])
    monkeypatch.setattr("pdl.engines.processes.suspects.time.monotonic", lambda: next(times))
    suspects = Suspects()
    attempt = Attempt(1, 1, URL, "1.part", time_limit=10.0)
    for left in (3.0, 0.0):
        suspects.set_out(attempt)
        suspects.add([attempt])
        attempt = suspects.take()
        assert attempt.time_limit == left


def test_one_that_was_alone_with_a_dead_worker_is_alone_from_the_beginning_when_it_comes_again():
    suspects = Suspects()
    first = Attempt(1, 7, URL, "7.part")
    assert not suspects.claims(first)
    suspects.convict(first)
    assert not suspects.claims(Attempt(2, 8, URL, "8.part"))
    again = Attempt(3, 7, URL, "7.part")
    assert suspects.claims(again)
    assert suspects.take() is again


PROBE = Attempt(1, 1, URL, "1.part", unless=Validator(URL, '"v0"'), span=Span(0, 65_536))
ANSWER = Partial(0, '"v1"', 100_000, URL)


def test_a_probe_whose_answer_was_told_lays_out_no_other_part_for_those_that_write_into_it():
    suspects = Suspects()
    event = Responded(1, 206, 100_000, ANSWER)
    suspects.responded(PROBE, event)
    assert suspects.stands(event)
    assert not suspects.stands(Advanced(1, 5))
    suspects.add([PROBE])
    again = PROBE._replace(span=Span(0, 65_536, '"v1"', 100_000), unless=None)
    assert suspects.take() == again
    suspects.add([again])  # as its next worker has died, too
    assert suspects.take() == again


@pytest.mark.parametrize(
    "event",
    [
        Responded(1, 200, 100_000, ANSWER),
        Responded(1, 206, None, None),
        Responded(1, 206, 65_536, ANSWER._replace(total=65_536)),
    ],
)
def test_a_probe_with_whose_answer_nobody_else_can_begin_is_carried_again_as_it_was(event: Responded):
    suspects = Suspects()
    suspects.responded(PROBE, event)
    assert not suspects.stands(event)
    suspects.add([PROBE])
    assert suspects.take() is PROBE


def test_nothing_is_kept_of_attempts_that_have_ended(part: Path):
    suspects = Suspects()
    for number in range(3):
        attempt = Attempt(number, number, URL, str(part), partial=PARTIAL, time_limit=1.0, span=Span(0, 65_536))
        suspects.set_out(attempt)
        suspects.responded(attempt, Responded(number, 206, 100_000, ANSWER))
        suspects.ended(number)
    assert not suspects._notes
    assert not suspects._ways


def test_what_was_told_of_a_suspect_but_not_passed_on_is_forgotten():
    """Its part may be about to be begun anew; the ledger would take the new one for one of the old version."""

    class Dead:
        connection = "its pipe"
        last_words = None
        ready = True

        def __init__(self, *attempts: Attempt) -> None:
            self.carried = {attempt.id: attempt for attempt in attempts}

        def bury(self) -> int:
            return -9

    engine = ProcessesEngine(Settings(engine="processes", worker_engine="curl", jobs=4, workers=1))
    try:
        hand: Any = Dead(Attempt(1, 1, URL, "1.part"), Attempt(2, 2, URL, "2.part"))
        ended = Finished(3, Outcome(Verdict.DONE))
        engine._hands[hand.connection] = hand
        engine._news = [Responded(1, 200, 10, PARTIAL), ended, Advanced(2, 5)]
        engine._bury(hand)
        assert engine._news == [ended]
        assert len(engine._suspects) == 2
    finally:
        engine.close()
    stopped = [Finished(number, Outcome(Verdict.STOPPED, message="stopped")) for number in (1, 2)]
    assert engine.wait(0) == [ended, *stopped]


# -- what goes between processes

ATTEMPTS = [
    Attempt(1, 1, URL, "1.part"),
    Attempt(2, 2, URL, "2.part", headers=(("A", "b"),), credentials="u:p", proxy="http://127.0.0.1:1"),
    Attempt(3, 3, URL, "3.part", partial=PARTIAL, digest=Digest("md5", "0"), size=5, time_limit=1.5),
    Attempt(4, 4, URL, "4.part", reach=Reach.PUBLIC, algorithm="sha256", unless=Validator(URL, '"v1"')),
]
EVENTS: list[Event] = [
    Responded(1, 200, None, PARTIAL),
    Advanced(1, 5),
    Finished(2, Outcome(Verdict.DONE)),
    Finished(3, Outcome(Verdict.DONE, status=200, size=5, received=5, opened=True, digest="0", etag='"v1"')),
    Finished(4, Outcome(Verdict.DONE, name="a", timings=Timings(dns=0.0, wait=0.5))),
    Finished(5, Outcome(Verdict.FAILED, Kind.HTTP, "not found", status=404)),
    Finished(6, Outcome(Verdict.STOPPED, partial=PARTIAL)),
]


def test_attempts_and_events_come_out_as_they_went_in():
    found = unpacked_attempts(packed_attempts(ATTEMPTS))
    assert found == ATTEMPTS
    assert {type(each) for each in found} == {Attempt}
    events = unpacked_events(packed_events(EVENTS))
    assert events == EVENTS
    assert [type(each) for each in events] == [type(each) for each in EVENTS]
    assert {type(each.outcome) for each in events if isinstance(each, Finished)} == {Outcome}
