"""`pdl --report`: on a run, on a ledger, and of engines compared."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import psutil
import pytest
from faultserver import FaultServer, run_pdl, start_pdl

from pdl import contest
from pdl.report.contestants import field
from pdl.report.look import Estimate
from pdl.report.plan import Plan
from pdl.reporting import Wishes
from pdl.settings import Settings

SOON = 15.0
"""Seconds for what takes two, on machines with more to do."""


@pytest.fixture
def listed(server: FaultServer, tmp_path: Path) -> Path:
    path = tmp_path / "urls.txt"
    path.write_text("".join(f"{server.url(f'/file/{n}')}\n" for n in range(6)))
    return path


def in_json(path: Path):
    return json.loads(path.read_text("utf-8"))


# -- one run


def test_a_run_is_reported_on_in_every_form(engine_name, server: FaultServer, tmp_path: Path):
    lines = [server.url("/file/a"), server.url("/status/404"), "nonsense", server.url("/cut/c?times=1")]
    (tmp_path / "urls.txt").write_text("\n".join(lines))
    files = [tmp_path / f"run{ending}" for ending in (".json", ".md", ".html")]
    reports = [word for file in files for word in ("--report", str(file))]
    run = run_pdl(
        "urls.txt", "-e", engine_name, "-j", "3", "--retry-delay", "0.01", *reports, "-d", "d", cwd=tmp_path
    )
    assert run.returncode == 3, run.stderr
    report = in_json(files[0])
    assert report["schema"] == "pdl.run/1"
    account = {name: report["account"][name] for name in ("read", "done", "failed", "skipped", "left")}
    assert account == {"read": 4, "done": 2, "failed": 2, "skipped": 0, "left": 0}
    assert report["retries"] == 1
    assert {each["kind"]: each["count"] for each in report["failures"]} == {"http 404": 1, "input": 1}
    phases = {each["name"]: each["count"] for each in report["phases"]}
    assert phases["wait"] >= 3
    assert "body" in phases
    assert report["about"]["settings"]["engine"] == engine_name
    (host,) = report["hosts"]
    assert (host["done"], host["failed"]) == (2, 1)
    assert sum(each["files"] for each in report["moments"]) > 0
    assert "http 404" in run.stdout
    assert "http 404" in files[1].read_text("utf-8")
    assert "http 404" in files[2].read_text("utf-8")
    assert max(map(len, run.stdout.splitlines())) < 80
    assert len(server.requests) == 4  # nothing is asked twice for a report
    assert f"the report is in {files[0]}" in run.stderr


def test_results_and_the_table_do_not_mix(listed: Path, tmp_path: Path):
    command = [str(listed), "-e", "curl", "-d", str(tmp_path / "d")]
    run = run_pdl(*command, "--json", "--report", str(tmp_path / "r.md"))
    assert [json.loads(line)["status"] for line in run.stdout.splitlines()] == ["done"] * 6
    assert {json.loads(line)["timings"] is None for line in run.stdout.splitlines()} == {False}
    assert (tmp_path / "r.md").exists()
    run = run_pdl(*command, "--paths", "--report")
    assert run.returncode == 2
    assert "needs a file" in run.stderr


def test_a_stopped_run_is_reported_on(server: FaultServer, tmp_path: Path):
    urls = [server.url("/file/a"), server.url("/stall/in-body/b?size=300000&at=200000")]
    with start_pdl(*urls, "-e", "curl", "-d", tmp_path / "d", "--report", tmp_path / "r.json", "-vv") as process:
        server.wait_for(lambda record: "stall" in record.path, SOON)
        assert process.stderr.readline().startswith("done  a")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 130, stderr
    account = in_json(tmp_path / "r.json")["account"]
    assert (account["done"], account["left"]) == (1, 1)


# -- the ledger


def test_a_ledger_is_reported_on_without_a_list(server: FaultServer, tmp_path: Path):
    urls = [server.url("/file/a"), server.url("/status/404"), server.url("/file/b?size=50000")]
    run_pdl(*urls, "-d", tmp_path, "-e", "curl")
    server.clear()
    run = run_pdl("--report", tmp_path / "r.json", "-d", tmp_path)
    assert run.returncode == 0, run.stderr
    report = in_json(tmp_path / "r.json")
    assert report["from_ledger"]
    assert report["account"]["read"] == 3
    assert [(each["done"], each["failed"]) for each in report["hosts"]] == [(2, 1)]
    assert report["file"]["p50"] > 0
    assert "http 404" in run.stdout
    assert server.requests == []
    bare = run_pdl("--report", "-d", tmp_path)
    assert (bare.returncode, bare.stdout != "") == (0, True)


def test_a_folder_without_a_ledger_has_nothing_to_report(tmp_path: Path):
    run = run_pdl("--report", "-d", tmp_path)
    assert run.returncode == 1
    assert "no ledger" in run.stderr
    assert os.listdir(tmp_path) == []


# -- a comparison


def test_a_comparison_prints_its_table_and_does_the_job(server: FaultServer, listed: Path, tmp_path: Path):
    run = run_pdl(
        listed,
        "-e",
        "curl",
        "-e",
        "threads",
        "--rounds",
        "1",
        "--report",
        tmp_path / "r.json",
        "-d",
        tmp_path / "d",
    )
    assert run.returncode == 0, run.stderr
    assert "6 entries on 1 host, with 2 settings, in 1 round and one to warm up: 24 requests" in run.stderr
    assert "[4/4]" in run.stderr
    assert re.search(r"^curl -j 16 ", run.stdout, re.MULTILINE)
    assert max(map(len, run.stdout.splitlines())) < 80
    assert "\x1b" not in run.stdout
    assert len(os.listdir(tmp_path / "d")) == 7
    assert in_json(tmp_path / "r.json")["published"]
    assert len(server.requests) == 24 + 6  # the look takes all of so short a list
    assert "Traceback" not in run.stderr


def test_json_of_a_comparison_is_one_object(listed: Path, tmp_path: Path):
    run = run_pdl(
        listed, "-e", "curl", "-j1", "-j2", "--rounds", "1", "--report", "--json", "-q", "-d", tmp_path / "d"
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert {(each["engine"], each["jobs"]) for each in json.loads(run.stdout)["rows"]} == {("curl", 1), ("curl", 2)}


def test_standard_input_is_compared_on_as_well(server: FaultServer, tmp_path: Path):
    run = run_pdl(
        "-", "--report", "--rounds", "1", "-e", "curl", "-e", "sequential", "-d", tmp_path,
        input=f"{server.url('/file/a')}\n{server.url('/file/b')}\n",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert sorted(os.listdir(tmp_path)) == [".pdl", "a", "b"]


def test_the_exit_code_tells_of_failures(server: FaultServer, tmp_path: Path):
    some = [server.url("/file/a"), server.url("/status/404")]
    options = ["--report", "--rounds", "1", "-e", "curl", "-j", "1", "-j", "2", "-q", "-d", str(tmp_path)]
    assert run_pdl(*some, *options).returncode == 3
    assert run_pdl(*some, *options, "--sample", "1").returncode in (0, 4)
    assert run_pdl(some[1], *options).returncode == 4


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX has them")
def test_ctrl_c_reports_on_what_was_measured_so_far(server: FaultServer, tmp_path: Path):
    options = ["-e", "curl", "-j", "1", "-j", "2", "--rounds", "3", "-d", tmp_path / "d", "--yes"]
    with start_pdl(server.url("/file/a"), *options, "--report", tmp_path / "r.json") as process:
        for line in process.stderr or ():
            if line.startswith("[4/"):
                break
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    report = in_json(tmp_path / "r.json")
    assert report["interrupted"]
    assert not report["published"]
    assert 3 <= len(report["measurements"]) < 8
    assert report["rows"]
    assert "stopped" in stdout
    assert os.listdir(tmp_path / "d") == [".pdl"]
    assert not list((tmp_path / "d" / ".pdl").glob("comparison*"))


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_command(signum, server: FaultServer, tmp_path: Path):
    url = server.url("/stall/before-head/a")
    with start_pdl(url, "-e", "curl", "-e", "threads", "--report", "--yes", "-d", tmp_path) as process:
        server.wait_for(lambda record: "stall" in record.path, SOON)
        process.send_signal(signum)
        process.communicate(timeout=SOON)
    server.wait_until(partial(_is_idle, server), SOON)
    if signum == signal.SIGINT:
        assert process.returncode == 130
        assert sorted(os.listdir(tmp_path / ".pdl")) == [".gitignore", "lock", "parts"]


def _is_idle(server: FaultServer) -> bool:
    return not server.in_flight("/stall")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX has them")
def test_a_measurement_that_hangs_does_not_keep_the_command_from_ending(server: FaultServer, tmp_path: Path):
    command = [server.url("/stall/before-head/a"), "-e", "curl", "-j1", "-j2", "--report", "--yes", "-d", tmp_path]
    with start_pdl(*command) as process:
        server.wait_for(lambda record: "stall" in record.path, SOON)
        (child,) = psutil.Process(process.pid).children()
        child.suspend()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=2 * SOON)
    assert process.returncode == 130
    assert not child.is_running()


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the output")
def test_a_closed_output_is_no_place_for_a_table(listed: Path, tmp_path: Path):
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "pdl", str(listed), "-e", "curl", "-d", str(tmp_path / "d"), *options]
        return subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True, check=False
        )

    refused = run("--report")
    assert (refused.returncode, "closed" in refused.stderr) == (2, True)
    assert run("--report", str(tmp_path / "r.json")).returncode == 0
    assert in_json(tmp_path / "r.json")["account"]["done"] == 6


def test_a_report_never_replaces_what_the_run_has_fetched(server: FaultServer, tmp_path: Path):
    run = run_pdl(server.url("/file/run.html"), "-e", "curl", "--report", "d/run.html", "-d", "d", cwd=tmp_path)
    assert run.returncode == 2  # there is no such folder yet
    (tmp_path / "d").mkdir()
    run = run_pdl(server.url("/file/run.html"), "-e", "curl", "--report", "d/run.html", "-d", "d", cwd=tmp_path)
    assert run.returncode == 1
    assert "a file has come there" in run.stderr
    assert "done 1" in run.stdout
    assert (tmp_path / "d" / "run.html").read_bytes() == server.content("/file/run.html")


# -- asking


def test_where_nobody_can_be_asked_much_needs_yes(server: FaultServer, tmp_path: Path):
    url = server.url("/file/a?size=30000000")
    command = [url, "-e", "curl", "-j", "1", "-j", "2", "--rounds", "20", "-d", str(tmp_path)]
    run = run_pdl(*command, "--report")
    assert run.returncode == 2
    assert "--yes" in run.stderr
    assert "1.26 GB" in run.stderr
    assert run.stdout == ""
    assert len(server.requests) == 1


def test_what_a_look_cannot_see_the_end_of_needs_yes(tmp_path: Path):
    seen = Estimate(4, 1, 4, measurements=2, requests=8, size=5e6, seconds=9, largest=1e6, is_least=True)
    plan = Plan(Settings(dest=str(tmp_path)), field(["curl"], [1], Settings()))
    wishes = Wishes({}, printed=True, as_json=False, quiet=True, yes=False)
    with pytest.raises(click.UsageError, match=r"at least 5.00 MB .* needs --yes"):
        contest._agree(seen, plan, wishes)
    contest._agree(seen._replace(is_least=False), plan, wishes)
    contest._agree(seen, plan, wishes._replace(yes=True))


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid, to have a terminal of its own")
@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 130), (b"\n", 0), (b"\3", 130)])
def test_a_terminal_is_asked(answer, code, server: FaultServer, tmp_path: Path):
    import pty  # noqa: PLC0415 - not on Windows

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pdl", server.url("/file/a"), "-e", "curl", "-j1", "-j2", "--rounds", "1"]
    with subprocess.Popen(
        ["setsid", "--ctty", *command, "--report", "-q", "-d", str(tmp_path)],
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            shown = _until(ours, b"[Y/n]")
            asked = len(server.requests)
            # a Ctrl-C between the prompt and the reading of it may be lost, as to a person: who types it again
            shown += _until(ours, None, again=answer)
            stdout = process.communicate(timeout=SOON)[0]
        finally:
            process.kill()
    os.close(ours)
    assert process.returncode == code, shown
    assert asked == 1
    assert (b"curl -j" in stdout) == (code == 0)
    assert b"Traceback" not in shown


def _until(terminal: int, wanted: bytes | None, *, again: bytes = b"") -> bytes:
    """What a terminal shows until something is there, or to its end; what is typed is typed again in a silence."""
    shown = b""
    os.write(terminal, again)
    while wanted is None or wanted not in shown:
        if not select.select([terminal], [], [], 2.0)[0]:
            os.write(terminal, again)
        else:
            try:
                more = os.read(terminal, 1000)
            except OSError:  # how Linux tells that nobody writes there any more
                more = b""
            if not more:
                break
            shown += more
    return shown


# -- what cannot be


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--report", "urls.txt"], "pdl urls.txt --report"),
        (["urls.txt", "--report", "-"], "ends in .html, .json or .md"),
        (["--report", "https://host/a.html"], "ends in .html, .json or .md"),
        (["urls.txt", "--report", "nowhere/r.md"], "there is no folder"),
        (["urls.txt", "--report", "list.md"], "no report of pdl's"),
        (["list.md", "--report", "list.md"], "something else"),
        (["urls.txt", "--report", "f.json", "--failed", "f.json"], "something else"),
        (["urls.txt", "--report", "r.pdf"], "ends in .html, .json or .md"),
        (["--report", "-e", "curl"], "-e runs nothing"),
        (["--report", "--rounds", "2"], "comparisons"),
        (["--report", "--no-state"], "--no-state"),
        (["urls.txt", "--report", "-j", "1", "-j", "99999"], "65535"),
        (["urls.txt", "-e", "curl", "-e", "threads"], "--report"),
        (["urls.txt", "-e", "all"], "--report"),
        (["urls.txt", "-j", "1", "-j", "2"], "--report"),
        (["urls.txt", "--rounds", "2"], "--report"),
        (["urls.txt", "--report", "-e", "curl", "--sample", "2"], "comparisons"),
        (["urls.txt", "--report", "-e", "curl", "-e", "nosuch"], "there is no engine 'nosuch'"),
        (["urls.txt", "--report", "--no-state"], "--no-state"),
        (["urls.txt", "--report", "--paths"], "--paths"),
        (["--retry-failed", "--report"], "needs a list"),
        (["urls.txt", "--report", "--rounds", "0"], "rounds"),
        (["--status", "--report"], "--status"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_starts(
    arguments, said, server: FaultServer, listed: Path, tmp_path: Path
):
    (tmp_path / "list.md").write_text(listed.read_text())
    before = {path.name: path.read_text() for path in (listed, tmp_path / "list.md")}
    run = run_pdl(*arguments, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert server.requests == []
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == before


def test_an_engine_that_is_not_installed_is_named_with_what_installs_it(listed: Path, tmp_path: Path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'gevent' else found(name, *more)\n"
    )
    env = {"PYTHONPATH": str(blocked)}
    run = run_pdl(listed, "-e", "curl", "-e", "gevent", "--report", "-d", tmp_path / "d", env=env)
    assert run.returncode == 2
    assert "pip install gevent" in run.stderr
    run = run_pdl(listed, "--report", "--rounds", "1", "-j", "2", "-d", tmp_path / "d", env=env)
    assert run.returncode == 0, run.stderr
    assert re.search(r"gevent.*pip install gevent", run.stdout.replace("\n", " "))


# -- the demo


def test_the_demo_compares_engines_without_a_network(tmp_path: Path):
    run = run_pdl(
        "--demo", "--report", "r.json", "--rounds", "1", "-e", "curl", "-e", "threads", "-d", "d",
        "--knobs", "files=40,special=no", cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = in_json(tmp_path / "r.json")
    assert [each["differing"] for each in report["rows"]] == [0, 0]
    assert "as planned: 40 files" in run.stderr
    assert any("requests/s" in each for each in report["notes"])
    assert len(os.listdir(tmp_path / "d")) == 41


def test_a_sample_of_the_demo_keeps_nothing_and_is_not_judged(tmp_path: Path):
    run = run_pdl(
        "--demo",
        "--report",
        "--sample",
        "5",
        "--rounds",
        "1",
        "-e",
        "curl",
        "-j1",
        "-j2",
        env={"TMPDIR": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr
    assert "the files are in" not in run.stderr
    assert not list(tmp_path.glob("pdl-demo-*"))


def test_the_demo_of_one_engine_is_reported_on(tmp_path: Path):
    run = run_pdl(
        "--demo", "--report", "r.json", "-e", "curl", "-d", "d", "--knobs", "files=40,special=no", cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert in_json(tmp_path / "r.json")["account"]["done"] == 40
