"""What the demo's server can be told to be like: one value, and the text that changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from pdl.errors import SettingsError

Tail = Literal["fixed", "few-slow", "long-tailed"]

_MOST_BYTES = 2_000_000_000
"""Of all files together: the server holds them in memory."""
_GOLDEN = 0.6180339887498949
_SKEW = 2.5
"""How many more small files there are than large ones; 0 makes all of them large."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the server is to be like.

    Shares are of the good files: of so many the first request has that fault, the next one has not, and so on in
    turn. No file has two faults, so that the shares together are at most 1.

    Args:
        files: good files, beside the special ones.
        smallest: bytes of the smallest file.
        largest: bytes of the largest; most files are nearer to the smallest.
        delay: seconds before a response, the mean over the files.
        tail: how delays differ. With `fixed` they don't; with `few-slow` they are near the mean, but one file in a
            hundred takes twenty times as long; with `long-tailed` they are log-normal: half of the files take less
            than 0.6 of the mean, one in ten more than 2.2 of it, one in a hundred more than 6.
        bandwidth: bytes of bodies a second over one connection; 0 for no limit.
        busy: share that is answered 429, with a Retry-After of 1 s.
        failing: share that is answered 503.
        reset: share whose connection is reset, of half of them before the response and of half within the body.
        hosts: addresses from 127.0.0.1 on, or ports where the system has that address only, in which the files take
            turns.
        keep_alive: a connection serves more than one request.
        special: there are the five special files, on the first host.

    Raises:
        SettingsError: a value is out of its range.
    """

    files: int = 300
    smallest: int = 1_000
    largest: int = 1_000_000
    delay: float = 0.02
    tail: Tail = "few-slow"
    bandwidth: int = 0
    busy: float = 0.0
    failing: float = 0.0
    reset: float = 0.0
    hosts: int = 1
    keep_alive: bool = True
    special: bool = True

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise SettingsError(f"the knob {name} takes {least:,} to {most:,}, not {value:,}")
        if self.tail not in get_args(Tail):
            raise SettingsError(f"the knob tail takes {', '.join(get_args(Tail))}, not {self.tail!r}")
        if self.smallest > self.largest:
            raise SettingsError(f"the knob smallest, {self.smallest:,}, is more than largest, {self.largest:,}")
        if self.busy + self.failing + self.reset > 1:
            raise SettingsError("the knobs busy, failing and reset are shares of the files, together at most 1")
        if sum(map(self.size, range(1, self.files + 1))) > _MOST_BYTES:
            raise SettingsError("the knobs files and largest make more than 2 GB, which the server holds in memory")

    def size(self, number: int) -> int:
        """Bytes of the file with this number, which counts from 1."""
        place: float = (number * _GOLDEN % 1) ** _SKEW
        factor: float = (self.largest / self.smallest) ** place
        return round(self.smallest * factor)


_RANGES: dict[str, tuple[float, float]] = {
    "files": (1, 100_000),
    "smallest": (100, 100_000_000),
    "largest": (100, 100_000_000),
    "delay": (0, 60),
    "bandwidth": (0, 10_000_000_000),
    "busy": (0, 1),
    "failing": (0, 1),
    "reset": (0, 1),
    "hosts": (1, 250),
}


def changed(knobs: Knobs, text: str) -> Knobs:
    """The knobs, with what a text such as `files=500,delay=0.2,tail=fixed` changes.

    Raises:
        SettingsError: it names no knob, or a value that its knob doesn't take; the message has the names.
    """
    values: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        kind = _kinds().get(name.replace("-", "_"))
        if kind is None or not equals:
            raise SettingsError(f"{part.strip()!r} is not NAME=VALUE with one of the knobs {', '.join(_kinds())}")
        try:
            values[name.replace("-", "_")] = _READERS[kind](value)
        except ValueError:
            raise SettingsError(f"the knob {name} takes {_WORDS[kind]}, not {value!r}") from None
    return replace(knobs, **values)


def _kinds() -> dict[str, str]:
    """The names of the knobs, with the names of their types."""
    return {field.name: str(field.type) for field in fields(Knobs)}


def _yes_or_no(text: str) -> bool:
    return ("no", "yes").index(text.lower()) == 1


_READERS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": _yes_or_no, "Tail": str}
_WORDS = {"int": "a whole number", "float": "a number", "bool": "yes or no"}
