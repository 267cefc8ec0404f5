"""`pdl --demo`: the program at work on a machine without a network."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from faultserver import run_pdl, start_pdl

import pdl
from pdl.demo import PRESETS, DemoServer, Knobs, changed, process
from pdl.demo.images import png
from pdl.demo.outcome import Witness, differences
from pdl.demo.plan import plan
from pdl.errors import Kind, PdlError
from pdl.model import Result

LISTED = [served for served in plan(Knobs()) if served.listed]
QUICK = ("-j", "64", "--retry-delay", "0")
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX has them")
HOME = Path(pdl.__file__).parents[1]
SOON = 20.0
"""Seconds that something may take before it counts as hanging."""


@pytest.fixture
def temporary(tmp_path: Path) -> dict[str, str]:
    """Variables that have temporary folders made in the test's own."""
    return dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path))


def port_in(line: str) -> int:
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
    assert found is not None, line
    return int(found[1])


def assert_nobody_listens(port: int) -> None:
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0


def assert_served(folder: Path) -> None:
    """The folder has all files of the plan, byte for byte, and no other."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".pdl"}
    assert found == {served.name: png(served.picture) for served in LISTED if served.ends == 200}


# -- the command


def test_every_engine_shows_what_was_planned(engine_name, tmp_path, temporary):
    # an engine that waits for each file alone waits a tenth as long
    prompt = ("--knobs", "delay=0.002") if engine_name == "sequential" else ()
    ran = run_pdl("--demo", *prompt, "-e", engine_name, "-j", "20", "--json", env=temporary, timeout=50)
    assert ran.returncode == 0, ran.stderr
    first, *lines, last = ran.stderr.splitlines()
    assert f"{len(LISTED)} entries: done {len(LISTED) - 1}, skipped 0, failed 1 (http 410: 1), left 0" in lines
    for served in LISTED:
        if served.note:
            assert f"  {served.name:9}  {served.note}" in lines
    (folder,) = tmp_path.iterdir()
    assert last == f"pdl: the files are in {folder}"
    assert_served(folder)
    attempts = {
        each["url"].rpartition("/")[2]: each["attempts"] for each in map(json.loads, ran.stdout.splitlines())
    }
    assert len(attempts) == len(LISTED)
    assert (attempts["flaky.png"], attempts["busy.png"], attempts["gone.png"]) == (3, 2, 1)
    assert_nobody_listens(port_in(first))


def test_a_folder_that_is_given_is_used_as_often_as_one_likes(tmp_path, temporary):
    dead_proxy = {"http_proxy": "http://127.0.0.1:9/", "no_proxy": None}
    for _ in range(2):
        ran = run_pdl("--demo", "-d", tmp_path / "given", *QUICK, env=temporary | dead_proxy)
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr.splitlines()[-1] == f"pdl: the files are in {tmp_path / 'given'}"
    assert [path.name for path in tmp_path.iterdir()] == ["given"]
    assert len(list((tmp_path / "given").glob("*.png"))) == 2 * (len(LISTED) - 1)


def test_another_outcome_is_told_in_a_line(tmp_path, temporary):
    ran = run_pdl("--demo", *QUICK, "--retries", "0", env=temporary)
    assert ran.returncode == 1
    (line,) = [line for line in ran.stderr.splitlines() if "planned" in line]
    assert re.fullmatch(r"pdl: not as planned: flaky\.png failed \(http: .*503.*\), and 1 more", line)


def test_quiet_says_only_what_differs(tmp_path, temporary):
    ran = run_pdl("--demo", "-q", *QUICK, "--max-filesize", "1", env=temporary)
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("pdl: not as planned: flaky.png failed (too-large: ")


def test_a_list_beside_its_own_is_a_usage_error():
    ran = run_pdl("--demo", "http://127.0.0.1:9/a")
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert "--demo" in line


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path, temporary):
    ran = run_pdl("--demo", "-e", "nope", env=temporary)
    assert ran.returncode == 2
    assert "nope" in ran.stderr
    assert list(tmp_path.iterdir()) == []


# -- its presets and knobs


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_downloads_as_planned(preset, tmp_path, temporary):
    ran = run_pdl("--demo", "--preset", preset, "--knobs", "files=50", *QUICK, env=temporary)
    assert ran.returncode == 0, ran.stderr
    knobs = changed(PRESETS[preset].knobs, "files=50")
    first, told, *lines, _ = ran.stderr.splitlines()
    assert (" 49 more" in first) is (preset == "many-hosts")
    assert told == f"pdl: {preset}: {PRESETS[preset].story}"
    failure = ", and 1 failure" if knobs.special else ""
    done = 50 + 3 * knobs.special
    assert f"pdl: as planned: {done} files, byte for byte as served{failure}" in lines
    account = lines[lines.index(f"pdl: as planned: {done} files, byte for byte as served{failure}") + 1 :]
    faults = [f"  {count} of them after {fault}" for count, fault in FAULTS.get(preset, ())]
    assert account == faults or knobs.special
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("*.png"))) == done


FAULTS = {"flaky": [(2, "a 429"), (3, "a 503"), (3, "a connection that was reset")]}
"""What the account of a preset with 50 files tells."""


def test_knobs_alone_change_the_usual_server(temporary):
    ran = run_pdl("--demo", "--knobs", "files=3,special=no,hosts=2", *QUICK, env=temporary)
    assert ran.returncode == 0, ran.stderr
    first, *lines = ran.stderr.splitlines()
    assert re.fullmatch(r"pdl: 3 files at http://127.0.0.1:\d+/ and 1 more, a server on this machine", first)
    assert "3 entries: done 3, skipped 0, failed 0, left 0" in lines


def test_quiet_leaves_the_story_out(temporary):
    ran = run_pdl("--demo", "-q", "--preset", "lan", "--knobs", "files=2", env=temporary)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


WRONG = {
    ("--preset", "wan"): "--demo",
    ("--knobs", "files=3"): "--demo",
    ("--preset", "wan", "http://127.0.0.1:9/a"): "--demo",
    ("--demo", "--preset", "moon"): "many-hosts",
    ("--demo", "--knobs", "moons=3"): "bandwidth",
    ("--demo", "--knobs", "files=many"): "files takes a whole number",
}


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_what_is_no_server_is_a_usage_error(arguments, tmp_path, temporary):
    ran = run_pdl(*arguments, env=temporary)
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert WRONG[arguments] in line
    assert list(tmp_path.iterdir()) == []


# -- its end


class Running(NamedTuple):
    """A demo under way."""

    program: subprocess.Popen[str]
    server: psutil.Process
    port: int


@contextmanager
def started(env: dict[str, str]) -> Iterator[Running]:
    """A demo that has begun, and takes its time."""
    with start_pdl("--demo", "-e", "sequential", env=env) as program:
        try:
            assert program.stderr is not None
            port = port_in(program.stderr.readline())
            (server,) = psutil.Process(program.pid).children()
            yield Running(program, server, port)
        finally:
            program.kill()


def assert_ends(server: psutil.Process) -> None:
    assert psutil.wait_procs([server], timeout=SOON)[1] == []


@POSIX
@pytest.mark.parametrize("signum", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_as_any_run(tmp_path, temporary, signum):
    with started(temporary) as demo:
        wait_for_files(tmp_path, demo.program)
        demo.program.send_signal(getattr(signal, signum))
        _, said = demo.program.communicate(timeout=SOON)
        assert demo.program.returncode == 128 + getattr(signal, signum)
        assert_ends(demo.server)
    assert re.search(r"^\d+ entries: done \d+, skipped 0, failed \d.*, left [1-9]", said, re.MULTILINE)
    (folder,) = tmp_path.iterdir()
    assert said.splitlines()[-1] == f"pdl: the files are in {folder}"
    assert_nobody_listens(demo.port)


def wait_for_files(folder: Path, program: subprocess.Popen[str]) -> None:
    """Wait until the run has brought a file; the file system tells nobody."""
    while not list(folder.glob("*/*.png")):
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.01)


def test_the_server_does_not_outlive_a_program_that_was_killed(temporary):
    with started(temporary) as demo:
        demo.program.kill()
        demo.program.wait()
        assert_ends(demo.server)
    assert_nobody_listens(demo.port)


# -- the server's process


def test_leaving_it_ends_the_process(nothing_left):
    with DemoServer(Knobs(files=3, delay=0.0)) as server:
        socket.create_connection(("127.0.0.1", port_in(server.base))).close()
    assert_nobody_listens(port_in(server.base))


def test_it_ends_while_clients_are_connected(nothing_left):
    with DemoServer(Knobs(files=3, delay=30.0)) as server:
        waiting = socket.create_connection(("127.0.0.1", port_in(server.base)))
        waiting.sendall(b"GET /images/0001.png HTTP/1.1\r\nHost: a\r\n\r\n")
        idle = socket.create_connection(("127.0.0.1", port_in(server.base)))
    with waiting, idle:
        assert_nobody_listens(port_in(server.base))
    assert [process.returncode for process in server._processes] == [0]


def test_files_of_the_user_are_not_taken_for_its_modules(tmp_path, monkeypatch):
    (tmp_path / "pdl.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "asyncio.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with DemoServer(Knobs(files=1)) as server:
        assert server.base


@pytest.mark.parametrize("program", ["pass", "input()"])
def test_a_server_that_does_not_start_is_an_error(monkeypatch, nothing_left, program):
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    monkeypatch.setattr(process, "_start", lambda: subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
    with pytest.raises(PdlError, match="did not start"):
        DemoServer()


@POSIX
def test_alone_it_serves_until_it_is_interrupted():
    command = [sys.executable, "-m", "pdl.demo", "--preset", "lan", "--knobs", "files=4,hosts=2"]
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(command, cwd=HOME, stdin=nothing, stdout=pipe, text=True) as alone:
        try:
            assert alone.stdout is not None
            bases = [alone.stdout.readline().rstrip() for _ in range(2)]
            for number, base in enumerate(bases, start=1):
                with urllib.request.urlopen(f"{base}images/000{number}.png", timeout=SOON) as response:
                    assert response.status == 200
            alone.send_signal(signal.SIGINT)
            assert alone.wait(SOON) == 130
        finally:
            alone.kill()


@pytest.mark.parametrize("arguments", [["nope"], ["--preset", "moon"], ["--knobs", "moons=3"]])
def test_another_argument_is_a_usage_error(arguments):
    command = [sys.executable, "-m", "pdl.demo", *arguments]
    ran = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False, timeout=SOON)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("usage: ")
    assert arguments[-1] in ran.stderr


# -- the outcome

TABLE = plan(Knobs(files=2, delay=0.0))
BASE = "http://127.0.0.1:9/"


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """Saw everything go as planned, with the files in the test's folder."""
    witness = Witness()
    for index, served in enumerate(TABLE):
        url = BASE + served.path[1:]
        if served.listed and served.ends == 200:
            (tmp_path / served.name).write_bytes(png(served.picture))
            witness.on(Result(index, "done", url, served.name, http_status=200))
        elif served.listed:
            witness.on(Result(index, "failed", url, served.name, kind=Kind.HTTP, http_status=served.ends))
    return witness


def found(witness: Witness, dest: Path) -> list[str]:
    return list(differences(TABLE, [BASE], witness, str(dest)))


def test_what_went_as_planned_does_not_differ(witness, tmp_path):
    assert found(witness, tmp_path) == []


def test_a_file_with_another_byte_differs(witness, tmp_path):
    file = tmp_path / "0002.png"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert found(witness, tmp_path) == ["0002.png is not what was served"]


def test_a_file_that_is_not_there_differs(witness, tmp_path):
    (tmp_path / "0002.png").unlink()
    assert found(witness, tmp_path) == ["0002.png is not what was served"]


URL = f"{BASE}images/0001.png"
ENDS = {
    "failed (dns: unknown)": Result(1, "failed", URL, kind=Kind.DNS, message="unknown"),
    "failed (http: gone)": Result(1, "failed", URL, kind=Kind.HTTP, message="gone", http_status=410),
    "failed (truncated: short)": Result(1, "failed", URL, kind=Kind.TRUNCATED, message="short", http_status=200),
    "was skipped (exists)": Result(1, "skipped", URL, "0001.png", reason="exists"),
}


@pytest.mark.parametrize("fault", ENDS)
def test_a_file_that_did_not_come_differs(witness, tmp_path, fault):
    witness.on(ENDS[fault])
    assert found(witness, tmp_path) == [f"0001.png {fault}"]


def test_an_entry_without_an_end_differs(witness, tmp_path):
    del witness.results[URL]
    assert found(witness, tmp_path) == ["0001.png never ended"]


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        (Result(1, "done", f"{BASE}images/gone.png", "0001.png"), "came, instead of failing with 410"),
        (
            Result(1, "failed", f"{BASE}images/gone.png", kind=Kind.HTTP, message="404", http_status=404),
            "failed (http: 404)",
        ),
    ],
)
def test_another_end_than_the_planned_failure_differs(witness, tmp_path, result, fault):
    witness.on(result)
    assert found(witness, tmp_path) == [f"gone.png {fault}"]
