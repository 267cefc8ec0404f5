"""Proxies that fail: what needs them waits, is tried one by one, and is given up; nothing goes past them."""

from __future__ import annotations

import math
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from deaf import Deaf
from faultserver import FaultServer, ProxyServer
from hypothesis import given
from hypothesis import strategies as st
from test_scheduler import DONE, GONE, RESET, STOPPED, World, redirect

import pdl
from pdl.errors import Kind
from pdl.http.routes import Routes
from pdl.model import Attempt, Notice, Outcome, Verdict
from pdl.progress import Reported
from pdl.proxies import SUSPECTED, shows_that_it_works
from pdl.scheduler import Scheduler
from pdl.settings import Settings
from pdl.task import Ended

pytestmark = pytest.mark.fault(50)

PROXY = "http://u:sEcReT@proxy:1"
REFUSED = Outcome(Verdict.FAILED, Kind.PROXY, "the proxy cannot be reached: refused", proxy_failed=True)
UNWELCOME = Outcome(Verdict.FAILED, Kind.PROXY, "other credentials (407)", status=407, retries=0, proxy_failed=True)
BEYOND = Outcome(Verdict.FAILED, Kind.PROXY, "the proxy refused the tunnel: 502")
SHORT = Outcome(Verdict.FAILED, Kind.PROXY, "too many open files", errno=24)
LATE = Outcome(Verdict.FAILED, Kind.TIMEOUT, "late")


class ProxyWorld(World):
    """Hosts below .direct are reached directly, all others through the proxy."""

    def __init__(self, *, jobs: int = 4, retries: int = 4, capacity: int = 100, **options: object) -> None:
        super().__init__(**options)
        settings = Settings(**{"jobs": jobs, "retries": retries, **options})
        routes = Routes(settings, {"http": PROXY, "no": "direct"})
        self.scheduler = Scheduler(settings, routes, capacity=capacity, part="/parts/{}.part".format)
        self.told: list[Notice] = []

    def end_all(self, attempts: list[Attempt], outcome: Outcome) -> list[Ended]:
        return [ended for each in attempts if (ended := self.end(each, outcome)) is not None]

    def next_try(self) -> Attempt:
        """The attempt that starts next; what becomes due meanwhile may have to wait on."""
        while (attempt := self.start()) is None:
            assert self.now < self.scheduler.wake_up() < math.inf
            self.now = self.scheduler.wake_up()
        return attempt

    def lost(self) -> list[Ended]:
        """What is given up, until no more is."""
        ended: list[Ended] = []
        while self.scheduler.wake_up() == -math.inf:
            ended += self.scheduler.give_up_lost(self.now)
        self.told += self.scheduler.notices
        self.scheduler.notices.clear()
        return ended

    def suspect(self) -> None:
        """Have the proxy fail until it seems dead."""
        for _ in range(SUSPECTED):
            self.end(self.next_try(), REFUSED)


def urls(count: int) -> list[str]:
    return [f"http://h{n}/" for n in range(count)]


# deciding


def test_a_proxy_that_seems_dead_is_tried_by_one_download_at_a_time():
    world = ProxyWorld(retries=2)
    for url in urls(50):
        world.add(url)
    attempts = world.start_all()
    assert len(attempts) == 4
    assert world.end_all(attempts, REFUSED) == []
    asked = 0
    while not (ended := world.lost()):
        (probe,) = [world.next_try(), *world.start_all()]
        assert world.end(probe, REFUSED) is None
        asked += 1
    assert asked == 2
    assert len(ended) == 50
    assert world.scheduler.total == world.scheduler.active == 0
    assert {each.outcome.kind for each in ended} == {Kind.PROXY}
    assert sum(each.task.attempts for each in ended) == 4 + 2


def test_people_are_told_once_that_a_proxy_is_given_up_and_of_no_secret():
    world = ProxyWorld(retries=0)
    for url in urls(20):
        world.add(url)
    world.end_all(world.start_all(), REFUSED)
    ended = world.lost()
    assert [notice.verbosity for notice in world.told] == [0]
    assert "the proxy http://***@proxy:1 is given up: the proxy cannot be reached" in world.told[0].message
    assert not any("sEcReT" in text for each in ended for text in (each.outcome.message, world.told[0].message))


def test_what_comes_after_the_end_of_a_proxy_is_not_tried():
    world = ProxyWorld(retries=0)
    for url in urls(SUSPECTED):
        world.add(url)
    world.end_all(world.start_all(), REFUSED)
    world.lost()
    for url in urls(1000):
        world.add(url)
    assert world.start_all() == []
    assert len(world.lost()) == 1000
    assert len(world.told) == 1


def test_a_probe_that_comes_through_lets_all_go_on_that_waits():
    world = ProxyWorld()
    for url in urls(10):
        world.add(url)
    world.suspect()
    world.start_all()
    probe = world.next_try()
    assert world.start_all() == []
    assert world.end(probe, DONE) is not None
    rest = []
    while world.scheduler.total:
        rest.append(world.next_try())
        assert world.end(rest[-1], DONE) is not None
    assert len(rest) == 9
    assert not world.lost()


@pytest.mark.parametrize("outcome", [DONE, GONE, BEYOND, redirect("http://h99/")])
def test_failures_in_a_row_are_counted_only_while_nothing_comes_through(outcome: Outcome):
    world = ProxyWorld(retries=0)
    for url in urls(40):
        world.add(url)
    for _ in range(8):
        for each in (REFUSED,) * (SUSPECTED - 1) + (outcome,):
            world.end(world.start(), each)
    assert world.start() is not None
    assert world.lost() == []


@pytest.mark.parametrize("outcome", [STOPPED, RESET, LATE, SHORT])
def test_what_tells_nothing_of_a_proxy_neither_saves_nor_dooms_it(outcome: Outcome):
    world = ProxyWorld(retries=0)
    for url in urls(SUSPECTED + 2):
        world.add(url)
    for each in (REFUSED,) * (SUSPECTED - 1) + (outcome,):
        world.end(world.start(), each)
    assert world.lost() == []
    world.end(world.next_try(), REFUSED)
    assert world.lost() != []
    assert not shows_that_it_works(outcome)


def test_a_proxy_that_wants_other_credentials_is_given_up_without_probes():
    world = ProxyWorld(jobs=1)
    for url in urls(10):
        world.add(url)
    ended = [world.end(world.start(), UNWELCOME) for _ in range(SUSPECTED)]
    assert [each.outcome for each in ended] == [UNWELCOME] * SUSPECTED
    assert len(world.lost()) == 10 - SUSPECTED


def test_one_download_has_its_own_tries_at_most():
    world = ProxyWorld(retries=4)
    world.add("http://h/")
    ended, asked = world.carry_on(REFUSED)
    assert (len(asked), ended.outcome, ended.task.attempts) == (5, REFUSED, 5)


def test_a_refusal_that_tells_of_the_origin_is_that_urls_alone():
    world = ProxyWorld(retries=1, jobs=1)
    for url in urls(6):
        world.add(url)
    ended = [world.end(world.next_try(), BEYOND) for _ in range(12)]
    assert [each.outcome for each in ended if each is not None] == [BEYOND] * 6
    assert world.lost() == []


def test_a_mirror_that_is_reached_directly_takes_over():
    world = ProxyWorld(retries=0, jobs=6)
    for url in urls(3):
        world.add(url)
    doomed = world.start_all()
    task = world.add("http://h/", "http://m.direct/")
    other = world.add("http://h/", "http://g/")
    world.end_all(doomed, REFUSED)
    world.lost()
    (attempt,) = world.start_all()
    assert (attempt.url, attempt.proxy) == ("http://m.direct/", None)
    assert [each.task for each in world.lost()] == [other]
    assert world.end(attempt, DONE).task is task


def test_while_a_proxy_is_tried_what_has_a_direct_mirror_does_not_wait():
    world = ProxyWorld(jobs=6)
    for url in urls(SUSPECTED):
        world.add(url)
    world.suspect()
    world.add("http://h/", "http://m.direct/")
    assert world.start().url == "http://m.direct/"


def test_what_was_led_behind_a_dead_proxy_is_not_led_there_for_ever():
    world = ProxyWorld(jobs=6, retries=1)
    for url in urls(SUSPECTED):
        world.add(url)
    world.suspect()
    world.add("http://m.direct/", "http://n.direct/")
    hop = world.start()
    assert hop.url == "http://m.direct/"
    world.end(hop, redirect("http://h/"))
    assert world.start() is None
    probe = world.next_try()
    assert probe.proxy == PROXY
    world.end(probe, REFUSED)
    world.lost()
    assert world.start().url == "http://n.direct/"


def test_a_probe_that_was_stopped_or_lacked_a_file_is_made_again():
    world = ProxyWorld(retries=1)
    world.add("http://long.direct/")
    assert world.start() is not None  # so that somebody has a descriptor to give back
    for url in urls(10):
        world.add(url)
    world.suspect()
    for outcome in (STOPPED, SHORT) * 5:
        probe = world.next_try()
        assert world.start() is None
        assert world.end(probe, outcome) is None
        assert world.lost() == []
    assert world.end(world.next_try(), DONE) is not None


@given(data=st.data())
def test_whatever_a_proxy_does_every_download_ends_once(data: st.DataObject):
    world = ProxyWorld(
        jobs=data.draw(st.integers(1, 5)),
        retries=data.draw(st.integers(0, 3)),
        per_host=data.draw(st.integers(1, 3)),
    )
    hosts = st.sampled_from(["a", "b", "c", "x.direct", "y.direct"])
    outcomes = st.sampled_from(
        [REFUSED, REFUSED, REFUSED, UNWELCOME, BEYOND, DONE, GONE, RESET, LATE, SHORT, STOPPED, redirect("http://a/"),
         redirect("http://x.direct/")]
    )  # fmt: skip
    count = data.draw(st.integers(1, 25))
    for n in range(count):
        mirrors = data.draw(st.lists(hosts, min_size=1, max_size=3))
        world.add(*dict.fromkeys(f"http://{host}/{n}" for host in mirrors))
    ended: list[Ended] = []
    active: list[Attempt] = []
    for step in range(3000):
        active += world.start_all()
        if world.scheduler.wake_up() == -math.inf:
            ended += world.lost()
            continue
        if not world.scheduler.total:
            break
        if not active:
            assert world.scheduler.wake_up() < math.inf, "nothing will ever happen again"
            world.now = max(world.now, world.scheduler.wake_up())
            continue
        attempt = active.pop(data.draw(st.integers(0, len(active) - 1)) if step < 300 else 0)
        outcome = data.draw(outcomes) if step < 300 else REFUSED
        if outcome.proxy_failed and attempt.proxy is None:
            outcome = RESET
        if (end := world.end(attempt, outcome)) is not None:
            ended.append(end)
    assert sorted(each.task.row for each in ended) == list(range(1, count + 1))
    assert world.scheduler.active == len(world.scheduler._lost) == 0


# on the wire


class Notices:
    """A reporter that keeps what people are told at once."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def on(self, event: Reported) -> None:
        if isinstance(event, Notice) and event.verbosity == 0:
            self.messages.append(event.message)

    def close(self) -> None:
        pass


def run(
    engine_name: str, urls: list[str], dest: Path, **settings: Any
) -> tuple[pdl.Summary, list[pdl.Result], Notices]:
    notices = settings.pop("progress", None) or Notices()
    options = {"engine": engine_name, "jobs": 4, "retries": 2, "retry_delay": 0.02, "progress": notices, **settings}
    with pdl.iter_downloads(urls, dest, **options) as downloads:
        results = list(downloads)
    summary = downloads.summary
    assert summary.done + summary.skipped + summary.failed == summary.read == len(urls)
    assert summary.left == 0
    return summary, results, notices


def test_a_dead_proxy_costs_the_run_a_few_tries_and_nothing_goes_directly(
    engine_name, server: FaultServer, tls_server: FaultServer, refused_url: str, tmp_path: Path
):
    urls = [origin.url(f"/file/{n}") for n in range(200) for origin in (server, tls_server)]
    proxy = refused_url.removesuffix("/refused").replace("//", "//u:sEcReT@")
    summary, results, notices = run(engine_name, urls, tmp_path, proxy=proxy)
    assert summary.failed_by_kind == {"proxy": 400}
    assert sum(result.attempts for result in results) <= 4 + SUSPECTED + 2
    assert len(notices.messages) == 1
    assert "sEcReT" not in repr(results) + notices.messages[0]
    assert not server.requests
    assert not tls_server.requests


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_that_refuses_connections_is_blamed_for_that(
    engine_name, server: FaultServer, tls_server: FaultServer, refused_url: str, tmp_path: Path, secure: bool
):
    url = (tls_server if secure else server).url("/file")
    proxy = refused_url.removesuffix("/refused")
    _, (result,), _ = run(engine_name, [url], tmp_path, proxy=proxy, retries=0)
    assert result.kind is Kind.PROXY
    assert result.message.startswith("the proxy cannot be reached: cannot connect: ")


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_that_wants_other_credentials_ends_the_run_early(
    engine_name, server: FaultServer, tls_server: FaultServer, ca_pem: str, tmp_path: Path, secure: bool
):
    origin = tls_server if secure else server
    with ProxyServer(credentials="user:password") as proxy:
        urls = [origin.url(f"/file/{n}") for n in range(100)]
        summary, results, notices = run(engine_name, urls, tmp_path, proxy=proxy.url, cacert=ca_pem)
        assert len(proxy.requests) <= 4 + SUSPECTED
    assert summary.failed_by_kind == {"proxy": 100}
    assert max(result.attempts for result in results) == 1
    assert len(notices.messages) == 1


def test_a_proxy_whose_certificate_is_strange_is_given_up(
    engine_name, server: FaultServer, authority, tmp_path: Path
):
    with ProxyServer(tls=authority.context()) as proxy:
        urls = [server.url(f"/file/{n}") for n in range(50)]
        summary, results, notices = run(engine_name, urls, tmp_path, proxy=proxy.url)
    assert summary.failed_by_kind == {"proxy": 50}
    assert max(result.attempts for result in results) == 1
    assert len(notices.messages) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_a_tunnel_that_is_refused_for_the_origins_sake_is_that_urls_failure(
    engine_name, server: FaultServer, tls_server: FaultServer, ca_pem: str, tmp_path: Path, status: int
):
    with ProxyServer(connect_status=status) as proxy:
        urls = [tls_server.url(f"/file/{n}") for n in range(6)] + [server.url("/file/plain")]
        settings = {"proxy": proxy.url, "cacert": ca_pem, "retries": 1, "jobs": 1}
        summary, results, notices = run(engine_name, urls, tmp_path, **settings)
        assert len([record for record in proxy.requests if record.method == "CONNECT"]) == 12
    assert (summary.done, summary.failed_by_kind, notices.messages) == (1, {"proxy": 6}, [])
    assert all(str(status) in result.message for result in results if result.kind is Kind.PROXY)


def test_a_mirror_that_is_reached_directly_is_used_where_the_proxy_is_dead(
    engine_name, server: FaultServer, refused_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", refused_url.removesuffix("/refused"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    lines = [f"http://h{n}.example/{n}\t{server.url(f'/file/{n}')}" for n in range(30)]
    summary, results, _ = run(engine_name, lines, tmp_path)
    assert summary.done == 30
    assert sum(result.attempts for result in results) <= 30 + 4 + SUSPECTED + 2


def test_a_proxy_that_comes_back_carries_all(engine_name, server: FaultServer, tmp_path: Path):
    """It listens from the moment on at which the run tells that it waits for it."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    with ExitStack() as stack:
        stack.callback(bound.close)
        port = bound.getsockname()[1]

        class Mender(Notices):
            def on(self, event: Reported) -> None:
                super().on(event)
                if isinstance(event, Notice) and "wait" in event.message:
                    bound.close()
                    stack.enter_context(ProxyServer(port=port))

        mender = Mender()
        urls = [server.url(f"/file/{n}") for n in range(40)]
        proxy = f"http://127.0.0.1:{port}"
        summary, results, _ = run(engine_name, urls, tmp_path, proxy=proxy, progress=mender, retries=5)
    assert summary.done == 40
    assert sum(result.attempts for result in results) <= 40 + 4 + SUSPECTED
    assert mender.messages == []


def test_a_proxy_that_never_answers_is_given_up(engine_name, server: FaultServer, tls_server, tmp_path: Path):
    with Deaf() as deaf:
        urls = [origin.url(f"/file/{n}") for n in range(20) for origin in (server, tls_server)]
        settings = {"proxy": f"http://127.0.0.1:{deaf.port}", "connect_timeout": 0.3, "retries": 1}
        summary, results, notices = run(engine_name, urls, tmp_path, **settings)
    assert summary.failed_by_kind == {"proxy": 40}
    assert sum(result.attempts for result in results) <= 4 + SUSPECTED + 1
    assert "--connect-timeout" in notices.messages[0]


def test_the_end_of_a_files_time_is_no_failure_of_the_proxy(engine_name, server: FaultServer, tmp_path: Path):
    with Deaf() as deaf:
        settings = {"proxy": f"http://127.0.0.1:{deaf.port}", "max_time": 0.3, "retries": 0}
        summary, _, notices = run(engine_name, [server.url("/file")], tmp_path, **settings)
    assert (summary.failed_by_kind, notices.messages) == ({"timeout": 1}, [])
