"""Large files in spans: the same file as in one piece, over several connections, whatever the server does."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest
from accounts import files_in, parts_in
from fault_table import covering
from faultserver import FaultServer, run_pdl

import pdl
from pdl.errors import Kind
from pdl.model import Progress
from pdl.spans import Spans

LEAST = 64 << 10
SIZE = 600_000
SPANS = 1 + 9  # the probe, and the rest in spans of the least size


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {
        "engine": engine_name, "split": 4, "split_size": LEAST, "retries": 2, "retry_delay": 0.02, "timeout": 5.0,
        **more,
    }  # fmt: skip


def of_size(target: str) -> str:
    return f"{target}{'&' if '?' in target else '?'}size={SIZE}"


def ranges(server: FaultServer) -> list[str | None]:
    return [record.header("Range") for record in server.requests]


def assert_whole(result: pdl.Result, server: FaultServer, dest: Path, target: str, version: int = 1) -> None:
    assert (result.status, result.kind) == ("done", None), result
    assert result.path is not None
    content = (dest / result.path).read_bytes()
    assert content == server.content(target, version)
    assert result.size == len(content)
    assert parts_in(dest) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_large_file_comes_in_spans(
    engine_name, server: FaultServer, tls_server: FaultServer, ca_pem: str, tmp_path: Path, scheme: str
):
    origin = server if scheme == "http" else tls_server
    target = of_size("/file/large")
    result = pdl.download(origin.url(target), tmp_path, **options(engine_name, cacert=ca_pem))
    assert_whole(result, origin, tmp_path, target)
    assert result.attempts == len(origin.requests) == SPANS
    asked = sorted(int(text.removeprefix("bytes=").split("-")[0]) for text in ranges(origin) if text)
    assert asked == list(range(0, SIZE, LEAST))
    probe, *others = origin.requests
    assert (probe.header("Range"), probe.header("If-Range")) == (f"bytes=0-{LEAST - 1}", None)
    assert len({record.header("If-Range") for record in others}) == 1
    assert others[0].header("If-Range")
    entry = next(iter(pdl.Ledger(tmp_path)))
    assert (entry.etag, entry.size, entry.attempts) == (others[0].header("If-Range"), SIZE, SPANS)


@pytest.mark.parametrize(
    ("limits", "most"), [({}, 4), ({"jobs": 3}, 3), ({"per_host": 2}, 2), ({"jobs": 1}, 1), ({"split": 7}, 7)]
)
def test_spans_come_over_so_many_connections_at_once(
    engine_name, server: FaultServer, tmp_path: Path, limits: dict[str, int], most: int
):
    target = of_size("/stall/in-body/large?at=5000")  # the head and some of each span, the rest when all are there
    most = 1 if engine_name == "sequential" else most
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            pdl.download, server.url(target), tmp_path, **options(engine_name, **limits, timeout=60)
        )
        try:
            server.wait_until(lambda: server.in_flight() == most, 30)
        finally:
            server.release(target)
        assert_whole(future.result(60), server, tmp_path, target)
    assert server.max_in_flight() == most
    assert len(server.requests) == SPANS


def test_other_files_come_beside_one_in_spans(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    large = [of_size(f"/file/large-{n}") for n in range(3)]
    small = [f"/file/small-{n}" for n in range(20)]
    urls = [server.url(target) for target in [*large, *small]] + [other_server.url(target) for target in small]
    summary = pdl.download_all(urls, tmp_path, **options(engine_name, jobs=6, per_host=3, layout="tree"))
    assert summary.done == len(urls)
    assert server.max_in_flight() <= 3
    assert sorted(map(len, files_in(tmp_path).values())) == [1000] * 40 + [SIZE] * 3
    assert {server.content(target) for target in large} <= set(files_in(tmp_path).values())


@pytest.mark.parametrize("size", [0, 1, 1000, LEAST - 1, LEAST])
def test_a_small_file_comes_with_one_request(engine_name, server: FaultServer, tmp_path: Path, size: int):
    target = f"/file/small?size={size}"
    digest = hashlib.sha256(server.content(target)).hexdigest()
    wanted = pdl.Download(server.url(target), digest=pdl.Digest("sha256", digest))
    result = pdl.download(wanted, tmp_path, **options(engine_name))
    assert_whole(result, server, tmp_path, target)
    probe = f"bytes=0-{LEAST - 1}"
    # nothing of an empty file can be asked for by range
    assert ranges(server) == ([probe] if size else [probe, None])


def test_a_size_of_the_list_saves_the_probe_of_a_small_file(engine_name, server: FaultServer, tmp_path: Path):
    result = pdl.download(f"{server.url('/file/small')}\tsize=1000", tmp_path, **options(engine_name))
    assert_whole(result, server, tmp_path, "/file/small")
    assert ranges(server) == [None]


@dataclass(frozen=True)
class Case:
    """What a target must come to.

    Args:
        kind: why it fails; None if it is done.
        status: the last HTTP status.
        version: of the content that must arrive.
        falls_back: the last request is for the whole file.
        requests: how many there are at the least and at the most; None where that depends on the engine's pace.
        rows: in the table of faults.
    """

    kind: Kind | None = None
    status: int | None = 200
    version: int = 1
    falls_back: bool = True
    requests: tuple[int, int] | None = None
    rows: tuple[int, ...] = ()


BROKEN_OFF = (3, 6)
"""The probe, from one to four spans that were under way, and the whole file."""

CASES = {
    # servers that will have nothing of it
    "/probe/ignored": Case(falls_back=False, requests=(1, 1), rows=(10,)),
    "/until-close": Case(status=206, falls_back=False, requests=(SPANS, SPANS)),
    "/chunked": Case(status=206, falls_back=False, requests=(SPANS, SPANS)),
    "/file?etag=weak": Case(requests=(2, 2), rows=(14,)),
    "/file?etag=none&modified=none": Case(requests=(2, 2), rows=(14,)),
    "/file?etag=none&modified=now": Case(requests=(2, 2), rows=(14,)),
    "/file?etag=none": Case(status=206, falls_back=False, requests=(SPANS, SPANS)),
    "/probe/unlabelled": Case(requests=(2, 2), rows=(11,)),
    "/probe/unknown-total": Case(requests=(2, 2), rows=(11,)),
    "/probe/bad-unit": Case(requests=(2, 2), rows=(11,)),
    "/probe/shifted": Case(requests=(2, 2), rows=(11,)),
    "/probe/shorter": Case(requests=(2, 2), rows=(11,)),
    "/probe/longer": Case(requests=(2, 2), rows=(11,)),
    "/probe/coded": Case(requests=(2, 2), rows=(17,)),
    "/probe/bad-request": Case(requests=(2, 2)),
    "/probe/unsatisfied": Case(requests=(2, 2), rows=(13,)),
    "/gzip": Case(requests=None, rows=(17,)),
    # servers that think better of it
    "/span/ignored": Case(requests=BROKEN_OFF, rows=(10, 60)),
    "/span/changed": Case(version=2, requests=BROKEN_OFF, rows=(14, 60)),
    "/span/changed-unnoticed": Case(version=2, requests=BROKEN_OFF, rows=(14, 60)),
    "/span/shifted": Case(requests=BROKEN_OFF, rows=(11, 60)),
    "/span/unlabelled": Case(requests=BROKEN_OFF, rows=(11, 60)),
    "/span/twice": Case(requests=BROKEN_OFF, rows=(11, 60)),
    "/span/other-total": Case(requests=BROKEN_OFF, rows=(11, 60)),
    "/span/unknown-total": Case(status=206, falls_back=False, requests=(SPANS, SPANS), rows=(11,)),
    "/span/shorter": Case(requests=BROKEN_OFF, rows=(11, 60)),
    "/span/longer": Case(requests=BROKEN_OFF, rows=(11, 22, 60)),
    "/span/coded": Case(requests=BROKEN_OFF, rows=(17, 60)),
    "/span/not-modified": Case(requests=BROKEN_OFF, rows=(16, 60)),
    "/span/precondition-failed": Case(requests=BROKEN_OFF, rows=(16, 60)),
    "/span/unsatisfied": Case(requests=BROKEN_OFF, rows=(13, 60)),
    "/span/gone": Case(requests=BROKEN_OFF, rows=(29, 60)),
    "/span/redirected?to=/file/elsewhere": Case(requests=BROKEN_OFF, rows=(60,)),
    # what breaks is tried again by itself, from where it came to
    "/span/cut?times=2": Case(status=206, falls_back=False, requests=(SPANS + 1, SPANS + 1), rows=(1,)),
    "/span/cut": Case(Kind.TRUNCATED, 206, rows=(1,)),
    "/span/busy?from=3": Case(status=206, falls_back=False, requests=(SPANS + 1, SPANS + 1), rows=(29,)),
    "/span/busy": Case(Kind.HTTP, 503, rows=(29,)),
    "/file?fail=1": Case(status=206, falls_back=False, requests=(SPANS + 1, SPANS + 1), rows=(29,)),
    "/status/404": Case(Kind.HTTP, 404, requests=(1, 1), rows=(29,)),
    "/redirect?to=/file/elsewhere%3Fsize%3D600000":
        Case(status=206, falls_back=False, requests=(SPANS + 1, SPANS + 1), rows=(23,)),
}  # fmt: skip


@pytest.mark.parametrize("target", covering({each: case.rows for each, case in CASES.items()}))
def test_a_target_comes_to_the_outcome_in_the_table(engine_name, server: FaultServer, tmp_path: Path, target: str):
    case, asked = CASES[target], of_size(target)
    with pdl.iter_downloads([server.url(asked)], tmp_path, **options(engine_name)) as downloads:
        (result,) = downloads
    assert result.http_status == case.status, result
    if case.requests is not None:
        assert case.requests[0] <= len(server.requests) <= case.requests[1]
    if not target.startswith("/redirect"):
        assert result.attempts == len(server.requests)
    if case.kind is None:
        content = server.requests[-1].target if target.startswith("/redirect") else asked
        assert_whole(result, server, tmp_path, content, case.version)
        assert (ranges(server)[-1] is None) == case.falls_back
    else:
        assert (result.status, result.kind) == ("failed", case.kind)
        assert files_in(tmp_path) == {}
    assert downloads.summary.left == 0
    server.wait_until(lambda: server.in_flight() == 0)


@pytest.mark.fault(1)
def test_a_span_that_is_cut_goes_on_where_it_stopped(engine_name, server: FaultServer, tmp_path: Path):
    target = of_size("/span/cut?times=2")
    assert_whole(pdl.download(server.url(target), tmp_path, **options(engine_name)), server, tmp_path, target)
    asked = [text.removeprefix("bytes=").split("-") for text in ranges(server) if text]
    assert len(asked) == len(server.requests)
    (again,) = [(int(start), int(last)) for start, last in asked if int(start) % LEAST]
    assert again[0] % LEAST == LEAST // 2
    assert again[1] - again[0] + 1 == LEAST // 2


@pytest.mark.fault(29)
def test_a_server_that_refuses_more_connections_gets_fewer(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if engine_name == "sequential":
        pytest.skip("it has one connection at a time")
    target = of_size("/span/stalled?refused=3")
    narrow, refusals = Spans.narrow, Semaphore(0)

    def noted(spans: Spans) -> bool:
        refusals.release()
        return narrow(spans)

    monkeypatch.setattr(Spans, "narrow", noted)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(pdl.download, server.url(target), tmp_path, **options(engine_name, retries=0))
        try:
            assert all(refusals.acquire(timeout=30) for _ in range(3))
        finally:
            server.release(target)
        assert_whole(future.result(60), server, tmp_path, target)
    assert len(server.requests) == SPANS + 3


@pytest.mark.fault(15)
def test_a_host_that_ignores_the_range_of_a_span_is_asked_for_no_more_of_them(
    engine_name, server: FaultServer, tmp_path: Path
):
    first, second = of_size("/span/ignored/a"), of_size("/file/b")
    summary = pdl.download_all([server.url(first), server.url(second)], tmp_path, **options(engine_name, jobs=1))
    assert summary.done == 2
    assert [record.header("Range") for record in server.requests_for("/file/b")] == [None]
    assert files_in(tmp_path) == {"a": server.content(first), "b": server.content(second)}


@pytest.mark.fault(58)
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_the_digest_is_that_of_the_whole_file(engine_name, server: FaultServer, tmp_path: Path, algorithm: str):
    target = of_size("/file/x")
    digest = hashlib.new(algorithm, server.content(target)).hexdigest()
    right = pdl.Download(server.url(target), name="right", digest=pdl.Digest(algorithm, digest))
    wrong = pdl.Download(server.url(target), name="wrong", digest=pdl.Digest(algorithm, digest[::-1]))
    plain = pdl.Download(server.url(target), name="plain")
    summary = pdl.download_all([right, wrong, plain], tmp_path, **options(engine_name, digest="sha1"))
    assert (summary.done, summary.failed_by_kind, summary.exit_code) == (2, {"digest": 1}, 6)
    assert set(files_in(tmp_path)) == {"right", "plain"}
    assert parts_in(tmp_path) == []
    found = {entry.name: entry.digest for entry in pdl.Ledger(tmp_path)}
    assert found["right"] == pdl.Digest(algorithm, digest)
    assert found["plain"] == pdl.Digest("sha1", hashlib.sha1(server.content(target)).hexdigest())


def test_a_mirror_takes_over_from_the_start(
    engine_name, server: FaultServer, other_server: FaultServer, tmp_path: Path
):
    there = of_size("/file/mirror")
    digest = hashlib.sha256(other_server.content(there)).hexdigest()
    mirrors = (other_server.url(there),)
    for number, target in enumerate([of_size("/span/busy"), of_size("/file/other")]):  # one fails, one is wrong
        wanted = pdl.Download(server.url(target), mirrors, digest=pdl.Digest("sha256", digest))
        result = pdl.download(wanted, tmp_path / str(number), **options(engine_name))
        assert_whole(result, other_server, tmp_path / str(number), there)
        assert result.final_url == mirrors[0]
    assert len(other_server.requests) == 2 * SPANS


@pytest.mark.fault(38)
def test_limits_of_size_hold(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url(of_size("/file/x"))
    assert pdl.download(url, tmp_path / "1", **options(engine_name, max_filesize=SIZE - 1)).kind is Kind.TOO_LARGE
    assert pdl.download(url, tmp_path / "2", **options(engine_name, max_filesize=SIZE)).status == "done"
    assert pdl.download(f"{url}\tsize={SIZE - 1}", tmp_path / "3", **options(engine_name)).kind is Kind.DIGEST
    assert len(server.requests) == 1 + SPANS + 1


@pytest.mark.fault(32)
def test_the_type_is_judged_by_the_first_bytes(engine_name, server: FaultServer, tmp_path: Path):
    page, picture = of_size("/file/page?begin=<!DOCTYPE%20html>"), of_size("/file/picture?begin=%89PNG%0D%0A%1A%0A")
    types = options(engine_name, accept="image/*")
    assert pdl.download(server.url(page), tmp_path / "1", **types).kind is Kind.CONTENT_TYPE
    assert len(server.requests) == 1
    assert parts_in(tmp_path / "1") == []
    result = pdl.download(server.url(picture), tmp_path / "2", **types)
    assert_whole(result, server, tmp_path / "2", picture)


@pytest.mark.fault(33)
def test_the_server_names_the_file(engine_name, server: FaultServer, tmp_path: Path):
    target = of_size('/file/x?field=Content-Disposition:attachment;filename="named.bin"')
    result = pdl.download(server.url(target), tmp_path, **options(engine_name, content_disposition=True))
    assert_whole(result, server, tmp_path, target)
    assert result.path == "named.bin"


@pytest.mark.fault(9)
def test_the_time_for_a_file_is_that_of_all_its_spans(engine_name, server: FaultServer, tmp_path: Path):
    target = of_size("/drip/x?piece=100&interval=0.02")
    result = pdl.download(server.url(target), tmp_path, **options(engine_name, max_time=0.7, min_speed=0))
    assert (result.status, result.kind) == ("failed", Kind.TIMEOUT)
    assert files_in(tmp_path) == {}


@pytest.mark.fault(44)
def test_a_file_in_spans_is_flushed_before_it_counts(engine_name, server: FaultServer, tmp_path: Path):
    target = of_size("/file/x")
    result = pdl.download(server.url(target), tmp_path, **options(engine_name, durable=True, digest="sha256"))
    assert_whole(result, server, tmp_path, target)


def test_what_has_not_changed_is_not_sent_again(engine_name, server: FaultServer, tmp_path: Path):
    target = of_size("/file/x")
    url = server.url(target)
    pdl.download(url, tmp_path, **options(engine_name))
    server.clear()
    result = pdl.download(url, tmp_path, **options(engine_name, update=True))
    assert (result.status, result.reason, len(server.requests)) == ("skipped", "not-modified", 1)


def test_the_bytes_of_all_spans_are_told_of_together(engine_name, server: FaultServer, tmp_path: Path):
    target = of_size("/drip/large?piece=8000&interval=0.03")
    seen = Seen()
    result = pdl.download(server.url(target), tmp_path, **options(engine_name, progress=seen))
    assert_whole(result, server, tmp_path, target)
    sizes = [progress.size for progress in seen.told]
    assert sizes == sorted(sizes)
    assert sizes[-1] == SIZE
    assert any(LEAST < size < SIZE for size in sizes)
    running = [progress.running for progress in seen.told if progress.running]
    assert {len(each) for each in running} == {1}
    assert {each.total for (each,) in running} <= {None, SIZE}


class Seen:
    """A reporter that keeps what it is told of progress."""

    def __init__(self) -> None:
        self.told: list[Progress] = []

    def on(self, event: object) -> None:
        if isinstance(event, Progress):
            self.told.append(event)

    def close(self) -> None:
        pass


def test_without_a_state_files_come_in_spans_too(engine_name, server: FaultServer, tmp_path: Path):
    target = of_size("/file/x")
    result = pdl.download(server.url(target), tmp_path, **options(engine_name, no_state=True))
    assert_whole(result, server, tmp_path, target)
    assert len(server.requests) == SPANS


def test_the_command_takes_sizes(server: FaultServer, tmp_path: Path):
    target = of_size("/file/x")
    done = run_pdl(server.url(target), "-d", tmp_path, "--split", "4", "--split-size", "64k", "-e", "threads")
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == SPANS
    refused = run_pdl(server.url(target), "-d", tmp_path, "--split-size", "1k")
    assert refused.returncode == 2
    assert "split_size takes a whole number from 65536" in refused.stderr
