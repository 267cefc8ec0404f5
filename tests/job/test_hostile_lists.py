"""Lists that are garbage, or meant to break out: each line ends by itself, and the good ones are fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accounts import files_in
from faultserver import FaultServer, run_pdl

import pdl
from pdl.errors import Kind

HOSTILE = [
    b"example.org/without-a-scheme",
    b"http://",
    b"http:///no-host",
    b"http://h:99999/port",
    b"http://h/nul\0behind",
    b"http://h/carriage\rX-Injected: 1",
    b"http://h/escape\x1b[2J\x1b]0;title\x07",
    b"http://h/latin-1-\xe9\xff",
    b"http://ex ample.org/blank-in-host",
    b"http://xn--a-\xc3\xa9.test/broken-idna",
    b"http://h/" + b"a" * 10_000_000,
    b"http://h/x\tsha256=short",
    b"http://h/x\tunknown=field",
    b"\x00\x01\x02\x03",
]
"""Lines that are no entries; each must fail under its own number."""

BLOCKED = [b"file:///etc/passwd", b"ftp://h/x", b"gopher://h/x", b"data:,x", b"javascript:alert(1)"]


def hostile_list(server: FaultServer, path: Path) -> list[bytes]:
    """Write a list with good entries before, between and behind the hostile ones."""
    good = [server.url(f"/file/good-{number}").encode() for number in range(3)]
    odd = [
        server.url("/file/with blank and [brackets]?q=\u00e9").encode(),
        server.url("/file/with%0d%0aX-Injected:1").encode(),
    ]
    lines = [b"\xef\xbb\xbf" + good[0], *HOSTILE, good[1] + b"\r", *BLOCKED, *odd, b"", b"# comment", good[2]]
    path.write_bytes(b"\n".join(lines))  # the last line has no end
    return lines


@pytest.mark.fault(57)
def test_each_hostile_line_fails_by_its_number_and_stops_nothing(engine_name, server: FaultServer, tmp_path: Path):
    path, dest = tmp_path / "list.txt", tmp_path / "dest"
    lines = hostile_list(server, path)
    with pdl.iter_downloads(path, dest, engine=engine_name, retries=0) as downloads:
        results = list(downloads)
    failed = {result.where: result for result in results if result.status == "failed"}
    for kind, those in ((Kind.INPUT, HOSTILE), (Kind.BLOCKED, BLOCKED)):
        for line in those:
            where = f"{path}:{lines.index(line) + 1}"
            assert failed.pop(where).kind is kind, line[:40]
    assert not failed
    summary = downloads.summary
    assert (summary.done, summary.failed, summary.left) == (5, len(HOSTILE) + len(BLOCKED), 0)
    assert len(files_in(dest)) == 5


@pytest.mark.fault(57)
def test_nothing_of_a_list_breaks_out_into_a_request(engine_name, server: FaultServer, tmp_path: Path):
    hostile_list(server, tmp_path / "list.txt")
    pdl.download_all(tmp_path / "list.txt", tmp_path / "dest", engine=engine_name, retries=0)
    assert len(server.requests) == 5
    for record in server.requests:
        assert record.target.isascii()
        assert record.target.isprintable()
        assert {name for name, _ in record.headers} == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
    assert "/file/with%0d%0aX-Injected:1" in {record.target for record in server.requests}


@pytest.mark.fault(57)
def test_nothing_of_a_list_breaks_out_into_what_is_printed(engine_name, server: FaultServer, tmp_path: Path):
    hostile_list(server, tmp_path / "list.txt")
    run = run_pdl(tmp_path / "list.txt", "-d", tmp_path / "dest", "-e", engine_name, "-vv", "--json")
    assert run.returncode == 3
    assert run.stderr.replace("\n", "").isprintable()
    assert max(map(len, run.stderr.splitlines())) < 10_000
    printed = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(printed) == 5 + len(HOSTILE) + len(BLOCKED)
    assert "Traceback" not in run.stderr


@pytest.mark.fault(57)
def test_a_host_in_another_script_is_asked_for_by_its_name_of_dns(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch
):
    """Through a proxy, which is asked for the name as it goes on the wire."""
    entry = "http://B\u00fccher.test/file/\u00fc"
    result = pdl.download(entry, tmp_path, engine=engine_name, proxy=server.origin, retries=0)
    assert result.status == "done", result
    (record,) = server.requests
    assert record.header("Host") == "xn--bcher-kva.test"
    assert record.target == "http://xn--bcher-kva.test/file/%C3%BC"
