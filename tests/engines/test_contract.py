"""The engine contract of CONTRIBUTING.md, line by line, on every registered engine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from carrying import attempts_for, carry, engine_of, fetch_one, outcomes
from fault_table import covering
from faultserver import FaultServer
from in_workers import run_at_start

from pdl import engines
from pdl.errors import EngineError, Kind
from pdl.model import Advanced, Attempt, Digest, Finished, Responded, Verdict
from pdl.settings import Settings

FAILURES = {
    "/status/404": (Kind.HTTP, 404, 29),
    "/status/503": (Kind.HTTP, 503, 29),
    "/status/204": (Kind.EMPTY, 204, 31),
    "/status/205": (Kind.EMPTY, 205, 31),
    "/no-content-with-body": (Kind.EMPTY, 204, 31),
    "/status/304": (Kind.PROTOCOL, 304, 31),
    "/partial-unasked": (Kind.PROTOCOL, 206, 12),
    "/cut": (Kind.TRUNCATED, 200, 1),
    "/chunks-cut": (Kind.TRUNCATED, 200, 2),
    "/chunk-cut": (Kind.TRUNCATED, 200, 2),
    "/trailer-cut": (Kind.TRUNCATED, 200, 2),
    "/reset/before-head": (Kind.RESET, None, 6),
    "/reset/in-head": (Kind.RESET, None, 7),
    "/reset/in-body": (Kind.RESET, 200, 4),
    "/reset/in-chunks": (Kind.RESET, 200, 4),
    "/reset/until-close": (Kind.RESET, 200, 4),
    "/no-reply/always": (Kind.RESET, None, 6),
    "/head-cut": (Kind.RESET, None, 7),
    "/not-http": (Kind.PROTOCOL, None),
    "/not-http/unended": (Kind.PROTOCOL, None),
    "/version/1.2": (Kind.PROTOCOL, None),
    "/version/2": (Kind.PROTOCOL, None),
    "/length/negative": (Kind.PROTOCOL, None, 20),
    "/length/junk": (Kind.PROTOCOL, None, 20),
    "/length/overflow": (Kind.PROTOCOL, None, 20),
    "/length/differing": (Kind.PROTOCOL, None, 20),
    "/header/nul": (Kind.PROTOCOL, None),
    "/header/flood": (Kind.PROTOCOL, None, 37),
    "/header/long": (Kind.PROTOCOL, None, 37),
    "/informed/flood": (Kind.PROTOCOL, None, 30),
    "/informed/only": (Kind.RESET, None, 30),
    "/chunk-size/negative": (Kind.PROTOCOL, 200, 3),
    "/chunk-size/junk": (Kind.PROTOCOL, 200, 3),
    "/chunk-size/empty": (Kind.PROTOCOL, 200, 3),
    "/chunk-size/huge": (Kind.TRUNCATED, 200, 3),
    "/chunk-size/overflow": (Kind.PROTOCOL, 200, 3),
    "/chunk-size/too-small": (Kind.PROTOCOL, 200, 3),
    "/gzip?label=br": (Kind.CODING, 200, 19),
    "/gzip?codings=6": (Kind.CODING, 200, 19),
    "/gzip?flip=100": (Kind.CODING, 200, 19),
    "/gzip?short=9": (Kind.TRUNCATED, 200, 19),
    "/gzip-cut": (Kind.TRUNCATED, 200, 19),
    "/bomb?codings=2": (Kind.CODING, 200, 19),
    "/redirect/nowhere": (Kind.REDIRECT, 302, 23),
    "/redirect?to=file:///etc/passwd": (Kind.BLOCKED, 302, 25),
}
"""What a target that fails is called, the status that stands beside it, and the row in the table of faults."""

GOOD = {
    "/file?size=0": 31,
    "/file?size=1": None,
    "/file?size=300000": None,
    "/file/with%20space?q=a%2fb&x=~%7E": None,
    "/chunked?size=100000": None,
    "/until-close?size=100000": None,
    "/empty": 31,
    "/gzip?size=300000": 17,
    "/gzip?codings=5&junk=9": 19,
    "/informed/briefly": 30,
    "/length/identical": 20,
    "/length/listed": 20,
    "/length/and-chunked": 21,
    "/length/too-small": 22,
    "/no-reply/when-reused": 6,
    "/closes-silently": 6,
}
"""What every engine must fetch whole, with the row in the table of faults where it is one."""


@pytest.mark.parametrize("target", covering({target: [row] if row else [] for target, row in GOOD.items()}))
def test_a_good_reply_is_fetched_whole(engine_name, server: FaultServer, tmp_path: Path, target: str):
    with engine_of(engine_name) as engine:
        outcome = fetch_one(engine, server.url(target), tmp_path)
    assert (outcome.verdict, outcome.kind, outcome.message) == (Verdict.DONE, None, "")
    expected = b"" if target == "/empty" else server.content(target)
    assert (tmp_path / "1.part").read_bytes() == expected
    assert outcome.size == len(expected)


@pytest.mark.parametrize("target", covering({target: rows for target, (_, _, *rows) in FAILURES.items()}))
def test_a_fault_is_a_value_with_the_same_name_on_every_engine(
    engine_name, server: FaultServer, tmp_path: Path, target: str
):
    with engine_of(engine_name, timeout=2.0) as engine:
        outcome = fetch_one(engine, server.url(target), tmp_path)
    assert (outcome.verdict, outcome.kind, outcome.status) == (Verdict.FAILED, *FAILURES[target][:2]), outcome


@pytest.mark.fault(47, 49)
def test_a_refused_connection_a_dead_name_and_a_bad_certificate_are_values(
    engine_name, refused_url: str, tls_server: FaultServer, tmp_path: Path
):
    urls = [refused_url, "http://no-such-name.invalid/", tls_server.url("/file")]
    with engine_of(engine_name) as engine:
        found = outcomes(carry(engine, attempts_for(urls, tmp_path)))
    assert [found[n].kind for n in (1, 2, 3)] == [Kind.CONNECT, Kind.DNS, Kind.TLS]


@pytest.mark.fault(8)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_says_nothing_times_out(engine_name, tmp_path: Path, scheme: str):
    """Over https no connection stands before the handshake has ended."""
    limits = {"connect_timeout": 0.2, "timeout": 600.0} if scheme == "https" else {"timeout": 0.2}
    with socket.create_server(("127.0.0.1", 0)) as silent, engine_of(engine_name, **limits) as engine:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/"
        assert fetch_one(engine, url, tmp_path).kind is Kind.TIMEOUT


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize("target", ["/stall/before-head", "/stall/in-body", "/drip?interval=0.1", "/drip-in-head"])
def test_what_comes_too_slowly_times_out(engine_name, server: FaultServer, tmp_path: Path, target: str):
    with engine_of(engine_name, timeout=0.3) as engine:
        assert fetch_one(engine, server.url(target), tmp_path).kind is Kind.TIMEOUT


@pytest.mark.fault(38)
def test_a_body_without_end_stops_at_the_largest_size(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, max_filesize=100_000) as engine:
        kinds = [fetch_one(engine, server.url(t), tmp_path).kind for t in ("/endless", "/endless-chunks")]
    assert kinds == [Kind.TOO_LARGE, Kind.TOO_LARGE]
    assert not list(tmp_path.iterdir())


@pytest.mark.fault(58)
def test_a_wrong_digest_fails_and_leaves_no_part(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name) as engine:
        outcome = fetch_one(engine, server.url("/file"), tmp_path, digest=Digest("sha256", "0" * 64))
    assert outcome.kind is Kind.DIGEST
    assert not list(tmp_path.iterdir())


@pytest.mark.fault(54)
def test_an_outcome_that_no_pipe_holds_at_once_comes_through(engine_name, server: FaultServer, tmp_path: Path):
    etag = '"' + "x" * 90_000 + '"'
    attempts = attempts_for([server.url(f"/cut/{n}?etag={etag}") for n in range(10)], tmp_path)
    with engine_of(engine_name) as engine:
        found = outcomes(carry(engine, attempts))
    assert {outcome.kind for outcome in found.values()} == {Kind.TRUNCATED}
    assert {outcome.partial and outcome.partial.if_range for outcome in found.values()} == {etag}


@pytest.mark.fault(5)
def test_over_tls_an_end_without_closing_alert_is_a_cut(engine_name, tls_server, ca_pem: str, tmp_path: Path):
    with engine_of(engine_name, cacert=ca_pem) as engine:
        whole = fetch_one(engine, tls_server.url("/until-close?size=5000"), tmp_path)
        cut = fetch_one(engine, tls_server.url("/until-close-cut?size=5000"), tmp_path)
    assert (whole.verdict, cut.kind) == (Verdict.DONE, Kind.TRUNCATED)


def test_a_redirect_is_given_back_and_not_followed(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name) as engine:
        outcome = fetch_one(engine, server.url("/redirect?to=/file/next"), tmp_path)
    assert (outcome.verdict, outcome.location) == (Verdict.REDIRECT, server.url("/file/next"))
    assert [record.path for record in server.requests] == ["/redirect"]


# line 1: exactly one Finished, and nothing after it


def test_every_attempt_ends_once_and_nothing_comes_after(engine_name, server: FaultServer, tmp_path: Path):
    targets = ["/file?size=2000000", "/status/404", "/cut", "/file", "/reset/in-body"] * 6
    attempts = attempts_for([server.url(target) for target in targets], tmp_path)
    with engine_of(engine_name, jobs=5) as engine:
        events = carry(engine, attempts)
        events += engine.wait(0.05)
    over: set[int] = set()
    for event in events:
        assert event.attempt not in over, f"{event} came after the end of its attempt"
        if isinstance(event, Finished):
            over.add(event.attempt)
    assert over == {attempt.id for attempt in attempts}


# line 2: a worker that raises ends its attempt


BREAKABLE = """
    import os
    from pdl.http.transfer import Transfer

    real = Transfer.request

    def request(transfer):
        if os.path.exists({switch!r}):
            raise ZeroDivisionError("on purpose")
        return real(transfer)

    Transfer.request = request
"""
"""What a worker process runs first, as nobody can patch it later."""


@pytest.fixture
def breaking(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], AbstractContextManager[None]]:
    """A block in which those that carry attempts raise, in engines that are made after this was asked for."""
    from pdl.http.transfer import Transfer  # noqa: PLC0415 - patched here, where its name is looked up

    folder = tmp_path_factory.mktemp("breaking")
    switch = folder / "broken"
    run_at_start(monkeypatch, folder, BREAKABLE.format(switch=str(switch)))

    def broken(_: Transfer) -> None:
        raise ZeroDivisionError("on purpose")

    @contextmanager
    def block() -> Iterator[None]:
        switch.touch()
        with monkeypatch.context() as patch:
            patch.setattr(Transfer, "request", broken)
            yield
        switch.unlink()

    return block


@pytest.mark.fault(53)
def test_a_worker_that_raises_ends_its_attempt_with_kind_worker(
    engine_name, server: FaultServer, tmp_path: Path, breaking
):
    with engine_of(engine_name) as engine:
        with breaking():
            outcome = fetch_one(engine, server.url("/file"), tmp_path)
        assert outcome.kind is Kind.WORKER
        assert "ZeroDivisionError: on purpose" in outcome.message
        assert fetch_one(engine, server.url("/file"), tmp_path).verdict is Verdict.DONE


# line 3: never more than its capacity


def _release_when_all_stall(server: FaultServer, attempts: list[Attempt]) -> None:
    server.wait_until(lambda: server.in_flight("/stall") == len(attempts))
    for attempt in attempts:
        server.release(attempt.url.removeprefix(server.origin))


def test_an_engine_carries_as_many_attempts_at_once_as_it_says(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, jobs=6) as engine:
        attempts = attempts_for([server.url(f"/stall/before-head/{n}") for n in range(engine.capacity)], tmp_path)
        releaser = threading.Thread(target=_release_when_all_stall, args=(server, attempts))
        releaser.start()
        assert len(outcomes(carry(engine, attempts))) == len(attempts)
        releaser.join()
    assert engine.capacity == (1 if engine_name == "sequential" else 6)
    assert server.max_in_flight("/stall") == engine.capacity


# line 4: Advanced is advice


def test_a_long_body_is_told_of_before_it_ends_and_throttled(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url("/drip?size=100&interval=0.01")
    with engine_of(engine_name, min_speed=0) as engine:
        events = carry(engine, attempts_for([url], tmp_path))
    responded = [event for event in events if isinstance(event, Responded)]
    sizes = [event.size for event in events if isinstance(event, Advanced)]
    assert len(responded) == 1
    assert (responded[0].length, bool(responded[0].partial)) == (100, True)
    assert sizes == sorted(sizes)
    assert 1 <= len(sizes) <= 30


def test_a_short_body_is_not_told_of(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name) as engine:
        events = carry(engine, attempts_for([server.url(f"/file/{n}") for n in range(20)], tmp_path))
    assert all(isinstance(event, Finished) for event in events)


# line 5: events come out of wait, in the caller's thread; start never blocks


def test_start_does_not_wait_for_the_network(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, timeout=30.0) as engine:
        engine.start(attempts_for([server.url("/stall/before-head")], tmp_path)[0])
        assert not server.requests or engine_name != "sequential"


# line 6: close returns soon and leaves nothing


@pytest.mark.parametrize("target", ["/stall/before-head", "/stall/in-body?size=100000", "/drip?interval=0.01"])
def test_close_ends_what_is_under_way_and_leaves_nothing(
    engine_name, server: FaultServer, tmp_path: Path, target: str, nothing_left
):
    engine = engines.create(engine_name, Settings(jobs=4, timeout=3.0, min_speed=0))
    attempts = attempts_for([server.url(f"{target}")] * engine.capacity, tmp_path)
    for attempt in attempts:
        engine.start(attempt)
    if engine_name == "sequential":  # it works only inside wait, and here would wait for the stalled head
        if target.startswith("/drip"):
            engine.wait(0.1)
    else:
        while server.in_flight() < len(attempts):
            engine.wait(0.02)
    engine.close()
    verdicts = [event.outcome.verdict for event in engine.wait(0) if isinstance(event, Finished)]
    assert verdicts == [Verdict.STOPPED] * len(attempts)


HANGING = """
    import pathlib, socket, threading

    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if str(host).endswith(".hanging"):
            pathlib.Path({asked!r}, host).touch()
            threading.Event().wait()
        return real(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
"""
"""What a worker process runs first; there nothing sets the event."""


class HangingNames(threading.Event):
    """Names below .hanging resolve only when this is set.

    Args:
        folder: shows which were asked for.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def asked(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def hanging_names(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HangingNames]:
    names, real = HangingNames(tmp_path_factory.mktemp("asked")), socket.getaddrinfo
    run_at_start(monkeypatch, tmp_path_factory.mktemp("hanging"), HANGING.format(asked=str(names.folder)))

    def getaddrinfo(host, *args, **kwargs):
        if str(host).endswith(".hanging"):
            (names.folder / host).touch()
            names.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "hung")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield names
    names.set()


@pytest.mark.fault(47)
def test_close_does_not_wait_for_name_resolution(engine_name, hanging_names, tmp_path: Path, nothing_left):
    engine = engines.create(engine_name, Settings(jobs=4, connect_timeout=60.0))
    for attempt in attempts_for(["http://a.hanging/", "http://b.hanging/"], tmp_path)[: engine.capacity]:
        engine.start(attempt)
    assert engine.wait(0.2) == []
    while len(hanging_names.asked()) < min(2, engine.capacity):
        assert engine.wait(0.02) == []
    engine.close()
    verdicts = [event.outcome.verdict for event in engine.wait(0) if isinstance(event, Finished)]
    assert verdicts == [Verdict.STOPPED] * min(2, engine.capacity)
    hanging_names.set()


@pytest.mark.fault(47)
def test_a_hanging_name_times_out_and_holds_nobody_else(
    engine_name, hanging_names, server: FaultServer, tmp_path: Path
):
    urls = ["http://a.hanging/", *(server.url(f"/file/{n}") for n in range(5))]
    with engine_of(engine_name, connect_timeout=0.5) as engine:
        found = outcomes(carry(engine, attempts_for(urls, tmp_path)))
    assert found.pop(1).kind is Kind.TIMEOUT
    assert {outcome.verdict for outcome in found.values()} == {Verdict.DONE}


def test_a_finished_job_leaves_nothing(engine_name, server: FaultServer, tmp_path: Path, nothing_left):
    with engine_of(engine_name) as engine:
        carry(engine, attempts_for([server.url(f"/file/{n}") for n in range(30)], tmp_path))


def test_a_closed_engine_takes_no_further_attempt(engine_name, tmp_path: Path):
    with engine_of(engine_name) as engine:
        engine.close()
        with pytest.raises(EngineError, match="make a new one"):
            engine.start(attempts_for(["http://127.0.0.1/"], tmp_path)[0])


def test_a_reply_that_is_not_wanted_is_not_waited_for(engine_name, server: FaultServer, tmp_path: Path):
    """The body of the 404 stalls; the time-out would make it TIMEOUT or take five seconds a piece."""
    targets = [f"/stall/in-body/{n}?size=5000" for n in range(3)]
    with engine_of(engine_name, max_filesize=10) as engine:
        found = outcomes(carry(engine, attempts_for([server.url(target) for target in targets], tmp_path)))
    assert {outcome.kind for outcome in found.values()} == {Kind.TOO_LARGE}


@pytest.mark.fault(6)
def test_a_reset_of_a_connection_used_again_costs_nothing(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, jobs=1) as engine:
        first = fetch_one(engine, server.url("/file/first"), tmp_path)
        second = fetch_one(engine, server.url("/reset/before-head?times=1"), tmp_path)
    assert (first.verdict, second.verdict) == (Verdict.DONE, Verdict.DONE)


# line 8: the same requests on the wire


@pytest.mark.fault(17, 59)
def test_the_request_is_the_same_to_the_byte(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url("/File/%7euser/a%2Fb;c=1?x=[1]&y=%e9 z")
    extra = (("X-Api-Key", "k"), ("X-Twice", "1"), ("X-Twice", "2"))
    with engine_of(engine_name) as engine:
        fetch_one(engine, url, tmp_path, headers=extra, credentials="user:pässword")
    record = server.requests[0]
    assert (record.method, record.version) == ("GET", "HTTP/1.1")
    assert record.target == "/File/%7euser/a%2Fb;c=1?x=%5B1%5D&y=%e9%20z"
    assert record.headers == (
        ("Host", server.origin.removeprefix("http://")),
        ("User-Agent", Settings().user_agent),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("Authorization", "Basic dXNlcjpww6Rzc3dvcmQ="),
        *extra,
    )


def test_a_cookie_is_not_answered(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, jobs=1) as engine:
        fetch_one(engine, server.url("/file?field=Set-Cookie:%20a=b"), tmp_path)
        fetch_one(engine, server.url("/file/2"), tmp_path)
    assert [record.header("Cookie") for record in server.requests] == [None, None]


def test_connections_are_used_again(engine_name, server: FaultServer, tmp_path: Path):
    with engine_of(engine_name, jobs=2) as engine:
        carry(engine, attempts_for([server.url(f"/file/{n}") for n in range(20)], tmp_path))
    assert len({record.connection for record in server.requests}) <= 2


# line 9: a consumer that holds the loop


@pytest.mark.fault(52)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_consumer_that_holds_the_loop_costs_no_attempt(
    engine_name, server: FaultServer, tls_server: FaultServer, ca_pem: str, tmp_path: Path, scheme: str
):
    origin = server if scheme == "http" else tls_server
    attempts = attempts_for(
        [origin.url(f"/file/{n}?size=3000000&delay=0.1") for n in range(3)], tmp_path, time_limit=0.9
    )
    with engine_of(engine_name, timeout=0.5, connect_timeout=0.5, cacert=ca_pem) as engine:
        attempts = attempts[: engine.capacity]
        for attempt in attempts:
            engine.start(attempt)
        found = {}
        hold = threading.Event()
        for _ in range(200):
            if len(found) == len(attempts):
                break
            hold.wait(1.0 if len(found) == 0 and _ < 2 else 0)  # nobody sets it: the consumer is busy
            found |= outcomes(engine.wait(0.05))
    if engine_name == "threads" or engine_name.startswith(
        "processes"
    ):  # their workers work on meanwhile, and so do the clocks
        assert len(found) == len(attempts)
    else:
        assert {outcome.verdict for outcome in found.values()} == {Verdict.DONE}
