"""`pdl --status` and `pdl --export`: what the ledger tells, after a run and beside one."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from accounts import files_in, urls
from faultserver import FaultServer, run_pdl, start_pdl

import pdl


@pytest.fixture
def fetched(server: FaultServer, tmp_path: Path) -> Callable[..., Path]:
    """Runs a job over some targets, and gives its destination."""

    def fetch(*targets: str, options: tuple[str, ...] = ()) -> Path:
        (tmp_path / "list.txt").write_text(urls(server, targets))
        run_pdl(tmp_path / "list.txt", "-d", tmp_path / "out", "-q", "--retries", "0", *options)
        return tmp_path / "out"

    return fetch


def host(server: FaultServer) -> str:
    return server.origin.removeprefix("http://")


def test_the_state_is_told_to_people(server: FaultServer, fetched):
    dest = fetched("/file/a?size=5", "/file/b?size=6", "/status/404", "/file/a?size=5")
    run = run_pdl("--status", "-d", dest)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "4 entries: done 2, skipped 1 (duplicate 1), failed 1 (http 404: 1), left 0",
        "2 files, 11 B",
        "most failures:",
        f"  1  {host(server)}",
    ]


def test_the_state_is_told_as_json(server: FaultServer, fetched):
    dest = fetched("/file/a?size=5", "/status/404", "/status/410", "/cut/c")
    run = run_pdl("--status", "--json", "-d", dest)
    assert (run.returncode, run.stderr, run.stdout.count("\n")) == (0, "", 1)
    assert json.loads(run.stdout) == {
        "read": 4, "done": 1, "skipped": 0, "failed": 3, "left": 0, "skipped_by_reason": {},
        "failed_by_kind": {"http 404": 1, "http 410": 1, "truncated": 1}, "failed_by_host": {host(server): 3},
        "files": 1, "size": 5, "oldest_left": None,
    }  # fmt: skip


def test_the_state_of_an_empty_list_is_nothing(fetched):
    dest = fetched()
    run = run_pdl("--status", "-d", dest, "--export", dest / "account.csv")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "0 entries: done 0, skipped 0, failed 0, left 0\n0 files, 0 B\n"
    assert (dest / "account.csv").read_text() == ",".join(pdl.LedgerEntry._fields) + "\n"


def test_the_state_is_told_beside_a_run(engine_name, server: FaultServer, tmp_path: Path):
    endless = "/drip/endless?size=1000000&piece=100&interval=0.05"  # sequential writes down nothing in a silence
    (tmp_path / "list.txt").write_text(urls(server, ["/file/a?size=5", endless]))
    dest = tmp_path / "out"
    with start_pdl(tmp_path / "list.txt", "-d", dest, "-e", engine_name) as process:
        server.wait_for(lambda record: record.target == endless)
        told = wait_for_state(dest, process, lambda state: state["done"] == 1)
        assert (told["read"], told["left"], told["size"]) == (2, 1, 5)
        assert (told["oldest_left"]["row"], told["oldest_left"]["url"]) == (2, server.url(endless))
        table = run_pdl("--export", tmp_path / "account.csv", "-d", dest)
        assert (table.returncode, table.stdout, table.stderr) == (0, "", "")
        assert "left longest: row 2, since 2" in run_pdl("--status", "-d", dest).stdout
        assert process.poll() is None
        process.terminate()
        process.communicate(timeout=20)
    with (tmp_path / "account.csv").open(newline="", encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done", "left"]
    assert json.loads(run_pdl("--status", "--json", "-d", dest).stdout) == told


def wait_for_state(dest: Path, process: subprocess.Popen[str], wanted: Callable[[dict], bool]) -> dict:
    """The state once it is as wanted; a ledger tells nobody that it was written to."""
    for _ in range(100):
        run = run_pdl("--status", "--json", "-d", dest)
        assert process.poll() is None
        assert run.returncode == 0, run.stderr
        if wanted(state := json.loads(run.stdout)):
            return state
    raise AssertionError(f"the state never came: {state}")


def test_digests_are_as_sha256sum_takes_them(server: FaultServer, fetched):
    targets = ["/file/a%20b", "/file/%ff%fe", "/file/%e6%97%a5", "/file/back%5cslash", "/status/404", "/file/-dash"]
    dest = fetched(*targets, options=("--digest", "sha256", "--layout", "tree"))
    run = run_pdl("--export", dest / "SHA256SUMS", "-d", dest)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    listed = [line.split("  ", 1) for line in (dest / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    files = {name: content for name, content in files_in(dest).items() if name != "SHA256SUMS"}
    assert len(files) == 5
    assert {path: digest for digest, path in listed} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=dest, check=True)


def test_digests_outlive_a_later_run_that_finds_everything_done(fetched):
    for _ in range(2):
        dest = fetched("/file/a", options=("--digest", "sha256"))
    run = run_pdl("--status", "--export", dest / "a.sha256", "-d", dest)
    assert run.stdout.startswith("1 entry: done 0, skipped 1 (done 1), failed 0, left 0\n1 file, ")
    assert (dest / "a.sha256").read_text().endswith("  a\n")


def test_done_files_without_a_digest_are_counted(fetched):
    dest = fetched("/file/a", "/file/b", "/status/404")
    run = run_pdl("--export", dest / "SHA256SUMS", "-d", dest)
    assert (run.returncode, run.stdout, (dest / "SHA256SUMS").read_text()) == (0, "", "")
    (line,) = run.stderr.splitlines()
    assert "no sha256: 2;" in line
    assert run_pdl("--export", dest / "SHA256SUMS", "-d", dest, "-q").stderr == ""


def test_nothing_secret_is_exported(server: FaultServer, tmp_path: Path):
    secret = server.url("/auth/basic/a").replace("http://", "http://me:hidden@")
    (tmp_path / "list.txt").write_text(f"{secret}\t{secret}2\nhttp://me:hidden@\n")
    dest = tmp_path / "out"
    run_pdl(tmp_path / "list.txt", "-d", dest, "-q", "-H", "X-Token: hidden", "--retries", "0")
    run = run_pdl("--status", "--export", tmp_path / "a.jsonl", "-d", dest)
    text = (tmp_path / "a.jsonl").read_text()
    assert (run.returncode, text.count("\n")) == (0, 2)
    assert "hidden" not in run.stdout + text


@pytest.mark.parametrize("option", [["--status"], ["--export", "a.csv"], ["--status", "--json"]])
def test_without_a_ledger_it_says_so_and_makes_nothing(tmp_path: Path, option: list[str]):
    run = run_pdl(*option, "-d", "images", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "pdl: there is no ledger of pdl in 'images'; a run makes one in its destination\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--status", "list.txt"], "--status shows what earlier runs have done, and takes no SOURCE"),
        (["--export", "a.csv", "list.txt"], "--export shows what earlier runs have done, and takes no SOURCE"),
        (["--status", "--demo"], "--demo"),
        (["--status", "--paths"], "--paths"),
        (["--export", "a.txt"], "names that end in .csv, .jsonl, .ndjson, SHA256SUMS, .sha256sums or .sha256"),
        (["--export", ""], "not ''"),
    ],
)
def test_wrong_use_is_told_in_one_line(fetched, arguments: list[str], said: str):
    dest = fetched("/file/a")
    before = sorted(dest.parent.rglob("*"))
    run = run_pdl(*arguments, "-d", "out", cwd=dest.parent)
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert said in line
    assert sorted(dest.parent.rglob("*")) == before


def test_an_export_that_cannot_be_written_is_told(fetched):
    dest = fetched("/file/a")
    run = run_pdl("--status", "--export", dest / "missing" / "a.csv", "-d", dest)
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    assert "a.csv' cannot be written: No such file or directory" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_destination_that_cannot_be_written_can_be_looked_at(fetched, tmp_path: Path):
    dest = fetched("/file/a?size=5")
    for folder in (dest / ".pdl", dest):
        folder.chmod(0o500)
    try:
        run = run_pdl("--status", "--export", tmp_path / "a.csv", "-d", dest)
    finally:
        for folder in (dest, dest / ".pdl"):
            folder.chmod(0o700)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith("1 file, 5 B\n")


@pytest.mark.skipif(os.name == "nt", reason="closes a descriptor as POSIX has them")
def test_a_closed_output_is_told(fetched):
    dest = fetched("/file/a")
    command = f'"{sys.executable}" -m pdl --status -d "{dest}" >&-'
    run = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr.startswith("pdl: --status needs standard output")) == (2, True)
