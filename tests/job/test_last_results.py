"""What has come is told to the caller soon, and also if the run ends before it was published."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

import pdl
from pdl.errors import EngineError, Kind
from pdl.model import Advanced, Attempt, Event, Finished, Outcome, Verdict
from pdl.scheduler import NEAR

GOOD, BAD = "http://h/good", "http://h/bad"


class Together:
    """An engine that tells of all its attempts at once, as one does that many answers come to at the same time."""

    punctual = True

    def __init__(self, bad: Outcome, capacity: int = 2) -> None:
        self.capacity = capacity
        self._bad = bad
        self._attempts: list[Attempt] = []

    def start(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)

    def wait(self, timeout: float) -> list[Event]:
        events: list[Event] = []
        for attempt in self._attempts:
            if attempt.url.startswith(GOOD):
                Path(attempt.part).write_bytes(b"good")
                events.append(Finished(attempt.id, Outcome(Verdict.DONE, status=200, size=4, opened=True)))
            else:
                events.append(Finished(attempt.id, self._bad))
        self._attempts.clear()
        return events

    def close(self) -> None:
        pass


def test_a_full_disk_keeps_back_no_result(tmp_path: Path):
    full = Outcome(Verdict.FAILED, Kind.DISK, "the disk is full", errno=errno.ENOSPC)
    results = list(pdl.iter_downloads([GOOD, BAD], tmp_path, engine=Together(full), jobs=2))
    assert {(result.url, result.status) for result in results} == {(GOOD, "done"), (BAD, "failed")}
    assert (tmp_path / "good").read_bytes() == b"good"


@pytest.mark.parametrize("more", [[BAD], []])
def test_a_deadline_keeps_back_no_result(tmp_path: Path, more: list[str], monkeypatch: pytest.MonkeyPatch):
    engine, wait = Together(Outcome(Verdict.STOPPED)), Together.wait
    late = time.monotonic() + 3600.0

    def wait_too_long(self: Together, timeout: float) -> list[Event]:
        monkeypatch.setattr("pdl.run.time.monotonic", lambda: late)
        return wait(self, timeout)

    monkeypatch.setattr(Together, "wait", wait_too_long)
    with pdl.iter_downloads([GOOD, *more], tmp_path, engine=engine, jobs=1, deadline=60.0) as downloads:
        assert [(result.url, result.status) for result in downloads] == [(GOOD, "done")]
    assert (downloads.summary.left, downloads.summary.stopped) == (len(more), "deadline" if more else None)


def test_a_run_that_is_closed_when_all_has_come_was_not_stopped(tmp_path: Path):
    gone = Outcome(Verdict.FAILED, Kind.HTTP, "gone", status=404)
    with pdl.iter_downloads([GOOD, BAD], tmp_path, engine=Together(gone), jobs=2) as downloads:
        assert next(downloads).url == BAD
    summary = downloads.summary
    assert (summary.done, summary.failed, summary.left, summary.stopped) == (1, 1, 0, None)


class InPortions(Together):
    """Tells of its attempts in portions, and of none every now and then."""

    def __init__(self) -> None:
        super().__init__(Outcome(Verdict.STOPPED), capacity=60)
        self._portions = cycle([60, 0, 40, 40])
        self.look: Callable[[], int] | None = None
        self.farthest = 0

    def wait(self, timeout: float) -> list[Event]:
        if self.look is not None:
            self.farthest = max(self.farthest, self.look())
        portion = next(self._portions)
        later, self._attempts = self._attempts[portion:], self._attempts[:portion]
        events = super().wait(timeout)
        self._attempts = later
        return events


def test_what_waits_to_be_published_still_counts_as_read_ahead(tmp_path: Path):
    engine = InPortions()
    with pdl.iter_downloads((f"{GOOD}-{n}" for n in range(1500)), tmp_path, engine=engine, jobs=60) as downloads:
        run = downloads._run
        engine.look = lambda: run._scheduler.total + len(run._ended)
        assert sum(1 for _ in downloads) == 1500
    assert NEAR // 2 < engine.farthest <= NEAR


class Busy(Together):
    """Has one download that never ends, and something to tell of it at every look."""

    def __init__(self) -> None:
        super().__init__(Outcome(Verdict.STOPPED))
        self._endless: list[Attempt] = []
        self.looks = 0

    def start(self, attempt: Attempt) -> None:
        (self._attempts if attempt.url == GOOD else self._endless).append(attempt)

    def wait(self, timeout: float) -> list[Event]:
        self.looks += 1
        assert self.looks < 100, "the file that has come is held back"
        return [*(Advanced(attempt.id, self.looks) for attempt in self._endless), *super().wait(timeout)]


def test_news_of_other_files_keep_back_no_result(tmp_path: Path):
    with pdl.iter_downloads([BAD, GOOD], tmp_path, engine=Busy(), jobs=2) as downloads:
        assert next(downloads).url == GOOD


class Collapsing(Together):
    """Brings what has come once, and then nothing any more."""

    looks = 0

    def wait(self, timeout: float) -> list[Event]:
        self.looks += 1
        if self.looks > 1:
            raise RuntimeError("broken")
        return super().wait(timeout)


@pytest.mark.parametrize("durable", [False, True])
def test_an_engine_that_collapses_keeps_back_no_result(tmp_path: Path, *, durable: bool):
    engine, results = Collapsing(Outcome(Verdict.STOPPED)), []
    with (
        pytest.raises(EngineError, match="broken"),
        pdl.iter_downloads([GOOD, BAD], tmp_path, engine=engine, jobs=2, durable=durable) as downloads,
    ):
        results.extend(downloads)
    assert [(result.url, result.status) for result in results] == [(GOOD, "done")]
