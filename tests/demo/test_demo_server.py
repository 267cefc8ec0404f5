"""The embedded server speaks HTTP/1.1 as RFC 9110 and RFC 9112 have it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.demo import DemoServer, Knobs
from pdl.demo.images import png
from pdl.demo.request import RefusedError, Request, parse

FIRST = "/images/0001.png"


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoServer]:
    """A server with little and at once."""
    with DemoServer(Knobs(files=10, delay=0.0)) as server:
        yield server


@pytest.fixture
def client(demo: DemoServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(demo.base).netloc)
    yield connection
    connection.close()


def body_of(demo: DemoServer, path: str) -> bytes:
    return next(png(served.picture) for served in demo.table if served.path == path)


def ask(client: http.client.HTTPConnection, path: str, method: str = "GET", **fields: str):
    """A response, its body read."""
    client.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    response = client.getresponse()
    return response, response.read()


def dialled(demo: DemoServer) -> socket.socket:
    parts = urlsplit(demo.base)
    return socket.create_connection((parts.hostname, parts.port))


def said(demo: DemoServer, *pieces: bytes) -> bytes:
    """All that comes back for these bytes until the server hangs up."""
    with dialled(demo) as sock:
        for piece in pieces:
            sock.sendall(piece)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def responses(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """First line and body of each response."""
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *fields = head.split(b"\r\n")
        length = int(dict(field.split(b": ", 1) for field in fields)[b"Content-Length"])
        yield first, rest[:length]
        data = rest[length:]


def test_every_file_is_served_as_it_was_made(demo, client):
    for served in demo.table:
        if not served.note:
            response, body = ask(client, served.path)
            assert response.status == 200
            assert body == png(served.picture)


def test_a_connection_serves_one_request_after_another(client):
    ask(client, FIRST)
    used = client.sock
    response, _ = ask(client, "/images/0002.png")
    assert client.sock is used is not None
    assert response.headers["Connection"] == "keep-alive"


@pytest.mark.parametrize(
    "request_", [get(FIRST, "Connection: close"), f"GET {FIRST} HTTP/1.0\r\n\r\n".encode()], ids=["close", "1.0"]
)
def test_a_connection_ends_when_the_client_wants_no_more(demo, request_):
    [(first, body)] = responses(said(demo, request_))
    assert first == b"HTTP/1.1 200 OK"
    assert body == body_of(demo, FIRST)


def test_a_client_of_http_1_0_may_ask_for_more(demo):
    request = f"GET {FIRST} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode()
    assert len(list(responses(said(demo, request, get(FIRST, "Connection: close"))))) == 2


def test_head_gives_the_head_of_get_alone(client):
    told, nothing = ask(client, FIRST, "HEAD")
    got, body = ask(client, FIRST)  # over the same connection: a body would be taken for its response
    assert nothing == b""
    assert int(told.headers["Content-Length"]) == len(body)
    assert {name: value for name, value in told.headers.items() if name != "Date"} == {
        name: value for name, value in got.headers.items() if name != "Date"
    }


def test_a_response_says_what_it_is(client):
    response, _ = ask(client, FIRST)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["ETag"].startswith('"')
    assert response.headers["Date"].endswith(" GMT")


@pytest.mark.parametrize("path", ["/", "/images/", "/images/9999.png", "/../images/0001.png", "//"])
def test_what_is_not_there_is_not_found(client, path):
    response, _ = ask(client, path)
    assert response.status == 404


def test_a_query_is_no_part_of_the_path(demo, client):
    assert ask(client, f"{FIRST}?again=1")[1] == body_of(demo, FIRST)


RANGES = {
    "bytes=0-99": slice(0, 100),
    "bytes=500-": slice(500, None),
    "bytes=-10": slice(-10, None),
    "bytes=0-999999": slice(0, None),
    "bytes=-999999": slice(0, None),
    "bytes=7-7": slice(7, 8),
}


@pytest.mark.parametrize("field", RANGES)
def test_a_range_is_served(demo, client, field):
    whole = body_of(demo, FIRST)
    response, body = ask(client, FIRST, Range=field)
    begin, end, _ = RANGES[field].indices(len(whole))
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(whole)}"
    assert body == whole[RANGES[field]]


@pytest.mark.parametrize("field", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "bytes=a-b", "lines=1-2", "bytes"])
def test_a_range_that_means_nothing_is_ignored(demo, client, field):
    response, body = ask(client, FIRST, Range=field)
    assert (response.status, body) == (200, body_of(demo, FIRST))


@pytest.mark.parametrize("field", ["bytes=999999-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(demo, client, field):
    response, _ = ask(client, FIRST, Range=field)
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{len(body_of(demo, FIRST))}"


def test_a_range_of_the_same_version_is_served(client):
    etag = ask(client, FIRST)[0].headers["ETag"]
    assert ask(client, FIRST, Range="bytes=5-", If_Range=etag)[0].status == 206


@pytest.mark.parametrize("validator", ['"another"', "Mon, 01 Jan 2024 00:00:00 GMT"])
def test_a_range_of_another_version_is_the_whole_file(demo, client, validator):
    response, body = ask(client, FIRST, Range="bytes=5-", If_Range=validator)
    assert (response.status, body) == (200, body_of(demo, FIRST))


def test_files_differ_in_their_etags(demo, client):
    good = [served.path for served in demo.table if not served.note]
    assert len({ask(client, path)[0].headers["ETag"] for path in good}) == len(good)


def test_replies_come_in_their_order_and_then_from_the_first_again(client):
    assert [ask(client, "/images/flaky.png")[0].status for _ in range(4)] == [503, 503, 200, 503]


def test_the_other_special_files_answer_as_planned(client):
    gone, _ = ask(client, "/images/gone.png")
    moved, _ = ask(client, "/images/moved.png")
    busy, _ = ask(client, "/images/busy.png")
    assert (gone.status, moved.status, busy.status) == (410, 302, 429)
    assert moved.headers["Location"] == "/elsewhere/moved.png"
    assert busy.headers["Retry-After"] == "1"


REFUSED = {
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc": b"405",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc": b"413",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": b"413",
    b"GET / HTTP/1.1\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n": b"400",
    b"GET / HTTP/2\r\nHost: a\r\n\r\n": b"400",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n": b"400",
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n": b"400",
    b"GET /".ljust(65_537, b"a"): b"431",  # not a byte more: what was not read makes the reply's end a reset
}


@pytest.mark.parametrize(("request_", "status"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_cannot_be_answered_ends_its_connection_with_the_reason(demo, request_, status):
    [(first, body)] = responses(said(demo, request_))
    assert first.split(b" ")[1] == body.split(b" ")[0] == status


def test_another_method_is_told_which_there_are(client):
    assert ask(client, FIRST, "DELETE")[0].headers["Allow"] == "GET, HEAD"


def test_a_head_may_come_in_pieces(demo):
    request = get(FIRST, "Connection: close")
    [(_, body)] = responses(said(demo, *[request[at : at + 7] for at in range(0, len(request), 7)]))
    assert body == body_of(demo, FIRST)


@pytest.mark.parametrize("delay", [0.0, 0.005])
def test_requests_that_come_at_once_are_answered_in_their_order(delay):
    paths = [f"/images/{number:04}.png" for number in (3, 1, 4, 1, 5, 9, 2, 6)]
    with DemoServer(Knobs(files=10, delay=delay)) as demo:
        asked = b"".join(map(get, paths)) + get("/nowhere", "Connection: close")
        *bodies, (last, _) = responses(said(demo, asked))
        assert [body for _, body in bodies] == [body_of(demo, path) for path in paths]
        assert last == b"HTTP/1.1 404 Not Found"


def test_a_client_that_reads_late_gets_all_that_it_asked_for(demo):
    large = max((served for served in demo.table if not served.note), key=lambda served: served.picture.width)
    times = 30_000_000 // len(png(large.picture))  # more than the buffers of any system hold
    with dialled(demo) as slow, dialled(demo) as quick:
        slow.sendall(get(large.path) * times + get(FIRST, "Connection: close"))
        quick.sendall(get(FIRST, "Connection: close"))
        assert quick.makefile("rb").read()  # nobody is held up meanwhile
        *bodies, last = responses(b"".join(iter(lambda: slow.recv(1 << 20), b"")))
    assert {body for _, body in bodies} == {png(large.picture)}
    assert (len(bodies), last[1]) == (times, body_of(demo, FIRST))


def test_a_client_that_hangs_up_is_no_trouble_to_the_next(demo):
    with DemoServer(Knobs(files=10, delay=0.05)) as slow:
        for _ in range(3):
            with dialled(slow) as sock:
                sock.sendall(get(FIRST) * 3)
        [(first, _)] = responses(said(slow, get(FIRST, "Connection: close")))
    assert first == b"HTTP/1.1 200 OK"


def test_a_name_of_a_field_counts_in_any_case():
    assert parse(b"GET /a?b HTTP/1.1\r\nHOST: x\r\nrAnGe:\t bytes=0- ").fields == {"host": "x", "range": "bytes=0-"}


@given(st.binary() | st.text("GETHAD /?:=-,0129.\r\nhostrange", max_size=60).map(str.encode))
def test_any_head_is_a_request_or_refused(head):
    with suppress(RefusedError):
        assert parse(head).method in ("GET", "HEAD")


NUMBERS = st.none() | st.integers(0, 400)


@given(NUMBERS, NUMBERS, st.integers(0, 300))
def test_a_span_is_within_the_file_or_begins_behind_its_end(first, last, size):
    field = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    span = Request("GET", "/", {"range": field}, keeps_open=True).span(size, '"a"')
    assert span is None or span[0] >= size or 0 <= span[0] < span[1] <= size
