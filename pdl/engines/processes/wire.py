"""What goes between engine and worker, in the form that costs least: it is made and read for every file.

Named tuples and enums are pickled by name, and take four times as long as plain tuples. So what nearly all attempts
and ends have in common is left out, and the rest goes as a plain tuple; whatever is different goes as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from pdl.model import Attempt, Event, Finished, Outcome, Verdict


class Word(Enum):
    """One word, sent by itself."""

    READY = "ready"  # the worker to the engine: it can be given attempts
    GO_ON = "go on"  # the engine to the worker: the last events were taken, the next may come; attempts say so, too
    STOP = "stop"  # the engine to the worker: let go of all attempts, tell what is left to tell, and end


_ASKED = len(Attempt._fields) - len(Attempt._field_defaults)
"""Fields that every attempt has; most have no others."""
_NO_MORE = tuple(Attempt._field_defaults.values())
_TOLD = Outcome._fields.index("name")
"""Fields that the outcome of a file has that was simply fetched, beginning with its verdict."""
_NOTHING_ELSE = tuple(Outcome._field_defaults[name] for name in Outcome._fields[_TOLD:])
_DONE = (Verdict.DONE,)
_new = tuple.__new__  # calling a named tuple's class takes three times as long


def packed_attempts(attempts: Iterable[Attempt]) -> list[Any]:
    """Attempts as they are sent."""
    return [each[:_ASKED] if each[_ASKED:] == _NO_MORE else each for each in attempts]


def unpacked_attempts(packed: list[Any]) -> list[Attempt]:
    """Attempts as they were before."""
    return [_new(Attempt, each + _NO_MORE) if type(each) is tuple else each for each in packed]


def packed_events(events: Iterable[Event]) -> list[Any]:
    """Events as they are sent."""
    packed: list[Any] = []
    for event in events:
        if isinstance(event, Finished):
            attempt, outcome = event
            if outcome[0] is Verdict.DONE and outcome[_TOLD:] == _NOTHING_ELSE:
                packed.append((attempt, *outcome[1:_TOLD]))
                continue
        packed.append(event)
    return packed


def unpacked_events(packed: list[Any]) -> list[Event]:
    """Events as they were before."""
    return [
        _new(Finished, (each[0], _new(Outcome, _DONE + each[1:] + _NOTHING_ELSE))) if type(each) is tuple else each
        for each in packed
    ]
