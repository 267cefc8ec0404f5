"""Hosts that do not answer: what they cost, whom they hold up, and what becomes of their downloads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from deaf import Deaf
from faultserver import FaultServer
from test_scheduler import DONE, GONE, SHORT, STOPPED, World, redirect

import pdl
from pdl import scheduler
from pdl.errors import Kind
from pdl.model import Attempt, Outcome, Verdict
from pdl.outage import Outage, Outages
from pdl.scheduler import DEAD_HOSTS_TOLD
from pdl.url import split

pytestmark = pytest.mark.fault(8)

UNREACHABLE = Outcome(Verdict.FAILED, Kind.TIMEOUT, "no connection within 10 s", unreachable=True)
"""As an attempt ends that came to no connection in its time."""
TIMEOUT = 10.0
"""Seconds; the default of `connect_timeout`."""


def authority(attempt: Attempt) -> str:
    return split(attempt.url).authority


def lose(world: World, attempts: list[Attempt]) -> list[str]:
    """Have attempts come to no connection, and downloads end that are lost by that; answers their messages."""
    ended = [world.end(attempt, UNREACHABLE) for attempt in attempts]
    ended += world.scheduler.give_up_lost(world.now)
    return [each.outcome.message for each in ended if each is not None]


def test_a_dead_host_costs_one_time_out_and_its_tries():
    world = World(capacity=2, retries=3)
    for n in range(50):
        world.add(f"http://dead/{n}")
    world.add("http://alive/")
    started = world.now
    first = world.start_all()
    assert Counter(map(authority, first)) == {"dead": 1, "alive": 1}
    world.now += TIMEOUT
    world.end(first[1], DONE)
    assert lose(world, first[:1]) == []
    messages, tries = [], 0
    while world.scheduler.total:
        attempt = world.next_try()
        assert authority(attempt) == "dead"
        assert world.start() is None, "one at a time tries it"
        assert attempt.connect_within is not None
        world.now += attempt.connect_within
        messages = lose(world, [attempt])
        tries += 1
        assert world.start() is None
        messages += [each.outcome.message for each in world.scheduler.give_up_lost(world.now)]
    assert (tries, len(messages)) == (3, 50)
    assert set(messages) == {"no connection to dead within 10 s, nor in 3 further tries (--connect-timeout)"}
    assert world.now - started < 2 * TIMEOUT


def test_a_host_that_was_given_up_fails_at_once_and_is_tried_again_later():
    world = World(retries=0)
    world.add("http://dead/0")
    assert len(lose(world, world.start_all())) == 1
    for later in (59, 119, 239):  # twice as long each time
        world.add("http://dead/1")
        assert world.start_all() == []
        assert [each.task.attempts for each in world.scheduler.give_up_lost(world.now)] == [0]
        world.now += later
        world.add("http://dead/2")
        assert world.start_all() == []
        assert len(world.scheduler.give_up_lost(world.now)) == 1
        world.now += 1
        world.add("http://dead/3")
        world.add("http://dead/4")
        (probe,) = world.start_all()
        lose(world, [probe])
        assert world.start() is None
        world.scheduler.give_up_lost(world.now)
        assert world.scheduler.total == 0


def test_a_host_that_answers_a_try_lets_all_go():
    world = World(retries=4)
    for n in range(20):
        world.add(f"http://slow/{n}")
    for n in range(99):
        world.add(f"http://other-{n}/")
    first = [attempt for attempt in world.start_all() if authority(attempt) == "slow"]
    lose(world, first)
    attempts = []
    while not attempts:
        world.now = world.scheduler.wake_up()
        attempts = world.start_all()
    assert [attempt.row for attempt in attempts] == [first[-1].row]
    ended = world.end(attempts[0], DONE)
    assert ended is not None
    assert ended.task.attempts == 2
    assert {attempt.connect_within for attempt in world.start_all()} == {None}
    assert world.scheduler.active == 100


@pytest.mark.parametrize("sign", [GONE, Outcome(Verdict.FAILED, Kind.CONNECT, "refused")], ids=["404", "refused"])
def test_any_answer_ends_the_waiting(sign: Outcome):
    world = World(retries=4)
    world.add("http://h/1")
    world.add("http://h/2", headers=(("X", "1"),))
    attempts = world.start_all()
    lose(world, attempts[:1])
    assert world.start() is None
    world.end(attempts[1], sign)
    assert world.start() is not None


@pytest.mark.parametrize(
    "nothing", [STOPPED, SHORT, Outcome(Verdict.FAILED, Kind.WORKER, "died")], ids=["stopped", "shortage", "worker"]
)
def test_what_tells_nothing_of_the_host_is_no_answer_and_the_try_is_made_again(nothing: Outcome):
    world = World(retries=1)
    world.add("http://h/1")
    lose(world, world.start_all())
    probe = world.next_try()
    assert world.end(probe, nothing) is None
    again = world.next_try()
    assert (again.row, again.connect_within) == (probe.row, probe.connect_within)
    assert len(lose(world, [again])) == 1


def test_a_host_that_has_answered_is_suspected_later_and_has_all_the_time():
    world = World(retries=2, retry_delay=1.0)
    for n in range(4):
        world.add(f"http://h/{n}")
    first, *others = world.start_all()
    world.end(first, DONE)
    world.add("http://h/more")
    late = world.start()
    assert late is not None
    lose(world, others[:2])
    assert world.scheduler.notices == []
    lose(world, others[2:])
    assert [notice.verbosity for notice in world.scheduler.notices] == [1]
    world.add("http://h/waits")
    probe = world.next_try()
    assert probe.connect_within is None
    world.end(late, DONE)
    assert world.scheduler.notices[-1].message == "h answers again"


def test_a_host_is_known_to_have_answered_when_nothing_was_wanted_of_it_meanwhile():
    world = World(capacity=1, retries=2, retry_delay=1.0)
    for n in range(6):
        world.add(f"http://h/{n}")
    for _ in range(2):
        world.end(world.next_try(), redirect("http://cdn/"))
        world.end(world.next_try(), DONE)
    tries = []
    while world.scheduler.total:
        attempt = world.next_try()
        if authority(attempt) == "h":
            world.end(attempt, redirect("http://cdn/"))
            continue
        tries.append(attempt.connect_within)
        if world.end(attempt, UNREACHABLE) is not None:
            break
    assert len(tries) >= 3
    assert set(tries) == {None}, "it has all the time"
    assert "cdn does not answer" in world.scheduler.notices[0].message


def test_it_is_remembered_of_so_many_hosts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scheduler, "REMEMBERED", 2)
    world = World(retries=1)
    for host in "abc":
        world.add(f"http://{host}/1")
        world.end(world.next_try(), DONE)
    assert world.scheduler._hosts == {}
    assert list(world.scheduler._past) == ["b", "c"]


@pytest.mark.parametrize(("retries", "least"), [(1, 6.0), (4, 1.5), (20, 1.5)])
def test_every_try_has_time_enough_for_a_connection(retries: int, least: float):
    world = World(retries=retries)
    world.add("http://far/")
    lose(world, world.start_all())
    probe = world.next_try()
    assert probe.connect_within == pytest.approx(least)


def busy_world(**options: object) -> tuple[World, Attempt, list[Attempt]]:
    """A host that sends a long file to the first attempt, and drops the connections of three others."""
    world = World(capacity=4, **options)
    for n in range(6):
        world.add(f"http://h/{n}")
    first, *others = world.start_all()
    world.scheduler.responded(first.id, 200, None)
    return world, first, others


def test_a_host_that_sends_to_others_is_busy_and_not_given_up():
    world, first, others = busy_world(retries=2, retry_delay=1.0)
    assert lose(world, others) == []
    for _ in range(20):
        probe = world.next_try()
        assert world.start() is None, "one at a time tries it"
        world.now += TIMEOUT
        assert lose(world, [probe]) == []
    world.end(first, DONE)
    ended = [world.end(attempt, DONE) for attempt in (*world.start_all(), *world.start_all())]
    while world.scheduler.total:
        ended.append(world.end(world.next_try(), DONE))
    assert len(ended) == 5


def test_a_host_that_falls_silent_is_given_up_after_all():
    world, first, others = busy_world(retries=2, retry_delay=1.0)
    lose(world, others)
    lose(world, [world.next_try()])
    stalled = Outcome(Verdict.FAILED, Kind.TIMEOUT, "nothing came for 30 s", status=200)
    assert world.end(first, stalled) is None
    assert "h answers again" not in [notice.message for notice in world.scheduler.notices]
    messages: list[str] = []
    while world.scheduler.total:
        if (probe := world.start()) is not None:
            messages += lose(world, [probe])
        messages += [each.outcome.message for each in world.scheduler.give_up_lost(world.now)]
        world.now += 1
    assert len(messages) == 6


def test_a_try_that_has_an_answer_lets_others_go_before_it_ends():
    world = World(retries=4, capacity=4)
    for n in range(6):
        world.add(f"http://h/{n}")
    lose(world, world.start_all())
    probe = world.next_try()
    assert world.start() is None
    world.scheduler.responded(probe.id, 200, None)
    assert len(world.start_all()) == 3
    assert world.scheduler.notices[-1].message == "h answers again"


def test_the_end_of_the_time_for_a_file_is_no_answer():
    world = World(retries=4, max_time=TIMEOUT + 1, capacity=1)
    world.add("http://dead/1")
    (first,) = world.start_all()
    for n in range(6):
        world.add(f"http://dead/{n}")
    world.now += TIMEOUT
    world.scheduler._capacity = 4
    lose(world, [first])
    probe = world.next_try()
    world.now += 1
    late = Outcome(Verdict.FAILED, Kind.TIMEOUT, "the time for this file is over (--max-time or --deadline)")
    ended = world.end(probe, late)
    assert ended is not None
    again = world.start()
    assert again is not None
    assert again.connect_within == probe.connect_within
    assert world.start() is None, "one at a time tries it"


def test_a_host_has_more_than_its_share_as_soon_as_it_answers(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    size = 2 << 20  # so that it is told of at once
    targets = [f"/stall/in-body/{n}?at=5000&size={size}" for n in range(8)]
    urls = [other_server.url(targets[0]), *map(server.url, targets)]
    most = 1 if engine_name == "sequential" else 5
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(pdl.download_all, urls, tmp_path, engine=engine_name, jobs=6, timeout=60)
        try:
            if engine_name == "sequential":
                other_server.wait_until(lambda: other_server.in_flight() == 1, 30)
                other_server.release(targets[0])
            server.wait_until(lambda: server.in_flight() == most, 30)
        finally:
            for target in targets:
                server.release(target)
                other_server.release(target)
        assert future.result(60).done == len(urls)


def test_until_it_has_answered_a_host_has_its_share_of_all_slots():
    world = World(capacity=8)
    for n in range(10):
        world.add(f"http://a/{n}")
        world.add(f"http://b/{n}")
    attempts = world.start_all()
    assert Counter(map(authority, attempts)) == {"a": 4, "b": 4}
    for attempt in attempts[:2]:
        world.end(attempt, DONE)
    assert world.scheduler.active + len(world.start_all()) == 8


def test_a_mirror_takes_over_from_a_dead_host():
    world = World(capacity=2, retries=2)
    for n in range(3):
        world.add(f"http://dead/{n}", f"http://alive/{n}")
    world.add("http://alive/")
    first = world.start_all()
    lose(world, [attempt for attempt in first if authority(attempt) == "dead"])
    ended = [world.end(attempt, DONE) for attempt in first if authority(attempt) == "alive"]
    while (attempt := world.start()) is not None:
        assert authority(attempt) == "alive"
        ended.append(world.end(attempt, DONE))
    assert len(ended) == 4


def test_of_many_dead_hosts_not_everybody_is_told():
    world = World(capacity=1000, jobs=1000, retries=0)
    for n in range(DEAD_HOSTS_TOLD + 5):
        world.add(f"http://dead-{n}/1")
        world.add(f"http://dead-{n}/2")
    world.scheduler._capacity = DEAD_HOSTS_TOLD + 5  # so that each has one
    lose(world, world.start_all())
    told = Counter(notice.verbosity for notice in world.scheduler.notices)
    assert told == {0: DEAD_HOSTS_TOLD, 1: 5}


def test_the_longest_known_outage_makes_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Outages, "MOST", 3)
    outages: Outages = Outages()
    assert not outages
    for host in "abcd":
        outages.add(Outage(host, answered=False, retries=1, retry_delay=1.0, connect_timeout=1.0))
    assert [host for host in "abcd" if outages.get(host) is not None] == ["b", "c", "d"]


@pytest.fixture
def dead() -> Iterator[list[str]]:
    """Hosts that swallow connections."""
    with ExitStack() as stack:
        deaf = [stack.enter_context(Deaf(f"127.0.0.{last}")) for last in (41, 42)]
        yield [f"http://{each.host}:{each.port}" for each in deaf]


def test_dead_hosts_hold_up_nothing_and_fail_with_their_time_out(
    engine_name, server: FaultServer, dead: list[str], tmp_path: Path
):
    urls = []
    for n in range(12):
        urls += [f"{host}/{n}" for host in dead] + [server.url(f"/file/{n}")]
    with pdl.iter_downloads(
        urls, tmp_path, engine=engine_name, jobs=3, connect_timeout=0.4, retries=2, retry_delay=0.05
    ) as downloads:
        results = list(downloads)
    assert downloads.summary.done == 12
    assert downloads.summary.failed_by_kind == {"timeout": 24}
    for host in dead:
        mine = [result for result in results if result.url.startswith(host)]
        assert sum(result.attempts for result in mine) == 3, "one, and two further tries"
        assert all("no connection to 127.0.0.4" in result.message for result in mine)
