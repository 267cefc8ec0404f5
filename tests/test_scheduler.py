"""When what starts, and what follows from how it ended, in a time that only the test moves."""

from __future__ import annotations

import errno
import math
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl import retry
from pdl.errors import Kind
from pdl.http.routes import Routes
from pdl.model import Attempt, Download, Outcome, Partial, Reach, Verdict
from pdl.scheduler import FARTHEST, NEAR, SHORTAGES_WAITED_FOR, Scheduler
from pdl.settings import Settings
from pdl.task import Ended, Task
from pdl.url import split

DONE = Outcome(Verdict.DONE, status=200)
RESET = Outcome(Verdict.FAILED, Kind.RESET, "it broke")
GONE = Outcome(Verdict.FAILED, Kind.HTTP, "the server answered 404", status=404)
DEAD = Outcome(Verdict.FAILED, Kind.WORKER, "the worker died")
STOPPED = Outcome(Verdict.STOPPED)
RESTART = Outcome(Verdict.RESTART)
SHORT = Outcome(Verdict.FAILED, Kind.CONNECT, "cannot connect: Too many open files", errno=errno.EMFILE)
UNKNOWN = Outcome(Verdict.FAILED, Kind.DNS, "no such name", retries=1)


def busy(seconds: float | None) -> Outcome:
    return Outcome(Verdict.FAILED, Kind.HTTP, "the server answered 503", status=503, retry_after=seconds)


def redirect(location: str, credentials: str | None = None) -> Outcome:
    return Outcome(Verdict.REDIRECT, status=302, location=location, location_credentials=credentials)


def cut(url: str, size: int = 5) -> Outcome:
    """A break that left something to continue."""
    return Outcome(
        Verdict.FAILED, Kind.TRUNCATED, "cut", status=200, partial=Partial(size, '"v1"', 10, url), opened=True
    )


class World:
    """A scheduler in a time that stands still until it is told to go on.

    Args:
        capacity: of the engine.
        proxy: for everything.
        deadline: seconds from the beginning to the end of the job.
        options: of the job.
    """

    def __init__(
        self, *, capacity: int = 100, proxy: str = "", deadline: float | None = None, **options: object
    ) -> None:
        settings = Settings(**{"jobs": 100, "proxy": proxy, **options})
        self.now = 1000.0
        deadline = None if deadline is None else self.now + deadline
        self.scheduler = Scheduler(
            settings, Routes(settings), capacity=capacity, part="/parts/{}.part".format, deadline=deadline
        )
        self.rows = 0

    def add(self, *urls: str, **fields: object) -> Task:
        """A download of the first URL, the others being its mirrors."""
        self.rows += 1
        task = Task(self.rows, Download(urls[0], urls[1:], **fields), f"{self.rows}")
        self.scheduler.add(task)
        return task

    def start(self) -> Attempt | None:
        return self.scheduler.next(self.now)

    def start_all(self) -> list[Attempt]:
        return list(iter(self.start, None))

    def end(self, attempt: Attempt, outcome: Outcome) -> Ended | None:
        return self.scheduler.finished(attempt.id, outcome, self.now)

    def go_on(self) -> None:
        """Wait for the next thing that is due; nothing could start before."""
        assert self.start() is None
        assert self.now < self.scheduler.wake_up() < math.inf
        self.now = self.scheduler.wake_up()

    def next_try(self) -> Attempt:
        """The attempt that starts next, after a back-off if there is one."""
        attempt = self.start()
        if attempt is None:
            self.go_on()
            attempt = self.start()
        assert attempt is not None
        return attempt

    def carry_on(self, outcome: Outcome, most: int = 1000) -> tuple[Ended, list[str]]:
        """End every attempt like this until the only download has ended; the second is what was asked for."""
        asked = []
        for _ in range(most):
            attempt = self.next_try()
            asked.append(attempt.url)
            if (ended := self.end(attempt, outcome)) is not None:
                assert self.scheduler.total == self.scheduler.active == 0
                return ended, asked
        raise AssertionError(f"no end after {most} attempts")


# attempts


def test_an_attempt_carries_all_that_an_engine_needs():
    world = World(proxy="http://proxy:1", headers={"X": "1"}, max_time=60)
    task = world.add("http://h/a", size=9, headers=(("Y", "2"),), credentials=(("http://h/a", "u:p"),))
    assert world.start() == Attempt(
        id=1,
        row=1,
        url="http://h/a",
        part=os.path.join("/parts", "1.part"),
        headers=(("X", "1"), ("Y", "2")),
        credentials="u:p",
        proxy="http://proxy:1",
        size=9,
        time_limit=60.0,
    )
    assert world.scheduler.task(1) is task
    assert list(world.scheduler.running()) == [task]


def test_every_attempt_has_a_number_of_its_own():
    world = World()
    for n in range(5):
        world.add(f"http://h{n}/")
    numbers = [attempt.id for attempt in world.start_all()]
    assert len(set(numbers)) == 5


def test_a_field_of_the_entry_takes_the_place_of_the_jobs():
    world = World(headers=[("X-A", "job"), ("X-B", "job")])
    world.add("http://h/", headers=(("x-a", "entry"),))
    assert world.start().headers == (("X-B", "job"), ("x-a", "entry"))


def test_a_success_ends_the_download_with_what_it_took():
    world = World()
    task = world.add("http://h/")
    attempt = world.start()
    world.now += 7
    assert world.end(attempt, DONE) == Ended(task, DONE, 7.0)
    assert (world.scheduler.total, world.scheduler.active, task.attempts) == (0, 0, 1)


def test_not_modified_ends_the_download():
    world = World()
    world.add("http://h/")
    assert world.end(world.start(), Outcome(Verdict.NOT_MODIFIED)).outcome.verdict is Verdict.NOT_MODIFIED


# caps


@pytest.mark.parametrize(("capacity", "jobs", "expected"), [(3, 100, 3), (100, 4, 4)])
def test_never_more_at_once_than_engine_and_settings_allow(capacity: int, jobs: int, expected: int):
    world = World(capacity=capacity, jobs=jobs)
    for n in range(10):
        world.add(f"http://h{n}/")
    assert len(world.start_all()) == world.scheduler.active == expected


def test_a_slot_that_comes_free_is_filled_again():
    world = World(capacity=2)
    for n in range(5):
        world.add(f"http://h/{n}")
    first, _ = world.start_all()
    world.end(first, DONE)
    assert [attempt.row for attempt in world.start_all()] == [3]


@pytest.mark.fault(59)
def test_a_host_has_its_cap_and_blocks_no_other():
    world = World(per_host=2)
    for n in range(10):
        world.add(f"http://capped/{n}")
    world.add("http://free/")
    assert Counter(split(attempt.url).host for attempt in world.start_all()) == {"capped": 2, "free": 1}


def test_another_port_is_another_host():
    world = World(per_host=1)
    for url in ("http://h/", "http://h:81/", "https://h:81/", "http://h/2"):
        world.add(url)
    assert [attempt.row for attempt in world.start_all()] == [1, 2]


def test_hosts_take_turns_and_each_keeps_its_order():
    world = World()
    for host in "aaabbc":
        world.add(f"http://{host}/")
    assert [attempt.row for attempt in world.start_all()] == [1, 4, 6, 2, 5, 3]


def test_a_host_that_comes_later_waits_for_no_queue_of_another():
    world = World(capacity=1)
    for n in range(100):
        world.add(f"http://first/{n}")
    attempt = world.start()
    world.add("http://second/")
    world.end(attempt, DONE)
    hosts = []
    for _ in range(2):
        attempt = world.start()
        hosts.append(split(attempt.url).host)
        world.end(attempt, DONE)
    assert "second" in hosts


def test_a_cap_counts_where_a_redirect_leads():
    world = World(per_host=1)
    world.add("http://a/1")
    world.add("http://b/1")
    at_a, at_b = world.start_all()
    assert world.end(at_a, redirect("http://b/2")) is None
    assert world.start() is None  # b is at its cap
    world.add("http://a/3")
    assert world.start().url == "http://a/3"  # a has a free place
    world.end(at_b, DONE)
    assert world.start().url == "http://b/2"


# failures and back-off


def test_a_transient_failure_is_tried_again_as_often_as_asked_for():
    world = World(retries=3)
    world.add("http://h/")
    ended, asked = world.carry_on(RESET)
    assert (ended.outcome, len(asked), ended.task.attempts) == (RESET, 4, 4)


def test_without_retries_a_transient_failure_is_the_end():
    world = World(retries=0)
    world.add("http://h/")
    assert world.end(world.start(), RESET).outcome is RESET


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_permanent_failure_is_the_end(status: int):
    world = World()
    world.add("http://h/")
    failure = Outcome(Verdict.FAILED, Kind.HTTP, status=status)
    assert world.end(world.start(), failure).outcome is failure


@pytest.mark.fault(3)
def test_a_kind_that_is_worth_one_further_try_gets_one():
    world = World(retries=4)
    world.add("http://h/")
    assert len(world.carry_on(UNKNOWN)[1]) == 2


def test_a_kind_that_is_worth_one_further_try_gets_one_beside_others():
    world = World(retries=4)
    world.add("http://h/")
    for outcome in (UNKNOWN, RESET, RESET):
        assert world.end(world.next_try(), outcome) is None
    assert world.end(world.next_try(), UNKNOWN).outcome is UNKNOWN


def test_a_back_off_is_the_policys_and_holds_no_slot():
    world = World(capacity=1, retry_delay=1.0)
    world.add("http://h/waits")
    world.add("http://h/next")
    first = world.start()
    world.end(first, RESET)
    assert world.scheduler.wake_up() == world.now + retry.backoff("http://h/waits", 1, 1.0)
    other = world.start()
    assert other.url == "http://h/next"
    world.end(other, DONE)
    world.go_on()
    assert world.start().url == "http://h/waits"


def test_back_offs_grow():
    world = World(retries=3, retry_delay=2.0)
    world.add("http://h/")
    for tries in (1, 2, 3):
        world.end(world.start(), RESET)
        assert world.scheduler.wake_up() == world.now + retry.backoff("http://h/", tries, 2.0)
        world.go_on()


def test_what_is_due_goes_before_what_was_never_asked_for():
    world = World(capacity=1)
    for n in range(3):
        world.add(f"http://h/{n}")
    world.end(world.start(), RESET)
    world.now += 60
    assert world.start().url == "http://h/0"


def test_while_no_slot_is_free_nothing_is_due():
    world = World(capacity=1)
    world.add("http://h/1")
    world.add("http://h/2")
    world.end(world.start(), RESET)
    holding = world.start()
    world.now += 100
    assert world.start() is None
    assert world.scheduler.wake_up() == math.inf  # else the loop would spin
    world.end(holding, DONE)
    assert world.start().url == "http://h/1"


def test_with_nothing_to_wait_for_nothing_is_due():
    assert World().scheduler.wake_up() == math.inf


# Retry-After


@pytest.mark.fault(28)
def test_a_host_that_asks_to_wait_is_left_alone_and_no_other():
    world = World(capacity=2)
    for host in ("busy", "busy", "free"):
        world.add(f"http://{host}/")
    attempt = world.start()
    world.end(attempt, busy(120))
    assert split(world.start().url).host == "free"
    assert world.start() is None
    begun = world.now
    while world.now < begun + 120:
        assert world.start() is None
        world.now = world.scheduler.wake_up()
    assert world.now == begun + 120
    assert world.start().row in (1, 2)


def test_attempts_under_way_are_not_touched_by_a_pause():
    world = World()
    world.add("http://h/1")
    world.add("http://h/2")
    one, two = world.start_all()
    world.end(one, busy(60))
    assert world.end(two, DONE).outcome is DONE


def test_the_longest_of_several_pauses_counts():
    world = World()
    tasks = [world.add(f"http://h/{n}") for n in range(4)]
    begun = world.now
    for attempt, seconds in zip(world.start_all(), (100, 200, 50, 0), strict=True):
        world.end(attempt, busy(seconds))
    world.now = begun + 199.9
    assert world.start() is None
    world.now = begun + 200
    assert len(world.start_all()) == len(tasks)


def test_a_pause_of_no_time_holds_nobody():
    world = World()
    world.add("http://h/1")
    world.add("http://h/2")
    world.end(world.start(), busy(0))
    assert world.start().url == "http://h/2"


def test_a_busy_server_without_a_hint_is_not_paused():
    world = World(capacity=1)
    world.add("http://h/1")
    world.add("http://h/2")
    world.end(world.start(), busy(None))
    assert world.start().url == "http://h/2"


def test_a_host_whose_two_pauses_end_late_is_not_mistaken_for_its_successor():
    world = World(retry_delay=30)
    url = next(url for n in range(100) if 10 < retry.backoff(url := f"http://h/{n}", 1, 30) < 20)
    for each in (url, "http://h/one", "http://h/two"):
        world.add(each)
    between, one, two = world.start_all()
    world.end(between, RESET)
    world.end(one, busy(10)._replace(retries=0))
    world.end(two, busy(20)._replace(retries=0))
    world.now += 100  # the end of a pause, the back-off and the end of the other pause are due together
    attempt = world.start()
    assert attempt.url == url
    assert world.end(attempt, DONE).outcome is DONE


# parked hosts


@pytest.mark.fault(28)
def test_a_host_that_asks_for_too_long_is_given_up_when_nothing_else_is_left():
    world = World(per_host=1)
    for url in ("http://parked/1", "http://free/", "http://parked/2"):
        world.add(url)
    parked, free = world.start_all()
    world.end(parked, busy(retry.LONGEST_RETRY_AFTER + 1))
    assert world.scheduler.give_up_parked(world.now) == []  # the other is at work
    world.end(free, DONE)
    assert world.scheduler.give_up_parked(world.now) == []  # a back-off runs
    world.now += 10_000
    assert world.start() is None
    ended = world.scheduler.give_up_parked(world.now)
    assert sorted(each.task.row for each in ended) == [1, 3]
    for each in ended:
        assert (each.outcome.kind, each.outcome.status) == (Kind.HTTP, 503)
        assert each.outcome.message == "the server answered 503, and the host asks to wait 301 s"
    assert world.scheduler.total == 0


def test_the_longest_pause_that_is_waited_for_parks_nobody():
    world = World()
    world.add("http://h/")
    world.end(world.start(), busy(retry.LONGEST_RETRY_AFTER))
    world.now += retry.LONGEST_RETRY_AFTER
    assert world.start() is not None


def test_all_that_waits_for_a_parked_host_is_given_up_together():
    world = World(capacity=1, retries=0)
    for n in range(5):
        world.add(f"http://h/{n}")
    assert world.end(world.start(), busy(1e9)).outcome.kind is Kind.HTTP
    assert world.start() is None
    ended = world.scheduler.give_up_parked(world.now)
    assert [(each.task.row, each.task.attempts, each.seconds) for each in ended] == [
        (n, 0, 0.0) for n in (2, 3, 4, 5)
    ]
    assert world.scheduler.total == 0


@pytest.mark.parametrize("max_time", [None, 5.0])
def test_a_download_that_waits_for_a_parked_host_goes_on_at_its_next_mirror(max_time: float | None):
    world = World(capacity=1, retries=0, max_time=max_time)
    world.add("http://h/1")
    world.add("http://h/2", "http://m/2")
    world.end(world.start(), busy(1e9))
    assert world.scheduler.give_up_parked(world.now) == []
    assert world.start().url == "http://m/2"


def test_where_all_mirrors_are_parked_the_download_ends():
    world = World(retries=9)
    for n in range(3):
        world.add("http://a/", f"http://b/{n}")
        world.add(f"http://b/{n}", "http://a/")
    ended: list[Ended] = []
    for _ in range(100):
        for attempt in world.start_all():
            assert world.end(attempt, busy(1e6)) is None
        if world.scheduler.wake_up() < math.inf:
            world.now = world.scheduler.wake_up()
        ended += world.scheduler.give_up_parked(world.now)
    assert sorted(each.task.row for each in ended) == [1, 2, 3, 4, 5, 6]
    assert world.scheduler.total == 0


# mirrors


def test_a_permanent_failure_drops_a_mirror_and_costs_no_try():
    world = World(retries=0)
    world.add("http://a/", "http://b/", "http://c/")
    ended, asked = world.carry_on(GONE)
    assert asked == ["http://a/", "http://b/", "http://c/"]
    assert (ended.outcome, ended.task.attempts) == (GONE, 3)


def test_transient_failures_ask_every_mirror_before_anybody_waits():
    world = World(retries=5)
    world.add("http://a/", "http://b/", "http://c/")
    asked, begun = [], world.now
    for _ in range(3):
        attempt = world.start()
        asked.append(attempt.url)
        world.end(attempt, RESET)
    assert (asked, world.now) == (["http://a/", "http://b/", "http://c/"], begun)
    assert world.scheduler.wake_up() == begun + retry.backoff("http://a/", 1, 1.0)


def test_retries_count_for_the_download_not_for_each_mirror():
    world = World(retries=4)
    world.add("http://a/", "http://b/", "http://c/")
    assert world.carry_on(RESET)[1] == [f"http://{host}/" for host in "abcab"]


def test_mirrors_that_are_worth_no_second_look_are_dropped_until_one_answers():
    world = World(retries=9)
    world.add(*[f"http://{host}/" for host in "abcd"])
    for host in "abc":
        attempt = world.next_try()
        assert attempt.url == f"http://{host}/"
        assert world.end(attempt, UNKNOWN) is None
    assert world.end(world.next_try(), DONE).task.attempts == 4


def test_another_mirror_starts_from_the_first_byte():
    world = World()
    world.add("http://a/", "http://b/")
    world.end(world.start(), cut("http://a/"))
    attempt = world.next_try()
    assert (attempt.url, attempt.partial) == ("http://b/", None)
    world.end(attempt, RESET)
    assert world.next_try().partial is None  # the part is not the first mirror's any more


def test_each_mirror_has_its_own_credentials():
    world = World()
    world.add("http://a/", "http://b/", credentials=(("http://b/", "u:p"),), headers=(("X", "1"),))
    first = world.start()
    world.end(first, RESET)
    second = world.next_try()
    assert (first.credentials, second.credentials) == (None, "u:p")
    assert first.headers == second.headers == (("X", "1"),)


# resuming


def test_what_came_is_continued_where_it_came_from():
    world = World()
    world.add("http://h/")
    world.end(world.start(), cut("http://h/"))
    assert world.next_try().partial == Partial(5, '"v1"', 10, "http://h/")


def test_a_failure_that_opened_nothing_keeps_what_can_be_continued():
    world = World()
    world.add("http://h/")
    world.end(world.start(), cut("http://h/"))
    world.end(world.next_try(), RESET)
    assert world.next_try().partial is not None


def test_a_failure_that_opened_the_part_and_left_nothing_leaves_nothing():
    world = World()
    world.add("http://h/")
    world.end(world.start(), cut("http://h/"))
    world.end(world.next_try(), Outcome(Verdict.FAILED, Kind.TIMEOUT, opened=True))
    assert world.next_try().partial is None


def test_a_redirect_on_the_way_keeps_what_can_be_continued_behind_it():
    world = World()
    world.add("http://h/")
    world.end(world.start(), redirect("http://cdn/x"))
    world.end(world.start(), cut("http://cdn/x"))
    first_hop = world.next_try()
    assert (first_hop.url, first_hop.partial) == ("http://h/", None)
    world.end(first_hop, redirect("http://cdn/x"))
    assert world.start().partial == Partial(5, '"v1"', 10, "http://cdn/x")


def test_a_redirect_to_elsewhere_continues_nothing():
    world = World()
    world.add("http://h/")
    world.end(world.start(), redirect("http://cdn/x"))
    world.end(world.start(), cut("http://cdn/x"))
    world.end(world.next_try(), redirect("http://cdn/y"))
    assert world.start().partial is None


def test_a_restart_asks_again_at_once_from_the_first_byte_and_costs_no_try():
    world = World(retries=1)
    task = world.add("http://h/")
    world.end(world.start(), cut("http://h/"))
    world.end(world.next_try(), RESTART)
    again = world.start()
    assert (again.url, again.partial, task.failures, task.attempts) == ("http://h/", None, 1, 3)


def test_a_restart_behind_a_redirect_begins_at_the_entry():
    world = World()
    world.add("http://h/")
    world.end(world.start(), redirect("http://cdn/x"))
    world.end(world.start(), cut("http://cdn/x"))
    world.end(world.next_try(), redirect("http://cdn/x"))
    world.end(world.start(), RESTART)
    assert world.start().url == "http://h/"


@pytest.mark.fault(15)
def test_a_host_that_answers_ranges_with_whole_files_is_asked_for_no_more_ranges():
    world = World()
    world.add("http://h/1")
    world.add("http://h/2")
    one, two = world.start_all()
    world.end(one, cut("http://h/1"))
    again = world.next_try()
    ignoring = Outcome(
        Verdict.FAILED, Kind.RESET, partial=Partial(3, '"v1"', 10, "http://h/1"), opened=True, ranges_ignored=True
    )
    world.end(again, ignoring)
    world.end(two, cut("http://h/2"))
    world.now += 100
    assert [attempt.partial for attempt in world.start_all()] == [None, None]


# stops and deaths


def test_a_stop_is_no_try_and_keeps_what_can_be_continued():
    world = World(retries=0)
    task = world.add("http://h/")
    world.end(world.start(), Outcome(Verdict.STOPPED, partial=Partial(5, '"v1"', 10, "http://h/"), opened=True))
    assert (task.attempts, world.scheduler.total) == (0, 1)
    assert world.start().partial.size == 5
    assert task.attempts == 1


def test_a_stop_behind_a_redirect_is_no_try_either():
    world = World()
    task = world.add("http://h/")
    world.end(world.start(), redirect("http://cdn/x"))
    world.end(world.start(), STOPPED)
    assert (world.start().url, task.attempts) == ("http://h/", 1)


@pytest.mark.fault(53)
def test_the_first_death_of_a_worker_is_free_and_the_second_one_is_the_urls():
    world = World(retries=9)
    task = world.add("http://h/", "http://m/")
    assert world.end(world.start(), DEAD) is None
    assert task.attempts == 0
    ended = world.end(world.start(), DEAD)
    assert (ended.outcome.kind, task.attempts) == (Kind.WORKER, 1)


def test_what_a_dead_worker_left_is_not_continued():
    world = World()
    world.add("http://h/")
    world.end(world.start(), cut("http://h/"))
    world.end(world.next_try(), DEAD)
    assert world.start().partial is None


# a lack of descriptors


def test_a_lack_of_descriptors_is_no_try_and_lowers_what_is_carried_for_a_while():
    world = World(capacity=10, retries=0)
    for n in range(20):
        world.add(f"http://h{n}/")
    first, *rest = world.start_all()
    for attempt in rest[:6]:
        assert world.end(attempt, SHORT) is None
    assert world.scheduler.active == 4
    assert world.start() is None
    assert world.end(first, DONE).task.attempts == 1
    assert len(world.start_all()) == 1  # one for one
    world.go_on()
    assert len(world.start_all()) == 1
    while world.scheduler.active < 10:
        world.go_on()
        assert world.start_all()
    assert all(task.attempts == 1 for task in world.scheduler.running())


def test_a_lack_that_nobody_can_end_is_waited_for_and_then_fails_with_advice():
    world = World(capacity=10, retries=3)
    for n in range(3):
        world.add(f"http://h{n}/")
    for attempt in world.start_all():
        assert world.end(attempt, SHORT) is None
    for _ in range(SHORTAGES_WAITED_FOR - 1):
        world.go_on()
        (attempt,) = world.start_all()
        assert world.end(attempt, SHORT) is None
    world.go_on()
    for left in (2, 1, 0):
        (attempt,) = world.start_all()
        ended = world.end(attempt, SHORT)
        assert (ended.outcome.kind, ended.task.attempts, world.scheduler.total) == (Kind.CONNECT, 1, left)
        assert ended.outcome.message.startswith("cannot connect: Too many open files: all ")


def test_what_comes_through_after_a_lack_makes_the_next_one_be_waited_for_again():
    world = World(capacity=1, retries=0)
    for n in range(30):
        world.add(f"http://h{n}/")
    for _ in range(4):
        for _ in range(SHORTAGES_WAITED_FOR):
            assert world.end(world.next_try(), SHORT) is None
        assert world.end(world.next_try(), DONE) is not None


# redirects


def test_a_redirect_is_followed_at_once_and_is_no_try():
    world = World(retries=0)
    task = world.add("http://h/a")
    for path in "bcd":
        world.end(world.start(), redirect(f"http://h/{path}"))
    assert world.end(world.start(), DONE).task is task
    assert (task.attempts, task.url) == (1, "http://h/d")


@pytest.mark.fault(23)
@pytest.mark.parametrize("most", [0, 1, 20])
def test_redirects_have_a_limit_and_the_failure_shows_the_chain(most: int):
    world = World(max_redirects=most)
    world.add("http://h/0")
    for hop in range(most):
        assert world.end(world.start(), redirect(f"http://h/{hop + 1}")) is None
    ended = world.end(world.start(), redirect("http://h/last"))
    assert (ended.outcome.kind, ended.outcome.status) == (Kind.REDIRECT, 302)
    assert ended.outcome.message.startswith(f"more than {most} redirects; the last: http://h/")
    assert ended.outcome.message.endswith(f"http://h/{most} -> http://h/last")


def test_the_hops_of_each_try_are_counted_anew():
    world = World(max_redirects=1, retries=3)
    world.add("http://h/0")
    for _ in range(3):
        world.end(world.next_try(), redirect("http://h/1"))
        world.end(world.start(), RESET)
    assert world.next_try().url == "http://h/0"


def test_too_many_redirects_of_one_mirror_lead_to_the_next():
    world = World(max_redirects=0)
    world.add("http://a/", "http://b/")
    world.end(world.start(), redirect("http://a/x"))
    assert world.start().url == "http://b/"


SECRETS = {"headers": (("X-Key", "secret"),), "credentials": (("http://h/", "u:p"),)}


def test_what_the_user_gave_follows_a_redirect_on_its_own_origin():
    world = World(headers={"X-All": "1"})
    world.add("http://h/", **SECRETS)
    world.end(world.start(), redirect("http://h/next"))
    attempt = world.start()
    assert (attempt.headers, attempt.credentials) == ((("X-All", "1"), ("X-Key", "secret")), "u:p")


@pytest.mark.fault(24)
@pytest.mark.parametrize("elsewhere", ["http://other/", "http://h:81/", "https://h/", "http://sub.h/"])
def test_what_the_user_gave_crosses_to_no_other_origin_and_does_not_come_back(elsewhere: str):
    world = World(headers={"X-All": "1"})
    world.add("http://h/", **SECRETS)
    world.end(world.start(), redirect(elsewhere))
    attempt = world.start()
    assert (attempt.headers, attempt.credentials) == ((), None)
    world.end(attempt, redirect("http://h/back"))
    attempt = world.start()
    assert (attempt.headers, attempt.credentials) == ((), None)
    world.end(attempt, RESET)
    attempt = world.next_try()  # the entry itself is asked for again
    assert (attempt.url, attempt.credentials) == ("http://h/", "u:p")


@pytest.mark.fault(27)
def test_credentials_in_a_location_are_for_that_hop_alone():
    world = World()
    world.add("http://h/", **SECRETS)
    world.end(world.start(), redirect("http://o/1", "v:q"))
    attempt = world.start()
    assert (attempt.headers, attempt.credentials) == ((), "v:q")
    world.end(attempt, redirect("http://o/2"))
    assert world.start().credentials is None


@pytest.mark.fault(26)
def test_the_addresses_of_metadata_services_are_refused_behind_redirects_to_another_host():
    world = World()
    world.add("http://h/")
    attempt = world.start()
    assert attempt.reach is Reach.ANY
    world.end(attempt, redirect("https://h:81/next"))
    attempt = world.start()
    assert attempt.reach is Reach.ANY
    world.end(attempt, redirect("http://rebound.example/"))
    assert world.start().reach is Reach.NOT_LINK_LOCAL


@pytest.mark.fault(26)
@pytest.mark.parametrize("proxy", ["", "http://proxy:1"])
@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"])
def test_a_redirect_to_a_link_local_address_is_blocked_behind_proxies_too(host: str, proxy: str):
    world = World(proxy=proxy)
    world.add("http://h/")
    ended = world.end(world.start(), redirect(f"http://{host}/latest/meta-data"))
    assert ended.outcome.kind is Kind.BLOCKED


def test_a_link_local_address_that_the_list_names_may_redirect_to_itself():
    world = World()
    world.add("http://169.254.1.1/")
    world.end(world.start(), redirect("http://169.254.1.1/next"))
    assert world.start().url == "http://169.254.1.1/next"


# time limits


def test_each_attempt_knows_how_much_time_is_left_for_its_file():
    world = World(max_time=60)
    world.add("http://h/")
    assert world.start().time_limit == 60
    world.now += 20
    world.end(next(iter(_active(world))), redirect("http://h/x"))
    assert world.start().time_limit == 40


def _active(world: World) -> Iterator[Attempt]:
    for number, task in world.scheduler._active.items():
        yield Attempt(number, task.row, task.url, "")


def test_the_time_of_a_file_begins_with_its_first_attempt():
    world = World(max_time=60)
    world.add("http://h/")
    world.now += 1000
    assert world.start().time_limit == 60


def test_the_jobs_deadline_is_a_limit_for_every_attempt():
    world = World(deadline=100, max_time=60)
    world.add("http://a/")
    world.add("http://b/")
    world.now += 50
    assert [attempt.time_limit for attempt in world.start_all()] == [50, 50]


def test_a_try_that_could_not_start_in_time_is_not_waited_for():
    world = World(max_time=10, retries=9)
    world.add("http://h/")
    attempt = world.start()
    world.now += 10
    assert world.end(attempt, RESET).outcome is RESET


def test_a_redirect_that_comes_too_late_is_not_followed():
    world = World(max_time=10)
    world.add("http://h/")
    attempt = world.start()
    world.now += 10
    ended = world.end(attempt, redirect("http://h/x"))
    assert (ended.outcome.kind, "--max-time" in ended.outcome.message) == (Kind.TIMEOUT, True)


# looking ahead


def test_a_bounded_number_is_read_ahead():
    world = World(capacity=4)
    assert world.scheduler.room > 0
    added = 0
    while world.scheduler.room:
        world.add(f"http://h/{added}")
        added += 1
        world.start()
    assert added == NEAR * 3 // 4 + 1  # less than a quarter is free, and is not filled one by one
    world.end(next(_active(world)), DONE)
    assert world.scheduler.room == NEAR // 4


def test_many_jobs_are_read_further_ahead():
    world = World(capacity=1000, jobs=1000)
    for n in range(1000):
        world.add(f"http://h/{n}")
    world.start_all()
    assert world.scheduler.room == 3000


@pytest.mark.parametrize("outcome", [busy(100), busy(1e9)])
def test_hosts_that_stand_in_the_way_widen_the_look_ahead_up_to_its_end(outcome: Outcome):
    world = World(capacity=4, per_host=1)
    for n in range(NEAR):
        world.add(f"http://h/{n}")
    world.start_all()
    assert world.scheduler.room == FARTHEST - NEAR  # slots are free, and the only host is at its cap
    world.add("http://free/")
    assert world.scheduler.room == 0  # there is something to start
    world.start()
    world.end(next(_active(world)), outcome)
    assert world.scheduler.room > FARTHEST - NEAR - 44


# memory


def test_hosts_without_work_are_forgotten():
    world = World(retries=1)
    for n in range(500):
        world.add(f"http://h{n}/", f"http://m{n}/")
        for outcome in (redirect(f"http://r{n}/"), busy(5.0), RESTART, DONE):
            world.end(world.next_try(), outcome)
    world.now += 1000
    assert world.start() is None
    assert world.scheduler._hosts == {}
    assert not world.scheduler._later
    assert not world.scheduler._ready


def test_hosts_that_ignore_ranges_are_remembered_within_bounds():
    world = World()
    for n in range(3000):
        world.add(f"http://h{n}/")
        world.end(world.start(), Outcome(Verdict.DONE, ranges_ignored=True, opened=True))
    assert len(world.scheduler._no_resume) < 2000
    assert "h2999" in world.scheduler._no_resume


# anything at all

HOSTS = ["http://a/", "http://b/", "http://c:81/", "https://a/"]
DOWNLOADS = st.lists(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True), min_size=1, max_size=12)
OUTCOMES = st.one_of(
    st.sampled_from([DONE, RESET, GONE, DEAD, STOPPED, UNKNOWN, SHORT]),
    st.sampled_from([None, 0.0, 1.0, 30.0, 300.0, 301.0, 1e9]).map(busy),
    st.builds(redirect, st.sampled_from(HOSTS).map("{}x".format), st.sampled_from([None, "u:p"])),
    st.sampled_from(HOSTS).map(cut),
    st.just(RESTART),
)


@given(
    downloads=DOWNLOADS,
    events=st.lists(st.tuples(st.integers(0, 50), OUTCOMES, st.sampled_from([0.0, 0.1, 5.0, 500.0])), max_size=80),
    capacity=st.integers(1, 4),
    per_host=st.none() | st.integers(1, 3),
    retries=st.integers(0, 3),
    max_time=st.none() | st.sampled_from([1.0, 100.0]),
    late=st.booleans(),
)
def test_whatever_happens_every_download_ends_once_within_all_caps(
    downloads: list[list[str]],
    events: list[tuple[int, Outcome, float]],
    capacity: int,
    per_host: int | None,
    retries: int,
    max_time: float | None,
    late: bool,
):
    world = World(capacity=capacity, per_host=per_host, retries=retries, max_time=max_time, max_redirects=3)
    scheduler = world.scheduler
    waiting = [world.add(*urls) for urls in downloads] if not late else []
    unread = list(downloads) if late else []
    under_way: list[Attempt] = []
    ended: list[Ended] = []
    paused: dict[str, float] = {}
    happening = iter(events)
    for _ in range(2000):
        while unread and scheduler.room:
            waiting.append(world.add(*unread.pop()))
        for attempt in world.start_all():
            under_way.append(attempt)
            assert paused.get(split(attempt.url).authority, 0) <= world.now
            assert attempt.partial is None or attempt.partial.url == attempt.url
            assert attempt.time_limit is None or attempt.time_limit >= 0
        assert scheduler.active == len(under_way) <= capacity
        assert max(Counter(split(a.url).authority for a in under_way).values(), default=0) <= (per_host or capacity)
        if len(under_way) < capacity:
            assert scheduler.wake_up() > world.now
        if under_way:
            which, outcome, seconds = next(happening, (0, DONE, 0.0))
            attempt = under_way.pop(which % len(under_way))
            if outcome is RESTART and attempt.partial is None:
                outcome = RESET
            if outcome.retry_after is not None:
                host = split(attempt.url).authority
                until = world.now + outcome.retry_after if outcome.retry_after <= 300 else math.inf
                paused[host] = max(until, paused.get(host, 0))
            if (end := world.end(attempt, outcome)) is not None:
                ended.append(end)
            world.now += seconds
        elif scheduler.wake_up() < math.inf:
            world.now = scheduler.wake_up()
        elif scheduler.total:
            ended += scheduler.give_up_parked(world.now)
        else:
            break
        assert scheduler.total == len(waiting) - len(ended)
    assert scheduler.total == 0
    assert sorted(each.task.row for each in ended) == sorted(task.row for task in waiting)
    assert all(each.seconds >= 0 for each in ended)
    assert all(host.parked for host in scheduler._hosts.values())
