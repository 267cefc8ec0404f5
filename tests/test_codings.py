"""Codings in whole downloads, on every engine: kept or undone, and what sizes and digests are held against."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
from faultserver import FaultServer

import pdl
from pdl.errors import Kind

pytestmark = pytest.mark.fault(17, 18, 19)


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {"engine": engine_name, "retries": 2, "retry_delay": 0.02, "timeout": 5.0, **more}


@pytest.mark.parametrize("target", ["/gzip/a", "/gzip/a?label=br", "/gzip/a?codings=6", "/gzip/a?short=3"])
def test_a_coded_file_can_be_kept_as_it_is_sent(engine_name, server: FaultServer, tmp_path: Path, target: str):
    data = server.content("/gzip/a")
    for _ in range(6 if "codings" in target else 1):
        data = gzip.compress(data, mtime=0)
    data = data[:-3] if "short" in target else data
    result = pdl.download(server.url(target), tmp_path, **options(engine_name, raw=True))
    assert (result.status, result.size, result.attempts) == ("done", len(data), 1), result
    assert (tmp_path / "a").read_bytes() == data


def test_a_coded_file_that_is_kept_is_not_continued_either(engine_name, server: FaultServer, tmp_path: Path):
    result = pdl.download(server.url("/gzip-cut?times=1"), tmp_path, **options(engine_name, raw=True))
    assert (result.status, result.attempts) == ("done", 2)
    assert [record.header("Range") for record in server.requests] == [None, None]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.svgz"])
def test_an_archive_that_is_labelled_as_coded_is_kept_and_continued(
    engine_name, server: FaultServer, tmp_path: Path, name: str, raw: bool
):
    url = server.url(f"/cut/{name}?times=1&field=Content-Encoding:gzip")
    result = pdl.download(url, tmp_path, **options(engine_name, raw=raw))
    assert (result.status, result.http_status) == ("done", 206)
    assert (tmp_path / name).read_bytes() == server.content(f"/cut/{name}")


def test_sizes_and_digests_of_the_list_are_those_of_the_decoded_file(
    engine_name, server: FaultServer, tmp_path: Path
):
    url, content = server.url("/gzip/a"), server.content("/gzip/a")
    coded = gzip.compress(content, mtime=0)
    lines = [
        f"{url}\tname=right\tsha256={hashlib.sha256(content).hexdigest()}\tsize={len(content)}",
        f"{url}\tname=coded-digest\tsha256={hashlib.sha256(coded).hexdigest()}",
        f"{url}\tname=coded-size\tsize={len(coded)}",
        f"{url}\tname=smaller\tsize={len(content) - 1}",
    ]
    summary = pdl.download_all(lines, tmp_path / "1", **options(engine_name))
    assert (summary.done, summary.failed_by_kind) == (1, {"digest": 3})
    summary = pdl.download_all(lines, tmp_path / "2", **options(engine_name, raw=True))
    assert (summary.done, summary.failed_by_kind) == (2, {"digest": 2})


def test_a_file_of_zeros_is_no_bomb(engine_name, server: FaultServer, tmp_path: Path):
    result = pdl.download(server.url("/bomb/a?size=3000000"), tmp_path, **options(engine_name))
    assert (result.status, result.size) == ("done", 3_000_000)
    assert (tmp_path / "a").read_bytes() == bytes(3_000_000)


def test_an_empty_body_is_an_empty_file_whatever_its_coding(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url("/empty/a?field=Content-Encoding:gzip")
    assert pdl.download(url, tmp_path, **options(engine_name)).status == "done"
    assert (tmp_path / "a").read_bytes() == b""


def test_what_cannot_be_undone_says_what_to_do(engine_name, server: FaultServer, tmp_path: Path):
    result = pdl.download(server.url("/gzip/a?label=br"), tmp_path, **options(engine_name))
    assert (result.kind, "'br'" in result.message, "--raw" in result.message) == (Kind.CODING, True, True)
