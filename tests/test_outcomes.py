"""Whole downloads, from the URL to the file: the same outcome, attempts and requests on every engine."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fault_table import covering
from faultserver import FaultServer, ProxyServer

import pdl
from pdl.errors import Kind

WHOLE = None
"""A request without a range."""


@dataclass(frozen=True)
class Case:
    """What a target must come to.

    Args:
        kind: why it fails; None if it is done.
        status: the last HTTP status.
        ranges: the Range field of each request, in order; WHOLE for none.
        settings: of the job.
        version: of the content that must arrive.
        row: in the table of faults.
    """

    kind: Kind | None = None
    status: int | None = 200
    ranges: tuple[str | None, ...] = (WHOLE,)
    settings: tuple[tuple[str, Any], ...] = ()
    version: int = 1
    row: int | None = None


TAIL = "bytes=500-"
"""Files have 1,000 bytes, and the cut ones end after half of them."""
TRIES = (WHOLE,) * 3
FAR_AHEAD = "Wed,%2001%20Jan%202070%2000:00"
"""The minute that a server's clock shows."""

CASES = {
    "/file": Case(),
    "/status/404": Case(Kind.HTTP, 404, row=29),
    "/status/403": Case(Kind.HTTP, 403, row=29),
    "/status/500": Case(Kind.HTTP, 500, TRIES, row=29),
    "/status/204": Case(Kind.EMPTY, 204, row=31),
    "/file?fail=2": Case(ranges=TRIES, row=29),
    "/file?fail=1&fail_with=429&retry_after=0": Case(ranges=(WHOLE,) * 2, row=28),
    "/file?fail=1&fail_with=429&retry_after=1": Case(ranges=(WHOLE,) * 2, row=28),
    "/status/429?retry_after=9999": Case(Kind.HTTP, 429, row=28),
    "/status/401": Case(Kind.HTTP, 401, row=29),
    "/status/410": Case(Kind.HTTP, 410, row=29),
    "/file?fail=1&fail_with=408": Case(ranges=(WHOLE,) * 2, row=29),
    "/file?fail=1&fail_with=502": Case(ranges=(WHOLE,) * 2, row=29),
    "/file?fail=1&fail_with=504": Case(ranges=(WHOLE,) * 2, row=29),
    "/status/205": Case(Kind.EMPTY, 205, row=31),
    "/status/304": Case(Kind.PROTOCOL, 304, row=31),
    "/no-content-with-body": Case(Kind.EMPTY, 204, row=31),
    "/file?size=0": Case(row=31),
    "/partial-unasked": Case(Kind.PROTOCOL, 206, row=12),
    # what a server says when it wants to be left alone; the clock of this one is wrong
    "/status/503?retry_after=10000000000": Case(Kind.HTTP, 503, row=28),
    "/file?fail=1&retry_after=-1": Case(ranges=(WHOLE,) * 2, row=28),
    "/file?fail=1&retry_after=soon": Case(ranges=(WHOLE,) * 2, row=28),
    "/file?fail=1&retry_after=Thu,%2001%20Jan%201970%2000:00:00%20GMT": Case(ranges=(WHOLE,) * 2, row=28),
    f"/file?fail=1&field=Date:%20{FAR_AHEAD}:00%20GMT&retry_after={FAR_AHEAD}:01%20GMT":
        Case(ranges=(WHOLE,) * 2, row=52),
    # a body that is cut is continued under a strong validator, and only then
    "/cut?times=1": Case(status=206, ranges=(WHOLE, TAIL), row=1),
    "/cut?at=300": Case(status=206, ranges=(WHOLE, "bytes=300-", "bytes=600-", "bytes=900-"),
                        settings=(("retries", 3),), row=1),
    "/reset/in-body?times=1": Case(status=206, ranges=(WHOLE, TAIL), row=4),
    "/cut?times=1&etag=none&modified=none": Case(ranges=(WHOLE, WHOLE), row=14),
    "/cut?times=1&etag=weak": Case(ranges=(WHOLE, WHOLE), row=14),
    "/cut?times=1&etag=none&modified=now": Case(ranges=(WHOLE, WHOLE), row=14),
    "/cut?times=1&etag=none": Case(status=206, ranges=(WHOLE, TAIL), row=14),
    "/chunks-cut?times=1": Case(status=206, ranges=(WHOLE, TAIL), row=2),
    "/reset/in-chunks?times=1": Case(status=206, ranges=(WHOLE, TAIL), row=4),
    "/reset/until-close?times=1&at=500": Case(status=206, ranges=(WHOLE, TAIL), row=4),
    # one that changed in between is fetched anew
    "/range/changed": Case(ranges=(WHOLE, TAIL), version=2, row=14),
    "/range/ignored": Case(ranges=(WHOLE, TAIL), row=10),
    "/range/later-start": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/earlier-start": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/unlabelled": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/other-total": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/bad-unit": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/end-before-start": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/junk": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/multipart": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/huge-total": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/beyond-all-bounds": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/twice": Case(ranges=(WHOLE, TAIL, WHOLE), row=11),
    "/range/short": Case(Kind.TRUNCATED, 206, (WHOLE, TAIL, "bytes=750-"), row=11),
    "/range/unknown-total": Case(status=206, ranges=(WHOLE, TAIL), row=11),
    "/range/changed-under-old-etag": Case(ranges=(WHOLE, TAIL, WHOLE), row=14),
    "/range/changed-unnoticed": Case(ranges=(WHOLE, TAIL, WHOLE), row=14),
    "/range/satisfied": Case(ranges=(WHOLE, TAIL, WHOLE), row=13),
    "/trailer-cut?times=1": Case(status=416, ranges=(WHOLE, "bytes=1000-"), row=13),
    "/range/not-modified": Case(ranges=(WHOLE, TAIL, WHOLE), row=16),
    "/range/precondition-failed": Case(ranges=(WHOLE, TAIL, WHOLE), row=16),
    "/range/unsatisfied": Case(ranges=(WHOLE, TAIL, WHOLE), row=13),
    "/range/unsatisfied-unlabelled": Case(ranges=(WHOLE, TAIL, WHOLE), row=13),
    # codings that come though nobody asked for them
    "/gzip": Case(row=17),
    "/gzip?size=200000": Case(row=18),
    "/gzip?codings=5": Case(row=19),
    "/gzip?codings=6": Case(Kind.CODING, row=19),
    "/gzip?junk=100": Case(row=19),
    "/gzip?label=br": Case(Kind.CODING, row=19),
    "/gzip?flip=200": Case(Kind.CODING, row=19),
    "/gzip?short=1": Case(Kind.TRUNCATED, ranges=TRIES, row=19),
    "/bomb?codings=2": Case(Kind.CODING, row=19),
    "/bomb?size=100000": Case(Kind.TOO_LARGE, settings=(("max_filesize", 50_000),), row=19),
    "/gzip?size=2000": Case(Kind.TOO_LARGE, settings=(("max_filesize", 1_999),), row=18),
    "/gzip?size=2001": Case(settings=(("max_filesize", 2_001),), row=18),  # more than that on the wire
    "/gzip-cut?times=1": Case(ranges=(WHOLE, WHOLE), row=17),
    "/range/coded": Case(ranges=(WHOLE, TAIL, WHOLE), row=17),
    # connections
    "/no-reply/always": Case(Kind.RESET, None, TRIES, row=6),
    "/no-reply/always?times=1": Case(ranges=(WHOLE, WHOLE), row=6),
    "/reset/before-head?times=2": Case(ranges=TRIES, row=6),
    "/head-cut?times=1": Case(ranges=(WHOLE, WHOLE), row=7),
    "/chunk-size/negative": Case(Kind.PROTOCOL, 200, (WHOLE, WHOLE), row=3),
    "/chunk-size/overflow": Case(Kind.PROTOCOL, 200, (WHOLE, WHOLE), row=3),
    "/chunk-size/too-small": Case(Kind.PROTOCOL, 200, (WHOLE, WHOLE), row=3),
    "/chunk-size/junk": Case(Kind.PROTOCOL, 200, (WHOLE, WHOLE), row=3),
    "/length/negative": Case(Kind.PROTOCOL, None, row=20),
    "/length/junk": Case(Kind.PROTOCOL, None, row=20),
    "/length/differing": Case(Kind.PROTOCOL, None, row=20),
    "/stall/in-body?times=1&at=500": Case(status=206, ranges=(WHOLE, TAIL), settings=(("timeout", 0.5),), row=8),
    "/drip?interval=0.05": Case(Kind.TIMEOUT, settings=(("timeout", 0.5), ("retries", 0), ("min_speed", 1000)),
                                row=9),
    "/drip?interval=0.01&size=1000000": Case(Kind.TIMEOUT, settings=(("min_speed", 0), ("max_time", 0.5)), row=9),
    "/stall/before-head": Case(Kind.TIMEOUT, None, settings=(("max_time", 0.5),), row=8),
    "/endless": Case(Kind.TOO_LARGE, settings=(("max_filesize", 50_000),), row=38),
    "/file?size=2000": Case(Kind.TOO_LARGE, settings=(("max_filesize", 1_999),), row=38),
    # redirects
    "/redirect/chain/3": Case(row=23),
    "/redirect/chain/20": Case(row=23),
    "/redirect/chain/21": Case(Kind.REDIRECT, 302, row=23),
    "/redirect/loop": Case(Kind.REDIRECT, 302, row=23),
    "/redirect/nowhere": Case(Kind.REDIRECT, 302, row=23),
    "/redirect?to=file:///etc/passwd": Case(Kind.BLOCKED, 302, row=25),
    "/redirect?to=gopher://127.0.0.1/": Case(Kind.BLOCKED, 302, row=25),
    "/redirect?to=ftp://127.0.0.1/x": Case(Kind.BLOCKED, 302, row=25),
    "/redirect?to=data:,x": Case(Kind.BLOCKED, 302, row=25),
    "/redirect?to=http://169.254.169.254/latest/": Case(Kind.BLOCKED, 302, row=26),
}  # fmt: skip


ALONE = ("/status/429?retry_after=9999", "/status/503?retry_after=10000000000", "/drip")
"""What ends all others of its host, or takes its time."""


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {"engine": engine_name, "retries": 2, "retry_delay": 0.02, "timeout": 5.0, **more}


@pytest.mark.fault(59)
def test_a_request_says_who_asks(engine_name, server: FaultServer, tmp_path: Path):
    pdl.download(server.url("/file"), tmp_path / "1", **options(engine_name))
    pdl.download(server.url("/file"), tmp_path / "2", **options(engine_name, user_agent="me (me@example.org)"))
    agents = [record.header("User-Agent") for record in server.requests]
    assert agents == [f"pdl/{pdl.__version__}", "me (me@example.org)"]


@pytest.mark.parametrize("target", covering({each: [case.row] if case.row else [] for each, case in CASES.items()}))
def test_a_target_comes_to_the_outcome_in_the_table(engine_name, server: FaultServer, tmp_path: Path, target: str):
    case = CASES[target]
    results = list(
        pdl.iter_downloads([server.url(target)], tmp_path, **options(engine_name, **dict(case.settings)))
    )
    assert len(results) == 1
    result = results[0]
    assert (result.status, result.kind) == (("failed", case.kind) if case.kind else ("done", None)), result
    assert result.http_status == case.status
    if not target.startswith("/redirect"):
        assert tuple(record.header("Range") for record in server.requests) == case.ranges
        assert result.attempts == len(case.ranges)
    files = [path for path in tmp_path.iterdir() if path.name != ".pdl"]
    if case.kind is None:
        assert result.path is not None
        content = (tmp_path / result.path).read_bytes()
        assert content == server.content(server.requests[-1].target, case.version)
        assert result.size == len(content)
        assert not list((tmp_path / ".pdl" / "parts").iterdir())
    else:
        assert files == []


@pytest.mark.fault(14)
def test_a_range_request_carries_the_strong_validator(engine_name, server: FaultServer, tmp_path: Path):
    pdl.download(server.url("/cut?times=1"), tmp_path, **options(engine_name))
    first, second = server.requests
    assert first.header("If-Range") is None
    assert second.header("If-Range") == '"' + second.header("If-Range").strip('"') + '"'  # type: ignore[union-attr]


@pytest.mark.fault(15)
def test_a_host_that_ignores_ranges_is_asked_for_no_more_of_them(engine_name, server: FaultServer, tmp_path: Path):
    found_out = threading.Event()

    def entries() -> Iterator[str]:
        yield server.url("/range/ignored/a")
        found_out.wait(20)
        yield server.url("/cut/b?times=1")

    with pdl.iter_downloads(entries(), tmp_path, **options(engine_name)) as downloads:
        for result in downloads:
            found_out.set()
            assert result.status == "done"
    assert {record.header("Range") for record in server.requests_for("/range/ignored/a")} == {WHOLE, TAIL}
    assert [record.header("Range") for record in server.requests_for("/cut/b")] == [WHOLE, WHOLE]
    for name, target in (("a", "/range/ignored/a"), ("b", "/cut/b?times=1")):
        assert (tmp_path / name).read_bytes() == server.content(target)


@pytest.mark.fault(58)
def test_a_right_digest_and_size_are_done_and_wrong_ones_fail(engine_name, server: FaultServer, tmp_path: Path):
    url, content = server.url("/file/x.bin"), server.content("/file/x.bin")
    digest = hashlib.sha256(content).hexdigest()
    lines = [
        f"{url}?1\tname=right\tsha256={digest}\tsize={len(content)}".replace("?1", ""),
        f"{url}\tname=wrong-digest\tmd5={'0' * 32}",
        f"{url}\tname=wrong-size\tsize=7",
    ]
    summary = pdl.download_all(lines, tmp_path, **options(engine_name))
    assert (summary.done, summary.failed_by_kind, summary.exit_code) == (1, {"digest": 2}, 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".pdl", "right"]


@pytest.mark.fault(24, 27)
def test_nothing_of_the_user_crosses_to_another_origin(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    url = server.url(f"/redirect?to={other_server.url('/file/there')}").replace("http://", "http://me:secret@", 1)
    headers = {"X-Api-Key": "k", "Referer": "r", "Cookie": "c"}
    result = pdl.download(url, tmp_path, **options(engine_name, headers=headers))
    assert (result.status, result.final_url) == ("done", other_server.url("/file/there"))
    here, there = server.requests[0], other_server.requests[0]
    assert [here.header(name) for name in ("X-Api-Key", "Referer", "Cookie")] == ["k", "r", "c"]
    assert here.header("Authorization")
    assert {name for name, _ in there.headers} == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
    ledger = (tmp_path / ".pdl" / "ledger.sqlite3").read_bytes()
    assert b"secret" not in ledger
    assert "secret" not in repr(result)


@pytest.mark.fault(24)
def test_nothing_of_the_user_crosses_from_https_to_http(
    engine_name, server: FaultServer, tls_server: FaultServer, ca_pem: str, tmp_path: Path
):
    url = tls_server.url(f"/redirect?to={server.url('/file/there')}").replace("https://", "https://me:secret@", 1)
    headers = {"X-Api-Key": "k", "Cookie": "c"}
    result = pdl.download(url, tmp_path, **options(engine_name, headers=headers, cacert=ca_pem))
    assert result.status == "done"
    (here,), (there,) = tls_server.requests, server.requests
    assert (here.header("X-Api-Key"), here.header("Cookie"), bool(here.header("Authorization"))) == ("k", "c", True)
    assert {name for name, _ in there.headers} == {"Host", "User-Agent", "Accept", "Accept-Encoding"}


@pytest.mark.fault(27)
def test_a_redirect_within_the_origin_keeps_what_the_user_gave(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url("/redirect?to=/login").replace("http://", "http://user:password@")
    assert pdl.download(url, tmp_path, **options(engine_name, headers={"X-Api-Key": "k"})).status == "done"
    assert [record.header("X-Api-Key") for record in server.requests] == ["k", "k"]


def test_a_mirror_takes_over_from_the_start(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    line = f"{server.url('/cut?times=9&etag=strong')}\t{other_server.url('/file/mirror')}\tname=f"
    result = pdl.download(line, tmp_path, **options(engine_name))
    assert (result.status, result.attempts, result.final_url) == ("done", 2, other_server.url("/file/mirror"))
    assert [record.header("Range") for record in other_server.requests] == [None]
    assert (tmp_path / "f").read_bytes() == other_server.content("/file/mirror")


def test_a_mirror_that_fails_for_good_is_not_asked_again(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    line = f"{server.url('/status/404')}\t{other_server.url('/file/mirror?fail=2')}"
    result = pdl.download(line, tmp_path, **options(engine_name))
    assert (result.status, result.path) == ("done", "404")
    assert (len(server.requests), len(other_server.requests)) == (1, 3)


@pytest.mark.fault(28, 59)
def test_a_pause_holds_a_host_and_no_other(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    urls = [server.url("/file/first?fail=1&fail_with=503&retry_after=1")]
    urls += [server.url(f"/file/{n}") for n in range(3)] + [other_server.url(f"/file/o{n}") for n in range(20)]
    summary = pdl.download_all(urls, tmp_path, **options(engine_name, jobs=1))
    assert summary.done == len(urls)
    first, second = [record.arrived for record in server.requests_for("/file/first")]
    assert second - first >= 1  # what the host asked for
    during = [record for record in server.requests if first < record.arrived < second]
    assert not during
    assert all(record.arrived < second for record in other_server.requests)


@pytest.mark.fault(59)
def test_a_cap_per_host_holds_and_blocks_no_other_host(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    urls = [server.url(f"/file/{n}?delay=0.03") for n in range(12)]
    urls += [other_server.url(f"/file/o{n}?delay=0.03") for n in range(12)]
    summary = pdl.download_all(urls, tmp_path, **options(engine_name, jobs=6, per_host=2))
    assert summary.done == len(urls)
    assert server.max_in_flight() <= 2
    assert other_server.max_in_flight() <= 2
    if engine_name != "sequential":
        assert server.max_in_flight() == other_server.max_in_flight() == 2


@pytest.mark.fault(28, 59)
def test_a_host_that_wants_to_be_left_alone_for_long_is(engine_name, server: FaultServer, tmp_path: Path):
    urls = [server.url("/status/503?retry_after=3600"), *(server.url(f"/file/{n}") for n in range(5))]
    summary = pdl.download_all(urls, tmp_path, **options(engine_name, jobs=1))
    assert summary.failed_by_kind == {"http 503": 6}
    assert (summary.read, summary.left) == (6, 0)
    assert len(server.requests) == 1


@pytest.mark.fault(49)
def test_https_works_and_a_strange_certificate_does_not(
    engine_name, tls_server: FaultServer, ca_pem: str, tmp_path: Path
):
    url = tls_server.url("/file/x")
    assert pdl.download(url, tmp_path / "1", **options(engine_name)).kind is Kind.TLS
    assert pdl.download(url, tmp_path / "2", **options(engine_name, cacert=ca_pem)).status == "done"
    assert pdl.download(url, tmp_path / "3", **options(engine_name, insecure=True)).status == "done"
    wrong_name = url.replace("127.0.0.1", "127.0.0.3").replace("localhost", "127.0.0.3")
    assert (
        pdl.download(wrong_name, tmp_path / "4", **options(engine_name, cacert=ca_pem, retries=0)).status
        == "failed"
    )
    assert len(tls_server.requests) == 2


def test_a_proxy_carries_http_and_tunnels_https(
    engine_name, server, tls_server, proxy_server: ProxyServer, ca_pem: str, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("http_proxy", proxy_server.origin)
    monkeypatch.setenv("https_proxy", proxy_server.origin)
    urls = [server.url("/file/plain"), tls_server.url("/file/secure")]
    assert pdl.download_all(urls, tmp_path / "1", **options(engine_name, cacert=ca_pem)).done == 2
    assert {record.method for record in proxy_server.requests} == {"GET", "CONNECT"}
    seen = len(proxy_server.requests)
    monkeypatch.setenv("no_proxy", "127.0.0.0/8,localhost")
    assert pdl.download_all(urls, tmp_path / "2", **options(engine_name, cacert=ca_pem)).done == 2
    assert len(proxy_server.requests) == seen


@pytest.mark.fault(50)
def test_a_proxy_that_wants_other_credentials_is_asked_once(
    engine_name, server: FaultServer, tls_server: FaultServer, ca_pem: str, tmp_path: Path
):
    with ProxyServer(credentials="user:password") as proxy:
        via = proxy.origin.replace("//", "//user:wrong@")
        for number, origin in enumerate((server, tls_server)):
            result = pdl.download(
                origin.url("/file"), tmp_path / str(number), **options(engine_name, proxy=via, cacert=ca_pem)
            )
            assert (result.kind, result.attempts) == (Kind.PROXY, 1), result
            assert "407" in result.message
            assert "wrong" not in result.message
        assert len(proxy.requests) == 2


@pytest.mark.fault(50)
def test_a_proxy_without_an_address_is_a_failure_of_the_proxy(engine_name, server: FaultServer, tmp_path: Path):
    proxy = "http://no-such-name.invalid:3128"
    result = pdl.download(server.url("/file"), tmp_path, **options(engine_name, proxy=proxy, retries=0))
    assert (result.kind, "no-such-name.invalid" in result.message) == (Kind.PROXY, True)


@pytest.mark.fault(50)
def test_a_dead_proxy_is_a_failure_of_the_proxy(engine_name, server: FaultServer, refused_url: str, tmp_path: Path):
    result = pdl.download(server.url("/file"), tmp_path, **options(engine_name, proxy=refused_url, retries=0))
    assert result.kind is Kind.PROXY
    assert not server.requests


@pytest.mark.fault(34, 36)
@pytest.mark.parametrize("layout", ["flat", "tree", "hash"])
def test_odd_names_stay_below_the_destination(engine_name, server: FaultServer, tmp_path: Path, layout: str):
    dest = tmp_path / "deep" / "dest"
    odd = [
        *(
            "/..%2f..%2fescape",
            "/%2e%2e%2fescape2",
            "/a%00b",
            "/CON",
            "/con.txt",
            "/a:b",
            "/trailing.",
            "/trailing%20",
        ),
        *("/.hidden", "/-rf", "/.pdl", "/.PDL/ledger.sqlite3", "/" + "l" * 300 + ".jpg", "/" + "%C3%A9" * 200),
        *("/%FF%FE", "/%E2%80%AEgpj.exe", "/", "/x/", "/a//b", "/A.JPG", "/a.jpg", "/caf%C3%A9", "/cafe%CC%81"),
        *("/dir", "/dir/file"),
    ]
    summary = pdl.download_all([server.url(path) for path in odd], dest, **options(engine_name, layout=layout))
    assert (summary.done, summary.failed) == (len(odd), 0)
    files = [path for path in dest.rglob("*") if path.is_file() and ".pdl" not in path.parts]
    assert len(files) == len(odd)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["dest"]
    assert all(len(part.encode()) <= 255 for path in files for part in path.parts)


def test_a_template_names_the_files(engine_name, server: FaultServer, tmp_path: Path):
    urls = [server.url("/a/x.jpg"), "malformed", server.url("/b/y.png?q=1")]
    summary = pdl.download_all(urls, tmp_path, **options(engine_name, output="{index:06d}-{stem}{ext}"))
    assert (summary.done, summary.failed_by_kind) == (2, {"input": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".pdl", "000001-x.jpg", "000003-y.png"]


@pytest.mark.fault(35)
def test_the_first_of_the_list_keeps_its_name_however_late_it_comes(
    engine_name, server: FaultServer, tmp_path: Path
):
    urls = [server.url(f"/{folder}/x.jpg?delay={delay}") for folder, delay in (("a", 0.3), ("b", 0), ("c", 0.1))]
    with pdl.iter_downloads(urls, tmp_path, **options(engine_name, jobs=3)) as downloads:
        paths = {result.index: result.path for result in downloads}
    assert paths[1] == "x.jpg"
    assert len(set(paths.values())) == 3
    assert all(re.fullmatch(r"x\.[0-9a-f]{16}\.jpg", str(paths[number])) for number in (2, 3))
    for number, url in enumerate(urls, 1):
        content = server.content(url.removeprefix(server.origin))
        assert (tmp_path / str(paths[number])).read_bytes() == content


@pytest.mark.fault(36)
def test_names_that_some_file_systems_take_for_the_same_are_never_both_used(
    engine_name, server: FaultServer, tmp_path: Path
):
    urls = [server.url(path) for path in ("/A.JPG", "/a.jpg", "/caf%C3%A9", "/cafe%CC%81")]
    with pdl.iter_downloads(urls, tmp_path, **options(engine_name)) as downloads:
        paths = {result.index: result.path for result in downloads}
    assert (paths[1], paths[3]) == ("A.JPG", "caf\u00e9")
    assert re.fullmatch(r"a\.[0-9a-f]{16}\.jpg", str(paths[2]))
    assert len({unicodedata.normalize("NFC", str(path)).casefold() for path in paths.values()}) == 4


@pytest.mark.fault(35)
def test_what_is_there_is_skipped_without_a_request(engine_name, server: FaultServer, tmp_path: Path):
    (tmp_path / "mine").write_bytes(b"mine")
    urls = [server.url("/file/a"), server.url("/mine"), server.url("/file/a")]
    first = pdl.download_all(urls, tmp_path, **options(engine_name))
    assert (first.done, first.skipped_by_reason) == (1, {"exists": 1, "duplicate": 1})
    assert (tmp_path / "mine").read_bytes() == b"mine"
    server.clear()
    second = pdl.download_all(urls, tmp_path, **options(engine_name))
    assert second.skipped_by_reason == {"done": 1, "exists": 1, "duplicate": 1}
    assert not server.requests
    third = pdl.download_all(urls, tmp_path, **options(engine_name, overwrite=True))
    assert (third.done, third.skipped_by_reason) == (2, {"duplicate": 1})
    assert (tmp_path / "mine").read_bytes() == server.content("/mine")


@pytest.mark.fault(41)
def test_a_planted_link_is_neither_followed_nor_replaced(engine_name, server: FaultServer, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "x").symlink_to(outside)
    summary = pdl.download_all([server.url("/x")], dest, **options(engine_name))
    assert summary.done == 0
    assert outside.read_bytes() == b"precious"
    assert (dest / "x").is_symlink()


def test_the_balance_holds_over_everything_at_once(engine_name, server: FaultServer, tmp_path: Path):
    lines = [server.url(target) for target in CASES if not target.startswith(ALONE)]
    lines += ["", "# comment", "no url", "ftp://x/y", server.url("/file"), server.url("/file") + "\tsize=1"]
    settings = options(engine_name, jobs=8, timeout=0.5, max_filesize=50_000)
    with pdl.iter_downloads(lines, tmp_path, **settings) as downloads:
        results = list(downloads)
    summary = downloads.summary
    assert summary.read == len(lines) - 2
    assert summary.done + summary.skipped + summary.failed == summary.read
    assert summary.left == 0
    assert sorted(result.index for result in results) == list(range(1, summary.read + 1))
    assert len(list(summary.failures)) == summary.failed
    assert {result.url for result in summary.failures} == {r.url for r in results if r.status == "failed"}
