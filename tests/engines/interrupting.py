"""Exceptions that come in the middle of a call, from outside of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


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
