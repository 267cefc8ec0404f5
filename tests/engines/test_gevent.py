"""What only greenlets can suffer from."""

from __future__ import annotations

import gevent
import pytest
from interrupting import interrupted_at

from pdl import engines
from pdl.settings import Settings

BLINK = 0.001
"""Seconds."""


@pytest.mark.fault(45, engine="gevent")
def test_an_exception_anywhere_in_a_wait_leaves_nothing_that_goes_off_later():
    engine = engines.create("gevent", Settings(jobs=1))
    step = 1
    while interrupted_at(step, lambda: engine.wait(BLINK)):
        gevent.sleep(3 * BLINK)
        step += 1
    assert step > 10  # it was interrupted at all
    engine.close()
