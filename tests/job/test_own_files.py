"""The job's own files are never a target, however they came to be open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faultserver import FaultServer


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the names of redirected files")
def test_redirected_lists_and_results_in_the_destination_are_not_replaced(server: FaultServer, tmp_path: Path):
    urls = f"{server.url('/list.txt')}\n{server.url('/report.json')}\n"
    (tmp_path / "list.txt").write_text(urls)
    with (tmp_path / "list.txt").open() as listed, (tmp_path / "report.json").open("w") as report:
        command = [sys.executable, "-m", "pdl", "-", "-d", str(tmp_path), "--overwrite", "--json", "-q"]
        assert subprocess.run(command, stdin=listed, stdout=report, timeout=30, check=False).returncode == 0
    assert (tmp_path / "list.txt").read_text() == urls
    assert len((tmp_path / "report.json").read_text().splitlines()) == 2
    assert sorted(path.name.count(".") for path in tmp_path.iterdir() if path.name != ".pdl") == [1, 1, 2, 2]
