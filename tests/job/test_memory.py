"""Memory, which does not grow with the list."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from accounts import account_in
from faultserver import FaultServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")

COMMAND = """
import sys
from pdl.cli import main

try:
    main()
finally:
    with open("/proc/self/status") as status:  # resource.getrusage() counts what the process was before exec, too
        print(next(line for line in status if line.startswith("VmHWM")), file=sys.stderr)
"""


def ended_at_once(url: str) -> Iterator[str]:
    """One file and its repetitions, among lines that are malformed or not allowed, without end."""
    number = 0
    while True:
        yield url
        yield f"http://127.0.0.1:99999999/{number}"
        yield f"file:///etc/passwd-{number}"
        yield f"this is no URL: {number}"
        yield url + "#fragment"
        number += 1


def peak(server: FaultServer, dest: Path, entries: int) -> int:
    """Bytes of memory that a run took at most, the first one in this destination or a later one."""
    done = 0 if dest.exists() else 1
    given = "\n".join(islice(ended_at_once(server.url("/file")), entries))
    command = [sys.executable, "-c", COMMAND, "-", "-d", dest, "--failed", dest.with_suffix(".txt")]
    run = subprocess.run(command, input=given, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 3, run.stderr
    account = account_in(run.stderr)
    assert account.balances
    assert (account.read, account.done, account.skipped) == (entries, done, entries // 5 * 2 - done)
    assert (account.failed, account.left) == (entries // 5 * 3, 0)
    return int(run.stderr.split("VmHWM:")[1].split()[0]) * 1024


def assert_constant(server: FaultServer, folder: Path, entries: int, runs: int = 1) -> None:
    for _ in range(runs):
        few, many = (peak(server, folder / str(count), count) for count in (10_000, entries))
        assert many - few < 20 * 2**20, f"{few / 2**20:.1f} MiB for 10,000, {many / 2**20:.1f} MiB for {entries:,}"


def test_a_hundred_thousand_entries_take_no_more_memory_than_ten_thousand(server: FaultServer, tmp_path: Path):
    assert_constant(server, tmp_path, 100_000)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_million_entries_take_no_more_memory_than_ten_thousand(server: FaultServer, tmp_path: Path):
    assert_constant(server, tmp_path, 1_000_000, runs=2)
