"""A clock of the machine that jumps while a job runs."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest
from accounts import expected, files_in
from faultserver import FaultServer
from in_workers import run_at_start

import pdl

JUMPING = """
    import itertools, time

    real, days = time.time, itertools.cycle([0, 1, -1, 400, -400])
    time.time = lambda: real() + 86400 * next(days)
"""
"""Each look at the clock is a day, or more than a year, before or behind the last one."""


@pytest.mark.fault(52)
def test_a_clock_that_jumps_ends_no_wait_early_and_none_late(
    engine_name, server: FaultServer, tmp_path: Path, monkeypatch, tmp_path_factory
):
    run_at_start(monkeypatch, tmp_path_factory.mktemp("clock"), JUMPING)
    monkeypatch.setattr(time, "time", time.time)  # so that it comes back
    exec(textwrap.dedent(JUMPING), {})
    targets = [
        "/file/whole?size=300000&delay=0.2",
        "/file/again?fail=1&retry_after=1",
        "/file/later?fail=2",
        "/drip/slow?size=1000&piece=100&interval=0.05",
        "/stall/in-body/held?times=1&at=500",
    ]
    summary = pdl.download_all(
        map(server.url, targets),
        tmp_path,
        engine=engine_name,
        timeout=0.6,
        retry_delay=0.05,
        max_time=30,
        deadline=50,
    )
    assert (summary.done, summary.exit_code) == (5, 0)
    assert files_in(tmp_path) == expected(server, targets)
    first, second = [record.arrived for record in server.requests_for("/file/again")]
    assert second - first >= 1  # what the server asked for
