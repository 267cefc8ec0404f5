"""Few file descriptors: less is carried at once, and every file comes; none at all is told in words that help."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from faultserver import FaultServer
from in_workers import run_at_start

pytestmark = pytest.mark.fault(51)

pytest.importorskip("resource", reason="Windows has no such limit")

FEW = """
    import resource, sys, pdl

    engine, port, dest, hosts, layout = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    urls = [f"http://h{n % int(hosts)}.test:{port}/file/{n % 40}/{n}" for n in range(300)]
    if __name__ == "__main__":
        summary = pdl.download_all(urls, dest, engine=engine, jobs=100, retries=0, layout=layout)
        print(summary.done, summary.failed_by_kind, summary.left)
"""
HERE = """
    import socket

    real = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest: real("127.0.0.1", *rest)
"""
"""Every name leads here."""

NONE = """
    import os, resource, sys, threading, pdl, pdl.scheduler

    engine, port, dest, keep, lasts = sys.argv[1:]
    held = []

    class Greedy:
        \"\"\"Takes all descriptors but a few when the first file has come, and gives them back after a while.\"\"\"

        def on(self, event):
            pass

        def close(self):
            pass

    def take_all():
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            for _ in range(int(keep)):
                os.close(held.pop())

    def give_back():
        while held:
            os.close(held.pop())

    if __name__ == "__main__":
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        urls = [f"http://127.0.0.1:{port}/file/{n}" for n in range(60)]
        urls.insert(0, f"http://127.0.0.1:{port}/file/first")
        failures = []
        options = {"engine": engine, "jobs": 8, "retries": 3, "retry_delay": 0.05}
        with pdl.iter_downloads(urls, dest, **options) as downloads:
            for number, result in enumerate(downloads):
                if number == 0:
                    take_all()
                    if lasts == "no":
                        threading.Timer(0.5, give_back).start()
                    else:
                        pdl.scheduler.RELIEF = 0.2  # no more comes of waiting longer
                if result.status == "failed":
                    failures.append(result)
        give_back()
        summary = downloads.summary
        print(summary.done + summary.failed, summary.left)
        for each in failures:
            print(each.kind, each.message)
"""


def ran(program: str, folder: Path, *arguments: object) -> str:
    """What a program in a file of its own writes to standard output."""
    script = folder / "program.py"
    script.write_text(textwrap.dedent(program))
    command = [sys.executable, str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(("hosts", "layout"), [(1, "flat"), (300, "tree")])
def test_a_list_fits_into_few_open_files(
    engine_name, server: FaultServer, tmp_path: Path, hosts: int, layout: str, monkeypatch: pytest.MonkeyPatch
):
    run_at_start(monkeypatch, tmp_path / "names", HERE)
    told = ran(FEW, tmp_path, engine_name, server.port, tmp_path / "dest", hosts, layout)
    assert told == "300 {} 0\n"
    assert server.max_in_flight() < 100


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_lack_that_passes_fails_nothing(engine_name, server: FaultServer, tmp_path: Path, keep: int):
    assert ran(NONE, tmp_path, engine_name, server.port, tmp_path / "dest", keep, "no") == "61 0\n"


@pytest.mark.parametrize("keep", [0, 2])
def test_a_lack_that_lasts_ends_and_is_told(engine_name, server: FaultServer, tmp_path: Path, keep: int):
    account, *failures = ran(NONE, tmp_path, engine_name, server.port, tmp_path / "dest", keep, "yes").splitlines()
    assert account == "61 0"
    for failure in failures:
        assert failure.partition(" ")[0] in ("connect", "disk", "dns")
        assert failure.endswith(
            "all 200 files that this program may have open are open; ulimit -n raises the limit"
        )
