"""Where the time of a download went, as every engine tells it: by lower bounds, as a busy machine adds to all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from carrying import engine_of, fetch_one
from faultserver import FaultServer, ProxyServer
from hypothesis import given
from hypothesis import strategies as st

import pdl
from pdl.errors import Kind
from pdl.model import Notice, Outcome, Progress, Result, Timings, Verdict

EARLY = 0.05
"""Seconds by which a library may look at its clock before it reads what has come."""
ROUNDING = 0.001

seconds = st.none() | st.floats(0.0, 1e6)


def told(given: Outcome | Result) -> Timings:
    """The timings, which must be there."""
    assert given.timings is not None, given
    return given.timings


def total(timings: Timings) -> float:
    return sum(each for each in timings if each is not None)


# -- the value


@given(dns=seconds, connect=seconds, tls=seconds, wait=st.floats(0.0, 1e6), body=seconds)
def test_the_first_byte_came_after_all_that_is_known_from_before_the_body(dns, connect, tls, wait, body):
    timings = Timings(dns, connect, tls, wait, body)
    assert timings.first_byte == pytest.approx(total(timings._replace(body=None)))


@given(dns=seconds, connect=seconds, tls=seconds)
def test_without_a_response_there_is_no_first_byte(dns, connect, tls):
    assert Timings(dns, connect, tls, None, None).first_byte is None


# -- phases


def test_each_phase_has_the_time_that_the_server_took_in_it(engine_name, server: FaultServer, tmp_path: Path):
    target = "/drip/file?delay=0.3&size=2&interval=0.2"
    with engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, server.url(target).replace("127.0.0.1", "localhost"), tmp_path)
    assert outcome.verdict is Verdict.DONE
    dns, connect, tls, wait, body = told(outcome)
    assert dns > 0.0
    assert connect > 0.0
    assert tls == 0.0
    assert wait >= 0.3 - EARLY
    assert body >= 0.4 - EARLY
    assert told(outcome).first_byte == dns + connect + wait


def test_an_address_needs_no_look_up(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timings=True) as engine:
        assert told(fetch_one(engine, server.url("/file"), tmp_path)).dns == 0.0


def test_tls_has_a_phase_of_its_own(engine_name, tls_server: FaultServer, ca_pem: str, tmp_path: Path):
    with engine_of(engine_name, timings=True, cacert=ca_pem) as engine:
        timings = told(fetch_one(engine, tls_server.url("/file?delay=0.2"), tmp_path))
    assert timings.connect > 0.0
    assert timings.tls > 0.0
    assert timings.wait >= 0.2 - EARLY


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_kept_connection_costs_nothing_but_the_wait_for_its_answer(
    engine_name, server: FaultServer, tls_server: FaultServer, ca_pem: str, tmp_path: Path, secure: bool
):
    origin = tls_server if secure else server
    with engine_of(engine_name, timings=True, jobs=1, cacert=ca_pem) as engine:
        first = told(fetch_one(engine, origin.url("/file/first"), tmp_path))
        second = told(fetch_one(engine, origin.url("/file/second?delay=0.2"), tmp_path))
    assert len({record.connection for record in origin.requests}) == 1
    assert first.connect > 0.0
    assert second[:3] == (0.0, 0.0, 0.0)
    assert second.wait >= 0.2 - EARLY
    assert second.first_byte == second.wait


def test_a_kept_connection_that_has_died_is_not_what_is_told_of(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timings=True, jobs=1) as engine:
        fetch_one(engine, server.url("/file/first"), tmp_path)
        outcome = fetch_one(engine, server.url("/no-reply/when-reused"), tmp_path)
    assert outcome.verdict is Verdict.DONE
    assert told(outcome).connect > 0.0


def test_informational_responses_do_not_end_the_wait(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timings=True) as engine:
        timings = told(fetch_one(engine, server.url("/informed/briefly?interval=0.1"), tmp_path))
    assert timings.wait >= 0.3 - EARLY


def test_a_refusal_by_status_has_all_phases(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, server.url("/status/404?delay=0.2"), tmp_path)
    assert outcome.status == 404
    assert None not in told(outcome)
    assert told(outcome).wait >= 0.2 - EARLY


# -- phases that were not reached


def test_without_a_connection_nothing_follows_the_name(engine_name, refused_url: str, tmp_path: Path):
    with engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, refused_url, tmp_path)
    assert outcome.kind is Kind.CONNECT
    assert told(outcome) == (0.0, None, None, None, None)
    assert told(outcome).first_byte is None


def test_without_addresses_nothing_was_reached(engine_name, tmp_path: Path):
    with engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, "http://no-such-name.invalid/", tmp_path)
    assert outcome.kind is Kind.DNS
    assert told(outcome) == (None, None, None, None, None)


def test_a_handshake_that_fails_ends_the_phases(engine_name, tls_server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, tls_server.url("/file"), tmp_path)
    assert outcome.kind is Kind.TLS
    assert told(outcome).connect > 0.0
    assert told(outcome)[2:] == (None, None, None)


@pytest.mark.parametrize("target", ["/head-cut", "/informed/only", "/no-reply/always"])
def test_without_a_whole_head_there_was_no_response(engine_name, server: FaultServer, tmp_path: Path, target: str):
    with engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, server.url(target), tmp_path)
    assert outcome.kind is Kind.RESET
    assert told(outcome).connect > 0.0
    assert told(outcome)[3:] == (None, None)


def test_an_answer_that_never_came_has_no_wait(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timings=True, timeout=0.5) as engine:
        outcome = fetch_one(engine, server.url("/stall/before-head"), tmp_path)
    assert outcome.kind is Kind.TIMEOUT
    assert told(outcome).connect > 0.0
    assert told(outcome)[3:] == (None, None)


def test_a_body_that_stalls_counts_until_it_is_given_up(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timings=True, timeout=0.5) as engine:
        outcome = fetch_one(engine, server.url("/stall/in-body?at=5"), tmp_path)
    assert outcome.kind is Kind.TIMEOUT
    assert told(outcome).body >= 0.5 - EARLY


# -- proxies


def test_through_a_proxy_it_is_the_proxy_that_is_connected_to(
    engine_name, server: FaultServer, proxy_server: ProxyServer, tmp_path: Path
):
    with engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, server.url("/file?delay=0.2"), tmp_path, proxy=proxy_server.url)
    assert outcome.verdict is Verdict.DONE
    assert told(outcome).connect > 0.0
    assert told(outcome).tls == 0.0
    assert told(outcome).wait >= 0.2 - EARLY


def test_a_tunnel_is_part_of_the_connection(
    engine_name, tls_server: FaultServer, proxy_server: ProxyServer, ca_pem: str, tmp_path: Path
):
    with engine_of(engine_name, timings=True, cacert=ca_pem) as engine:
        outcome = fetch_one(engine, tls_server.url("/file?delay=0.2"), tmp_path, proxy=proxy_server.url)
    assert outcome.verdict is Verdict.DONE
    timings = told(outcome)
    assert timings.connect > 0.0
    assert timings.tls is None if engine_name in ("curl", "processes+curl") else timings.tls > 0.0
    assert timings.wait >= 0.2 - EARLY


def test_a_tunnel_that_is_refused_is_no_connection(engine_name, tls_server: FaultServer, tmp_path: Path):
    with ProxyServer(connect_status=403) as proxy, engine_of(engine_name, timings=True) as engine:
        outcome = fetch_one(engine, tls_server.url("/file"), tmp_path, proxy=proxy.url)
    assert outcome.kind is Kind.PROXY
    assert told(outcome) == (0.0, None, None, None, None)


# -- results


def run(engine_name: str, urls: list[str], dest: Path, **settings: Any) -> dict[str, Result]:
    """Results by URL."""
    options = {"jobs": 4, "retry_delay": 0.01, "timeout": 5.0, "timings": True, **settings}
    return {result.url: result for result in pdl.iter_downloads(urls, dest, engine=engine_name, **options)}


def test_nothing_is_measured_unless_it_is_wanted(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name) as engine:
        assert fetch_one(engine, server.url("/file"), tmp_path).timings is None
        assert fetch_one(engine, server.url("/status/404"), tmp_path).timings is None
    url = server.url("/file")
    assert run(engine_name, [url], tmp_path / "dest", timings=False)[url].timings is None


def test_the_phases_of_one_attempt_are_within_the_time_of_its_download(
    engine_name, server: FaultServer, tls_server: FaultServer, refused_url: str, ca_pem: str, tmp_path: Path
):
    targets = ["/file/{}?delay=0.05", "/drip/{}?size=3&interval=0.02", "/chunked/{}?size=300000", "/status/404/{}"]
    origins = (server, tls_server)
    urls = [origin.url(target.format(n)) for origin in origins for target in targets for n in range(6)]
    results = run(engine_name, [*urls, refused_url], tmp_path, cacert=ca_pem, retries=0)
    assert len(results) == len(urls) + 1
    for result in results.values():
        assert result.attempts == 1
        assert min(each for each in told(result) if each is not None) >= 0.0
        assert total(told(result)) <= result.seconds + ROUNDING, result


def test_only_the_last_attempt_is_told_of(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url("/stall/before-head?times=1")
    result = run(engine_name, [url], tmp_path, timeout=1.0)[url]
    assert (result.status, result.attempts) == ("done", 2)
    assert total(told(result)) <= result.seconds - (1.0 - EARLY)


def test_of_redirects_only_the_last_hop_is_told_of(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url("/redirect?delay=0.4&to=/file")
    result = run(engine_name, [url], tmp_path)[url]
    assert result.status == "done"
    assert total(told(result)) <= result.seconds - (0.4 - EARLY)


def test_a_file_that_cannot_get_its_name_has_come_all_the_same(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url("/drip/taken?size=20")
    result = run(engine_name, [url], tmp_path, progress=Listener(lambda _: (tmp_path / "taken").touch()))[url]
    assert result.kind is Kind.NAME
    assert told(result).body >= 1.0 - EARLY


def test_entries_that_were_never_asked_for_have_no_phases(engine_name, server: FaultServer, tmp_path: Path):
    first, second = server.url("/file/a"), server.url("/status/503/b?retry_after=9000")
    third = server.url("/status/503/c?retry_after=9000")
    results = run(engine_name, [first, "no URL", second, third], tmp_path, jobs=1)
    assert results["no URL"].timings is None
    assert (results[third].attempts, results[third].timings) == (0, None)
    again = run(engine_name, [first], tmp_path)[first]
    assert (again.reason, again.timings) == ("done", None)


# -- how many are under way


class Listener:
    """Hears of a run how many downloads are under way, if there are any."""

    def __init__(self, hear: Callable[[int], object]) -> None:
        self._hear = hear
        self.last = -1

    def on(self, event: Progress | Result | Notice) -> None:
        if isinstance(event, Progress):
            self.last = event.active
            if event.active:
                self._hear(event.active)

    def close(self) -> None:
        """Nothing is held back."""


def slow(engine_name: str, name: object) -> str:
    """A target that is under way until it is released; `sequential` tells of nothing while it waits for a byte."""
    return f"/drip/{name}?size=20" if engine_name == "sequential" else f"/stall/in-body/{name}"


def test_progress_tells_how_many_are_under_way(engine_name, server: FaultServer, tmp_path: Path):
    targets = [slow(engine_name, n) for n in range(3)]
    wanted = 1 if engine_name == "sequential" else 3
    heard = []

    def hear(active: int) -> None:
        heard.append(active)
        if active == wanted:
            for target in targets:
                server.release(target)

    listener = Listener(hear)
    results = run(engine_name, [server.url(target) for target in targets], tmp_path, progress=listener)
    assert {result.status for result in results.values()} == {"done"}
    assert (max(heard), listener.last) == (wanted, 0)


def test_what_waits_for_its_retry_is_not_under_way(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    refused, target = server.url("/status/503/short?times=1&retry_after=2"), slow(engine_name, "long")
    heard = []

    def hear(active: int) -> None:
        if len(server.requests) == 1 and not server.in_flight() and other_server.in_flight():
            heard.append(active)
            if active == 1:
                other_server.release(target)

    results = run(engine_name, [refused, other_server.url(target)], tmp_path, progress=Listener(hear))
    assert {result.status for result in results.values()} == {"done"}
    assert 1 in heard
