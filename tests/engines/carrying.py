"""Drives an engine by its three methods alone, as the loop does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pdl import engines
from pdl.model import Attempt, Engine, Event, Finished, Outcome
from pdl.settings import Settings
from pdl.url import canonical

PATIENCE = 30.0
"""Seconds after which an engine that gives no event has failed the test."""


@contextmanager
def engine_of(name: str, **settings: Any) -> Iterator[Engine]:
    """An engine that is closed at the end."""
    engine = engines.create(name, Settings(**{"jobs": 8, "timeout": 5.0, "connect_timeout": 5.0, **settings}))
    try:
        yield engine
    finally:
        engine.close()


def attempts_for(urls: Sequence[str], folder: Path, **fields: Any) -> list[Attempt]:
    """An attempt a URL, with part files in a folder."""
    return [
        Attempt(id=n, row=n, url=canonical(url).url, part=str(folder / f"{n}.part"), **fields)
        for n, url in enumerate(urls, 1)
    ]


def carry(engine: Engine, attempts: Sequence[Attempt]) -> list[Event]:
    """All events of the attempts, in order; never more of them at once than the engine's capacity."""
    events: list[Event] = []
    waiting = list(attempts)
    active: set[int] = set()
    until = time.monotonic() + PATIENCE
    while waiting or active:
        while waiting and len(active) < engine.capacity:
            attempt = waiting.pop(0)
            active.add(attempt.id)
            engine.start(attempt)
        came = engine.wait(0.05)
        events += came
        active -= {event.attempt for event in came if isinstance(event, Finished)}
        assert time.monotonic() < until, f"no end of {sorted(active)} in sight; events so far: {events}"
    return events


def outcomes(events: Sequence[Event]) -> dict[int, Outcome]:
    """The outcome of each attempt; each has exactly one."""
    found: dict[int, Outcome] = {}
    for event in events:
        if isinstance(event, Finished):
            assert event.attempt not in found, "an attempt ended twice"
            found[event.attempt] = event.outcome
    return found


def fetch_one(engine: Engine, url: str, folder: Path, **fields: Any) -> Outcome:
    """The outcome of one attempt."""
    return outcomes(carry(engine, attempts_for([url], folder, **fields)))[1]
