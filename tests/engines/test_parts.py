"""The part of an attempt, where somebody else meddles with it."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from carrying import PATIENCE, attempts_for, carry, engine_of, outcomes
from faultserver import FaultServer

from pdl.errors import Kind
from pdl.model import Digest


@pytest.mark.fault(42)
@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
def test_another_file_in_the_place_of_a_part_is_not_dropped_for_it(
    engine_name, server: FaultServer, tmp_path: Path
):
    target = "/stall/in-body?size=5000&at=2000"
    (attempt,) = attempts_for([server.url(target)], tmp_path, digest=Digest("sha256", "0" * 64))
    part = Path(attempt.part)
    meddled = threading.Event()

    def meddle() -> None:
        until = time.monotonic() + PATIENCE
        while not (part.exists() and part.stat().st_size) and time.monotonic() < until:
            time.sleep(0.005)
        part.rename(tmp_path / "moved")
        part.write_bytes(b"precious")
        meddled.set()
        server.release(target)

    thread = threading.Thread(target=meddle)
    with engine_of(engine_name) as engine:
        thread.start()
        found = outcomes(carry(engine, [attempt]))
    thread.join()
    assert (found[1].kind, meddled.is_set()) == (Kind.DIGEST, True)
    assert part.read_bytes() == b"precious"
