"""Stopping the command by signals: cleanly with the first, at once with the second."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from accounts import Account, account_in, expected, files_in, left_of_group, parts_in, urls
from faultserver import FaultServer, run_pdl, start_pdl

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX has them")

SOON = 4.0
"""Seconds; two are promised, the rest is for machines with more to do."""

GOOD = [f"/file/good-{n}" for n in range(4)]
STALLED = [f"/stall/in-body/stalled-{n}?size=300000&at=200000" for n in range(8)]


class Stopped(NamedTuple):
    """How a signalled program ended."""

    code: int
    stdout: str
    account: Account


def stop(process: subprocess.Popen[str], signum: signal.Signals = signal.SIGINT) -> Stopped:
    """Send a signal, and hold the end of the program to all that is promised for it."""
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=SOON)
    assert "Traceback" not in stderr, stderr
    assert "Exception" not in stderr, stderr
    assert left_of_group(process.pid) == []
    account = account_in(stderr)
    assert account.balances, account
    return Stopped(process.returncode, stdout, account)


def assert_only_whole_files(server: FaultServer, dest: Path, targets: list[str]) -> None:
    originals = expected(server, targets)
    for name, content in files_in(dest).items():
        assert content == originals[name], f"{name} is not what it should be"


def assert_next_run_completes(server: FaultServer, targets: list[str], dest: Path, *args: str | Path) -> None:
    """The same command again fetches what is left, and nothing that is there."""
    before = len(files_in(dest))
    for target in targets:
        server.release(target)
    run = run_pdl(*args)
    assert run.returncode == 0, run.stderr
    account = account_in(run.stderr)
    assert (account.done, account.skipped) == (len(targets) - before, before)
    assert files_in(dest) == expected(server, targets)
    assert parts_in(dest) == []


@pytest.mark.fault(45)
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda signum: signum.name)
def test_a_signal_stops_a_run_cleanly_and_the_next_one_completes_it(
    engine_name, server: FaultServer, tmp_path: Path, signum: signal.Signals
):
    targets, dest, listed = GOOD + STALLED, tmp_path / "out", tmp_path / "list.txt"
    listed.write_text(urls(server, targets))
    command = (listed, "-d", dest, "-e", engine_name, "-j", "8")
    at_once = 1 if engine_name == "sequential" else len(STALLED)
    with start_pdl(*command) as process:
        server.wait_until(lambda: server.in_flight("/stall") == at_once)
        stopped = stop(process, signum)
    assert stopped.code == 128 + signum
    assert stopped.account == Account(read=12, done=4, skipped=0, failed=0, left=8)
    assert_only_whole_files(server, dest, GOOD)
    assert_next_run_completes(server, targets, dest, *command)


@pytest.mark.fault(45)
def test_bytes_that_came_stay_as_parts(engine_name, server: FaultServer, tmp_path: Path):
    target = "/drip/slow?size=1000000&piece=1000&interval=0.02"  # 20 s, longer than any stop
    with start_pdl(server.url(target), "-d", tmp_path, "-e", engine_name) as process:
        server.wait_for(lambda record: record.target == target)
        wait_for_size(tmp_path / ".pdl" / "parts" / "1.part", 1000, process)
        stop(process)
    (part,) = parts_in(tmp_path)
    content = (tmp_path / ".pdl" / "parts" / part).read_bytes()
    assert content
    assert server.content(target).startswith(content)
    assert files_in(tmp_path) == {}


def wait_for_size(path: Path, size: int, process: subprocess.Popen[str]) -> None:
    """Wait until a file has so many bytes; the file system tells nobody."""
    for _ in range(2000):
        if path.exists() and path.stat().st_size >= size:
            return
        try:
            process.wait(timeout=0.01)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError("the program ended too early")
    raise AssertionError(f"{path} never had {size} bytes")


@pytest.mark.fault(45)
def test_a_signal_stops_a_run_that_waits_for_response_heads(engine_name, server: FaultServer, tmp_path: Path):
    targets = [f"/stall/before-head/{n}" for n in range(4)]
    listed = tmp_path / "list.txt"
    listed.write_text(urls(server, targets))
    command = (listed, "-d", tmp_path / "out", "-e", engine_name)
    with start_pdl(*command) as process:
        server.wait_until(lambda: server.in_flight("/stall") == (1 if engine_name == "sequential" else 4))
        stopped = stop(process)
    assert (stopped.code, stopped.account) == (130, Account(4, 0, 0, 0, 4))
    assert_next_run_completes(server, targets, tmp_path / "out", *command)


HANGING = """
    import os, socket, time

    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if str(host).endswith(".hanging"):
            with socket.create_connection(("127.0.0.1", int(os.environ["TELL_PORT"]))) as server:
                server.sendall(f"GET /asked/{host} HTTP/1.1\\r\\n\\r\\n".encode())
            time.sleep(600)
        return real(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
"""
"""A `sitecustomize`: names below .hanging never resolve, and the server is told who asks for them."""


@pytest.fixture
def hanging_names(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(HANGING))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("TELL_PORT", str(server.port))


@pytest.mark.fault(45)
def test_a_signal_stops_a_run_while_names_hang_in_resolution(
    engine_name, server: FaultServer, tmp_path: Path, hanging_names
):
    hanging = [f"http://{name}.hanging/{name}" for name in "abc"]
    dest = tmp_path / "out"
    with start_pdl(*hanging, "-d", dest, "-e", engine_name, "--connect-timeout", "600") as process:
        for name in "a" if engine_name == "sequential" else "abc":
            server.wait_for(lambda record, name=name: record.path == f"/asked/{name}.hanging")
        stopped = stop(process)
    assert (stopped.code, stopped.account) == (130, Account(3, 0, 0, 0, 3))
    assert files_in(dest) == {}


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    ("count", "query"), [(3, "fail=1"), (1, "fail=1&fail_with=429&retry_after=200")], ids=["backoff", "retry-after"]
)
def test_a_signal_stops_a_run_in_which_everything_waits_for_a_retry(
    engine_name, server: FaultServer, tmp_path: Path, count: int, query: str
):
    targets = [f"/file/late-{n}?{query}" for n in range(count)]
    listed = tmp_path / "list.txt"
    listed.write_text(urls(server, targets))
    command = (listed, "-d", tmp_path / "out", "-e", engine_name, "--retry-delay", "1000")
    with start_pdl(*command) as process:
        server.wait_until(lambda: len(server.requests) >= count and not server.in_flight())
        stopped = stop(process)
    assert (stopped.code, stopped.account.read, stopped.account.failed) == (130, count, 0)
    assert_next_run_completes(server, targets, tmp_path / "out", *command)


@pytest.fixture
def open_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe, of which the writing one stays open for the whole test."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.mark.fault(45)
def test_a_signal_stops_a_run_whose_standard_input_is_quiet(
    engine_name, server: FaultServer, tmp_path: Path, open_pipe: tuple[int, int]
):
    reading, writing = open_pipe
    with start_pdl("-", "-d", tmp_path, "-e", engine_name, "--paths", stdin=reading) as process:
        os.write(writing, f"{server.url('/file/first')}\n".encode())
        assert process.stdout.readline() == f"{tmp_path / 'first'}\n"
        stopped = stop(process)
    assert (stopped.code, stopped.account) == (130, Account(1, 1, 0, 0, 0))
    assert files_in(tmp_path) == expected(server, ["/file/first"])


SLOW_TO_CLOSE = """
    import threading
    from pdl.run import Run

    def close(self):
        print("closing", flush=True)
        while not threading.Event().wait(0.05):  # a signal that comes just before a wait does not end that wait
            pass

    Run.close = close

    from pdl.cli import main

    main()
"""
"""The program, if stopping took for ever."""


@pytest.mark.fault(45)
def test_a_second_signal_ends_the_program_at_once(engine_name, server: FaultServer, tmp_path: Path):
    arguments = [server.url("/stall/before-head"), "-d", str(tmp_path), "-e", engine_name]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW_TO_CLOSE), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        server.wait_for(lambda record: record.target == "/stall/before-head")
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "closing\n"
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=SOON)
        assert process.returncode == 128 + signal.SIGTERM
        assert process.stderr.read() == ""
        assert left_of_group(process.pid) == []


@pytest.fixture
def hangups_ignored() -> Iterator[None]:
    """Programs that are started now ignore SIGHUP, as under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


def test_nohup_is_respected(server: FaultServer, tmp_path: Path, hangups_ignored):
    target = "/stall/before-head"
    with start_pdl(server.url(target), "-d", tmp_path) as process:
        server.wait_for(lambda record: record.target == target)
        process.send_signal(signal.SIGHUP)
        server.release(target)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr


# at any moment


def interrupt_again_and_again(
    engine_name: str,
    server: FaultServer,
    tmp_path: Path,
    runs: int,
    wait: Callable[[subprocess.Popen[str]], object],
) -> None:
    """Interrupt runs of one list in one destination, each further on than the one before; then let one end."""
    targets = [f"/file/{n}?size={n * 7919 % 50_000}&delay=0.005" for n in range(160)]  # whose JSON fits into a pipe
    dest, listed = tmp_path / "out", tmp_path / "list.txt"
    listed.write_text(urls(server, targets))
    command = (listed, "-d", dest, "-e", engine_name, "-j", "4")
    done = 0
    for _ in range(runs):
        server.clear()
        with start_pdl(*command, "--json") as process:
            server.wait_for(lambda record: True)
            wait(process)
            stopped = stop(process)
        assert stopped.code == 130
        told = [json.loads(line)["status"] for line in stopped.stdout.splitlines()]
        assert (len(told), told.count("done")) == (stopped.account.ended, stopped.account.done)
        done += stopped.account.done
        assert len(files_in(dest)) == done
        assert_only_whole_files(server, dest, targets)
    assert_next_run_completes(server, targets, dest, *command)


@pytest.mark.fault(45)
def test_interrupts_at_any_moment_of_many_runs_spoil_nothing(engine_name, server: FaultServer, tmp_path: Path):
    chance = random.Random(engine_name)

    def wait(_: subprocess.Popen[str]) -> None:
        requests = chance.randint(1, 12)
        server.wait_until(lambda: len(server.requests) >= requests)

    interrupt_again_and_again(engine_name, server, tmp_path, 8, wait)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_two_hundred_interrupts_at_any_time_spoil_nothing(engine_name, server: FaultServer, tmp_path: Path):
    chance = random.Random()

    def wait(process: subprocess.Popen[str]) -> None:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.05))

    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        interrupt_again_and_again(engine_name, server, folder, 4, wait)
