"""Attempts for spans of a file, on every engine: told of at once, and written in their place."""

from __future__ import annotations

import time
from pathlib import Path

from carrying import PATIENCE, attempts_for, carry, engine_of, outcomes
from faultserver import FaultServer

from pdl.model import Advanced, Engine, Event, Finished, Responded, Span, Verdict

SIZE = 300_000
PROBE = Span(0, 100_000)


def wait_for(engine: Engine, kind: type[Event]) -> list[Event]:
    """The events up to the first of a kind."""
    events: list[Event] = []
    until = time.monotonic() + PATIENCE
    while not any(isinstance(event, kind) for event in events):
        assert time.monotonic() < until, f"no {kind.__name__} among {events}"
        events += engine.wait(0.05)
    return events


def test_a_probe_is_told_of_as_soon_as_it_was_answered(engine_name, server: FaultServer, tmp_path: Path):
    target = f"/stall/in-body/x?size={SIZE}&at=1000"
    (probe,) = attempts_for([server.url(target)], tmp_path, span=PROBE)
    with engine_of(engine_name) as engine:
        engine.start(probe)
        (responded, *_) = wait_for(engine, Responded)
        assert isinstance(responded, Responded)
        assert (responded.attempt, responded.status, responded.length) == (1, 206, SIZE)
        assert responded.partial is not None
        assert (responded.partial.total, responded.partial.url) == (SIZE, probe.url)
        assert (tmp_path / "1.part").stat().st_size == SIZE
        server.release(target)
        events = wait_for(engine, Finished)
    outcome = outcomes(events)[1]
    assert (outcome.verdict, outcome.size, outcome.status) == (Verdict.SPAN, PROBE.stop, 206)
    assert not any(isinstance(event, Responded) for event in events)
    assert all(event.size <= PROBE.stop for event in events if isinstance(event, Advanced))


def test_spans_are_written_in_their_place_whatever_ends_first(engine_name, server: FaultServer, tmp_path: Path):
    target = f"/drip/x?size={SIZE}&piece=20000&interval=0.01"
    with engine_of(engine_name) as engine:
        (probe,) = attempts_for([server.url(target)], tmp_path, span=PROBE)
        first = outcomes(carry(engine, [probe]))[1]
        assert first.partial is not None
        etag = first.partial.if_range
        others = [
            probe._replace(id=number, span=Span(start, stop, etag, SIZE))
            for number, (start, stop) in enumerate([(250_000, SIZE), (100_000, 250_000)], 2)
        ]
        found = outcomes(carry(engine, others))
    assert {number: (each.verdict, each.size, each.received) for number, each in found.items()} == {
        2: (Verdict.SPAN, SIZE, 50_000), 3: (Verdict.SPAN, 250_000, 150_000),
    }  # fmt: skip
    assert (tmp_path / "1.part").read_bytes() == server.content(target)


def test_a_span_that_is_stopped_tells_where(engine_name, server: FaultServer, tmp_path: Path):
    target = f"/stall/in-body/x?size={SIZE}&at=30000"
    (probe,) = attempts_for([server.url(target)], tmp_path, span=PROBE)
    with engine_of(engine_name) as engine:
        engine.start(probe)
        wait_for(engine, Responded)
        engine.close()
        outcome = outcomes(engine.wait(0))[1]
    assert outcome.verdict is Verdict.STOPPED
    if engine_name != "processes" or outcome.partial is not None:
        assert outcome.partial is not None
        place = outcome.partial.size
        assert 0 < place <= 30_000
        assert (tmp_path / "1.part").read_bytes()[:place] == server.content(target)[:place]
