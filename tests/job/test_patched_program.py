"""Programs that gevent has patched throughout, and one that it has not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from accounts import Account, account_in, expected, files_in
from faultserver import FaultServer

import pdl

HOME = Path(pdl.__file__).parent.parent
TESTS = Path(__file__).parent.parent
SOON = 4.0
"""Seconds; two are promised, the rest is for machines with more to do."""


PATCH = "from gevent import monkey; monkey.patch_all()\n"


@contextmanager
def started(program: str, *args: str | Path, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """A program that does not outlive the block."""
    path = os.pathsep.join(map(str, [HOME, TESTS, os.environ.get("PYTHONPATH", "")]))
    with subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(program), *map(str, args)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def patched(program: str, *args: str | Path, stdin: int = subprocess.DEVNULL) -> Any:
    """A program whose first act is `patch_all()`; see `started`."""
    return started(PATCH + textwrap.dedent(program), *args, stdin=stdin)


def ended(process: subprocess.Popen[str], timeout: float = 30.0) -> str:
    """What a program printed that ended well."""
    stdout, stderr = process.communicate(timeout=timeout)
    assert (process.returncode, stderr) == (0, "")
    return stdout


RESULTS = """
    import json, socket, sys, pdl
    from faultserver.leaks import Snapshot, assert_nothing_left

    socket.getaddrinfo("localhost", None)  # the thread in which gevent looks names up belongs to the program
    engine, dest, cacert, *urls = sys.argv[1:]
    before = Snapshot.take()
    options = dict(engine=engine, cacert=cacert, jobs=8, timeout=0.5, retries=1, retry_delay=0.01)
    for result in pdl.iter_downloads(iter(urls), dest, **options):
        print(json.dumps([result.url, result.status, str(result.kind or ""), result.attempts]))
    assert_nothing_left(before)
"""


@pytest.mark.fault(55)
def test_every_end_is_the_same_in_a_patched_program(
    engine_name, server: FaultServer, tls_server: FaultServer, refused_url: str, ca_pem: str, tmp_path: Path
):
    good = ["/file/a?size=300000", "/chunked/b", "/until-close/c", "/file/d?fail=1", "/redirect?to=/file/e"]
    ends = {
        **{server.url(target): ("done", "", 2 if "fail" in target else 1) for target in good},
        tls_server.url("/file/f?size=300000"): ("done", "", 1),
        server.url("/status/404"): ("failed", "http", 1),
        server.url("/cut"): ("failed", "truncated", 2),
        server.url("/stall/in-body?size=5000&at=100"): ("failed", "timeout", 2),
        refused_url: ("failed", "connect", 2),
        "http://no-such-name.invalid/": ("failed", "dns", 2),
    }
    with patched(RESULTS, engine_name, tmp_path, ca_pem, *ends) as process:
        results = [json.loads(line) for line in ended(process).splitlines()]
    assert {url: tuple(end) for url, *end in results} == ends
    files = files_in(tmp_path)
    assert files.pop("redirect") == server.content("/file/e")
    assert files == expected(server, [*good[:-1], "/file/f?size=300000"])


AT_ONCE = """
    import sys, pdl

    engine, dest, *urls = sys.argv[1:]
    print(pdl.download_all(urls, dest, engine=engine, jobs=len(urls)).done)
"""


@pytest.mark.fault(55)
def test_attempts_run_at_once_in_a_patched_program(engine_name, server: FaultServer, tmp_path: Path):
    targets = [f"/stall/before-head/{number}" for number in range(8)]
    at_once = 1 if engine_name == "sequential" else len(targets)
    with patched(AT_ONCE, engine_name, tmp_path, *map(server.url, targets)) as process:
        server.wait_until(lambda: server.in_flight("/stall") == at_once)
        for target in targets:
            server.release(target)
        assert ended(process) == "8\n"
    assert files_in(tmp_path) == expected(server, targets)


ENDLESS = """
    import sys, time, pdl
    from itertools import count, islice
    from faultserver.leaks import Snapshot, assert_nothing_left

    def endless():
        try:
            for number in count():
                yield f"{origin}/file/{number}"
        finally:
            print("the generator is closed")

    engine, dest, origin = sys.argv[1:]
    before = Snapshot.take()
    with pdl.iter_downloads(endless(), dest, engine=engine, jobs=4) as downloads:
        assert [result.status for result in islice(downloads, 30)] == ["done"] * 30
        began = time.monotonic()
    assert time.monotonic() - began < 4
    assert_nothing_left(before)
"""


def test_a_generator_is_fed_and_left_in_a_patched_program(engine_name, server: FaultServer, tmp_path: Path):
    with patched(ENDLESS, engine_name, tmp_path, server.origin) as process:
        assert ended(process) == "the generator is closed\n"
    assert len(files_in(tmp_path)) >= 30


COMMAND = """
    from pdl.cli import main

    main()
"""


@pytest.mark.fault(45, 55)
def test_a_signal_stops_a_patched_program_whose_standard_input_is_quiet(
    engine_name, server: FaultServer, tmp_path: Path
):
    reading, writing = os.pipe()
    try:
        arguments = ["-", "-d", tmp_path, "-e", engine_name, "--paths"]
        with patched(COMMAND, *arguments, stdin=reading) as process:
            for name in ("first", "second"):
                os.write(writing, f"{server.url(f'/file/{name}')}\n".encode())
                assert process.stdout.readline() == f"{tmp_path / name}\n"
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=SOON)
    finally:
        os.close(reading)
        os.close(writing)
    assert (process.returncode, account_in(stderr)) == (130, Account(2, 2, 0, 0, 0))
    assert "Traceback" not in stderr


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_engine_contract_holds_in_a_patched_program():
    program = """
        import sys, pytest

        sys.exit(pytest.main(sys.argv[1:]))
    """
    # the servers are greenlets there, which the search for left-overs would take for the engine's
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "-k", "not leaves_nothing")
    with patched(program, TESTS / "engines", *options) as process:
        stdout, stderr = process.communicate(timeout=280)
    assert process.returncode == 0, stdout + stderr


# a program that is not patched

FIFTY = """
    import signal, sys, pdl
    from gevent import monkey

    dest, cacert, *urls = sys.argv[1:]
    handlers = [signal.getsignal(signum) for signum in signal.valid_signals()]
    print(pdl.download_all(urls, dest, engine="gevent", jobs=50, cacert=cacert).done)
    print(*filter(monkey.is_module_patched, ("os", "select", "socket", "ssl", "thread", "threading", "time")))
    assert handlers == [signal.getsignal(signum) for signum in signal.valid_signals()]
"""


@pytest.mark.fault(55, engine="gevent")
def test_gevent_carries_fifty_over_https_at_once_and_patches_nothing(
    tls_server: FaultServer, ca_pem: str, tmp_path: Path
):
    targets = [f"/stall/before-head/{number}" for number in range(50)]
    with started(FIFTY, tmp_path, ca_pem, *map(tls_server.url, targets)) as process:
        tls_server.wait_until(lambda: tls_server.in_flight() == 50, timeout=30)
        for target in targets:
            tls_server.release(target)
        assert ended(process) == "50\n\n"
    assert files_in(tmp_path) == expected(tls_server, targets)
