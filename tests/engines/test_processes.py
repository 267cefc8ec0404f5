"""What the engine `processes` promises beyond the contract: it survives deaths, and leaves no process behind."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from carrying import PATIENCE, attempts_for, carry, engine_of, fetch_one, outcomes
from faultserver import FaultServer, run_pdl, start_pdl
from in_workers import run_at_start

import pdl
from pdl import engines
from pdl.engines.processes import engine as processes
from pdl.engines.processes import queues
from pdl.engines.processes.hand import Hand
from pdl.engines.processes.staffing import APART, usable_cpus
from pdl.errors import EngineError, Kind
from pdl.model import Attempt, Event, Finished, Responded, Span, Verdict
from pdl.settings import Settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and descriptors are those of POSIX")

CARRIERS = ("processes", "processes+curl")
"""Workers that carry one attempt at a time, and workers that carry several."""
WITHIN = 1.0
"""Seconds in which processes are gone whose parent was killed."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Hand]:
    """The workers that were started in this test."""
    hands: list[Hand] = []

    class Counted(Hand):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            hands.append(self)

    monkeypatch.setattr(processes, "Hand", Counted)
    return hands


def covering(row: int) -> pytest.MarkDecorator:
    """A test for each carrier, which covers a row of the table of faults."""
    return pytest.mark.parametrize(
        "carrier", [pytest.param(name, marks=pytest.mark.fault(row, engine=name)) for name in CARRIERS]
    )


def pids() -> list[int]:
    """The living workers of this process."""
    return [child.pid for child in multiprocessing.active_children() if child.name == "pdl-worker"]


def wait_for_workers(engine: Any, count: int) -> None:
    """Let the engine work until so many workers are ready."""
    while sum(hand.ready for hand in engine._hands.values()) < count:
        assert engine.wait(0.05) == []


def until_ended(engine: Any, count: int) -> list[Event]:
    """Events up to the end of so many attempts."""
    events: list[Event] = []
    until = time.monotonic() + PATIENCE
    while sum(isinstance(event, Finished) for event in events) < count:
        events += engine.wait(0.05)
        assert time.monotonic() < until, events
    return events


def contents(server: FaultServer, targets: list[str]) -> dict[str, bytes]:
    return {target.partition("?")[0].rpartition("/")[2]: server.content(target) for target in targets}


def files_in(dest: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in dest.iterdir() if path.is_file()}


# starting


def test_no_more_workers_start_than_there_is_work_for(server: FaultServer, tmp_path: Path, started: list[Hand]):
    with engine_of("processes", jobs=20) as engine:
        carry(engine, attempts_for([server.url(f"/file/{n}") for n in range(2)], tmp_path))
        assert 1 <= len(started) <= 2
        for n in range(5):  # one after another, which one can do
            assert fetch_one(engine, server.url(f"/file/more-{n}"), tmp_path).verdict is Verdict.DONE
    assert len(started) <= 2


@pytest.mark.parametrize(
    ("options", "staff"),
    [
        ({"engine": "processes", "jobs": 5}, (5, 1, 5)),
        ({"engine": "processes", "jobs": 5, "workers": 3}, (3, 1, 3)),
        ({"engine": "processes+curl", "jobs": 5, "workers": 2}, (2, 3, 5)),
        ({"engine": "processes+threads", "jobs": 2, "workers": 4}, (2, 1, 2)),
        ({"engine": "processes+curl", "jobs": 4 * usable_cpus()}, (usable_cpus(), 4, 4 * usable_cpus())),
    ],
)
def test_attempts_are_divided_among_workers(options: dict[str, Any], staff: tuple[int, int, int]):
    settings = Settings(**options)
    engine = engines.create(settings.engine, settings)
    try:
        assert (engine._most, engine._room, engine.capacity) == staff
    finally:
        engine.close()


def test_a_second_worker_starts_when_the_first_is_full(server: FaultServer, tmp_path: Path, started: list[Hand]):
    attempts = attempts_for([server.url(f"/stall/before-head/{n}") for n in range(5)], tmp_path)
    with engine_of("processes+curl", jobs=8, workers=2) as engine:
        for share, workers in ((attempts[:4], 1), (attempts[4:], 2)):
            under_way = server.in_flight("/stall")
            for attempt in share:
                engine.start(attempt)
            while server.in_flight("/stall") < under_way + len(share):
                assert engine.wait(0.02) == []
            assert len(started) == workers


@pytest.mark.parametrize("inner", ["sequential", "threads", "gevent", "curl"])
def test_a_worker_takes_attempts_up_while_others_are_under_way(server: FaultServer, tmp_path: Path, inner: str):
    """The first stalls; what comes later ends all the same."""
    if (reason := engines.available()[inner]) is not None:
        pytest.skip(reason)
    targets = ["/stall/before-head", "/file/1", "/file/2"]
    first, *others = attempts_for([server.url(target) for target in targets], tmp_path)
    workers = 2 if inner == "sequential" else 1
    with engine_of(f"processes+{inner}", jobs=3, workers=workers, timeout=600.0) as engine:
        engine.start(first)
        while not server.in_flight("/stall"):
            assert engine.wait(0.02) == []
        for attempt in others:
            engine.start(attempt)
            assert outcomes(until_ended(engine, 1))[attempt.id].verdict is Verdict.DONE
        engine.close()
        assert [event.outcome.verdict for event in engine.wait(0)] == [Verdict.STOPPED]


FOREIGN = """
    import importlib.metadata, time
    from importlib.metadata import EntryPoint
    from pdl.model import Finished, Outcome, Verdict

    class Plain:  # has nothing beyond the contract, and waits in vain for its first attempt
        capacity = 4

        def __init__(self, settings):
            self.begun, self.ended = 0, []

        def start(self, attempt):
            self.begun += 1
            if self.begun > 1:
                self.ended.append(Finished(attempt.id, Outcome(Verdict.DONE)))
            else:
                self.first = attempt.id

        def wait(self, timeout):
            if not self.ended:
                time.sleep(timeout)
            ended, self.ended = self.ended, []
            return ended

        def close(self):
            if self.begun:
                self.ended.append(Finished(self.first, Outcome(Verdict.STOPPED)))

    real = importlib.metadata.entry_points

    def entry_points(**chosen):
        if chosen == {"group": "pdl.engines"}:
            return [EntryPoint("plain", "sitecustomize:Plain", "pdl.engines")]
        return real(**chosen)

    importlib.metadata.entry_points = entry_points
"""
PLAINLY = """
    import pdl.engines
    from pdl.model import Attempt
    from pdl.settings import Settings

    engine = pdl.engines.create("processes+plain", Settings(workers=1))
    print(engine.capacity)
    for n in range(3):
        engine.start(Attempt(n, n, "http://127.0.0.1/", "part"))
        events = engine.wait(0.1)
        while n and not events:
            events = engine.wait(0.1)
        print([(event.attempt, event.outcome.verdict.value) for event in events])
    engine.close()
    print([(event.attempt, event.outcome.verdict.value) for event in engine.wait(0)])
"""


def test_workers_may_have_an_engine_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_at_start(monkeypatch, tmp_path / "site", FOREIGN)
    told = "4\n[]\n[(1, 'done')]\n[(2, 'done')]\n[(0, 'stopped')]\n"
    assert ended(PLAINLY, tmp_path / "script") == (0, told, "")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["-e", "processes", "--worker-engine", "curl"], "processes+curl"),
        (["-e", "processes+sequential"], "processes"),
    ],
)
def test_the_ledger_has_the_name_of_both_engines(
    server: FaultServer, tmp_path: Path, options: list[str], name: str
):
    run = run_pdl(server.url("/file"), "-d", tmp_path, "--workers", "1", *options)
    assert run.returncode == 0, run.stderr
    with closing(sqlite3.connect(tmp_path / ".pdl" / "ledger.sqlite3")) as ledger:
        assert ledger.execute("SELECT engine FROM run").fetchall() == [(name,)]


def test_an_engine_that_carries_nothing_starts_no_worker(nothing_left, started: list[Hand]):
    with engine_of("processes") as engine:
        assert engine.wait(0.01) == []
    assert started == []


def test_a_daemonic_process_is_told_that_it_can_have_no_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(EngineError, match=r"daemonic child of multiprocessing.*use another engine"):
        engines.create("processes", Settings())


def test_a_process_whose_folder_is_gone_is_told_that_no_worker_can_begin_there(tmp_path: Path):
    (tmp_path / "gone").mkdir()
    script = f"""
        import os, pdl
        os.chdir({str(tmp_path / "gone")!r})
        os.rmdir({str(tmp_path / "gone")!r})
        try:
            pdl.download_all(["http://127.0.0.1:1/"], {str(tmp_path / "out")!r}, engine="processes+curl")
        except pdl.EngineError as error:
            print(error)
    """
    code, stdout, stderr = ended(script, tmp_path / "script")
    assert (code, stderr) == (0, "")
    assert stdout.startswith("no worker process can be started from the current folder: No such file or directory;")


def killing_early(times: int) -> type[Hand]:
    """Workers of which the first ones are killed before they can be ready."""
    count = 0

    class Doomed(Hand):
        def __init__(self, *args: Any, **named: Any) -> None:
            nonlocal count
            super().__init__(*args, **named)
            count += 1
            if count <= times:
                self.kill()
                self._process.join()  # or it may take an attempt first, which then dies with it

    return Doomed


@pytest.mark.fault(53, engine="processes")
def test_a_worker_that_is_killed_before_it_is_ready_costs_nothing(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processes, "Hand", killing_early(2))
    with engine_of("processes") as engine:
        assert fetch_one(engine, server.url("/file"), tmp_path).verdict is Verdict.DONE


@pytest.mark.fault(53, engine="processes")
def test_a_worker_that_dies_early_with_the_server_that_has_forked_it_costs_nothing(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Then nobody knows what it has died of."""
    killed: list[Hand] = []

    class Doomed(Hand):
        def __init__(self, nursery: Any, *args: Any, **named: Any) -> None:
            super().__init__(nursery, *args, **named)
            if hasattr(nursery, "_server") and not killed:
                killed.append(self)
                forking, worker = nursery._server._forkserver_pid, psutil.Process(self._process.pid)
                os.kill(forking, signal.SIGSTOP)  # it must not hear of the death
                self.kill()
                os.kill(forking, signal.SIGKILL)
                os.waitid(os.P_PID, forking, os.WEXITED | os.WNOWAIT)
                while alive([worker]):  # or it may take an attempt first
                    time.sleep(0.005)

    monkeypatch.setattr(processes, "Hand", Doomed)
    with engine_of("processes") as engine:
        if not hasattr(engine._nursery, "_server"):
            pytest.skip("nothing is forked here")
        assert fetch_one(engine, server.url("/file"), tmp_path).verdict is Verdict.DONE
    assert killed


@pytest.mark.fault(53, engine="processes")
def test_workers_that_never_get_ready_are_the_collapse_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_left
):
    monkeypatch.setattr(processes, "Hand", killing_early(100))
    with engine_of("processes") as engine:
        with pytest.raises(EngineError, match="the worker process was killed by signal 9 before it was ready"):
            carry(engine, attempts_for(["http://127.0.0.1:1/"], tmp_path))
        engine.close()
        assert [event.outcome.verdict for event in engine.wait(0)] == [Verdict.STOPPED]


def test_where_no_more_processes_can_start_the_others_take_over(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Rare(Hand):
        def __init__(self, *args: Any, **named: Any) -> None:
            if pids():
                raise BlockingIOError(11, "Resource temporarily unavailable")
            super().__init__(*args, **named)

    monkeypatch.setattr(processes, "Hand", Rare)
    with engine_of("processes") as engine:
        found = outcomes(carry(engine, attempts_for([server.url(f"/file/{n}") for n in range(20)], tmp_path)))
    assert {outcome.verdict for outcome in found.values()} == {Verdict.DONE}


@covering(53)
def test_where_no_other_gets_ready_those_that_did_take_over(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carrier: str
):
    first: list[Hand] = []

    class Frail(Hand):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            if first:
                self.kill()
                self._process.join()
            first.append(self)

    monkeypatch.setattr(processes, "Hand", Frail)
    with engine_of(carrier, jobs=8, workers=4) as engine:
        attempts = attempts_for([server.url(f"/file/{n}?delay=0.02") for n in range(40)], tmp_path)
        found = outcomes(carry(engine, attempts))
    assert {outcome.verdict for outcome in found.values()} == {Verdict.DONE}
    assert len(first) > 1


FEW_DESCRIPTORS = """
    import resource, sys, pdl

    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
    print(pdl.download_all(sys.argv[3:], sys.argv[1], engine=sys.argv[2], jobs=30).done)
"""


@covering(51)
def test_where_descriptors_are_few_so_are_workers(server: FaultServer, tmp_path: Path, carrier: str):
    targets = [f"/file/{n}" for n in range(40)]
    urls = [server.url(target) for target in targets]
    assert ended(FEW_DESCRIPTORS, tmp_path, tmp_path / "out", carrier, *urls) == (0, "40\n", "")
    assert files_in(tmp_path / "out") == contents(server, targets)


def test_where_no_process_can_start_at_all_the_engine_collapses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_left
):
    def refused(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "Hand", refused)
    message = r"no worker process can be started: .*Resource temporarily"
    with engine_of("processes") as engine, pytest.raises(EngineError, match=message):
        carry(engine, attempts_for(["http://127.0.0.1:1/"], tmp_path))


def test_ca_certificates_are_tried_before_anything_starts(tmp_path: Path, nothing_left):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(pdl.SettingsError, match="CA certificates"):
        engines.create("processes", Settings(cacert=str(tmp_path / "ca.pem")))


# exceptions

BROKEN = """
    from pdl.engines.fetch import Driver

    def leash(driver, attempt):
        raise ZeroDivisionError(f"no leash for {attempt.url}")

    Driver.leash = leash
"""


@pytest.mark.fault(54, engine="processes")
def test_an_exception_outside_of_the_transfer_arrives_with_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Hand]
):
    run_at_start(monkeypatch, tmp_path / "site", BROKEN)
    with engine_of("processes", jobs=1) as engine:
        for _ in range(2):
            outcome = fetch_one(engine, "http://127.0.0.1:1/x", tmp_path)
            assert (outcome.verdict, outcome.kind) == (Verdict.FAILED, Kind.WORKER)
            assert outcome.message.endswith("ZeroDivisionError: no leash for http://127.0.0.1:1/x")
    assert len(started) == 1


COLLAPSING = """
    from pdl.engines.curl.engine import CurlEngine

    def wait(engine, timeout):
        raise ZeroDivisionError("out of the loop")

    CurlEngine.wait = wait
"""


@pytest.mark.fault(54, engine="processes+curl")
def test_the_collapse_of_a_workers_engine_arrives_with_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Hand]
):
    run_at_start(monkeypatch, tmp_path / "site", COLLAPSING)
    attempts = attempts_for([f"http://127.0.0.1:1/{n}" for n in range(3)], tmp_path)
    with engine_of("processes+curl", jobs=6, workers=2) as engine:
        found = outcomes(carry(engine, attempts)).values()
    assert {(outcome.verdict, outcome.kind) for outcome in found} == {(Verdict.FAILED, Kind.WORKER)}
    assert {outcome.message for outcome in found} == {"the worker broke: ZeroDivisionError: out of the loop"}
    assert sum(not hand.apart for hand in started) == 1


NO_THREADS = """
    import threading

    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "pdl-threads":
            raise RuntimeError("can't start new thread")
        start(thread)

    threading.Thread.start = refuse
"""


def test_an_attempt_that_an_engine_refuses_and_yet_holds_ends_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_left
):
    run_at_start(monkeypatch, tmp_path / "site", NO_THREADS)
    with engine_of("processes+threads", jobs=4, workers=2) as engine:
        outcome = fetch_one(engine, "http://127.0.0.1:1/", tmp_path)
        assert outcome.message == "the worker broke: RuntimeError: can't start new thread"
        engine.close()
        assert engine.wait(0) == []


@covering(54)
def test_an_attempt_that_cannot_be_sent_costs_itself_alone(server: FaultServer, tmp_path: Path, carrier: str):
    good, bad, better = attempts_for([server.url(f"/file/{n}") for n in range(3)], tmp_path)
    bad = bad._replace(headers=(("X-Function", lambda: None),))
    with engine_of(carrier, jobs=3, workers=1) as engine:
        found = outcomes(carry(engine, [good, bad, better]))
    assert found[good.id].verdict is found[better.id].verdict is Verdict.DONE
    assert found[bad.id].kind is Kind.WORKER
    assert "the worker cannot be told" in found[bad.id].message


# deaths

DEADLY = """
    import os
    from pdl.http.transfer import Transfer

    real = Transfer.request

    def request(transfer):
        if "deadly" in transfer.attempt.url:
            {death}
        return real(transfer)

    Transfer.request = request
"""


DEATHS = {
    "os.kill(os.getpid(), 9)": "the worker process was killed by signal 9",
    "os._exit(7)": "the worker process ended with code 7",
}


@pytest.mark.fault(53, engine="processes")
@pytest.mark.parametrize(("death", "message"), DEATHS.items())
def test_the_second_death_on_the_same_url_fails_it_and_no_other(
    server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[Hand],
    death: str,
    message: str,
):
    run_at_start(monkeypatch, tmp_path / "site", DEADLY.format(death=death))
    targets = [f"/file/{n}" for n in range(6)]
    urls = [server.url(target) for target in [*targets[:3], "/file/deadly", *targets[3:]]]
    results = list(pdl.iter_downloads(urls, tmp_path / "out", engine="processes", jobs=2))
    (failed,) = [result for result in results if result.status == "failed"]
    assert (failed.kind, failed.message, failed.attempts) == (Kind.WORKER, message, 1)
    assert files_in(tmp_path / "out") == contents(server, targets)
    assert len(started) <= 4


@pytest.mark.fault(53, engine="processes+curl")
@pytest.mark.parametrize(("death", "message"), DEATHS.items())
def test_those_in_bad_company_are_carried_again_alone_and_not_charged(
    server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[Hand],
    death: str,
    message: str,
):
    given: list[tuple[bool, list[str]]] = []
    give = Hand.give

    def noted(hand: Hand, attempts: list[Attempt]) -> None:
        given.append((hand.apart, [attempt.url for attempt in (*hand.carried.values(), *attempts)]))
        give(hand, attempts)

    monkeypatch.setattr(Hand, "give", noted)
    run_at_start(monkeypatch, tmp_path / "site", DEADLY.format(death=death))
    targets = [f"/file/{n}?size={n * 7919 % 400_000}&delay=0.05" for n in range(40)]
    urls = [server.url(target) for target in [*targets[:3], "/file/deadly", *targets[3:]]]
    options = {"engine": "processes+curl", "jobs": 8, "workers": 2, "retries": 0}
    results = list(pdl.iter_downloads(urls, tmp_path / "out", **options))
    (failed,) = [result for result in results if result.status == "failed"]
    assert (failed.kind, failed.message, failed.attempts) == (Kind.WORKER, message, 1)
    assert [result.attempts for result in results if result is not failed] == [1] * len(targets)
    assert files_in(tmp_path / "out") == contents(server, targets)
    assert all(len(together) == 1 for apart, together in given if apart)
    # in company it kills once; then it dies alone, and is alone from the beginning when it comes again
    assert sum("deadly" in url for apart, together in given for url in together if apart) == 2
    assert sum(hand.last_words is None and hand.apart for hand in started) <= APART + 2


def test_workers_that_were_there_for_a_suspicion_leave_when_it_is_over(
    server: FaultServer, tmp_path: Path, started: list[Hand]
):
    with engine_of("processes+curl", jobs=6, workers=2) as engine:
        stalled = attempts_for([server.url(f"/stall/before-head/{n}") for n in range(6)], tmp_path)
        for attempt in stalled:
            engine.start(attempt)
        while server.in_flight("/stall") < 6:
            assert engine.wait(0.02) == []
        os.kill(pids()[0], signal.SIGKILL)
        for attempt in stalled:
            server.release(attempt.url.removeprefix(server.origin))
        assert {outcome.verdict for outcome in outcomes(until_ended(engine, 6)).values()} == {Verdict.DONE}
        while any(hand.apart for hand in engine._hands.values()):
            assert engine.wait(0.02) == []
    assert any(hand.apart for hand in started)


@pytest.mark.fault(53)
def test_a_probe_whose_worker_dies_in_company_leaves_the_spans_that_came(server: FaultServer, tmp_path: Path):
    large, other = "/span/stalled?size=600000", "/stall/in-body/other?at=500"
    options = {"engine": "processes+curl", "jobs": 4, "workers": 1, "split": 4, "split_size": 64 << 10}

    def kill() -> None:
        server.wait_until(lambda: len(server.requests) == 10 + 1 and server.in_flight() == 2)
        os.kill(pids()[0], signal.SIGKILL)
        server.release(other)

    killer = threading.Thread(target=kill)
    killer.start()
    results = list(pdl.iter_downloads([server.url(large), server.url(other)], tmp_path, **options))
    killer.join()
    assert {result.status for result in results} == {"done"}
    assert files_in(tmp_path) == contents(server, [large, other])
    assert os.listdir(tmp_path / ".pdl" / "parts") == []


@pytest.mark.fault(53, engine="processes+curl")
def test_a_probe_that_is_carried_again_leaves_what_others_have_written(server: FaultServer, tmp_path: Path):
    target, stalling = "/stall/in-body/large?size=100000&at=40000", "/stall/before-head"
    first, second, other = attempts_for([server.url(each) for each in (target, target, stalling)], tmp_path)
    with engine_of("processes+curl", jobs=4, workers=1) as engine:
        engine.start(first._replace(span=Span(0, 65_536)))
        engine.start(other)
        events: list[Event] = []
        while not (told := [event for event in events if isinstance(event, Responded)]):
            events += engine.wait(0.05)
        assert told[0].partial is not None
        span = Span(65_536, 100_000, told[0].partial.if_range, 100_000)
        engine.start(second._replace(part=first.part, span=span))
        assert outcomes(until_ended(engine, 1))[second.id].verdict is Verdict.SPAN
        os.kill(pids()[0], signal.SIGKILL)
        for each in (target, stalling):
            server.release(each)
        found = outcomes(until_ended(engine, 2))
    assert (found[first.id].verdict, found[other.id].verdict) == (Verdict.SPAN, Verdict.DONE)
    assert Path(first.part).read_bytes() == server.content(target)


def kill_one(server: FaultServer, after: int, chance: random.Random) -> None:
    """Kill a worker when so many requests have come."""
    server.wait_until(lambda: len(server.requests) >= after)
    for pid in chance.sample(pids(), 1):
        os.kill(pid, signal.SIGKILL)


def assert_a_kill_costs_nothing(
    server: FaultServer, dest: Path, started: list[Hand], chance: random.Random, carrier: str
) -> None:
    """A run of which a worker is killed ends by itself, with all files."""
    server.clear()
    started.clear()
    last = f"/stall/before-head/last-of-{dest.name}"  # or the run could end before the killer gets the processor
    targets = [*(f"/file/{n}?size={n * 7919 % 400_000}&delay=0.005" for n in range(40)), last]

    def kill() -> None:
        kill_one(server, chance.randint(1, 35), chance)
        server.release(last)

    killer = threading.Thread(target=kill)
    killer.start()
    results = list(pdl.iter_downloads(map(server.url, targets), dest, engine=carrier, jobs=4))
    killer.join()
    assert [(result.status, result.attempts) for result in results] == [("done", 1)] * len(targets)
    assert files_in(dest) == contents(server, targets)
    assert os.listdir(dest / ".pdl" / "parts") == []
    assert sum(not hand.apart for hand in started) <= 4 + 1
    assert sum(hand.apart for hand in started) <= (APART if carrier != "processes" else 0)


@covering(53)
def test_a_worker_killed_at_any_moment_costs_nothing_and_leaves_nothing(
    server: FaultServer, tmp_path: Path, started: list[Hand], nothing_left, carrier: str
):
    chance = random.Random(3)
    for number in range(4):
        assert_a_kill_costs_nothing(server, tmp_path / str(number), started, chance, carrier)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_worker_killed_at_any_moment_of_thirty_runs_leaves_nothing(
    server: FaultServer, tmp_path: Path, started: list[Hand], nothing_left, carrier: str
):
    chance = random.Random()
    for number in range(30):
        assert_a_kill_costs_nothing(server, tmp_path / str(number), started, chance, carrier)


@pytest.mark.fault(53, engine="processes")
def test_an_idle_worker_that_was_killed_costs_nothing(server: FaultServer, tmp_path: Path, started: list[Hand]):
    with engine_of("processes", jobs=1) as engine:
        fetch_one(engine, server.url("/file/1"), tmp_path)
        kill_one(server, 1, random.Random())
        while engine._hands:
            assert engine.wait(0.05) == []
        assert fetch_one(engine, server.url("/file/2"), tmp_path).verdict is Verdict.DONE
    assert len(started) == 2


@pytest.mark.fault(53, engine="processes")
def test_a_death_is_noticed_where_another_process_holds_the_pipe_open(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A child that the program has forked at the wrong moment would do so."""
    copies: list[queues.Sender] = []

    def keep(sender: queues.Sender) -> None:
        copies.append(sender)

    monkeypatch.setattr(queues.Sender, "close", keep)
    with engine_of("processes", timeout=30.0) as engine:
        (attempt,) = attempts_for([server.url("/stall/before-head")], tmp_path)
        engine.start(attempt)
        while not server.in_flight():
            assert engine.wait(0.02) == []
        kill_one(server, 1, random.Random())
        assert outcomes(carry(engine, [])) == {}
        while not (events := engine.wait(0.1)):
            pass
        assert outcomes(events)[attempt.id].message == "the worker process was killed by signal 9"
    monkeypatch.undo()
    for sender in copies:
        sender.close()


@pytest.mark.fault(55, engine="processes")
def test_a_run_goes_on_without_the_server_that_forks_its_workers(server: FaultServer, tmp_path: Path):
    with engine_of("processes", jobs=4) as engine:
        if not hasattr(engine._nursery, "_server"):
            pytest.skip("nothing is forked here")
        fetch_one(engine, server.url("/file/first"), tmp_path)
        os.kill(engine._nursery._server._forkserver_pid, signal.SIGKILL)
        found = outcomes(carry(engine, attempts_for([server.url(f"/file/{n}") for n in range(8)], tmp_path)))
    assert {outcome.verdict for outcome in found.values()} == {Verdict.DONE}


def test_close_kills_a_worker_that_does_not_listen_and_leaves_nothing(
    server: FaultServer, tmp_path: Path, nothing_left
):
    with engine_of("processes") as engine:
        (attempt,) = attempts_for([server.url("/stall/before-head")], tmp_path)
        engine.start(attempt)
        while not server.in_flight():
            assert engine.wait(0.02) == []
        (pid,) = pids()
        os.kill(pid, signal.SIGSTOP)
        engine.close()
        assert [event.outcome.verdict for event in engine.wait(0) if isinstance(event, Finished)] == [
            Verdict.STOPPED
        ]


def stop_one_that_has_more_to_hear(engine: Any, server: FaultServer, folder: Path) -> tuple[int, list[Attempt]]:
    """Stop the only worker, and have more for it than a pipe takes; its number, and the attempts."""
    long = "x" * 400
    targets = ["/stall/before-head", *(f"/file/{long}{n}" for n in range(400))]
    attempts = attempts_for([server.url(target) for target in targets], folder)
    engine.start(attempts[0])
    while not server.in_flight():
        assert engine.wait(0.02) == []
    (pid,) = pids()
    os.kill(pid, signal.SIGSTOP)
    for attempt in attempts[1:]:
        engine.start(attempt)
    for _ in range(3):
        assert engine.wait(0.02) == []
    return pid, attempts


def test_a_worker_that_was_stopped_and_let_go_on_misses_nothing(server: FaultServer, tmp_path: Path):
    with engine_of("processes+curl", jobs=401, workers=1, timeout=60.0) as engine:
        pid, attempts = stop_one_that_has_more_to_hear(engine, server, tmp_path)
        os.kill(pid, signal.SIGCONT)
        server.release("/stall/before-head")
        found = outcomes(until_ended(engine, len(attempts)))
    assert {outcome.verdict for outcome in found.values()} == {Verdict.DONE}


def test_close_is_not_held_up_by_a_worker_that_hears_nothing(server: FaultServer, tmp_path: Path, nothing_left):
    with engine_of("processes+curl", jobs=401, workers=1) as engine:
        _, attempts = stop_one_that_has_more_to_hear(engine, server, tmp_path)
        engine.close()
        found = outcomes(engine.wait(0))
    assert {outcome.verdict for outcome in found.values()} == {Verdict.STOPPED}
    assert len(found) == len(attempts)


# the death of the engine's process


def alive(processes: list[psutil.Process]) -> list[str]:
    """Which of these have not ended; an orphan that has may be a zombie for a while."""
    found = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid}: {' '.join(process.cmdline())}")
        except psutil.NoSuchProcess:
            continue
    return found


def assert_gone(processes: list[psutil.Process]) -> None:
    until = time.monotonic() + WITHIN
    while (left := alive(processes)) and time.monotonic() < until:
        time.sleep(0.005)
    assert left == []


TARGETS = ["/stall/in-body/a?size=300000&at=200000", "/stall/before-head/b", "/file/c?size=20000", "/file/d"]


def assert_nothing_outlives_its_parent(
    server: FaultServer, folder: Path, carrier: str, wait: Callable[[], object]
) -> None:
    """A killed run leaves no process, and the next one does what is left."""
    command = [*map(server.url, TARGETS), "-d", folder, "-e", carrier, "-j", "4"]
    with start_pdl(*command) as process:
        server.wait_for(lambda record: True)
        wait()
        tree = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert_gone(tree)
    for target in TARGETS:
        server.release(target)
    run = run_pdl(*command)
    assert run.returncode == 0, run.stderr
    assert files_in(folder) == contents(server, TARGETS)
    assert os.listdir(folder / ".pdl" / "parts") == []


@covering(43)
def test_workers_do_not_outlive_their_parent(server: FaultServer, tmp_path: Path, carrier: str):
    def wait() -> None:
        server.wait_until(lambda: server.in_flight("/stall") == 2)

    assert_nothing_outlives_its_parent(server, tmp_path, carrier, wait)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_workers_do_not_outlive_their_parent_in_twenty_runs(
    start_server: Callable[..., FaultServer], tmp_path: Path, carrier: str
):
    chance = random.Random()
    for number in range(20):
        moment = chance.uniform(0, 0.3)
        folder = tmp_path / str(number)
        assert_nothing_outlives_its_parent(start_server(), folder, carrier, lambda m=moment: time.sleep(m))


FORKING = """
    import os, signal, sys, threading, pdl

    def fork():
        if os.fork() == 0:
            threading.Event().wait(30)
            os._exit(0)

    downloads = pdl.iter_downloads(sys.argv[2:], sys.argv[1], engine="processes")
    assert next(downloads).status == "done"
    fork()
    next(downloads)
"""


def test_workers_do_not_outlive_their_parent_where_a_sibling_holds_the_pipe_open(
    server: FaultServer, tmp_path: Path
):
    urls = [server.url("/file"), server.url("/stall/before-head")]
    with program(FORKING, tmp_path, tmp_path / "out", *urls) as process:
        server.wait_until(lambda: server.in_flight("/stall") == 1)
        tree = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in tree if child.ppid() != process.pid]
        sibling = [child for child in tree if child.ppid() == process.pid]
        assert workers
        process.kill()
        process.wait()
        try:
            assert_gone(workers)
        finally:
            for child in sibling:
                child.kill()


# scripts


def program(code: str, folder: Path, *args: str | Path, **options: Any) -> subprocess.Popen[str]:
    """A script in a file, as users have them; use it as a context manager."""
    folder.mkdir(exist_ok=True)
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code))
    home = str(Path(pdl.__file__).parent.parent)
    path = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]  # never the current folder
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", script, *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**buffered, "PYTHONPATH": os.pathsep.join(path)}, **options,
    )  # fmt: skip


def ended(code: str, folder: Path, *args: str | Path, **options: Any) -> tuple[int, str, str]:
    """Exit code and outputs of a script."""
    with program(code, folder, *args, **options) as process:
        stdout, stderr = process.communicate(timeout=30)
    return process.returncode, stdout, stderr


COUNTED = """
    import os, pathlib
    pathlib.Path({folder!r}, str(os.getpid())).touch()
"""

UNGUARDED = """
    import multiprocessing, sys, pdl

    print("begun")
    if sys.argv[1] != "default":
        multiprocessing.set_start_method(sys.argv[1], force=True)
    print(pdl.download_all(sys.argv[3:], sys.argv[2], engine="processes").done)
"""


@pytest.mark.fault(55, engine="processes")
def test_a_script_without_a_guard_is_told_once_where_processes_are_spawned(
    server: FaultServer, tmp_path: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
):
    seen = tmp_path_factory.mktemp("pids")
    run_at_start(monkeypatch, tmp_path / "site", COUNTED.format(folder=str(seen)))
    urls = [server.url(f"/file/{n}") for n in range(20)]
    code, stdout, stderr = ended(UNGUARDED, tmp_path, "spawn", tmp_path / "out", *urls)
    assert (code, stdout) == (1, "begun\n")
    assert stderr.count('let the script call pdl below `if __name__ == "__main__":`') == 1
    assert stderr.count("Traceback") == 1  # the script's own, which did not expect it
    assert stderr.splitlines()[-1].startswith("pdl.errors.EngineError: ")
    assert len(list(seen.iterdir())) <= 3  # itself, one worker, and the resource tracker of multiprocessing


@pytest.mark.skipif(sys.platform != "linux", reason="processes are spawned here")
@pytest.mark.parametrize("method", ["default", "forkserver", "fork"])
def test_a_script_without_a_guard_works_where_processes_are_forked_from_a_server(
    server: FaultServer, tmp_path: Path, method: str
):
    targets = [f"/file/{n}" for n in range(4)]
    urls = [server.url(target) for target in targets]
    assert ended(UNGUARDED, tmp_path, method, tmp_path / "out", *urls) == (0, "begun\n4\n", "")
    assert files_in(tmp_path / "out") == contents(server, targets)


OWN_CHILD = """
    import multiprocessing, sys, pdl

    if __name__ == "__main__":
        child = multiprocessing.get_context("spawn").Process(target=print, args=("never",))
        child.start()
        child.join()
        print(child.exitcode)
    else:
        pdl.download_all(sys.argv[2:], sys.argv[1], engine="processes")
"""


def test_a_process_of_the_programs_own_that_comes_to_pdl_says_why_it_ends(tmp_path: Path):
    """Nobody else would: the one that has started it knows nothing of pdl."""
    code, stdout, stderr = ended(OWN_CHILD, tmp_path, tmp_path / "out", "http://127.0.0.1:1/")
    assert (code, stdout) == (0, "1\n")
    assert stderr.count('let the script call pdl below `if __name__ == "__main__":`') == 1


GUARDED = """
    import multiprocessing, sys, pdl

    def main():
        multiprocessing.set_start_method("spawn")
        print(pdl.download_all(sys.argv[2:], sys.argv[1], engine="processes", jobs=2).done)

    if __name__ == "__main__":
        main()
"""
PATCHED = "from gevent import monkey; monkey.patch_all()\n"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("first", ["", PATCHED], ids=["plain", "patched"])
def test_a_script_with_a_guard_works_with_spawned_processes(
    server: FaultServer, tmp_path: Path, first: str, carrier: str
):
    targets = [f"/file/{n}" for n in range(4)]
    urls = [server.url(target) for target in targets]
    script = first + textwrap.dedent(GUARDED).replace('engine="processes"', f'engine="{carrier}"')
    assert ended(script, tmp_path, tmp_path / "out", *urls) == (0, "4\n", "")
    assert files_in(tmp_path / "out") == contents(server, targets)


@pytest.mark.fault(55, engine="processes")
def test_a_script_that_gevent_has_patched_throughout_has_workers_that_are_not(
    tls_server: FaultServer, ca_pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Their driver has loaded ssl, which gevent would have to patch before that."""
    monkeypatch.setenv("SSL_CERT_FILE", ca_pem)
    targets = [f"/file/{n}" for n in range(3)]
    urls = [tls_server.url(target) for target in targets]
    script = PATCHED + textwrap.dedent(UNGUARDED)
    assert ended(script, tmp_path, "default", tmp_path / "out", *urls) == (0, "begun\n3\n", "")


BROKEN_IMPORT = """
    import multiprocessing, sys, pdl

    if __name__ == "__main__":
        multiprocessing.set_start_method("spawn")
        pdl.download_all(sys.argv[2:], sys.argv[1], engine="processes", jobs=2)
    else:
        sys.exit(3)
"""


def test_a_worker_that_cannot_start_is_the_collapse_of_the_engine(tmp_path: Path):
    code, _, stderr = ended(BROKEN_IMPORT, tmp_path, tmp_path / "out", "http://127.0.0.1:1/")
    assert code == 1
    assert (
        "EngineError: the worker process ended with code 3 before it was ready; it imports this program's script"
        in stderr
    )


USERS_OWN = """
    import multiprocessing, sys, threading, pdl
    from multiprocessing import forkserver

    def count(start, end):
        start.wait(20)
        end.set()

    if __name__ == "__main__":
        context = multiprocessing.get_context("forkserver")
        start, end = context.Event(), context.Event()
        child = context.Process(target=count, args=(start, end))
        child.start()
        before = dict(vars(forkserver._forkserver))
        print(pdl.download_all(sys.argv[2:], sys.argv[1], engine="processes").done)
        assert vars(forkserver._forkserver) == before
        start.set()
        assert end.wait(20)
        child.join()
        print(child.exitcode)
"""


@pytest.mark.fault(55, engine="processes")
@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked here")
def test_the_programs_own_fork_server_is_left_alone(server: FaultServer, tmp_path: Path):
    urls = [server.url("/file/1"), server.url("/file/2")]
    assert ended(USERS_OWN, tmp_path / "script", tmp_path / "out", *urls) == (0, "2\n0\n", "")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python can be told so from 3.11 on")
@pytest.mark.parametrize("method", ["default", "spawn"])
def test_what_lies_in_the_current_folder_is_not_imported(server: FaultServer, tmp_path: Path, method: str):
    """Downloads come to lie there, whatever they are called."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in ("socket.py", "requests.py", "multiprocessing.py", "signal.py"):
        (folder / name).write_text("raise SystemExit('imported')")
    script = textwrap.dedent(GUARDED).replace('set_start_method("spawn")', "freeze_support()")
    script = script if method == "default" else textwrap.dedent(GUARDED)
    done = ended(script, tmp_path / "script", ".", server.url("/file/1"), cwd=folder)
    assert done == (0, "1\n", "")
    assert (folder / "1").read_bytes() == server.content("/file/1")


# signals


@covering(45)
def test_an_interrupt_from_the_terminal_is_not_answered_by_workers_that_are_starting(
    server: FaultServer, tmp_path: Path, carrier: str
):
    """A terminal sends it to the whole group."""
    urls = [server.url(f"/stall/before-head/{n}") for n in range(12)]
    with start_pdl(*urls, "-d", tmp_path, "-e", carrier, "-j", "12") as process:
        server.wait_for(lambda record: True)
        tree = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (130, "")
    assert "Traceback" not in stderr
    assert "left 12" in stderr
    assert_gone(tree)
