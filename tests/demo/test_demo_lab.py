"""The embedded server is as its knobs say, by what a client with a socket sees, and counts what it does."""

from __future__ import annotations

import socket
import time
from collections import Counter
from contextlib import ExitStack
from urllib.parse import urlsplit

import psutil
import pytest

import pdl
from pdl.demo import DemoServer, Knobs, measure_limit
from pdl.demo.images import png
from pdl.demo.outcome import Witness, differences
from pdl.demo.plan import Served
from pdl.errors import PdlError

PLAIN = Knobs(files=20, smallest=1_000, largest=1_000, delay=0.0, special=False)
FIRST = "/images/0001.png"


def dialled(base: str) -> socket.socket:
    parts = urlsplit(base)
    return socket.create_connection((parts.hostname, parts.port), 20)


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def last(path: str = FIRST) -> bytes:
    return get(path, "Connection: close")


def answer(base: str, request: bytes) -> bytes:
    """All that comes until the server hangs up; what came before a reset is lost on some systems, and here."""
    with dialled(base) as sock:
        sock.sendall(request)
        try:
            return b"".join(iter(lambda: sock.recv(65536), b""))
        except ConnectionError:
            return b"reset"


def status_of(server: DemoServer, served: Served) -> str:
    said = answer(server.bases[served.host], last(served.path))
    return said.split(b" ", 2)[1].decode() if b" " in said else said.decode()


def statuses(server: DemoServer) -> Counter[str]:
    """How often each answer came, when each path is asked for once."""
    return Counter(status_of(server, served) for served in server.table)


# -- the knobs


@pytest.mark.parametrize("tail", ["fixed", "few-slow", "long-tailed"])
def test_a_response_comes_no_earlier_than_its_delay(tail):
    with DemoServer(Knobs(files=4, delay=0.1, tail=tail, special=False)) as server:
        for served in server.table:
            began = time.monotonic()
            assert status_of(server, served) == "200"
            assert time.monotonic() - began >= served.delay * 0.9  # clocks of some systems are coarse


def test_a_connection_carries_no_more_than_its_bandwidth():
    knobs = Knobs(files=1, smallest=20_000, largest=20_000, delay=0.0, bandwidth=100_000, special=False)
    with DemoServer(knobs) as server:
        began = time.monotonic()
        said = answer(server.base, get(FIRST) + get(FIRST) + last())
        took = time.monotonic() - began
        assert said.count(png(server.table[0].picture)) == 3
        assert took >= (60_000 - 2_000) / 100_000 * 0.9  # the last piece of a fiftieth of a second has no time
        assert server.counts().body_bytes == 60_000


def test_a_client_that_reads_late_gets_what_is_sent_in_pieces():
    size = 3_000_000
    knobs = Knobs(files=1, smallest=size, largest=size, delay=0.0, bandwidth=1_000_000_000, special=False)
    with DemoServer(knobs) as server, dialled(server.base) as sock:
        sock.sendall(get(FIRST) * 9 + last())
        assert answer(server.base, last()).endswith(png(server.table[0].picture))  # nobody is held up meanwhile
        said = b"".join(iter(lambda: sock.recv(1 << 20), b""))
    assert said.count(png(server.table[0].picture)) == 10


def test_of_so_many_files_the_first_request_fails_and_the_next_does_not():
    with DemoServer(Knobs(files=20, delay=0.0, busy=0.1, failing=0.2, reset=0.3, special=False)) as server:
        planned = {"429": 2, "503": 4, "reset": 6, "200": 8}
        assert statuses(server) == planned
        assert server.counts().resets == 6
        assert statuses(server) == {"200": 20}
        assert statuses(server) == planned


def test_starting_over_begins_all_replies_anew():
    with DemoServer(Knobs(files=10, delay=0.0, failing=0.5, hosts=3, special=False), processes=2) as server:
        for _ in range(3):
            assert statuses(server) == {"503": 5, "200": 5}
            server.start_over()
            assert sum(server.counts().requests.values()) == 0


@pytest.mark.parametrize("nth", [0, 1], ids=["before", "within"])
def test_a_reset_comes_before_the_response_or_within_its_body(nth):
    with DemoServer(Knobs(files=2, smallest=10_000, largest=10_000, delay=0.0, reset=1.0, special=False)) as server:
        served = sorted(server.table, key=lambda served: served.replies[0].reset)[nth]
        assert served.replies[0].reset == ("before", "within")[nth]
        with dialled(server.base) as sock:
            sock.sendall(get(served.path))
            with pytest.raises(ConnectionResetError):
                list(iter(lambda: sock.recv(65536), b""))
        counts = server.counts()
        assert (counts.resets, counts.body_bytes, counts.statuses) == (1, nth * 5_000, {200: 1} if nth else {})


def test_without_keep_alive_a_connection_ends_after_a_response():
    with DemoServer(Knobs(files=2, delay=0.0, keep_alive=False, special=False)) as server:
        for nth in range(1, 4):
            said = answer(server.base, get(FIRST))  # which asks to be kept
            assert b"\r\nConnection: close\r\n" in said
            assert said.endswith(png(server.table[0].picture))
            assert server.counts().connections == nth


def test_each_host_has_its_own_files_and_no_others():
    with DemoServer(Knobs(files=9, delay=0.0, hosts=3, special=False)) as server:
        assert len(set(server.bases)) == 3
        for served in server.table:
            for host, base in enumerate(server.bases):
                status = answer(base, last(served.path)).split(b" ", 2)[1]
                assert status == (b"200" if host == served.host else b"404")


def test_hosts_have_addresses_of_their_own_where_the_system_has_them():
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            pytest.skip("the system has 127.0.0.1 only")
    with DemoServer(Knobs(files=3, hosts=3, special=False)) as server:
        assert [urlsplit(base).hostname for base in server.bases] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


def test_special_files_are_on_the_first_host():
    with DemoServer(Knobs(files=4, delay=0.0, hosts=2), processes=2) as server:
        gone = next(served for served in server.table if served.name == "gone.png")
        assert gone.url(server.bases) == f"{server.base}images/gone.png"
        assert status_of(server, gone) == "410"


# -- its processes


@pytest.mark.parametrize(("processes", "hosts", "serving"), [(3, 5, 3), (4, 2, 2), (0, 3, 1)])
def test_hosts_are_divided_among_processes(processes, hosts, serving, nothing_left):
    before = psutil.Process().children()
    with DemoServer(Knobs(files=10, delay=0.0, hosts=hosts, special=False), processes) as server:
        assert len(set(psutil.Process().children()) - set(before)) == server.processes == serving
        assert statuses(server) == {"200": 10}
        counts = server.counts()
    assert counts.requests == {served.path: 1 for served in server.table}
    wanted = Counter(urlsplit(server.bases[served.host]).netloc for served in server.table)
    assert counts.hosts == wanted


def test_a_process_that_has_died_is_an_error(nothing_left):
    with DemoServer(Knobs(files=2, hosts=2, special=False), processes=2) as server:
        server._processes[1].kill()
        with pytest.raises(PdlError, match="has ended"):
            server.counts()


def test_it_takes_more_connections_than_the_usual_limit_of_open_files():
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        server = DemoServer(PLAIN)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    with server, ExitStack() as stack:
        for _ in range(100):
            sock = stack.enter_context(dialled(server.base))
            sock.sendall(get(FIRST))
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


# -- what it counts


def test_it_counts_what_a_client_did():
    with DemoServer(Knobs(files=5, smallest=1_000, largest=1_000, delay=0.01, tail="fixed")) as server:
        assert server.counts().first is None
        began = time.time()
        answer(server.base, get(FIRST) + get("/images/gone.png") + get("/nowhere") + last())
        answer(server.base, get(FIRST, "Range: bytes=0-99") + b"HEAD /images/0002.png HTTP/1.0\r\n\r\n")
        answer(server.base, b"POST / HTTP/1.1\r\nHost: a\r\n\r\n")
        counts = server.counts()
    assert counts.requests == {FIRST: 3, "/images/gone.png": 1, "/images/0002.png": 1}
    assert counts.hosts == {urlsplit(server.base).netloc: 7}
    assert counts.statuses == {200: 3, 410: 1, 404: 1, 206: 1, 405: 1}
    plain = sum(map(len, ("410 Gone\n", "404 Not Found\n", "405 Method Not Allowed\n")))
    assert counts.body_bytes == 2_000 + 100 + plain
    assert (counts.connections, counts.resets) == (3, 0)
    assert counts.first is not None
    assert counts.last is not None
    assert began - 0.1 <= counts.first < counts.last
    assert counts.first_byte >= 0.01 * 5 / 7 * 0.9  # two of the seven have no delay
    assert counts.cpu >= 0


def test_it_counts_what_an_engine_asked_for(engine_name, tmp_path):
    """A download that is tried again costs the same requests on every engine."""
    knobs = Knobs(20, 500, 5_000, delay=0.001, failing=0.1, reset=0.2, hosts=2, special=False)
    with DemoServer(knobs, processes=2) as server:
        witness = Witness()
        with pdl.iter_downloads(
            server.urls, tmp_path, engine=engine_name, jobs=8, retry_delay=0.0, proxy=""
        ) as results:
            for result in results:
                witness.on(result)
        assert list(differences(server.table, server.bases, witness, str(tmp_path))) == []
        counts = server.counts()
    assert counts.requests == {served.path: len(served.replies) for served in server.table}
    whole, parts = counts.statuses[200], counts.statuses.get(206, 0)
    assert counts.statuses[503] == 2
    assert (counts.resets, whole + parts) == (4, 20 + 2)  # two of the resets came after a head


# -- its limit


def test_its_limit_is_measured_without_what_makes_it_slow():
    slow = Knobs(files=3, delay=30.0, bandwidth=1, failing=0.5, reset=0.5, hosts=2, keep_alive=False)
    limit = measure_limit(slow, seconds=0.2, connections=5)
    assert limit.rate > 0
    assert limit.speed > limit.rate * 1_000
    assert limit.cpu >= 0
    assert limit.processes >= 1
