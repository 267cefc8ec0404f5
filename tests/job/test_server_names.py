"""Names that servers send: given once, kept over runs and kills, and never a way out of their folder."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from accounts import files_in
from faultserver import FaultServer, run_pdl

import pdl
from pdl.errors import Kind
from pdl.model import Download
from pdl.naming import identities, with_hash

pytestmark = pytest.mark.fault(33)


def sends(path: str, field: str, more: str = "") -> str:
    """The target of a file with this Content-Disposition, in the characters of ISO-8859-1."""
    return f"{path}?{more}field={quote('Content-Disposition:' + field, safe='', encoding='latin-1')}"


def named(path: str, name: str, more: str = "") -> str:
    """The target of a file that the server calls by this name."""
    return sends(path, f"attachment; filename*=UTF-8''{quote(name, safe='')}", more)


def hashed(name: str, url: str) -> str:
    return with_hash(name, identities([Download(url)])[0])


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {
        "engine": engine_name,
        "retries": 2,
        "retry_delay": 0.02,
        "timeout": 5.0,
        "content_disposition": True,
        **more,
    }


def download(
    server: FaultServer, targets: list[str], dest: Path, engine_name: str, **more: Any
) -> list[pdl.Result]:
    """The results of a run in the order of the list."""
    with pdl.iter_downloads(map(server.url, targets), dest, **options(engine_name, **more)) as downloads:
        results = {result.url: result for result in downloads}
    return [results[server.url(target)] for target in targets]


def told(results: list[pdl.Result]) -> list[tuple[str, str | None]]:
    """Results as (what, path)."""
    return [(each.reason or str(each.kind or each.status), each.path) for each in results]


SENT = {
    sends("/get/1", "attachment; filename=plain.png"): "plain.png",
    sends("/get/2", 'inline; filename="in quotes.png"'): "in quotes.png",
    sends("/get/3", "attachment; filename=no.png; filename*=UTF-8''%e2%82%ac.png"): "€.png",
    sends("/get/4", f'attachment; filename="{"日本".encode().decode("latin-1")}.png"'): "日本.png",
    sends("/get/5", 'attachment; filename="=?utf-8?B?w6QucG5n?="'): "ä.png",
    sends("/get/6", "attachment"): "6",
    sends("/get/same.png", "attachment; filename=same.png"): "same.png",
    sends("/get/Case.PNG", "attachment; filename=case.png"): "Case.PNG",
    "/get/none.png": "none.png",
    sends("/chunked/7", "attachment; filename=chunked.png"): "chunked.png",
    sends("/until-close/8", "attachment; filename=closed.png"): "closed.png",
    sends("/empty/9", "attachment; filename=empty.png"): "empty.png",
    sends("/get/10", "filename=1.png") + "&field=Content-Disposition:filename%3D2.png": "1.png",
    # what broke is continued, and named by the response that completes it
    sends("/cut/11", "attachment; filename=resumed.png", "times=1&"): "resumed.png",
    sends(
        "/redirect/12", "attachment; filename=hop.png", f"to={quote(named('/file/x', 'end.png'), safe='')}&"
    ): "end.png",
    sends("/redirect/13", "attachment; filename=hop.png", "to=/file/14&"): "13",
}


def test_files_get_the_names_that_their_server_sends(engine_name, server: FaultServer, tmp_path: Path):
    targets = list(SENT)
    results = download(server, targets, tmp_path, engine_name)
    assert told(results) == [("done", name) for name in SENT.values()]
    files = files_in(tmp_path)
    assert set(files) == set(SENT.values())
    for target, name in SENT.items():
        if not target.startswith(("/redirect", "/empty")):
            assert files[name] == server.content(target)
    server.clear()
    assert told(download(server, targets, tmp_path, engine_name)) == [("done", name) for name in SENT.values()]
    assert not server.requests


def test_without_the_option_names_are_those_of_urls(engine_name, server: FaultServer, tmp_path: Path):
    target = named("/get/mine", "servers.png")
    assert told(download(server, [target], tmp_path, engine_name, content_disposition=False)) == [("done", "mine")]
    assert set(files_in(tmp_path)) == {"mine"}


def test_an_error_names_nothing(engine_name, server: FaultServer, tmp_path: Path):
    (result,) = download(server, [named("/status/404", "evil.png")], tmp_path, engine_name)
    assert (result.kind, result.path) == (Kind.HTTP, "404")
    assert files_in(tmp_path) == {}


HOSTILE = {
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "C:\\x": "x",
    "C:drive": "C_drive",
    "/abs": "abs",
    "//host/share": "share",
    ".pdl/ledger.sqlite3": "ledger.sqlite3",
    ".PDL": "_PDL",
    ".htaccess": "_htaccess",
    "-rf": "_rf",
    "CON": "_CON",
    "con.txt": "_con.txt",
    "a:stream": "a_stream",
    "nul\0.png": "nul_.png",
    "line\r\n.png": "line__.png",
    "\u202egpj.exe": "gpj.exe",
    "trailing. ": "trailing",
    "%2e%2e%2fonce": "%2e%2e%2fonce",
    "l" * 300 + ".png": "l" * 226 + ".png",
    "é" * 200: "é" * 115,
}


def test_hostile_names_stay_in_their_folder(engine_name, server: FaultServer, tmp_path: Path):
    dest = tmp_path / "deep" / "dest"
    targets = [named(f"/get/{number}", name) for number, name in enumerate(HOSTILE)]
    results = download(server, targets, dest, engine_name)
    assert [each.status for each in results] == ["done"] * len(targets)
    assert [each.path for each in results] == list(HOSTILE.values())
    assert set(files_in(dest)) == set(HOSTILE.values())
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["dest"]


@pytest.mark.parametrize("name", ["..", ".", "dir/", " ", "...", "\u200b"])
def test_what_is_no_name_leaves_that_of_the_url(name: str, server: FaultServer, tmp_path: Path):
    assert told(download(server, [named("/get/mine", name)], tmp_path, "auto")) == [("done", "mine")]


def test_equal_names_never_replace_each_other(engine_name, server: FaultServer, tmp_path: Path):
    targets = [named(f"/get/{number}", "Cat.png" if number % 2 else "cat.png") for number in range(6)]
    urls = [server.url(target) for target in targets]
    first = download(server, targets[:3], tmp_path, engine_name)
    paths = [each.path for each in first]
    assert sum(str(path).lower() == "cat.png" for path in paths) == 1
    for url, path in zip(urls, paths, strict=False):
        assert path in ("cat.png", "Cat.png", hashed("cat.png", url), hashed("Cat.png", url))
    # a later run, with the list turned around and grown, gives the names of before and new ones
    results = download(server, targets[::-1], tmp_path, engine_name)[::-1]
    assert told(results[:3]) == [("done", path) for path in paths]
    assert [each.path for each in results[3:]] == [
        hashed("Cat.png" if number % 2 else "cat.png", urls[number]) for number in (3, 4, 5)
    ]
    assert files_in(tmp_path) == {
        each.path: server.content(target) for each, target in zip(results, targets, strict=True)
    }
    server.clear()
    again = download(server, targets, tmp_path, engine_name)
    assert {each.reason for each in again} == {"done"}
    assert not server.requests
    # what is fetched again keeps its name, whatever the order
    anew = download(server, targets[::-1], tmp_path, engine_name, overwrite=True)[::-1]
    assert told(anew) == [("done", each.path) for each in results]
    assert len(files_in(tmp_path)) == len(targets)


def test_the_file_that_is_whole_first_keeps_the_plain_name(engine_name, server: FaultServer, tmp_path: Path):
    slow, quick = named("/stall/in-body/slow", "x.png", "size=3000&at=1000&"), named("/get/quick", "x.png")
    order = [slow, quick]
    if engine_name == "sequential":
        order = [quick, slow]
    by_url = {}
    with pdl.iter_downloads(map(server.url, order), tmp_path, **options(engine_name, jobs=2)) as downloads:
        for result in downloads:
            by_url[result.url] = result.path
            server.release(slow)
    assert by_url == {server.url(quick): "x.png", server.url(slow): hashed("x.png", server.url(slow))}
    assert files_in(tmp_path) == {by_url[server.url(each)]: server.content(each) for each in order}


def test_a_name_that_a_url_of_the_list_has_is_not_given_away(engine_name, server: FaultServer, tmp_path: Path):
    targets = ["/a/x.png", named("/get/1", "x.png"), named("/a/y.png", "x.png"), "/b/y.png"]
    urls = [server.url(target) for target in targets]
    results = download(server, targets, tmp_path, engine_name)
    assert told(results) == [
        ("done", "x.png"),
        ("done", hashed("x.png", urls[1])),
        ("done", hashed("x.png", urls[2])),
        ("done", hashed("y.png", urls[3])),
    ]
    assert len(files_in(tmp_path)) == 4


def test_a_file_of_somebody_else_is_not_replaced(engine_name, server: FaultServer, tmp_path: Path):
    (tmp_path / "theirs.png").write_bytes(b"theirs")
    targets = [named("/get/1", "theirs.png"), named("/get/2", "theirs.png")]
    second = hashed("theirs.png", server.url(targets[1]))
    for _ in range(2):  # the failure does not go away by itself
        results = download(server, targets, tmp_path, engine_name, jobs=1)
        assert told(results) == [("name", "1"), ("done", second)]
        assert results[0].message == "theirs.png, as the server calls it, is there already; --overwrite replaces it"
        assert files_in(tmp_path) == {"theirs.png": b"theirs", second: server.content(targets[1])}
        assert not list((tmp_path / ".pdl" / "parts").iterdir())
    (tmp_path / "theirs.png").rename(tmp_path / "elsewhere.png")
    assert told(download(server, targets[:1], tmp_path, engine_name)) == [("done", "theirs.png")]


def test_overwriting_replaces_a_file_of_somebody_else_and_no_link(engine_name, server: FaultServer, tmp_path: Path):
    dest, outside = tmp_path / "dest", tmp_path / "outside"
    dest.mkdir()
    outside.write_bytes(b"precious")
    (dest / "theirs.png").write_bytes(b"theirs")
    (dest / "folder.png").mkdir()
    targets = [named("/get/1", "theirs.png"), named("/get/2", "folder.png"), named("/get/3", "link.png")]
    try:
        (dest / "link.png").symlink_to(outside)
    except OSError:
        targets.pop()
    results = download(server, targets, dest, engine_name, overwrite=True)
    assert told(results)[:2] == [("done", "theirs.png"), ("done", hashed("folder.png", server.url(targets[1])))]
    assert (dest / "theirs.png").read_bytes() == server.content(targets[0])
    assert list((dest / "folder.png").iterdir()) == []
    for result in results[2:]:
        assert result.kind is Kind.NAME
        assert result.message == "link.png is a link or something special, and never replaced; move it away"
        assert (dest / "link.png").is_symlink()
    assert outside.read_bytes() == b"precious"


def test_a_name_of_the_list_goes_before_that_of_the_server(engine_name, server: FaultServer, tmp_path: Path):
    lines = [f"{server.url(named('/get/1', 'no.png'))}\tname=yes.png", server.url(named("/get/2", "two.png"))]
    assert pdl.download_all(lines, tmp_path, **options(engine_name)).done == 2
    assert set(files_in(tmp_path)) == {"yes.png", "two.png"}


def test_a_template_goes_before_the_name_of_the_server(engine_name, server: FaultServer, tmp_path: Path):
    results = download(server, [named("/get/1", "no.png")], tmp_path, engine_name, output="{index}-{name}")
    assert told(results) == [("done", "1-1")]
    assert set(files_in(tmp_path)) == {"1-1"}


@pytest.mark.parametrize("layout", ["tree", "hash"])
def test_a_server_names_files_in_the_folders_of_the_layout(
    engine_name, server: FaultServer, tmp_path: Path, layout: str
):
    targets = [named("/a/b/get", "../x.png"), named("/a/c/get", "x.png"), named("/a/b/other", "x.png")]
    plain = [
        str(each.path)
        for each in download(server, targets, tmp_path / "1", engine_name, layout=layout, content_disposition=False)
    ]
    folders = [path.rpartition("/")[0] for path in plain]
    results = download(server, targets, tmp_path / "2", engine_name, layout=layout, jobs=1)
    paths = [f"{folder}/x.png" for folder in folders]
    if layout == "tree":
        paths[2] = hashed(paths[2], server.url(targets[2]))
    assert told(results) == [("done", path) for path in paths]
    assert set(files_in(tmp_path / "2")) == set(paths)


def test_a_repeat_has_no_path_of_its_own(engine_name, server: FaultServer, tmp_path: Path):
    url = server.url(named("/get/1", "x.png"))
    for reason in (None, "done"):
        with pdl.iter_downloads(
            [url, url, f"{url}\tname=n", f"{url}\tname=n"], tmp_path, **options(engine_name)
        ) as downloads:
            results = sorted(downloads, key=lambda result: result.index)
        assert [(each.reason, each.path) for each in results] == [
            (reason, "x.png"), ("duplicate", None), (reason, "n"), ("duplicate", "n"),
        ]  # fmt: skip


def test_the_files_of_the_job_itself_are_never_named_by_a_server(server: FaultServer, tmp_path: Path):
    targets = [named("/get/1", "list.txt"), named("/get/2", "failed.txt"), "/status/404"]
    listed = "".join(server.url(target) + "\n" for target in targets)
    (tmp_path / "list.txt").write_text(listed)
    command = (tmp_path / "list.txt", "-d", tmp_path, "--failed", tmp_path / "failed.txt", "--content-disposition")
    run = run_pdl(*command, "--overwrite", "--json")
    paths = {each["path"] for each in map(json.loads, run.stdout.splitlines()) if each["status"] == "done"}
    assert (tmp_path / "list.txt").read_text() == listed
    assert (tmp_path / "failed.txt").read_text() == server.url("/status/404") + "\n"
    assert paths == {
        hashed("list.txt", server.url(targets[0])),
        hashed("failed.txt", server.url(targets[1])),
    }


KILLED = """
    import os, sys
    import pdl
    from pdl.storage.publish import Publisher

    publish = Publisher.publish
    calls = []

    def dying(self, part, path, **more):
        calls.append(path)
        if sys.argv[1] == "before" and len(calls) == 3:
            os._exit(9)
        publish(self, part, path, **more)
        if sys.argv[1] == "after" and len(calls) == 3:
            os._exit(9)

    Publisher.publish = dying
    pdl.download_all(sys.argv[3:], sys.argv[2], engine="sequential", content_disposition=True)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_forgets_no_name_that_a_file_has(server: FaultServer, tmp_path: Path, moment: str):
    targets = [named(f"/get/{number}", "x.png") for number in range(5)]
    urls = [server.url(target) for target in targets]
    home = str(Path(pdl.__file__).parent.parent)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), moment, str(tmp_path), *urls],
        cwd=home,
        check=False,
        timeout=60,
    )
    assert killed.returncode == 9
    paths = ["x.png", *(hashed("x.png", url) for url in urls[1:])]
    there = 2 if moment == "before" else 3
    assert set(files_in(tmp_path)) == set(paths[:there])
    server.clear()
    # names are the same, though others come first now
    results = download(server, targets[::-1], tmp_path, "auto", jobs=1)[::-1]
    assert [each.path for each in results] == paths
    assert [each.status for each in results] == ["skipped"] * there + ["done"] * (5 - there)
    assert len(server.requests) == 5 - there
    assert files_in(tmp_path) == {path: server.content(target) for path, target in zip(paths, targets, strict=True)}
