"""What only greenlets can suffer from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import gevent
import pytest

from pdl import engines
from pdl.settings import Settings

BLINK = 0.001
"""Seconds."""


class Interruption(BaseException):
    """Comes from outside, as a KeyboardInterrupt does."""


def interrupted_at(step: int, call: Callable[[], object]) -> bool:
    """Call something, and raise at the n-th begin or end of a function in Python; whether it had so many."""
    left = step

    def trace(_: FrameType, event: str, __: object) -> Any:
        nonlocal left
        if event in ("call", "return"):
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Interruption:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.fault(45, engine="gevent")
def test_an_exception_anywhere_in_a_wait_leaves_nothing_that_goes_off_later():
    engine = engines.create("gevent", Settings(jobs=1))
    step = 1
    while interrupted_at(step, lambda: engine.wait(BLINK)):
        gevent.sleep(3 * BLINK)
        step += 1
    assert step > 10  # it was interrupted at all
    engine.close()
