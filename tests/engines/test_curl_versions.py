"""The curl engine over HTTP/2 and HTTP/3, as nginx and Caddy speak them, and over https with neither."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from carrying import attempts_for, carry, engine_of, fetch_one, outcomes
from faultserver import FaultServer, content
from realservers import Caddy, Nginx, RealServer

import pdl
from pdl.errors import Kind
from pdl.model import Attempt, Engine, Outcome, Partial, Verdict

pycurl = pytest.importorskip("pycurl")
inquiries = pytest.importorskip("pdl.engines.curl.inquiries")
HOST = "127.0.0.1"
needs_http_3 = pytest.mark.skipif(
    not pycurl.version_info()[4] & pycurl.VERSION_HTTP3, reason="this libcurl does not speak HTTP/3"
)

MANY = {f"{n:02d}": content(n * 7919 % 100_000, n) for n in range(60)}
LARGE = content(5_000_000, 1)
FILES = {"some": b"some content", "empty": b"", "large": LARGE}
"""What the servers have, by name."""

Start = Callable[..., RealServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers, which take the arguments of `Nginx` and `Caddy` behind their folder and end with the test."""
    with ExitStack() as stack:

        def start(kind: type[RealServer], *args: Any, **kwargs: Any) -> RealServer:
            server = kind(tmp_path / f"server-{len(started)}", *args, **kwargs)
            started.append(server)
            stack.callback(server.close)
            return server

        started: list[RealServer] = []
        yield start


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """The folder of the part files."""
    folder = tmp_path / "parts"
    folder.mkdir()
    return folder


class Version(NamedTuple):
    """A server that speaks a version, and what an engine needs to speak it."""

    kind: type[RealServer]
    options: dict[str, Any]
    settings: dict[str, Any]


VERSIONS = {
    "HTTP/1.1": Version(Nginx, {"http2": False}, {}),
    "HTTP/2.0": Version(Nginx, {}, {}),
    "HTTP/3.0": Version(Caddy, {}, {"http3": True}),
}
every_version = pytest.mark.parametrize(
    "version", ["HTTP/1.1", "HTTP/2.0", pytest.param("HTTP/3.0", marks=needs_http_3)]
)


def engine_for(server: RealServer, **settings: Any):
    """The engine, which trusts a server."""
    return engine_of("curl", **{"cacert": server.ca_pem, "timeout": 20.0, "connect_timeout": 20.0, **settings})


def fetch_many(server: RealServer, parts: Path, **settings: Any) -> None:
    """Fetch all of `MANY` at once, each with one attempt, and look at each."""
    attempts = attempts_for([server.url(f"/{name}") for name in MANY], parts)
    with engine_for(server, **settings) as engine:
        found = outcomes(carry(engine, attempts))
    assert {(each.verdict, each.message) for each in found.values()} == {(Verdict.DONE, "")}
    for attempt, whole in zip(attempts, MANY.values(), strict=True):
        assert Path(attempt.part).read_bytes() == whole


def assert_all_went_over_one_connection(server: RealServer, protocol: str) -> None:
    logged = server.requests(len(MANY))
    assert {each.protocol for each in logged} == {protocol}
    assert len({each.connection for each in logged}) == 1


# HTTP/2


@every_version
def test_spans_of_a_file_go_over_connections_of_their_own(start: Start, tmp_path: Path, version: str):
    kind, options, settings = VERSIONS[version]
    server = start(kind, FILES, **options)
    whole = pdl.Download(server.url("/large"), digest=pdl.Digest("sha256", hashlib.sha256(LARGE).hexdigest()))
    settings = {"cacert": server.ca_pem, "split": 4, "split_size": 1 << 20, "timeout": 20.0, **settings}
    result = pdl.download(whole, tmp_path / "out", engine="curl", **settings)
    assert (result.status, result.message, result.attempts) == ("done", "", 5)
    logged = server.requests(5)  # in the order in which they ended
    spans = [each.connection for each in logged if each.protocol == "HTTP/1.1"]
    assert len(spans) == 4 + (version == "HTTP/1.1")  # the probe may have a newer version
    assert len(set(spans)) > 1


def test_http_2_carries_many_files_over_one_connection(start: Start, parts: Path):
    nginx = start(Nginx, MANY)
    fetch_many(nginx, parts, jobs=30)
    assert_all_went_over_one_connection(nginx, "HTTP/2.0")


def test_http_2_carries_as_many_at_once_as_the_engine_does(start: Start, server: FaultServer, parts: Path):
    nginx = start(Nginx, {}, upstream=server.origin)
    attempts = attempts_for([nginx.url(f"/behind/stall/before-head/{n}") for n in range(30)], parts)
    with engine_for(nginx, jobs=30) as engine:
        carry_until_all_stall(engine, attempts, server)
        for n in range(30):
            server.release(f"/stall/before-head/{n}")
        assert {each.verdict for each in wait_for_all(engine, attempts).values()} == {Verdict.DONE}
    assert len({each.connection for each in nginx.requests(30)}) == 1


def carry_until_all_stall(engine: Engine, attempts: list[Attempt], server: FaultServer) -> None:
    """Start attempts, and have the engine work until the server holds them all at once."""
    for attempt in attempts:
        engine.start(attempt)
    while server.in_flight("/stall") < len(attempts):
        assert engine.wait(0.02) == []


def wait_for_all(engine: Engine, attempts: list[Attempt]) -> dict[int, Outcome]:
    """The outcomes of attempts that were started."""
    found: dict[int, Outcome] = {}
    while len(found) < len(attempts):
        found |= outcomes(engine.wait(0.5))
    return found


def test_a_connection_that_the_server_ends_after_some_files_costs_no_attempt(start: Start, parts: Path):
    nginx = start(Nginx, MANY, keepalive_requests=15)
    fetch_many(nginx, parts, jobs=10)
    assert {each.protocol for each in nginx.requests(len(MANY))} == {"HTTP/2.0"}


# https without HTTP/2


def test_https_without_http_2_is_carried_over_several_connections(start: Start, parts: Path):
    nginx = start(Nginx, MANY, http2=False)
    fetch_many(nginx, parts, jobs=20)
    logged = nginx.requests(len(MANY))
    assert {each.protocol for each in logged} == {"HTTP/1.1"}
    assert 1 < len({each.connection for each in logged}) <= 20


def test_a_connection_that_is_never_made_holds_up_no_other(
    tls_server: FaultServer, ca_pem: str, parts: Path, monkeypatch: pytest.MonkeyPatch
):
    """The second connection is the one that the others wait for, to see how they go."""
    monkeypatch.setattr(inquiries, "HELD", 0.1)
    with hanging_after(1, tls_server) as origin:
        attempts = attempts_for([f"{origin}/stall/before-head/{n}" for n in range(6)], parts)
        with engine_of("curl", jobs=6, cacert=ca_pem, connect_timeout=2.0) as engine:
            for attempt in attempts:
                engine.start(attempt)
            while tls_server.in_flight("/stall") < 5:
                assert engine.wait(0.02) == []
            for n in range(6):
                tls_server.release(f"/stall/before-head/{n}")
            found = wait_for_all(engine, attempts)
            assert engine.wait(0.05) == []
    assert sorted(str(each.kind) for each in found.values()) == ["None"] * 5 + ["timeout"]


@contextmanager
def hanging_after(good: int, server: FaultServer) -> Iterator[str]:
    """The origin of a relay to a server; of its connections, the one after so many good ones hangs."""
    held: list[socket.socket] = []
    with socket.create_server((HOST, 0), backlog=64) as listener:

        def relay() -> None:
            for number in count():
                try:
                    client, _ = listener.accept()
                except OSError:  # it is closed
                    return
                held.append(client)
                if number == good:
                    continue
                upstream = socket.create_connection((HOST, server.port))
                held.append(upstream)
                for one, other in ((client, upstream), (upstream, client)):
                    threading.Thread(target=copy, args=(one, other), daemon=True).start()

        thread = threading.Thread(target=relay, daemon=True)
        thread.start()
        try:
            yield f"https://{HOST}:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in held:
                one.close()


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_nobody_waits_for_another_file_of_an_unknown_host_that_lacks_http_2(
    tls_server: FaultServer, ca_pem: str, parts: Path
):
    attempts = attempts_for([tls_server.url(f"/stall/before-head/{n}") for n in range(20)], parts)
    with engine_of("curl", jobs=20, cacert=ca_pem) as engine:
        carry_until_all_stall(engine, attempts, tls_server)
    assert tls_server.max_in_flight("/stall") == 20


# HTTP/3


@needs_http_3
def test_http_3_is_spoken_where_it_is_asked_for(start: Start, parts: Path):
    caddy = start(Caddy, MANY)
    fetch_many(caddy, parts, jobs=30, http3=True)
    assert_all_went_over_one_connection(caddy, "HTTP/3.0")


def test_http_3_is_not_spoken_unless_it_is_asked_for(start: Start, parts: Path):
    caddy = start(Caddy, MANY)
    fetch_many(caddy, parts, jobs=30)
    assert_all_went_over_one_connection(caddy, "HTTP/2.0")


@needs_http_3
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2.0"])
def test_a_server_without_http_3_works_where_it_is_asked_for(start: Start, parts: Path, version: str):
    nginx = start(Nginx, MANY, **VERSIONS[version].options)
    fetch_many(nginx, parts, jobs=30, http3=True)
    assert {each.protocol for each in nginx.requests(len(MANY))} == {version}


# the same in every version


@every_version
def test_the_outcomes_do_not_depend_on_the_version(start: Start, parts: Path, version: str):
    kind, options, settings = VERSIONS[version]
    server = start(kind, FILES, **options)
    expected = {
        "/some": (Verdict.DONE, None, 200, 12),
        "/empty": (Verdict.DONE, None, 200, 0),
        "/large": (Verdict.DONE, None, 200, len(LARGE)),
        "/none": (Verdict.FAILED, Kind.HTTP, 404, 0),
        "/redirect": (Verdict.REDIRECT, None, 302, 0),
    }
    with engine_for(server, **settings) as engine:
        attempts = attempts_for([server.url(target) for target in expected], parts)
        found = outcomes(carry(engine, attempts))
    told = [(each.verdict, each.kind, each.status, each.size) for _, each in sorted(found.items())]
    assert dict(zip(expected, told, strict=True)) == expected
    assert [(parts / f"{n}.part").read_bytes() for n in (1, 2, 3)] == [b"some content", b"", LARGE]
    assert found[5].location == server.url("/next")
    assert {each.protocol for each in server.requests(len(expected))} == {version}


@every_version
def test_a_file_is_continued_if_it_is_still_the_same(start: Start, parts: Path, version: str):
    kind, options, settings = VERSIONS[version]
    server = start(kind, FILES, **options)
    url, half = server.url("/large"), len(LARGE) // 2
    (parts / "1.part").write_bytes(LARGE[:half])
    with engine_for(server, **settings) as engine:
        same = Partial(half, etag(server, "/large"), len(LARGE), url)
        outcome = fetch_one(engine, url, parts, partial=same)
        assert (outcome.verdict, outcome.status, outcome.received) == (Verdict.DONE, 206, len(LARGE) - half)
        assert (parts / "1.part").read_bytes() == LARGE
        (parts / "1.part").write_bytes(b"x" * half)
        other = Partial(half, '"other"', len(LARGE), url)
        outcome = fetch_one(engine, url, parts, partial=other)
        assert (outcome.verdict, outcome.status, outcome.received) == (Verdict.DONE, 200, len(LARGE))
        assert (parts / "1.part").read_bytes() == LARGE


def etag(server: RealServer, target: str) -> str:
    """The validator that a server sends with a file."""
    context = ssl.create_default_context(cafile=server.ca_pem)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
    try:
        connection.request("HEAD", target)
        found = connection.getresponse().headers["ETag"]
    finally:
        connection.close()
    assert found.startswith('"')
    return found


@every_version
def test_credentials_and_headers_reach_nobody_else(start: Start, parts: Path, version: str):
    kind, options, settings = VERSIONS[version]
    server, other = start(kind, FILES, **options), start(kind, FILES, **options)
    both = parts / "ca.pem"
    both.write_text(Path(server.ca_pem).read_text() + Path(other.ca_pem).read_text())
    secret = {"credentials": "user:secret", "headers": (("X-Key", "key"), ("Cookie", "c=1"))}
    with engine_for(server, jobs=1, **settings | {"cacert": str(both)}) as engine:
        for origin, fields in ((server, secret), (other, {}), (server, {})):
            assert fetch_one(engine, origin.url("/some"), parts, **fields).verdict is Verdict.DONE
    assert [each.secrets for each in server.requests(2)] == [("Basic dXNlcjpzZWNyZXQ=", "c=1", "key"), ()]
    assert [each.secrets for each in other.requests(1)] == [()]
