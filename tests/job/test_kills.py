"""Killed at any moment with all workers, and started again: nothing is lost or half, and nothing comes twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from accounts import account_in, expected, files_in, parts_in, urls
from faultserver import FaultServer, run_pdl, start_pdl

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does"),
    pytest.mark.fault(43),
]

SMALL = [f"/file/small-{n}?delay=0.02" for n in range(60)]
LARGE = [f"/drip/large-{n}?size=3000000&piece=60000&interval=0.02" for n in range(3)]
ENGINES = ("curl", "threads", "processes", "processes+curl")


def run_until_killed(command: list[str | Path], seconds: float) -> bool:
    """Start a run and kill it and all its workers after so long; whether it had to be killed."""
    with start_pdl(*command) as process:
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return True
        assert process.returncode == 0
        return False


def kill_at_random(server: FaultServer, folder: Path, engine_name: str, seed: int, kills: int) -> tuple[int, int]:
    """Kill runs of the same command until so many were; answers the kills and the ranges that were asked for."""
    chance, killed, ranges, turn = random.Random(seed), 0, 0, 0
    targets = SMALL + LARGE
    originals = expected(server, targets)
    (folder / "list.txt").write_text(urls(server, targets))
    while killed < kills:
        dest, turn = folder / f"out-{turn}", turn + 1
        command = [folder / "list.txt", "-d", dest, "-e", engine_name, "-j", "6", "--retry-delay", "0.01"]
        published: set[str] = set()
        while killed < kills:
            server.clear()
            was_killed = run_until_killed(command, chance.uniform(0.1, 1.2))
            killed += was_killed
            asked = {record.path.rpartition("/")[2] for record in server.requests}
            assert not asked & published, "what had its name already was asked for again"
            ranges += sum(record.header("range") is not None for record in server.requests)
            found = files_in(dest) if dest.exists() else {}
            for name, content in found.items():
                assert content == originals[name], f"{name} is not what it should be"
            published = set(found)
            if not was_killed:
                break
        server.clear()
        last = run_pdl(*command)
        assert last.returncode == 0, last.stderr
        account = account_in(last.stderr)
        assert account.balances
        assert (account.ended, account.failed) == (len(targets), 0)
        assert files_in(dest) == originals
        assert parts_in(dest) == []
        ranges += sum(record.header("range") is not None for record in server.requests)
        assert not {record.path.rpartition("/")[2] for record in server.requests} & published
    return killed, ranges


@pytest.mark.parametrize("carrier", ENGINES)
def test_runs_that_are_killed_lose_nothing(server: FaultServer, tmp_path: Path, carrier: str):
    killed, _ = kill_at_random(server, tmp_path, carrier, seed=1, kills=4)
    assert killed == 4


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("carrier", ENGINES)
def test_a_hundred_kills_lose_nothing(server: FaultServer, tmp_path: Path, carrier: str):
    killed, ranges = kill_at_random(server, tmp_path, carrier, seed=2, kills=100)
    assert killed == 100
    assert ranges > 0  # what was large has been continued
    print(f"{carrier}: {killed} kills, {ranges} ranges")  # noqa: T201 - quoted where the count is told
