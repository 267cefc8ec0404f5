"""What only threads can suffer from."""

from __future__ import annotations

import threading

import pytest
from interrupting import interrupted_at

from pdl import engines
from pdl.settings import Settings

BLINK = 0.001
"""Seconds."""
SOON = 5.0
"""Seconds, for what takes none."""


@pytest.mark.fault(45, engine="threads")
def test_an_exception_anywhere_in_a_wait_leaves_nothing_locked():
    engine = engines.create("threads", Settings(jobs=1))
    step = 1
    while interrupted_at(step, lambda: engine.wait(BLINK)):
        ringer = threading.Thread(target=engine.wake, daemon=True)  # as those do that carry attempts
        ringer.start()
        ringer.join(SOON)
        assert not ringer.is_alive()
        engine.wait(BLINK)
        step += 1
    assert step > 5  # it was interrupted at all
    engine.close()
