"""The command from outside: its outputs, its exit codes, its lists."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from accounts import Account, account_in, expected, files_in, parts_in, urls
from faultserver import FaultServer, run_pdl, start_pdl

from pdl.model import Result

SOON = 4.0


@pytest.fixture
def listed(tmp_path: Path, server: FaultServer) -> Callable[..., Path]:
    """Writes a list of targets."""

    def write(*targets: str, name: str = "list.txt") -> Path:
        path = tmp_path / name
        path.write_text(urls(server, targets))
        return path

    return write


# what is printed


def test_standard_output_stays_empty(engine_name, server: FaultServer, tmp_path: Path, listed):
    run = run_pdl(listed("/file/a", "/status/404", "/file/a"), "-d", tmp_path / "out", "-e", engine_name, "-vv")
    assert run.returncode == 3
    assert run.stdout == ""
    assert account_in(run.stderr) == Account(3, 1, 1, 1, 0)
    assert "skipped 1 (duplicate 1), failed 1 (http 404: 1)" in run.stderr


def test_json_gives_an_object_for_each_entry(engine_name, server: FaultServer, tmp_path: Path, listed):
    path = listed("/file/a?size=5", "/status/404", "/file/a?size=5", "/redirect/b?to=/file/b")
    with path.open("a") as file:
        file.write("# a comment\n\nno URL\n")
    run = run_pdl(path, "-d", tmp_path / "out", "-e", engine_name, "--json")
    results = sorted((json.loads(line) for line in run.stdout.splitlines()), key=lambda result: result["index"])
    assert account_in(run.stderr) == Account(5, 2, 1, 2, 0)
    names = set(Result._fields) - {"line"}
    assert all(set(result) == names for result in results)
    for result in results:
        result.pop("seconds")
        result.pop("message")
    nothing = {"reason": None, "kind": None, "http_status": None, "size": 0, "attempts": 0, "final_url": None}
    nothing["timings"] = None
    assert results == [
        {**nothing, "index": 1, "status": "done", "url": server.url("/file/a?size=5"), "path": "a", "size": 5,
         "http_status": 200, "attempts": 1, "where": f"{path}:1"},
        {**nothing, "index": 2, "status": "failed", "url": server.url("/status/404"), "path": "404", "kind": "http",
         "http_status": 404, "attempts": 1, "where": f"{path}:2"},
        {**nothing, "index": 3, "status": "skipped", "url": server.url("/file/a?size=5"), "path": "a",
         "reason": "duplicate", "where": f"{path}:3"},
        {**nothing, "index": 4, "status": "done", "url": server.url("/redirect/b?to=/file/b"), "path": "b",
         "size": 1000, "http_status": 200, "attempts": 1, "final_url": server.url("/file/b"), "where": f"{path}:4"},
        {**nothing, "index": 5, "status": "failed", "url": "no URL", "path": None, "kind": "input",
         "where": f"{path}:7"},
    ]  # fmt: skip


def test_json_gives_the_phases_of_a_download_if_they_are_measured(engine_name, tmp_path: Path, listed):
    path = listed("/file/a", "/status/404", "/file/a")
    run = run_pdl(path, "-d", tmp_path / "out", "-e", engine_name, "--json", "--timings")
    results = sorted((json.loads(line) for line in run.stdout.splitlines()), key=lambda result: result["index"])
    done, failed, skipped = (result["timings"] for result in results)
    assert skipped is None
    for told in (done, failed):
        assert list(told) == ["dns", "connect", "tls", "wait", "body"]
        assert all(isinstance(each, float) for each in told.values())


def test_paths_gives_the_path_of_each_finished_file(server: FaultServer, tmp_path: Path, listed):
    path = listed("/file/a", "/status/404", "/file/a", "/folder/b%20c")
    run = run_pdl(path, "-d", "out/deeper", "--paths", cwd=tmp_path)
    assert sorted(run.stdout.splitlines()) == ["out/deeper/a", "out/deeper/b c"]
    assert all((tmp_path / line).is_file() for line in run.stdout.splitlines())


def test_verbosity_goes_from_silence_to_every_entry(server: FaultServer, tmp_path: Path, listed):
    path = listed("/file/a", "/status/404", "/file/a")
    lines = {
        option: run_pdl(path, "-d", tmp_path / option, *option.split()).stderr.splitlines()
        for option in ("-q", "", "-v", "-vv", "-q -vv")
    }
    account = lines[""]
    assert account_in("\n".join(account)) == Account(3, 1, 1, 1, 0)
    assert (len(account), lines["-q"], lines["-q -vv"]) == (2, [], [])
    failure = f"failed  http 404  {server.url('/status/404')}  {path}:2  the server answered 404 Not Found"
    assert lines["-v"][:-2] == [failure]
    assert sorted(lines["-vv"][:-2]) == sorted(
        [f"done  a  1.00 kB  {server.url('/file/a')}", failure, f"skipped  duplicate  a  {server.url('/file/a')}"]
    )


@pytest.mark.fault(57)
def test_lines_without_a_terminal_hold_no_control_characters(server: FaultServer, tmp_path: Path, listed):
    path = listed("/file/a", "/status/404", "/file/b%1b%5b31m")
    run = run_pdl(path, "-d", tmp_path / "out", "-vv", env={"FORCE_COLOR": "1"})
    assert run.stderr.replace("\n", "").isprintable()


# exit codes


@pytest.mark.parametrize(
    ("targets", "code"),
    [
        (["/file/a", "/file/b"], 0),
        ([], 0),
        (["/file/a", "/status/404"], 3),
        (["/status/404", "/cut"], 4),
    ],
    ids=["all done", "an empty list", "some failed", "all failed"],
)
def test_the_exit_code_tells_how_it_went(engine_name, tmp_path: Path, listed, targets: list[str], code: int):
    run = run_pdl(listed(*targets), "-d", tmp_path / "out", "-e", engine_name, "--retries", "0")
    assert run.returncode == code, run.stderr


@pytest.mark.fault(58)
def test_a_wrong_digest_has_an_exit_code_of_its_own(engine_name, server: FaultServer, tmp_path: Path):
    path, dest = tmp_path / "list.txt", tmp_path / "out"
    path.write_text(f"{server.url('/file/a')}\tsha256={'0' * 64}\n{server.url('/file/b')}\n")
    run = run_pdl(path, "-d", dest, "-e", engine_name)
    assert run.returncode == 6
    assert "failed 1 (digest: 1)" in run.stderr
    assert files_in(dest) == expected(server, ["/file/b"])
    assert parts_in(dest) == []


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize(
    "target",
    ["/stall/before-head/{}", "/stall/in-body/{}?size=300000&at=200000", "/drip/{}?interval=0.05&size=5000"],
)
def test_a_deadline_stops_the_run(engine_name, server: FaultServer, tmp_path: Path, listed, target: str):
    path, dest = listed("/file/a", *(target.format(number) for number in range(5))), tmp_path / "out"
    limits = ("--deadline", "0.6", "--retries", "0", "--max-time", "100")
    run = run_pdl(path, "-d", dest, "-e", engine_name, *limits, timeout=SOON)
    account = account_in(run.stderr)
    assert (run.returncode, account.skipped + account.failed) == (5, 0)
    assert account.balances
    assert files_in(dest) == (expected(server, ["/file/a"]) if account.done else {})  # on a busy machine nothing


@pytest.mark.fault(40)
@pytest.mark.parametrize("dest", ["file", "file/below", "/proc/pdl"])
def test_an_unusable_destination_is_told_in_one_line(server: FaultServer, tmp_path: Path, dest: str):
    (tmp_path / "file").write_text("in the way")
    run = run_pdl(server.url("/file"), "-d", tmp_path / dest, "-q")
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    assert repr(str(tmp_path / dest)) in line
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--no-such-option", "list.txt"], "--no-such-option"),
        (["list.txt", "--jobs", "many"], "'many'"),
        (["list.txt", "--jobs", "0"], "jobs"),
        (["list.txt", "-e", "steam"], "steam"),
        (["list.txt", "-H", "nothing"], "'nothing'"),
        (["list.txt", "--json", "--paths"], "--json and --paths"),
        (["no-such-list.txt"], "no-such-list.txt: No such file or directory"),
        (["."], ".: a folder, not a list of URLs"),
        (["list.txt", "also-missing.txt"], "also-missing.txt"),
    ],
)
def test_wrong_use_is_told_in_one_line(tmp_path: Path, listed, arguments: list[str], said: str):
    listed("/file")
    run = run_pdl(*arguments, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert said in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.txt"]


def test_without_arguments_it_says_how_it_is_used(tmp_path: Path):
    run = run_pdl(cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "Usage:" in run.stdout


# lists


def test_several_sources_are_read_one_after_another(server: FaultServer, tmp_path: Path, listed):
    compressed = []
    for name, compress in {"b.gz": gzip.compress, "c.bz2": bz2.compress, "d.xz": lzma.compress}.items():
        path = tmp_path / f"list-{name}"
        path.write_bytes(compress(f"{server.url(f'/file/{name[0]}')}\n".encode()))
        compressed.append(path)
    sources = [listed("/file/a"), *compressed, "-", server.url("/file/f")]
    run = run_pdl(*sources, "-d", tmp_path / "out", "-j", "1", "--paths", input=server.url("/file/e"))
    assert run.returncode == 0, run.stderr
    assert [line[-1] for line in run.stdout.splitlines()] == list("abcdef")
    assert files_in(tmp_path / "out") == expected(server, [f"/file/{name}" for name in "abcdef"])


def test_standard_input_may_stay_open(engine_name, server: FaultServer, tmp_path: Path):
    with start_pdl("-", "-d", tmp_path, "-e", engine_name, "--paths", stdin=subprocess.PIPE) as process:
        for name in ("first", "second"):
            print(server.url(f"/file/{name}"), file=process.stdin, flush=True)
            assert process.stdout.readline() == f"{tmp_path / name}\n"
        process.stdin.close()
        assert process.wait(timeout=20) == 0
        assert account_in(process.stderr.read()) == Account(2, 2, 0, 0, 0)


def test_a_list_that_breaks_in_the_middle_ends_the_run_after_what_came_before(server: FaultServer, tmp_path: Path):
    path = tmp_path / "list.gz"
    many = "".join(f"{server.url(f'/file/{number}')}\n" for number in range(20))
    path.write_bytes(gzip.compress(many.encode() + os.urandom(100_000))[:-50_000])
    run = run_pdl(path, "-d", tmp_path / "out")
    assert run.returncode == 1
    assert f"pdl: {path}: " in run.stderr
    assert account_in(run.stderr).done == 20
    assert account_in(run.stderr).balances


# the list of failures


def test_failed_lines_can_be_fed_back(engine_name, server: FaultServer, tmp_path: Path):
    path, failed, dest = tmp_path / "list.txt", tmp_path / "failed.txt", tmp_path / "out"
    lines = [
        server.url("/file/done"),
        f"{server.url('/file/late?fail=1')}\tname=another.bin\tsize=1000",
        server.url("/login/me?fail=1").replace("://", "://user:password@"),
        f"{server.url('/file/mirrored?fail=1')}\t{server.url('/file/mirror?fail=1')}\tname=mirrored",
        "  no URL",
    ]
    path.write_text("\n".join(lines))
    command = ("-d", dest, "-e", engine_name, "--retries", "0", "--failed", failed)
    first = run_pdl(path, *command)
    assert (first.returncode, account_in(first.stderr)) == (3, Account(5, 1, 0, 4, 0))
    assert sorted(failed.read_text().splitlines()) == sorted(lines[1:])
    assert stat.S_IMODE(failed.stat().st_mode) == 0o600
    second = run_pdl(failed, *command)
    assert (second.returncode, account_in(second.stderr)) == (3, Account(4, 3, 0, 1, 0))
    assert failed.read_text() == f"{lines[4]}\n"
    assert sorted(files_in(dest)) == ["another.bin", "done", "me", "mirrored"]
    assert "password" not in first.stderr + second.stderr
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_list_may_be_fed_back_into_itself(tmp_path: Path, server: FaultServer, listed):
    path = listed("/file/a", "/file/late?fail=1", "/status/404")
    command = (path, "-d", tmp_path / "out", "--retries", "0", "--failed", path)
    assert run_pdl(*command).returncode == 3
    assert sorted(path.read_text().splitlines()) == [server.url("/file/late?fail=1"), server.url("/status/404")]
    assert run_pdl(*command).returncode == 3
    assert path.read_text().splitlines() == [server.url("/status/404")]


def test_a_list_that_is_fed_back_into_itself_stays_when_the_run_is_stopped(
    server: FaultServer, tmp_path: Path, listed
):
    path = listed("/status/404", "/stall/before-head", "/file/a")
    before = path.read_text()
    with start_pdl(path, "-d", tmp_path / "out", "--failed", path) as process:
        server.wait_until(lambda: server.in_flight("/stall"))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=SOON)
    assert (process.returncode, account_in(stderr).left > 0) == (130, True)
    assert path.read_text() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list.txt", "out"]


@pytest.mark.parametrize("place", ["no-such-folder/failed.txt", "folder", "/dev/null"])
def test_a_list_of_failures_that_cannot_be_written_is_told_before_anything_is_fetched(
    server: FaultServer, tmp_path: Path, place: str
):
    (tmp_path / "folder").mkdir()
    run = run_pdl(server.url("/file"), "-d", tmp_path / "out", "--failed", tmp_path / place)
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert "the list of failures" in run.stderr
    assert server.requests == []
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


# outputs that go away


def test_a_reader_of_the_output_may_leave(engine_name, server: FaultServer, tmp_path: Path, listed):
    targets = ["/file/first", *(f"/stall/before-head/{number}" for number in range(3))]
    command = (listed(*targets), "-d", tmp_path / "out", "-e", engine_name, "-j", "4")
    with start_pdl(*command, "--paths") as process:
        assert process.stdout.readline() == f"{tmp_path / 'out' / 'first'}\n"
        process.stdout.close()
        for target in targets:
            server.release(target)
        assert process.wait(timeout=20) == 1
        assert process.stderr.read() == ""
    done = len(files_in(tmp_path / "out"))
    again = run_pdl(*command)
    assert (again.returncode, account_in(again.stderr)) == (0, Account(4, 4 - done, done, 0, 0))


def test_nobody_needs_to_read_the_errors(server: FaultServer, tmp_path: Path):
    with start_pdl(server.url("/stall/before-head"), server.url("/status/404"), "-d", tmp_path, "-vv") as process:
        process.stderr.close()
        server.release("/stall/before-head")
        assert process.wait(timeout=20) == 3


# on a terminal

TARGET = "/stall/before-head"


def on_a_terminal(server: FaultServer, dest: Path, *options: str, **env: str) -> str:
    """What a run shows on a terminal; its file is held back until something is shown."""
    terminal, stderr = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [sys.executable, "-m", "pdl", server.url(TARGET), "-d", str(dest), *options],
        env={**os.environ, "TERM": "xterm", **env},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
    ) as process:  # fmt: skip
        os.close(stderr)
        while select.select([terminal], [], [], 20)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not data:
                break
            shown += data
            server.release(TARGET)
        assert process.wait(timeout=20) == 0
        assert process.stdout.read() == b""
    os.close(terminal)
    return shown.decode()


def test_a_terminal_shows_a_bar_and_then_the_account(server: FaultServer, tmp_path: Path):
    shown = on_a_terminal(server, tmp_path)
    bar, account = shown.replace("\r\n", "\n").split("\n", 1)
    assert bar.count("\r") > 1
    assert "0/1" in bar
    assert "100% |" in bar
    assert "1/1" in bar
    assert account_in(account) == Account(1, 1, 0, 0, 0)


def test_no_color_is_respected(server: FaultServer, tmp_path: Path):
    shown = on_a_terminal(server, tmp_path, NO_COLOR="1")
    assert re.findall(r"\x1b\[[\d;]*m", shown) == []


def test_a_quiet_run_shows_nothing_on_a_terminal(server: FaultServer, tmp_path: Path):
    server.release(TARGET)
    assert on_a_terminal(server, tmp_path, "-q") == ""
