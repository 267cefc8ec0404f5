"""Each route of the fault server does on the wire what its name says, and its records are exact."""

from __future__ import annotations

import gzip
import http.client
import multiprocessing
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from faultserver import (
    LAST_MODIFIED,
    ROUTES,
    FaultServer,
    ProxyServer,
    Snapshot,
    assert_nothing_left,
    content,
    content_of,
    run_pdl,
    start_pdl,
)
from faultserver.routes import route_of

import pdl


class Answer(NamedTuple):
    """All that came on a connection, and how it ended."""

    data: bytes
    end: str  # "fin", "rst" or, over TLS, "alert"

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.head.split(b" ")[1])

    def values(self, name: str) -> list[str]:
        lines = (line.partition(": ") for line in self.head.decode("latin-1").split("\r\n")[1:])
        return [value for key, _, value in lines if key == name]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)


def ask(server: FaultServer, target: str, *fields: str, sock: socket.socket | None = None) -> Answer:
    """Ask for one response, and read to the end of the connection."""
    with closing(sock or connect(server)) as own:
        send(own, target, "Connection: close", *fields)
        return read(own)


def connect(server: FaultServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def send(sock: socket.socket, target: str, *fields: str) -> None:
    sock.sendall("\r\n".join([f"GET {target} HTTP/1.1", "Host: test", *fields, "", ""]).encode("latin-1"))


def read(sock: socket.socket) -> Answer:
    data = bytearray()
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        return Answer(bytes(data), "rst")
    except ssl.SSLEOFError:
        return Answer(bytes(data), "fin")
    return Answer(bytes(data), "alert" if isinstance(sock, ssl.SSLSocket) else "fin")


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = sock.recv(65536)
        assert piece, f"the connection ended after {data!r}"
        data += piece
    return data


def unchunked(data: bytes) -> bytes:
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        if not (size := int(line, 16)):
            assert data == b"\r\n"
            return body
        assert data[size : size + 2] == b"\r\n"
        body, data = body + data[:size], data[size + 2 :]


def test_every_route_is_shown_in_this_file():
    source = Path(__file__).read_text()
    assert [route for route in ROUTES if f'"{route}' not in source] == []


def test_a_family_has_no_unknown_members():
    with pytest.raises(LookupError, match="no route"):
        route_of("/range/mistyped/a.jpg")
    assert route_of("/ranges/a.jpg") is ROUTES["/file"]


# Good files


def test_content_follows_from_size_and_seed_alone():
    assert content(100, 1) == content(100, "1") != content(100, 2)
    assert content(101, 1)[:100] != content(100, 1)
    assert len(content(3_000_000)) == 3_000_000
    assert content(10, 0).hex() == "69bf5051658ff4388997"


def test_a_good_file_has_length_validators_and_date(server):
    answer = ask(server, "/file/a.jpg?size=70000&seed=3")
    assert (answer.status, answer.body) == (200, content(70_000, 3))
    assert answer.value("Content-Length") == "70000"
    assert answer.value("ETag").startswith('"')
    assert answer.value("Last-Modified") == LAST_MODIFIED
    assert answer.value("Accept-Ranges") == "bytes"
    assert parsedate_to_datetime(answer.value("Date")) > parsedate_to_datetime(LAST_MODIFIED)


def test_names_in_different_folders_are_different_files(server):
    one, other = ask(server, "/a/image.jpg"), ask(server, "/b/image.jpg")
    assert one.body == server.content("/a/image.jpg") != other.body
    assert one.value("ETag") != other.value("ETag")


def test_parameters_change_validators_and_fields(server):
    assert ask(server, "/file/a?etag=weak").value("ETag").startswith('W/"')
    assert ask(server, "/file/a?etag=none").value("ETag") is None
    assert ask(server, "/file/a?etag=%22x%22").value("ETag") == '"x"'
    assert ask(server, "/file/a?modified=none&date=none").values("Last-Modified") == []
    assert ask(server, "/file/a?date=none").values("Date") == []
    fresh = ask(server, "/file/a?modified=now")
    assert fresh.value("Last-Modified") == fresh.value("Date")
    odd = ask(server, "/file/a?type=image/png&field=X-A:1&field=X-A:2%e4&field=Content-Type:b")
    assert (odd.values("Content-Type"), odd.values("X-A")) == (["b"], ["1", "2ä"])


@pytest.mark.parametrize(
    ("asked", "part", "label"),
    [
        ("bytes=0-", slice(0, 1000), "bytes 0-999/1000"),
        ("bytes=10-19", slice(10, 20), "bytes 10-19/1000"),
        ("bytes=999-5000", slice(999, 1000), "bytes 999-999/1000"),
        ("bytes=-7", slice(993, 1000), "bytes 993-999/1000"),
    ],
)
def test_a_range_is_honoured(server, asked, part, label):
    answer = ask(server, "/file/a", f"Range: {asked}")
    assert (answer.status, answer.value("Content-Range")) == (206, label)
    assert answer.body == server.content("/file/a")[part]
    assert answer.value("Content-Length") == str(len(answer.body))


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=-", "bytes=0-1,5-6", "lines=0-", "bytes=x-"])
def test_a_range_that_means_nothing_is_ignored(server, asked):
    assert ask(server, "/file/a", f"Range: {asked}").status == 200


def test_a_range_beyond_the_end_is_not_satisfiable(server):
    answer = ask(server, "/file/a", "Range: bytes=1000-")
    assert (answer.status, answer.value("Content-Range")) == (416, "bytes */1000")


def test_if_range_wants_the_same_strong_etag_or_date(server):
    def status(target: str, validator: str) -> int:
        return ask(server, target, "Range: bytes=500-", f"If-Range: {validator}").status

    etag = ask(server, "/file/a").value("ETag")
    weak = ask(server, "/file/a?etag=weak").value("ETag")
    assert status("/file/a", etag) == 206
    assert status("/file/a", LAST_MODIFIED) == 206
    assert status("/file/a", '"other"') == 200
    assert status("/file/a", "W/" + etag) == 200
    assert status("/file/a?etag=weak", weak) == 200
    assert status("/file/a?etag=none", etag) == 200


def test_conditions_give_304_without_a_body(server):
    etag = ask(server, "/file/a").value("ETag")
    answer = ask(server, "/file/a", f"If-None-Match: {etag}")
    assert (answer.status, answer.body, answer.values("Content-Length")) == (304, b"", [])
    assert ask(server, "/file/a", f"If-Modified-Since: {LAST_MODIFIED}").status == 304
    assert ask(server, "/file/a", 'If-None-Match: "x"', f"If-Modified-Since: {LAST_MODIFIED}").status == 200


def test_the_good_framings_bring_the_same_file(server):
    in_chunks = ask(server, "/chunked/a?chunk=300")
    assert unchunked(in_chunks.body) == server.content("/chunked/a")
    assert (in_chunks.value("Transfer-Encoding"), in_chunks.values("Content-Length")) == ("chunked", [])
    closed = ask(server, "/until-close/a")
    assert (closed.body, closed.end) == (server.content("/until-close/a"), "fin")
    assert closed.values("Content-Length") == []
    empty = ask(server, "/empty/a")
    assert (empty.status, empty.body, empty.value("Content-Length")) == (200, b"", "0")


def test_a_connection_carries_many_requests_unless_the_client_says_close(server):
    connection = http.client.HTTPConnection(server.host, server.port)
    with closing(connection):
        for number in range(3):
            connection.request("GET", f"/file/{number}")
            assert connection.getresponse().read() == server.content(f"/file/{number}")
    assert [(one.connection, one.ordinal) for one in server.requests] == [(1, 1), (1, 2), (1, 3)]
    assert ask(server, "/file/a").value("Connection") == "close"


def test_a_large_file_comes_whole(server):
    assert ask(server, "/file/big?size=5000000").body == server.content("/file/big?size=5000000")


# What was not asked for


def test_a_status_has_a_body_of_its_own(server):
    answer = ask(server, "/status/404/a.jpg")
    assert (answer.status, answer.head[:22]) == (404, b"HTTP/1.1 404 Not Found")
    assert b"not the file" in answer.body
    assert (
        ask(server, "/status/503/a?retry_after=Fri,%2031%20Dec%201999").value("Retry-After") == "Fri, 31 Dec 1999"
    )


@pytest.mark.parametrize(("status", "lengths"), [(204, []), (205, ["0"]), (304, [])])
def test_a_status_without_body_has_none(server, status, lengths):
    answer = ask(server, f"/status/{status}/a")
    assert (answer.status, answer.body, answer.values("Content-Length")) == (status, b"", lengths)


def test_fail_counts_requests_for_each_target(server):
    target = "/file/a?fail=2&fail_with=429&retry_after=7"
    answers = [ask(server, target) for _ in range(3)]
    assert [one.status for one in answers] == [429, 429, 200]
    assert [one.value("Retry-After") for one in answers] == ["7", "7", None]
    assert ask(server, "/file/b?fail=1").status == 503
    server.clear()
    assert ask(server, target).status == 429


def test_times_ends_a_fault(server):
    assert [ask(server, "/status/500/a?times=2").status for _ in range(3)] == [500, 500, 200]


def test_replies_that_answer_something_else(server):
    assert ask(server, "/no-content-with-body/a").status == 204
    assert ask(server, "/no-content-with-body/a").body != b""
    partial = ask(server, "/partial-unasked/a")
    assert (partial.status, partial.value("Content-Range")) == (206, "bytes 0-499/1000")
    assert partial.body == server.content("/partial-unasked/a")[:500]
    page = ask(server, "/html/photo.jpg")
    assert (page.status, page.value("Content-Type")) == (200, "text/html; charset=utf-8")


def test_a_login_wants_its_credentials(server):
    assert ask(server, "/login/a?user=me:secret").value("WWW-Authenticate") == 'Basic realm="files"'
    answer = ask(server, "/login/a?user=me:secret", "Authorization: Basic bWU6c2VjcmV0")
    assert answer.body == server.content("/login/a?user=me:secret")


def test_a_coded_body_is_coded_and_can_be_damaged(server):
    answer = ask(server, "/gzip/a", "Accept-Encoding: identity")
    assert answer.value("Content-Encoding") == "gzip"
    assert answer.value("Content-Length") == str(len(answer.body))
    assert gzip.decompress(answer.body) == server.content("/gzip/a")
    with pytest.raises(EOFError):
        gzip.decompress(ask(server, "/gzip/a?short=9").body)
    assert ask(server, "/gzip/a?junk=4&label=br").body.endswith(bytes(4))
    damaged = ask(server, "/gzip/a?flip=99").body
    assert [at for at, (one, other) in enumerate(zip(answer.body, damaged, strict=True)) if one != other] == [99]
    twice = ask(server, "/gzip/a?codings=2")
    assert twice.value("Content-Encoding") == "gzip, gzip"
    assert gzip.decompress(gzip.decompress(twice.body)) == server.content("/gzip/a")
    bomb = ask(server, "/bomb/a?size=1000000").body
    assert len(gzip.decompress(bomb)) == 1_000_000 > 500 * len(bomb)


def test_a_file_may_begin_as_the_test_wants(server):
    body = ask(server, "/file/a?begin=%89PNG%0d%0a").body
    assert body == server.content("/file/a?begin=%89PNG%0d%0a")
    assert body == b"\x89PNG\r\n" + server.content("/file/a")[6:]
    assert ask(server, "/file/a?begin=more&size=2").body == b"mo"


# Replies that end too early


@pytest.mark.parametrize(
    ("target", "length", "end"),
    [
        ("/cut/a", 500, "fin"),
        ("/cut/a?at=10", 10, "fin"),
        ("/cut/a?at=10&etag=weak", 10, "fin"),
        ("/until-close-cut/a", 1000, "fin"),
        ("/until-close-cut/a?at=10", 10, "fin"),
        ("/reset/in-body/a", 500, "rst"),
        ("/reset/until-close/a", 1000, "rst"),
    ],
)
def test_a_body_ends_too_early(server, target, length, end):
    answer = ask(server, target)
    assert (answer.body, answer.end) == (server.content(target)[:length], end)
    assert answer.values("Content-Length") == ([] if "until-close" in target else ["1000"])


def test_a_coded_body_ends_too_early(server):
    answer = ask(server, "/gzip-cut/a?at=100")
    assert (answer.body, answer.end) == (gzip.compress(server.content("/gzip-cut/a"), mtime=0)[:100], "fin")
    assert int(answer.value("Content-Length")) > 1000


@pytest.mark.parametrize(
    ("target", "tail", "end"),
    [
        ("/chunks-cut/a?chunk=250", b"fa\r\n", "fin"),
        ("/chunks-cut/a?at=1000", b"", "fin"),
        ("/chunk-cut/a", b"3e8\r\n", "fin"),
        ("/trailer-cut/a", b"\r\n0\r\n", "fin"),
        ("/reset/in-chunks/a", b"64\r\n", "rst"),
    ],
)
def test_a_chunked_body_ends_too_early(server, target, tail, end):
    answer = ask(server, target)
    assert answer.value("Transfer-Encoding") == "chunked"
    assert tail in answer.body
    assert not answer.body.endswith(b"0\r\n\r\n")
    assert answer.end == end


def test_a_cut_file_can_be_resumed(server):
    first = ask(server, "/cut/a?times=1")
    rest = ask(server, "/cut/a?times=1", "Range: bytes=500-", f"If-Range: {first.value('ETag')}")
    assert rest.status == 206
    assert first.body + rest.body == server.content("/cut/a")


def test_a_cut_file_that_changed_is_sent_anew(server):
    first = ask(server, "/cut/a?changes=1&at=1000")
    again = ask(server, "/cut/a?changes=1&at=1000", "Range: bytes=500-", f"If-Range: {first.value('ETag')}")
    assert again.status == 200
    assert again.body == content_of("/cut/a", version=2) != first.body
    assert first.value("ETag") != again.value("ETag")


@pytest.mark.parametrize(
    ("target", "data", "end"),
    [
        ("/reset/before-head/a", b"", "rst"),
        ("/reset/in-head/a", b"HTTP/1.1 200 OK\r\nDate: ", "rst"),
        ("/no-reply/always/a", b"", "fin"),
        ("/not-http/a", b"SSH-2.0", "fin"),
    ],
)
def test_a_reply_without_a_whole_head(server, target, data, end):
    answer = ask(server, target)
    assert answer.data.startswith(data)
    assert (b"\r\n\r\n" in answer.data) is ("not-http" in target)
    assert bool(answer.data) is bool(data)
    assert answer.end == end


@pytest.mark.parametrize(
    ("target", "data"),
    [
        ("/not-http/unended/a", b"hello world"),
        ("/version/1.2/a", b"HTTP/1.2 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
        ("/version/2/a", b"HTTP/2 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
    ],
)
def test_a_reply_that_is_not_of_this_protocol(server, target, data):
    answer = ask(server, target)
    assert (answer.data, answer.end) == (data, "fin")


def test_a_head_lacks_only_its_blank_line(server):
    answer = ask(server, "/head-cut/a")
    assert answer.data.endswith(b"\r\nContent-Length: 1000\r\n")
    assert b"\r\n\r\n" not in answer.data


def test_connections_that_cannot_be_used_again(server):
    with closing(connect(server)) as sock:
        send(sock, "/no-reply/when-reused/a")
        read_until(sock, server.content("/no-reply/when-reused/a"))
        send(sock, "/no-reply/when-reused/a")
        assert read(sock) == (b"", "fin")
    with closing(connect(server)) as sock:
        send(sock, "/closes-silently/a")
        answer = read(sock)
    assert (answer.value("Connection"), answer.end) == (None, "fin")
    assert answer.body == server.content("/closes-silently/a")


# Heads and chunks that break the rules


@pytest.mark.parametrize(
    ("target", "lengths"),
    [
        ("/length/negative/a", ["-5"]),
        ("/length/junk/a", ["1000s"]),
        ("/length/overflow/a", ["99999999999999999999"]),
        ("/length/differing/a", ["1000", "7"]),
        ("/length/differing-open/a", ["1000", "7"]),
        ("/length/identical/a", ["1000", "1000"]),
        ("/length/listed/a", ["1000, 1000"]),
    ],
)
def test_odd_lengths_stand_before_a_good_body(server, target, lengths):
    answer = ask(server, target)
    assert (answer.values("Content-Length"), answer.body) == (lengths, server.content(target))


def test_a_body_longer_than_its_length(server):
    answer = ask(server, "/length/too-small/a?junk=3")
    assert (answer.value("Content-Length"), len(answer.body)) == ("1000", 1003)


@pytest.mark.parametrize(
    ("target", "end"),
    [
        ("/forged/behind-length", b"the body"),
        ("/forged/behind-chunks", b"0\r\n\r\n"),
        ("/forged/behind-nothing", b"\r\n\r\n"),
        ("/forged/late", b"the body"),
    ],
)
def test_another_answer_comes_behind_a_good_one_and_the_connection_stays(server, target, end):
    with connect(server) as sock:
        send(sock, target)
        forged = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforged\n"
        data = read_until(sock, forged)
        assert data.removesuffix(forged).endswith(server.content(target) if end == b"the body" else end)
        send(sock, "/file/next", "Connection: close")
        assert read(sock).body == server.content("/file/next")
    assert {record.connection for record in server.requests} == {1}


def test_a_length_beside_chunks(server):
    answer = ask(server, "/length/and-chunked/a")
    assert (answer.value("Content-Length"), answer.value("Transfer-Encoding")) == ("500", "chunked")
    assert unchunked(answer.body) == server.content("/length/and-chunked/a")


def test_odd_fields(server):
    assert ask(server, "/header/nul/a").value("X-Nul") == "a\0b"
    assert len(ask(server, "/header/flood/a").head.split(b"\r\n")) > 20_000
    assert len(ask(server, "/header/long/a").value("X-Long")) == 1_000_000


@pytest.mark.parametrize(("target", "count"), [("/informed/briefly/a", 3), ("/informed/flood/a", 500)])
def test_informational_responses_come_first(server, target, count):
    heads = ask(server, target).data.split(b"\r\n\r\n", maxsplit=count + 1)
    assert {head.split(b" ")[1] for head in heads[:count]} == {b"100", b"103"}
    assert heads[count].startswith(b"HTTP/1.1 200 OK")
    assert heads[count + 1] == server.content(target)


def test_informational_responses_and_nothing_else(server):
    assert b" 200 " not in ask(server, "/informed/only/a").data


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/chunk-size/negative/a", b"\r\n-1\r\n"),
        ("/chunk-size/junk/a", b"\r\njunk\r\n"),
        ("/chunk-size/empty/a", b"\r\n\r\n"),
        ("/chunk-size/huge/a", b"\r\nFFFFFFFF4\r\n"),
        ("/chunk-size/overflow/a", b"\r\nFFFFFFFFFFFFFFFF4\r\n"),
    ],
)
def test_a_second_chunk_has_a_bad_size(server, target, line):
    whole = server.content(target)
    assert ask(server, target).body == b"1f4\r\n" + whole[:500] + line + whole[500:] + b"\r\n0\r\n\r\n"


def test_a_chunk_is_longer_than_it_says(server):
    whole = server.content("/chunk-size/too-small/a")
    assert ask(server, "/chunk-size/too-small/a").body == b"1f4\r\n" + whole + b"\r\n0\r\n\r\n"


# Wrong answers to a request for the rest of a file


def resume(server: FaultServer, target: str) -> Answer:
    """The answer to a correct attempt to go on after the first half."""
    first = ask(server, target)
    assert (first.status, first.body, first.end) == (200, server.content(target)[:500], "fin")
    answer = ask(server, target, "Range: bytes=500-", f"If-Range: {first.value('ETag')}")
    assert ask(server, target).body == server.content(target)
    return answer


@pytest.mark.parametrize(
    ("target", "label", "part"),
    [
        ("/range/later-start/a", "bytes 501-999/1000", slice(501, 1000)),
        ("/range/earlier-start/a", "bytes 499-999/1000", slice(499, 1000)),
        ("/range/short/a", "bytes 500-749/1000", slice(500, 750)),
        ("/range/unlabelled/a", None, slice(500, 1000)),
        ("/range/unknown-total/a", "bytes 500-999/*", slice(500, 1000)),
        ("/range/other-total/a", "bytes 500-999/11000", slice(500, 1000)),
        ("/range/huge-total/a", "bytes 500-9223372036854775806/9223372036854775807", slice(500, 1000)),
        ("/range/beyond-all-bounds/a", "bytes 500-999/99999999999999999999", slice(500, 1000)),
        ("/range/bad-unit/a", "lines 500-999/1000", slice(500, 1000)),
        ("/range/end-before-start/a", "bytes 500-0/1000", slice(500, 1000)),
        ("/range/junk/a", "all of it", slice(500, 1000)),
    ],
)
def test_a_partial_response_is_labelled_wrongly(server, target, label, part):
    answer = resume(server, target)
    assert (answer.status, answer.value("Content-Range")) == (206, label)
    assert answer.body == server.content(target)[part]


def test_a_range_comes_with_fields_that_it_should_not_have_or_without_some(server):
    answer = resume(server, "/range/coded/a")
    assert (answer.status, answer.value("Content-Encoding")) == (206, "gzip")
    assert answer.body == server.content("/range/coded/a")[500:]
    answer = resume(server, "/range/untyped/a")
    assert (answer.status, answer.values("Content-Type")) == (206, [])
    assert answer.body == server.content("/range/untyped/a")[500:]


def test_a_range_with_two_labels(server):
    answer = resume(server, "/range/twice/a")
    assert answer.values("Content-Range") == ["bytes 500-999/1000", "bytes 0-999/1000"]


def test_a_range_in_parts(server):
    answer = resume(server, "/range/multipart/a")
    assert (answer.status, answer.values("Content-Range")) == (206, [])
    assert answer.value("Content-Type") == "multipart/byteranges; boundary=part"
    assert server.content("/range/multipart/a")[500:] in answer.body


@pytest.mark.parametrize(("target", "version"), [("/range/ignored/a", 1), ("/range/changed/a", 2)])
def test_a_range_is_answered_with_the_whole_file(server, target, version):
    answer = resume(server, target)
    assert (answer.status, answer.body) == (200, server.content(target, version))


def test_a_changed_file_is_passed_off_as_the_rest(server):
    target = "/range/changed-unnoticed/a"
    answer = resume(server, target)
    assert (answer.status, answer.body) == (206, server.content(target, 2)[500:])
    assert answer.value("ETag") != ask(server, target).value("ETag")
    target = "/range/changed-under-old-etag/a"
    answer = resume(server, target)
    assert (answer.status, answer.value("Content-Range")) == (206, "bytes 500-1999/2000")
    assert answer.value("ETag") == ask(server, target).value("ETag")


@pytest.mark.parametrize(
    ("target", "status", "label"),
    [
        ("/range/satisfied/a", 416, "bytes */500"),
        ("/range/unsatisfied/a", 416, "bytes */507"),
        ("/range/unsatisfied-unlabelled/a", 416, None),
        ("/range/not-modified/a", 304, None),
        ("/range/precondition-failed/a", 412, None),
    ],
)
def test_a_range_is_refused(server, target, status, label):
    answer = resume(server, target)
    assert (answer.status, answer.value("Content-Range")) == (status, label)


# Wrong answers to requests for spans


@pytest.mark.parametrize("family", ["/span/shorter", "/span/busy", "/span/redirected"])
def test_the_first_bytes_come_as_they_should(server, family):
    target = f"{family}/a?to=/file/there"
    answer = ask(server, target, "Range: bytes=0-99")
    assert (answer.status, answer.value("Content-Range")) == (206, "bytes 0-99/1000")
    assert answer.body == server.content(target)[:100]


@pytest.mark.parametrize(
    ("target", "status", "label", "size"),
    [
        ("/span/ignored", 200, None, 1000),
        ("/span/changed", 200, None, 1000),
        ("/span/changed-unnoticed", 206, "bytes 200-299/1000", 100),
        ("/span/shifted", 206, "bytes 201-999/1000", 799),
        ("/span/unlabelled", 206, None, 800),
        ("/span/other-total", 206, "bytes 200-299/11000", 100),
        ("/span/unknown-total", 206, "bytes 200-299/*", 100),
        ("/span/shorter", 206, "bytes 200-292/1000", 93),
        ("/span/longer", 206, "bytes 200-299/1000", 123),
        ("/span/coded", 206, "bytes 200-299/1000", 100),
        ("/span/not-modified", 304, None, 0),
        ("/span/precondition-failed", 412, None, 29),
        ("/span/unsatisfied", 416, None, 29),
        ("/span/gone", 404, None, 29),
        ("/span/redirected?to=/file/there", 302, None, 39),
        ("/probe/unlabelled", 206, None, 800),
        ("/probe/unknown-total", 206, "bytes 200-299/*", 100),
        ("/probe/bad-unit", 206, "lines 200-299/1000", 100),
        ("/probe/shifted", 206, "bytes 201-999/1000", 799),
        ("/probe/shorter", 206, "bytes 200-292/1000", 93),
        ("/probe/longer", 206, "bytes 200-299/1000", 123),
        ("/probe/coded", 206, "bytes 200-299/1000", 100),
        ("/probe/ignored", 200, None, 1000),
        ("/probe/bad-request", 400, None, 29),
        ("/probe/unsatisfied", 416, None, 29),
    ],
)
def test_what_lies_behind_them_does_not(server, target, status, label, size):
    etag = ask(server, target, *(["Range: bytes=0-99"] if target.startswith("/span") else [])).value("ETag")
    answer = ask(server, target, "Range: bytes=200-299", f"If-Range: {etag}")
    assert (answer.status, answer.value("Content-Range"), len(answer.body)) == (status, label, size)
    version = 2 if "changed" in target else 1
    if status == 206:
        start = 201 if "shifted" in target else 200
        assert answer.body[:90] == server.content(target, version)[start : start + 90]
    elif status == 200:
        assert answer.body == server.content(target, version)
    assert ask(server, target).body == server.content(target, version)


def test_two_content_ranges_contradict_each_other(server):
    etag = ask(server, "/span/twice").value("ETag")
    answer = ask(server, "/span/twice", "Range: bytes=200-299", f"If-Range: {etag}")
    assert answer.values("Content-Range") == ["bytes 200-999/1000", "bytes 0-999/1000"]


def test_spans_are_cut_or_refused_behind_the_first_request(server):
    for target in ("/span/cut?times=2", "/span/busy?from=3"):
        assert ask(server, target, "Range: bytes=0-99").body == server.content(target)[:100]
    cut = ask(server, "/span/cut?times=2", "Range: bytes=200-299")
    assert (cut.value("Content-Length"), len(cut.body)) == ("100", 50)
    assert ask(server, "/span/busy?from=3", "Range: bytes=200-299").status == 503
    for target in ("/span/cut?times=2", "/span/busy?from=3"):
        assert ask(server, target, "Range: bytes=200-299").body == server.content(target)[200:300]


# Slow replies, and those without end


def test_a_span_stalls_at_first_only(server):
    target = "/span/stalled?size=9000&refused=1"
    server.release(target)
    assert ask(server, target, "Range: bytes=0-8000").body == server.content(target)[:8001]
    assert ask(server, target, "Range: bytes=100-8000").status == 503
    assert ask(server, target, "Range: bytes=100-8000").body == server.content(target)[100:8001]


@pytest.mark.parametrize(
    ("target", "before"),
    [("/stall/before-head/a", 0), ("/stall/in-body/a?at=400", 400), ("/span/stalled?size=9000", 5000)],
)
def test_a_stall_ends_when_the_test_says_so(server, target, before):
    with closing(connect(server)) as sock:
        send(sock, target, "Connection: close")
        server.wait_for(lambda record: record.target == target)
        early = read_until(sock, server.content(target)[:before]) if before else b""
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        sock.settimeout(10)
        server.release(target)
        assert (early + read(sock).data).endswith(server.content(target))
    assert ask(server, target).body == server.content(target)


def test_a_client_that_hangs_up_is_noticed_in_a_stall(server):
    with closing(connect(server)) as sock:
        send(sock, "/stall/before-head/a")
        server.wait_until(lambda: server.in_flight("/stall") == 1)
    server.wait_until(lambda: server.in_flight() == 0 == server.open_connections)


@pytest.mark.parametrize("target", ["/drip/a?size=20&interval=0.001", "/drip-in-head/a?interval=0.001&piece=9"])
def test_a_reply_drips(server, target):
    assert ask(server, target).body == server.content(target)


@pytest.mark.parametrize("target", ["/endless/a", "/endless-chunks/a", "/endless/a?interval=0.001"])
def test_a_reply_goes_on_until_the_client_has_had_enough(server, target):
    with closing(connect(server)) as sock:
        send(sock, target)
        received = 0
        while received < 10_000:
            received += len(sock.recv(65536))
    server.wait_until(lambda: server.in_flight() == 0)


def test_a_delay_comes_before_the_head(server):
    target = "/file/a?delay=30"
    with closing(connect(server)) as sock:
        send(sock, target)
        server.wait_until(lambda: server.in_flight(target) == 1)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
    assert ask(server, "/file/a?delay=0.001").status == 200


# Redirects


def test_redirects_lead_where_they_say(server):
    answer = ask(server, "/redirect/a?to=file:///etc/passwd%20x&status=308")
    assert (answer.status, answer.value("Location")) == (308, "file:///etc/passwd x")
    assert ask(server, "/redirect/chain/2/a?size=3").value("Location") == "/redirect/chain/1?size=3"
    assert ask(server, "/redirect/chain/0?size=3").body == server.content("/redirect/chain/0?size=3")
    assert ask(server, "/redirect/loop/a").value("Location") == server.url("/redirect/loop/a")
    assert ask(server, "/redirect/endless/7").value("Location") == "/redirect/endless/8"
    lost = ask(server, "/redirect/nowhere/a")
    assert (lost.status, lost.values("Location")) == (302, [])


# Records


def test_a_request_is_on_record_exactly_as_it_was_sent(server):
    target = "/%7Ea/../b//c%2fd/[x]|\xe4?q=%zz&&r#f"
    with closing(connect(server)) as sock:
        send(sock, target, "X-Two: 1", "x-tWO:  2 ", "Connection: close")
        address = sock.getsockname()
        answer = read(sock)
    (record,) = server.requests
    assert (record.method, record.target, record.version) == ("GET", target, "HTTP/1.1")
    assert record.headers == (("Host", "test"), ("X-Two", "1"), ("x-tWO", "2"), ("Connection", "close"))
    assert (record.client, record.connection, record.ordinal, record.nth) == (address, 1, 1, 1)
    assert (record.header("x-two"), record.values("X-TWO"), record.header("X-None")) == ("1", ["1", "2"], None)
    assert answer.body == server.content(target)


def test_records_are_found_by_target_and_by_path(server):
    for target in ("/file/a?x=1", "/file/a?x=2", "/file/b"):
        ask(server, target)
    assert [one.target for one in server.requests_for("/file/a")] == ["/file/a?x=1", "/file/a?x=2"]
    assert [one.target for one in server.requests_for("/file/a?x=2")] == ["/file/a?x=2"]
    server.clear()
    assert server.requests == []


def test_a_wait_ends_with_its_record_or_says_what_came_instead(server):
    threading.Timer(0.01, ask, (server, "/file/late")).start()
    assert server.wait_for(lambda record: "late" in record.target).path == "/file/late"
    with pytest.raises(AssertionError, match=r"there were 1: \['/file/late'\]"):
        server.wait_for(lambda record: "never" in record.target, timeout=0.01)
    with pytest.raises(AssertionError, match="did not come to hold"):
        server.wait_until(lambda: len(server.requests) > 1, timeout=0.01)
    server.wait_until(lambda: not server.open_connections)


def test_requests_in_flight_are_counted_by_prefix(server):
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, server, f"/stall/before-head/{name}") for name in "abc"]
        server.wait_until(lambda: server.in_flight("/stall/") == 3)
        assert server.in_flight("/stall/before-head/a") == 1
        server.clear()
        for name in "abc":
            server.release(f"/stall/before-head/{name}")
        assert [one.result().status for one in asked] == [200] * 3
    assert (server.in_flight(), server.max_in_flight("/stall/"), server.max_in_flight("/b")) == (0, 3, 0)


def test_one_client_after_another_is_never_counted_twice(server):
    connection = http.client.HTTPConnection(server.host, server.port)
    with closing(connection):
        for number in range(200):
            connection.request("GET", f"/file/{number}")
            connection.getresponse().read()
            ask(server, f"/cut/{number}?size=100")
    assert server.max_in_flight() == 1


def test_what_is_not_http_is_refused(server):
    with closing(connect(server)) as sock:
        sock.sendall(b"what?\r\n\r\n")
        assert read(sock).status == 400
    assert server.requests == []


def test_a_request_body_is_read_over(server):
    connection = http.client.HTTPConnection(server.host, server.port)
    with closing(connection):
        for _ in range(2):
            connection.request("POST", "/file/a", body=b"x" * 100_000)
            assert connection.getresponse().read() == server.content("/file/a")


# TLS


def trusting(server: FaultServer, ca_pem: str) -> socket.socket:
    context = ssl.create_default_context(cafile=ca_pem)
    return context.wrap_socket(connect(server), server_hostname="localhost", suppress_ragged_eofs=False)


def test_tls_is_trusted_through_the_ca(tls_server, ca_pem):
    answer = ask(tls_server, "/file/a", sock=trusting(tls_server, ca_pem))
    assert (answer.body, answer.end) == (tls_server.content("/file/a"), "alert")
    assert tls_server.url("/x").startswith("https://127.0.0.1:")


@pytest.mark.parametrize(("target", "end"), [("/until-close/a", "alert"), ("/until-close-cut/a", "fin")])
def test_only_an_orderly_end_has_a_closure_alert(tls_server, ca_pem, target, end):
    answer = ask(tls_server, target + "?size=3000000", sock=trusting(tls_server, ca_pem))
    assert (len(answer.body), answer.end) == (3_000_000, end)


def test_tls_connections_can_be_reset_and_stalled(tls_server, ca_pem):
    sock = trusting(tls_server, ca_pem)
    send(sock, "/reset/in-body/a")
    tls_server.wait_until(lambda: tls_server.requests and not tls_server.open_connections)
    with socket.socket(fileno=sock.detach()) as bare:  # Python's TLS reports a reset as an end of file
        assert read(bare).end == "rst"
    with closing(trusting(tls_server, ca_pem)) as sock:
        send(sock, "/stall/in-body/a", "Connection: close")
        tls_server.wait_until(lambda: tls_server.in_flight() == 1)
        tls_server.release("/stall/in-body/a")
        assert read(sock).body == tls_server.content("/stall/in-body/a")
    with closing(trusting(tls_server, ca_pem)) as sock:
        send(sock, "/stall/before-head/a")
        tls_server.wait_until(lambda: tls_server.in_flight() == 1)
    tls_server.wait_until(lambda: tls_server.in_flight() == 0)


def test_bad_certificates_are_bad(start_server, authority, ca_pem):
    for context in (authority.context(expired=True), authority.context("elsewhere.test")):
        server = start_server(tls=context)
        with closing(connect(server)) as plain, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context(cafile=ca_pem).wrap_socket(plain, server_hostname="localhost")
        server.wait_until(lambda server=server: server.failed_handshakes)


# Origins and proxies


def test_origins_differ(server, other_server, tls_server):
    assert len({server.origin, other_server.origin, tls_server.origin}) == 3
    assert ask(other_server, "/file/a").status == 200
    assert server.requests == []


def test_a_refused_url_is_refused(refused_url):
    port = int(refused_url.split(":")[2].partition("/")[0])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_proxy_forwards_and_keeps_its_fields_to_itself(server, proxy_server):
    answer = ask(proxy_server, server.url("/file/a?x"), "Proxy-Authorization: secret", "X-Mine: 1")
    assert answer.body == server.content("/file/a?x")
    assert proxy_server.requests[0].target == server.url("/file/a?x")
    assert proxy_server.requests[0].header("Proxy-Authorization") == "secret"
    names = [name for name, _ in server.requests[0].headers]
    assert (server.requests[0].target, names) == ("/file/a?x", ["Host", "X-Mine", "Connection"])


def tunnel(proxy: ProxyServer, authority: str, *fields: str) -> tuple[socket.socket, bytes]:
    sock = connect(proxy)
    sock.sendall("\r\n".join([f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", *fields, "", ""]).encode())
    return sock, read_until(sock, b"\r\n\r\n")


def test_a_proxy_tunnels_bytes_and_resets(server, tls_server, proxy_server, ca_pem):
    sock, head = tunnel(proxy_server, f"localhost:{tls_server.port}")
    assert b" 200 " in head
    context = ssl.create_default_context(cafile=ca_pem)
    inner = context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
    assert ask(tls_server, "/file/a?size=300000", sock=inner).end == "alert"
    sock, _ = tunnel(proxy_server, f"127.0.0.1:{server.port}")
    assert ask(server, "/reset/in-body/a", sock=sock).end == "rst"
    assert [one.method for one in proxy_server.requests] == ["CONNECT", "CONNECT"]


def test_a_proxy_can_want_credentials_refuse_and_know_hosts(server):
    hosts = {"files.test": (server.host, server.port)}
    with ProxyServer(credentials="me:secret", connect_status=502, hosts=hosts) as proxy:
        assert ask(proxy, "http://files.test/file/a").value("Proxy-Authenticate") == 'Basic realm="proxy"'
        credentials = "Proxy-Authorization: Basic bWU6c2VjcmV0"
        assert ask(proxy, "http://files.test/file/a", credentials).body == server.content("/file/a")
        sock, head = tunnel(proxy, "files.test:443", credentials)
        sock.close()
        assert b" 502 " in head


def test_a_proxy_can_speak_tls(server, authority, ca_pem):
    with ProxyServer(tls=authority.context()) as proxy:
        answer = ask(proxy, server.url("/until-close/a?size=200000"), sock=trusting(proxy, ca_pem))
        assert proxy.url.startswith("https://")
    assert (len(answer.body), answer.end) == (200_000, "alert")


def test_a_proxy_says_when_it_cannot_reach_an_origin(proxy_server, refused_url):
    assert ask(proxy_server, refused_url).status == 502
    assert ask(proxy_server, "https://files.test/").status == 400


# Closing, and what is left


@pytest.mark.parametrize("target", ["/stall/before-head/a", "/endless/a", "/drip/a", "/file/a?delay=60", "/file/a"])
def test_closing_ends_every_connection_and_thread(target, ca_pem, authority):
    for tls in (None, authority.context()):
        before = set(threading.enumerate())
        with FaultServer(tls=tls) as server:
            socks = [trusting(server, ca_pem) if tls else connect(server) for _ in range(20)]
            for sock in socks:
                send(sock, target)
            server.wait_until(lambda server=server: len(server.requests) == 20)
        assert set(threading.enumerate()) == before
        assert server.open_connections == 0
        for sock in socks:
            sock.close()


def test_closing_ends_tunnels_and_half_handshakes(server, tls_server):
    with ProxyServer() as proxy:
        sock, _ = tunnel(proxy, f"127.0.0.1:{server.port}")
        idle = connect(tls_server)
    assert read(sock).end in ("fin", "rst")
    tls_server.wait_until(lambda: tls_server.open_connections == 1)
    tls_server.close()
    tls_server.close()
    for one in (sock, idle):
        one.close()


def test_hundreds_of_connections_at_once(server):
    socks = [connect(server) for _ in range(300)]
    for number, sock in enumerate(socks):
        send(sock, f"/file/{number}", "Connection: close")
    assert [read(sock).body for sock in socks] == [server.content(f"/file/{number}") for number in range(300)]
    for sock in socks:
        sock.close()


def test_other_processes_can_ask(server):
    program = f"import urllib.request as r; print(len(r.urlopen({server.url('/file/a?size=77')!r}).read()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "77\n"


def test_nothing_is_left_when_all_is_closed(server, nothing_left):
    assert ask(server, "/file/a").status == 200


@pytest.fixture
def before() -> Snapshot:
    return Snapshot.take()


@pytest.fixture
def done() -> Iterator[threading.Event]:
    """What threads wait for; a failing test would otherwise never end."""
    event = threading.Event()
    yield event
    event.set()


def test_a_thread_is_left(before, done):
    thread = threading.Thread(target=done.wait, name="forgotten")
    thread.start()
    with pytest.raises(AssertionError, match="thread forgotten"):
        assert_nothing_left(before, timeout=0.01)
    done.set()
    assert_nothing_left(before)


def test_a_socket_and_a_file_are_left(before, server, tmp_path):
    with closing(connect(server)), pytest.raises(AssertionError, match="socket:"):
        assert_nothing_left(before, timeout=0.01)
    with (tmp_path / "part").open("w"), pytest.raises(AssertionError, match="part"):
        assert_nothing_left(before, timeout=0.01)
    assert_nothing_left(before)


def test_a_process_is_left_even_unburied(before):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with pytest.raises(AssertionError, match=f"process {child.pid}"):
            assert_nothing_left(before, timeout=0.01)
        child.kill()
        with pytest.raises(AssertionError, match=f"process {child.pid}"):
            assert_nothing_left(before, timeout=0.01)
    assert_nothing_left(before)


def test_a_greenlet_is_left(before):
    gevent = pytest.importorskip("gevent")
    pytest.importorskip("gevent.event")
    done = gevent.event.Event()
    greenlet = gevent.spawn(done.wait)
    gevent.sleep(0)
    with pytest.raises(AssertionError, match="greenlet <Greenlet"):
        assert_nothing_left(before, timeout=0.01)
    done.set()
    greenlet.join()
    assert_nothing_left(before)


def test_a_hanging_name_look_up_may_stay_if_its_thread_is_a_daemon(before, done):
    def getaddrinfo() -> None:
        done.wait()

    threads = [threading.Thread(target=getaddrinfo, name="look-up", daemon=daemon) for daemon in (True, False)]
    threads[0].start()
    assert_nothing_left(before)
    threads[1].start()
    with pytest.raises(AssertionError, match=r"thread look-up$"):
        assert_nothing_left(before, timeout=0.01)
    done.set()
    for thread in threads:
        thread.join()


def test_the_resource_tracker_may_stay(before):
    multiprocessing.get_context("spawn").Queue().close()
    assert_nothing_left(before)


# The program


def test_the_program_runs_wherever_it_is_started(tmp_path):
    done = run_pdl("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pdl, version {pdl.__version__}\n", "")
    assert "import 'pdl'" in run_pdl("--version", cwd=tmp_path, env={"PYTHONVERBOSE": "1"}).stderr


def test_the_program_can_be_started_and_ended(tmp_path):
    with start_pdl("--version", cwd=tmp_path) as process:
        assert "version" in process.communicate(timeout=30)[0]
    assert process.returncode == 0


def test_the_environment_is_clean():
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]
    assert "COLUMNS" not in os.environ
