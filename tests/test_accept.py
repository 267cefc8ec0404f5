"""Wanted types in whole downloads, on every engine: what the server says and the first bytes must both agree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from faultserver import FaultServer, run_pdl

import pdl
from pdl.errors import Kind

pytestmark = pytest.mark.fault(32)

PNG, PAGE = quote(b"\x89PNG\r\n\x1a\n"), quote("\ufeff<!DOCTYPE html>".encode())
TAIL = "bytes=500-"


@dataclass(frozen=True)
class Case:
    """What a target must come to when images are wanted.

    Args:
        wanted: it is done.
        status: the last HTTP status.
        ranges: the Range field of each request, in order.
        accept: what is wanted instead.
    """

    wanted: bool = True
    status: int = 200
    ranges: tuple[str | None, ...] = (None,)
    accept: tuple[str, ...] = ("image/*",)


RESUMED = Case(status=206, ranges=(None, TAIL))

CASES = {
    # one answer
    "/html": Case(False),
    f"/file?type=image/png&begin={PNG}": Case(),
    f"/file?begin={PNG}": Case(),
    f"/file?type=text/plain&begin={PNG}": Case(False),
    f"/file?type=image/png&begin={PAGE}": Case(False),
    f"/file?begin={PAGE}": Case(False),
    "/file?type=image/png": Case(False),
    "/file": Case(False),
    "/empty?type=image/png": Case(False),
    "/file?type=text/csv": Case(accept=("text/csv", "application/json")),
    f"/file?type=application/json&begin={PAGE}": Case(False, accept=("application/json",)),
    f"/chunked?type=image/png&begin={PNG}&chunk=1": Case(),
    f"/chunked?type=image/png&begin={PAGE}&chunk=1": Case(False),
    f"/drip?type=image/png&begin={PNG}&size=30&interval=0.001": Case(),
    f"/drip?type=image/png&begin={PAGE}&size=30&interval=0.001": Case(False),
    "/endless?type=image/png": Case(False),
    # coded ones
    f"/gzip?type=image/png&begin={PNG}": Case(),
    f"/gzip?type=image/png&begin={PAGE}": Case(False),
    "/gzip?type=image/png": Case(False),
    # continued ones
    f"/cut?times=1&type=image/png&begin={PNG}": RESUMED,
    f"/cut?times=1&begin={PNG}": RESUMED,
    f"/cut?times=1&type=image/png&begin={PNG}&at=4": Case(status=206, ranges=(None, "bytes=4-")),
    f"/cut?times=1&type=image/png&begin={PAGE}&at=4": Case(False, 206, (None, "bytes=4-")),
    "/cut?times=1&type=image/png&at=4": Case(False, 206, (None, "bytes=4-")),
    f"/range/untyped?type=image/png&begin={PNG}": RESUMED,
    "/range/untyped?type=application/json": Case(ranges=(None, TAIL, None), accept=("application/json",)),
}


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {"engine": engine_name, "retries": 2, "retry_delay": 0.02, "timeout": 5.0, **more}


@pytest.mark.parametrize("target", CASES)
def test_a_file_comes_only_if_it_is_wanted(engine_name, server: FaultServer, tmp_path: Path, target: str):
    case = CASES[target]
    result = pdl.download(server.url(target), tmp_path, **options(engine_name, accept=case.accept))
    assert (result.status, result.kind) == (("done", None) if case.wanted else ("failed", Kind.CONTENT_TYPE)), (
        result
    )
    assert result.http_status == case.status
    assert tuple(record.header("Range") for record in server.requests) == case.ranges
    assert {record.header("Accept") for record in server.requests} == {"*/*"}
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.name != ".pdl"]
    assert files == ([server.content(server.requests[0].target)] if case.wanted else [])
    assert not list((tmp_path / ".pdl" / "parts").iterdir())


@pytest.mark.parametrize("target", ["/html", f"/file?type=image/png&begin={PAGE}", "/file?type=image/png"])
def test_without_a_wish_any_file_comes(engine_name, server: FaultServer, tmp_path: Path, target: str):
    assert pdl.download(server.url(target), tmp_path, **options(engine_name)).status == "done"


def test_a_mirror_may_have_what_is_wanted(engine_name, server: FaultServer, tmp_path: Path):
    right = f"/file?type=image/png&begin={PNG}"
    line = f"{server.url('/html')}\t{server.url(right)}\tname=a"
    result = pdl.download(line, tmp_path, **options(engine_name, accept="image/*"))
    assert (result.status, (tmp_path / "a").read_bytes()) == ("done", server.content(right))


def test_a_coding_that_is_kept_is_judged_by_what_the_server_says(engine_name, server: FaultServer, tmp_path: Path):
    wanted, unwanted = server.url("/gzip/a?type=image/png"), server.url("/gzip/b?type=text/css")
    settings = options(engine_name, accept="image/*", raw=True)
    summary = pdl.download_all([wanted, unwanted], tmp_path, **settings)
    assert (summary.done, summary.failed_by_kind) == (1, {"content-type": 1})


def test_the_command_takes_types_with_commas_and_more_than_once(server: FaultServer, tmp_path: Path):
    urls = [server.url(target) for target in ("/html", f"/x?begin={PNG}", "/file?type=text/csv", "/file/b")]
    done = run_pdl("-d", tmp_path, "--accept", "image/gif, image/PNG", "--accept", "text/csv", *urls)
    assert done.returncode == 3
    assert "content-type: 2" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {".pdl", "x", "file"}


def test_the_command_refuses_what_is_no_type(tmp_path: Path):
    done = run_pdl("-d", tmp_path, "--accept", "png", "http://127.0.0.1/")
    assert done.returncode == 2
    assert done.stderr == "pdl: accept takes media types such as image/* or application/pdf, not 'png'\n"
