"""Whether the figures are right: held against the server's own, /usr/bin/time and the system's accounts."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faultserver import FaultServer

import pdl
from pdl.demo import DemoServer, Knobs
from pdl.report import laboratory

KNOBS = Knobs(files=500, smallest=2000, largest=2000, delay=0.2, tail="fixed", special=False)
BUSY = Knobs(files=2000, smallest=2000, largest=2000, delay=0, tail="fixed", special=False)
JOBS = 10
MEASURED = "/usr/bin/time"


def test_memory_is_the_measured_programs_and_not_that_of_who_started_it(server: FaultServer):
    ballast = bytearray(os.urandom(1 << 20) * 300)
    found = pdl.compare([server.url("/file/a")], engines=["curl"], rounds=1)
    assert len(ballast) > max(each.rss for each in found.measurements)
    assert min(each.rss for each in found.measurements) > 10_000_000


def test_cpu_has_the_start_and_what_child_processes_took(server: FaultServer):
    urls = [server.url(f"/file/{n}") for n in range(8)]
    found = pdl.compare(urls, engines=["curl", "processes"], jobs=8, rounds=1)
    cpu = {each.engine: each.cpu for each in found.measurements}
    assert all(each.cpu > each.working > 0 for each in found.measurements)
    assert cpu["processes"] > 1.5 * cpu["curl"]  # eight more programs have started


@pytest.fixture(scope="module")
def laboratory_server() -> Iterator[DemoServer]:
    with DemoServer(KNOBS) as server:
        yield server


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["threads", "processes", "gevent", "curl"])
def test_figures_agree_with_what_the_server_counted(engine, laboratory_server: DemoServer):
    server = laboratory_server
    server.start_over()
    found = pdl.compare(server.urls, engines=[engine], jobs=JOBS, rounds=1)
    counts = server.counts()
    rounds = found.measurements
    assert counts.statuses == {200: sum(each.done for each in rounds)}
    assert sum(each.failed for each in rounds) == 0
    for each in rounds:
        assert each.first_byte is not None
        assert each.first_byte.p50 == pytest.approx(counts.first_byte, rel=0.05)
    alone = _alone(server, engine)
    assert rounds[-1].done / rounds[-1].seconds == pytest.approx(KNOBS.files / alone, rel=0.05)


def _alone(server: DemoServer, engine: str) -> float:
    """Seconds from the first request to the last answer of one run, by the server."""
    server.start_over()
    with tempfile.TemporaryDirectory() as dest:
        pdl.download_all(server.urls, dest, engine=engine, jobs=JOBS)
    counts = server.counts()
    assert counts.first is not None
    assert counts.last is not None
    return counts.last - counts.first + KNOBS.delay


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.skipif(not os.path.exists(MEASURED), reason="there is no /usr/bin/time")
@pytest.mark.parametrize("engine", ["threads", "gevent", "curl"])
def test_cpu_and_memory_agree_with_time(engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of the same processes: from run to run the system's part varies by more."""
    reports: list[Path] = []
    start = subprocess.Popen

    def start_timed(command: list[str], **options) -> subprocess.Popen[bytes]:
        reports.append(tmp_path / str(len(reports)))
        return start([MEASURED, "-v", "-o", str(reports[-1]), *command], **options)

    with DemoServer(BUSY) as server:
        monkeypatch.setattr(laboratory.subprocess, "Popen", start_timed)
        found = pdl.compare(server.urls, engines=[engine], jobs=JOBS, rounds=2).measurements
    assert len(found) == len(reports) == 3
    for ours, report in zip(found, reports, strict=True):
        told = report.read_text()
        assert ours.cpu == pytest.approx(_said(told, "User time") + _said(told, "System time"), rel=0.1)
        assert ours.rss == pytest.approx(_said(told, "Maximum resident set size") * 1024, rel=0.1)


def _said(told: str, what: str) -> float:
    match = re.search(rf"{what}[^:]*: ([\d.]+)", told)
    assert match is not None, told
    return float(match[1])


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """Groups of the system (cgroups, version 1) that every measurement is put into, where they can be made."""
    groups = {name: Path(f"/sys/fs/cgroup/{name}/pdl-{os.getpid()}") for name in ("cpuacct", "memory")}
    try:
        for group in groups.values():
            group.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups can be made: {error}")
    start = laboratory._start

    def start_inside(line: int) -> subprocess.Popen[bytes]:
        process = start(line)
        for group in groups.values():
            (group / "cgroup.procs").write_text(str(process.pid))
        return process

    monkeypatch.setattr(laboratory, "_start", start_inside)
    yield groups
    time.sleep(0.5)  # the system takes a moment to see that a group is empty
    for group in groups.values():
        group.rmdir()


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_processes_figures_agree_with_the_systems_account(account, laboratory_server: DemoServer):
    found = pdl.compare(laboratory_server.urls, engines=["processes"], jobs=JOBS, rounds=1)
    cpu = int((account["cpuacct"] / "cpuacct.usage").read_text()) / 1e9
    memory = int((account["memory"] / "memory.max_usage_in_bytes").read_text())
    assert sum(each.cpu for each in found.measurements) == pytest.approx(cpu, rel=0.1)
    assert max(each.rss for each in found.measurements) == pytest.approx(memory, rel=0.1)
