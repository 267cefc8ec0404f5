"""The library fed by generators, from any thread or greenlet, and more than one job at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import gevent
import pytest
from accounts import account_in, expected, files_in
from faultserver import FaultServer, run_pdl

import pdl
from pdl.scheduler import NEAR

SOON = 4.0
"""Seconds; two are promised, the rest is for machines with more to do."""
WINDOW = 1024 + NEAR + 1
"""Items that may be ahead of what has ended: the feeder's, the scheduler's, and one that waits for room."""


class Tap:
    """A generator without end that gives what it is fed; an exception that it is fed, it raises."""

    def __init__(self) -> None:
        self._items: SimpleQueue[str | Exception] = SimpleQueue()
        self.ended = threading.Event()

    def feed(self, *items: str | Exception) -> None:
        for item in items:
            self._items.put(item)

    def __iter__(self) -> Iterator[str]:
        try:
            while True:
                item = self._items.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.ended.set()


@pytest.fixture
def tap() -> Iterator[Tap]:
    """A tap whose generator comes to its end with the test, wherever it is."""
    tap = Tap()
    yield tap
    tap.feed("", GeneratorExit())


@pytest.fixture
def helper() -> Iterator[Callable[..., threading.Thread]]:
    """Starts functions in threads that are joined at the end of the test."""
    threads = []

    def start(target: Callable[..., object], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_each_result_arrives_while_the_generator_is_silent(
    engine_name, server: FaultServer, tmp_path: Path, tap: Tap
):
    with pdl.iter_downloads(tap, tmp_path, engine=engine_name) as downloads:
        for number in range(5):
            tap.feed(server.url(f"/file/{number}"))
            assert next(downloads).path == str(number)  # nothing more is fed until then
    assert files_in(tmp_path) == expected(server, [f"/file/{number}" for number in range(5)])


def test_a_result_does_not_wait_for_slower_ones(engine_name, server: FaultServer, tmp_path: Path, tap: Tap):
    if engine_name == "sequential":
        pytest.skip("it carries one after another")
    targets = [f"/stall/before-head/{number}" for number in range(4)]
    tap.feed(*map(server.url, targets))
    with pdl.iter_downloads(tap, tmp_path, engine=engine_name) as downloads:
        for target in reversed(targets):
            server.release(target)
            assert next(downloads).url == server.url(target)


def turn(downloads: pdl.Downloads, tap: Tap, again: str) -> None:
    """Have the loop turn at least once, by a URL that it knows already."""
    tap.feed(again)
    assert next(downloads).reason == "duplicate"


@pytest.mark.parametrize(
    "target",
    ["/stall/before-head/{}", "/stall/in-body/{}?size=300000&at=200000", "/drip/{}?interval=0.01&size=10000"],
)
def test_leaving_the_block_ends_everything(
    engine_name, server: FaultServer, tmp_path: Path, target: str, nothing_left, tap: Tap
):
    at_once = 1 if engine_name == "sequential" else 4
    if at_once == 1 and "stall" in target:
        pytest.skip("it has nothing under way between two waits but what sends bytes")
    first = server.url("/file/first")
    tap.feed(first)
    with pdl.iter_downloads(tap, tmp_path, engine=engine_name, jobs=at_once) as downloads:
        assert next(downloads).status == "done"
        tap.feed(*[server.url(target.format(n)) for n in range(6)])
        while server.in_flight() < at_once:
            turn(downloads, tap, first)
        left_at = time.monotonic()
    assert time.monotonic() - left_at < SOON
    summary = downloads.summary
    assert (summary.stopped, summary.done, summary.left) == ("closed", 1, 6)
    assert summary.done + summary.skipped + summary.left == summary.read
    assert files_in(tmp_path) == expected(server, ["/file/first"])
    tap.feed("")  # the generator goes on, and finds that nobody wants more
    assert tap.ended.wait(20)


def test_a_loop_that_was_left_by_break_ends_with_close(
    engine_name, server: FaultServer, tmp_path: Path, nothing_left, tap: Tap
):
    tap.feed(*[server.url(f"/file/{number}") for number in range(50)])
    downloads = pdl.iter_downloads(tap, tmp_path, engine=engine_name, jobs=3)
    for result in downloads:
        assert result.status == "done"
        break
    downloads.close()
    downloads.close()
    assert list(downloads) == []
    assert downloads.summary.left == downloads.summary.read - downloads.summary.done
    tap.feed("")
    assert tap.ended.wait(20)


def test_a_generator_is_advanced_no_further_than_the_window(engine_name, server: FaultServer, tmp_path: Path):
    stalled, advanced, ended = [f"/stall/before-head/{n}" for n in range(60)], 0, 0

    def endless() -> Iterator[str]:
        nonlocal advanced
        for number in count():
            advanced += 1
            yield server.url(stalled[number] if number < len(stalled) else f"/file/{number}")

    with pdl.iter_downloads(endless(), tmp_path, engine=engine_name, jobs=4) as downloads:
        for target in stalled:
            server.release(target)
            next(downloads)
            ended += 1
            assert advanced <= ended + WINDOW
    assert advanced > 256


def test_an_exception_of_the_generator_comes_after_everything_before_it(
    engine_name, server: FaultServer, tmp_path: Path, tap: Tap, helper
):
    targets = ["/file/a", "/stall/before-head/b", "/file/c"]

    def release_late() -> None:
        assert tap.ended.wait(20)
        server.release(targets[1])

    helper(release_late)
    tap.feed(*map(server.url, targets), ZeroDivisionError("mine"))
    results = []
    with pdl.iter_downloads(tap, tmp_path, engine=engine_name) as downloads:
        with pytest.raises(ZeroDivisionError, match="mine"):
            results.extend(downloads)
        assert list(downloads) == []
    assert downloads.summary.done == 3
    assert files_in(tmp_path) == expected(server, targets)


def test_a_job_may_be_advanced_from_different_threads_in_turns(engine_name, server: FaultServer, tmp_path: Path):
    targets = [f"/file/{number}?size=20000" for number in range(30)]
    with ThreadPoolExecutor(1) as executor:
        downloads = pdl.iter_downloads(map(server.url, targets), tmp_path, engine=engine_name, jobs=4)
        results = [
            executor.submit(next, downloads).result() if number % 3 else next(downloads) for number in range(30)
        ]
        assert list(downloads) == []
        executor.submit(downloads.close).result()
    assert [result.status for result in results] == ["done"] * 30
    assert downloads.summary.done == 30
    assert files_in(tmp_path) == expected(server, targets)


# more than one at once


def release_when_all_are_there(server: FaultServer, targets: list[str]) -> None:
    server.wait_until(lambda: server.in_flight("/stall") == len(targets))
    for target in targets:
        server.release(target)


def test_jobs_in_two_threads_run_side_by_side(engine_name, server: FaultServer, tmp_path: Path, nothing_left):
    targets = ["/stall/before-head/a", "/stall/before-head/b"]

    def job(target: str) -> pdl.Result:
        try:
            return pdl.download(server.url(target), tmp_path / target[-1], engine=engine_name)
        finally:
            gevent.get_hub().destroy(destroy_loop=True)  # the thread's, which nobody else ends

    with ThreadPoolExecutor(2) as executor:
        jobs = [executor.submit(job, target) for target in targets]
        release_when_all_are_there(server, targets)
        assert [job.result(20).status for job in jobs] == ["done", "done"]
    assert files_in(tmp_path / "a") == expected(server, targets[:1])
    assert files_in(tmp_path / "b") == expected(server, targets[1:])


def test_jobs_in_two_greenlets_run_side_by_side(server: FaultServer, tmp_path: Path, helper, nothing_left):
    targets = ["/stall/before-head/a", "/stall/before-head/b"]
    helper(release_when_all_are_there, server, targets)
    jobs = [
        gevent.spawn(pdl.download, server.url(target), tmp_path / target[-1], engine="gevent") for target in targets
    ]
    gevent.joinall(jobs, timeout=20, raise_error=True)
    assert [job.value.status for job in jobs] == ["done", "done"]


def test_a_greenlet_of_the_caller_goes_on_while_a_job_waits(server: FaultServer, tmp_path: Path):
    target = "/stall/before-head"
    job = gevent.spawn(pdl.download, server.url(target), tmp_path, engine="gevent")
    while not server.in_flight(target):
        gevent.sleep(0.001)
    server.release(target)
    assert job.get(timeout=20).status == "done"


@pytest.mark.fault(46)
def test_a_second_run_in_the_same_destination_is_refused_by_name(
    engine_name, server: FaultServer, tmp_path: Path, tap: Tap
):
    url = server.url("/file/first")
    tap.feed(url)
    with pdl.iter_downloads(tap, tmp_path, engine=engine_name) as downloads:
        next(downloads)
        with pytest.raises(pdl.DestinationError, match=rf"process {os.getpid()}\b"):
            pdl.iter_downloads([url], tmp_path, engine=engine_name)
        refused = run_pdl(url, "-d", tmp_path, "-e", engine_name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"process {os.getpid()}" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        tap.feed(server.url("/file/second"))
        assert next(downloads).status == "done"
    third = run_pdl(url, "-d", tmp_path, "-e", engine_name)
    assert (third.returncode, account_in(third.stderr).skipped) == (0, 1)
