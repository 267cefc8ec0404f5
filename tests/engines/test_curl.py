"""What only the curl engine does or promises: thousands at once, handles that forget, signals, and few imports."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import realservers
from carrying import attempts_for, carry, engine_of, fetch_one, outcomes
from faultserver import FaultServer, ProxyServer

from pdl.model import Verdict

pytest.importorskip("pycurl")
import pycurl

from pdl.engines import limits
from pdl.engines.curl import engine as curl_engine
from pdl.engines.curl import names
from pdl.engines.curl.watch import READ, EpollWatch

CROWD = 2000


# thousands at once


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process and those that it starts may open enough files, as the command sees to for itself."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit to raise")
    enough = 3 * CROWD
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < enough:
        if hard != resource.RLIM_INFINITY and hard < enough:
            pytest.skip(f"only {hard} files may be open here, and {enough} are needed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_transfers_are_under_way_at_once(many_descriptors, tmp_path: Path):
    crowd = Path(realservers.__file__).with_name("crowd.py")
    with subprocess.Popen(
        [sys.executable, crowd, str(CROWD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        port = int(server.stdout.readline())
        attempts = attempts_for([f"http://127.0.0.1:{port}/{n}" for n in range(CROWD)], tmp_path)
        with engine_of("curl", jobs=CROWD, timeout=25.0, connect_timeout=25.0) as engine:
            found = outcomes(carry(engine, attempts))
        most, _ = server.communicate()
    assert int(most) == CROWD
    assert {(each.verdict, each.size) for each in found.values()} == {(Verdict.DONE, 5)}


@pytest.mark.fault(51, engine="curl")
@pytest.mark.parametrize(
    ("limit", "jobs", "capacity", "connections"),
    [(None, 16, 16, 256), (None, 2000, 2000, 2000), (1_000_000, 2000, 2000, 2000), (256, 16, 16, 176),
     (256, 500, 96, 96), (40, 60, 5, 5), (10, 60, 1, 2)],
)  # fmt: skip
def test_the_limit_of_open_files_bounds_attempts_and_connections(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, jobs: int, capacity: int, connections: int
):
    monkeypatch.setattr(limits, "open_files", lambda: limit)
    assert curl_engine._affordable(jobs) == (capacity, connections)


@pytest.mark.fault(51, engine="curl")
def test_a_job_on_many_hosts_fits_into_few_open_files(server: FaultServer, tmp_path: Path):
    """Each has a connection of its own, which is kept as long as there is room."""
    program = """
        import resource, socket, sys, pdl

        real = socket.getaddrinfo
        socket.getaddrinfo = lambda host, *rest: real("127.0.0.1", *rest)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        urls = [f"http://h{n}.test:{sys.argv[1]}/file/{n}" for n in range(300)]
        print(pdl.download_all(urls, sys.argv[2], engine="curl", retries=0).done)
    """
    pytest.importorskip("resource", reason="Windows has no such limit")
    command = [sys.executable, "-c", textwrap.dedent(program), str(server.port), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == ("300\n", "")


@pytest.mark.fault(55, engine="curl")
def test_a_process_that_was_forked_does_not_keep_the_loop_busy(monkeypatch: pytest.MonkeyPatch):
    """It holds a copy of every socket, so that a closed one does not leave epoll by itself."""
    if not hasattr(select, "epoll"):
        pytest.skip("there is no epoll here")
    watch = EpollWatch()
    ours, theirs = socket.socketpair()
    other, _ = rest = socket.socketpair()
    copy = os.dup(ours.fileno())  # as a fork makes one
    watch.heed([(ours.fileno(), pycurl.POLL_IN)])
    watch.heed([(other.fileno(), pycurl.POLL_IN)])
    watch.heed([(ours.fileno(), pycurl.POLL_REMOVE)])
    ours.close()
    theirs.send(b"x")
    assert watch.ready(5.0) == []  # it is told of once, and let go
    assert watch.ready(0.0) == []
    rest[1].send(b"x")
    assert watch.ready(5.0) == [(other.fileno(), READ)]
    watch.close()
    os.close(copy)
    for one in (theirs, *rest):
        one.close()


@pytest.mark.fault(22, engine="curl")
@pytest.mark.parametrize(
    ("came", "stays"), [(b"HTTP/1.1 200 OK\r\n", False), (b"\x17\x03\x03\x00\x10", True), (b"\x15\x03", True)]
)
def test_a_kept_connection_that_something_unasked_came_over_is_ended(came: bytes, stays: bool):
    """Unless it is a record of TLS, which libcurl has to read."""
    if not hasattr(select, "epoll"):
        pytest.skip("there is no epoll here")
    watch = EpollWatch()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch.heed([(ours.fileno(), pycurl.POLL_IN)])
        watch.heed([(ours.fileno(), pycurl.POLL_REMOVE)])
        theirs.send(came)
        watch.weed(watch.news())
        assert watch.news() == []
        if stays:
            assert ours.recv(100) == came
            ours.send(b"x")
        else:
            assert ours.recv(100) == b""
            with pytest.raises(BrokenPipeError):
                ours.send(b"x")
    watch.close()


def test_a_kept_connection_of_http_3_is_left_alone():
    if not hasattr(select, "epoll"):
        pytest.skip("there is no epoll here")
    watch = EpollWatch()
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    with ours, theirs:
        watch.heed([(ours.fileno(), pycurl.POLL_IN)])
        watch.heed([(ours.fileno(), pycurl.POLL_REMOVE)])
        theirs.send(b"a packet")
        watch.weed(watch.news())
        assert ours.recv(100) == b"a packet"
        ours.send(b"x")
    watch.close()


def test_what_has_taken_the_number_of_a_kept_connection_is_left_alone():
    if not hasattr(select, "epoll"):
        pytest.skip("there is no epoll here")
    watch = EpollWatch()
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    copy = os.dup(number)  # as a fork makes one
    watch.heed([(number, pycurl.POLL_IN)])
    watch.heed([(number, pycurl.POLL_REMOVE)])
    others = socket.socketpair()
    os.dup2(others[0].fileno(), number)  # closes what it was
    theirs.send(b"something")
    others[1].send(b"something else")
    watch.weed(watch.news())
    assert others[0].recv(100) == b"something else"
    others[0].send(b"it stands")
    assert others[1].recv(100) == b"it stands"
    watch.close()
    os.close(copy)
    for one in (ours, theirs, *others):
        one.close()


@pytest.mark.fault(6, engine="curl")
def test_connections_that_died_while_they_were_kept_cost_no_attempt(server: FaultServer, tmp_path: Path):
    """libcurl gives up when it has met five of them; the next connection is a new one then."""
    with engine_of("curl", jobs=12) as engine:
        carry(engine, attempts_for([server.url(f"/file/{n}?delay=0.05") for n in range(12)], tmp_path))
        target = server.url("/no-reply/when-reused")
        found = outcomes(carry(engine, attempts_for([f"{target}/{n}" for n in range(12)], tmp_path)))
    assert {each.verdict for each in found.values()} == {Verdict.DONE}


# a handle that is used again tells nothing


SECRETS = {"credentials": "user:secret", "headers": (("X-Key", "key"), ("Cookie", "c=1"))}
FIELDS = ["Host", "User-Agent", "Accept", "Accept-Encoding"]
"""Of a request without a user's own."""


def names_in(server: FaultServer | ProxyServer, target: str) -> list[str]:
    """Names of the fields of the only request for a target."""
    (record,) = server.requests_for(target)
    return [name for name, _ in record.headers]


@pytest.mark.fault(27, engine="curl")
def test_credentials_and_headers_are_not_sent_to_the_next_host_nor_with_the_next_request(
    server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    with engine_of("curl", jobs=1) as engine:
        fetch_one(engine, server.url("/file/secret"), tmp_path, **SECRETS)
        fetch_one(engine, other_server.url("/file/other"), tmp_path)
        fetch_one(engine, server.url("/file/again"), tmp_path)
    assert names_in(server, "/file/secret") == [*FIELDS, "Authorization", "X-Key", "Cookie"]
    assert names_in(other_server, "/file/other") == FIELDS
    assert names_in(server, "/file/again") == FIELDS


@pytest.mark.fault(24, engine="curl")
def test_credentials_are_not_sent_after_a_redirect_to_another_host(
    server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    with engine_of("curl", jobs=1) as engine:
        first = fetch_one(
            engine, server.url(f"/redirect?to={other_server.url('/file/other')}"), tmp_path, **SECRETS
        )
        fetch_one(engine, first.location, tmp_path)
    assert names_in(server, "/redirect") == [*FIELDS, "Authorization", "X-Key", "Cookie"]
    assert names_in(other_server, "/file/other") == FIELDS


@pytest.mark.fault(50, engine="curl")
def test_credentials_of_a_proxy_are_sent_neither_to_origins_nor_to_another_proxy(
    server: FaultServer, proxy_server: ProxyServer, tmp_path: Path
):
    with ProxyServer(credentials="user:secret") as secret_proxy, engine_of("curl", jobs=1) as engine:
        with_secret = secret_proxy.url.replace("//", "//user:secret@")
        for n, proxy in enumerate([with_secret, proxy_server.url, None]):
            fetch_one(engine, server.url(f"/file/{n}"), tmp_path, proxy=proxy)
        assert names_in(secret_proxy, server.url("/file/0")) == [*FIELDS, "Proxy-Authorization"]
    assert names_in(proxy_server, server.url("/file/1")) == FIELDS
    assert names_in(server, "/file/0") == [*FIELDS, "Connection"]  # which is the proxy's own
    assert names_in(server, "/file/2") == FIELDS


def test_credentials_of_a_proxy_are_not_sent_through_its_tunnel(
    tls_server: FaultServer, proxy_server: ProxyServer, ca_pem: str, tmp_path: Path
):
    with ProxyServer(credentials="user:secret") as secret_proxy, engine_of("curl", jobs=1, cacert=ca_pem) as engine:
        with_secret = secret_proxy.url.replace("//", "//user:secret@")
        for n, proxy in enumerate([with_secret, proxy_server.url, None]):
            outcome = fetch_one(engine, tls_server.url(f"/file/{n}"), tmp_path, proxy=proxy, **SECRETS)
            assert outcome.verdict is Verdict.DONE
        assert names_in(secret_proxy, f"127.0.0.1:{tls_server.port}") == ["Host", "Proxy-Authorization"]
    assert names_in(proxy_server, f"127.0.0.1:{tls_server.port}") == ["Host"]
    for n in range(3):
        assert names_in(tls_server, f"/file/{n}") == [*FIELDS, "Authorization", "X-Key", "Cookie"]


# signals while libcurl is at work


INTERRUPTED = """
    import _thread, operator, signal, sys
    from functools import partial

    import pycurl

    from pdl import engines
    from pdl.model import Attempt, Finished
    from pdl.settings import Settings

    url, part, place, expected = sys.argv[1:]
    at = calls = 0
    call_it = operator.methodcaller("__call__")

    def interrupted(function):
        def call(*args):
            global calls
            calls += place != "HEADERFUNCTION" or args == (b"\\r\\n",)  # which is followed by another callback
            if calls != at:
                return function(*args)
            # the signal comes, and nothing of this line gives Python an occasion to handle it
            return [*map(call_it, (_thread.interrupt_main, partial(function, *args)))][1]
        return call

    def interrupting(kind):
        class Interrupting(kind):
            def setopt(self, option, value):
                chosen = option == getattr(pycurl, place) and callable(value)
                return super().setopt(option, interrupted(value) if chosen else value)
        return Interrupting

    def stop(*_):
        raise SystemExit("stopped")

    if expected == "SystemExit":
        signal.signal(signal.SIGINT, stop)
    if place.startswith("M_"):
        pycurl.CurlMulti = interrupting(pycurl.CurlMulti)
    else:
        pycurl.Curl = interrupting(pycurl.Curl)
    while calls >= at:
        at, calls = at + 1, 0
        engine = engines.create("curl", Settings(jobs=1))
        engine.start(Attempt(id=1, row=1, url=url, part=part))
        ends, raised = [], ""
        try:
            while not ends:
                ends = [event for event in engine.wait(1.0) if isinstance(event, Finished)]
        except BaseException as error:
            raised = type(error).__name__
        print(raised or ends[0].outcome.verdict.value, flush=True)
        at, before = 0, at
        engine.close()
        at = before
"""
"""Carries an attempt again and again, each time with a signal that comes as another callback of libcurl begins."""


@pytest.mark.parametrize("expected", ["KeyboardInterrupt", "SystemExit"])
@pytest.mark.parametrize("place", ["HEADERFUNCTION", "WRITEFUNCTION", "M_SOCKETFUNCTION"])
def test_what_a_signal_handler_raises_within_libcurl_is_neither_printed_nor_lost(
    server: FaultServer, tmp_path: Path, place: str, expected: str
):
    url = server.url("/file?size=2000000")
    script = [sys.executable, "-c", textwrap.dedent(INTERRUPTED), url, str(tmp_path / "part"), place, expected]
    run = subprocess.run(script, capture_output=True, text=True, timeout=50, check=False)
    *interrupted, last = run.stdout.split()
    assert (run.returncode, run.stderr) == (0, "")
    assert set(interrupted) == {expected}
    assert last == "done"


# what a download imports


DOWNLOADING = """
    import sys
    from pdl.cli import main

    try:
        main(sys.argv[1:])
    finally:
        print(*sorted({"gevent", "requests", "urllib3"} & set(sys.modules)), "imported")
"""


def test_a_download_imports_no_library_of_another_engine(server: FaultServer, tmp_path: Path):
    script = [sys.executable, "-c", textwrap.dedent(DOWNLOADING), server.url("/file"), "-d", tmp_path, "-e", "curl"]
    run = subprocess.run(script, capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stdout) == (0, "imported\n"), run.stderr
    assert (tmp_path / "file").read_bytes() == server.content("/file")


# names


def test_names_that_no_handle_needs_are_taken_out_of_libcurls_cache(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Only pdl knows these: one that were taken out too early, libcurl would look for in vain."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: real("127.0.0.1", *rest, **named))
    monkeypatch.setattr(names, "_MANY", 3)
    removed: list[int] = []
    remover = names.CachedNames.remover

    def counted(cached: names.CachedNames) -> object:
        removed.append(len(cached._needless))
        return remover(cached)

    monkeypatch.setattr(names.CachedNames, "remover", counted)
    hosts = [f"h{n}.test" for n in range(12)] * 3
    urls = [server.url("/file?size=10").replace("127.0.0.1", host) for host in hosts]
    with engine_of("curl", jobs=4) as engine:
        found = outcomes(carry(engine, attempts_for(urls, tmp_path)))
        kept = engine._handles.names
    assert {outcome.verdict for outcome in found.values()} == {Verdict.DONE}
    assert removed
    assert removed
    assert min(removed) >= 3
    assert len(kept._needed) <= 4


def test_an_entry_is_needless_when_its_last_handle_goes():
    cached = names.CachedNames()
    for _ in range(2):
        cached.need("h:80")
    cached.release("h:80")
    assert not cached._needless
    cached.release("h:80")
    assert list(cached._needless) == ["h:80"]
    cached.need("h:80")
    assert not cached._needless
