"""What the demo serves, and what must come of it: one table.

A fault that a knob asks for is the path's, not chance: the first request for it fails and the next one succeeds,
then from the first again. So every client meets the same faults, in whatever order and however many at once it
asks, and a download that is tried again always comes. A client that doesn't try again leaves the next one the good
reply; who compares clients begins all replies anew between them (`DemoServer.start_over`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from pdl.model import Headers

from .images import Picture, picture_of
from .knobs import Knobs

_SLOW_EVERY, _SLOW = 100, 20
"""One file in so many is so many times slower than the average."""
_SILVER, _BRONZE = 0.41421356237309515, 0.7320508075688772
"""Multiples of such a number, without their whole parts, are spread evenly from 0 to 1, with no need for chance."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request is answered; 200 stands for the picture.

    Args:
        status: of the response.
        headers: beside those that every response has.
        reset: the connection is reset before the response, or within its body.
    """

    status: int = 200
    headers: Headers = ()
    reset: Literal["", "before", "within"] = ""


@dataclass(frozen=True, slots=True)
class Served:
    """One path of the server, and what a download of it ends with.

    Args:
        path: as in a URL; on one host only.
        picture: what the file holds.
        delay: seconds before a response.
        replies: to the first request, the second and so on; then from the first again, for the next client.
        listed: it is in the list of URLs.
        ends: the HTTP status that its download ends with; 200 if the file comes, however it comes.
        note: what is special about it, in words for people.
        host: that has it, counted from 0.
    """

    path: str
    picture: Picture
    delay: float
    replies: tuple[Reply, ...] = (Reply(),)
    listed: bool = True
    ends: int = 200
    note: str = ""
    host: int = 0

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    def url(self, bases: Sequence[str]) -> str:
        """Its URL, where the hosts have these, each with a `/` at its end."""
        return bases[self.host] + self.path[1:]


_AGAIN, _WAIT = Reply(503), Reply(429, (("Retry-After", "1"),))
_BEFORE, _WITHIN = Reply(reset="before"), Reply(reset="within")


def plan(knobs: Knobs) -> tuple[Served, ...]:
    """Everything that is served, in the order of the list."""
    table = list(_good(knobs))
    special = _special(knobs) if knobs.special else []
    for nth, each in enumerate(special):  # the first comes early: its retries take their time
        table.insert(knobs.files * nth // len(special) + nth, each)
    return tuple(table)


def _good(knobs: Knobs) -> Iterator[Served]:
    faults = _faults(knobs)
    for number, delay in enumerate(_delays(knobs), start=1):
        fault = faults.get(number)
        yield Served(
            f"/images/{number:04}.png",
            picture_of(knobs.size(number), number),
            delay,
            (Reply(),) if fault is None else (fault, Reply()),
            host=(number - 1) % knobs.hosts,
        )


def _delays(knobs: Knobs) -> list[float]:
    """Seconds for each file."""
    if knobs.tail == "fixed":
        return [knobs.delay] * knobs.files
    spread = [number * _SILVER % 1 for number in range(1, knobs.files + 1)]
    if knobs.tail == "few-slow":
        return [
            knobs.delay * (_SLOW if number % _SLOW_EVERY == 0 else 0.5 + place)
            for number, place in enumerate(spread, start=1)
        ]
    factors = [math.exp(NormalDist().inv_cdf(place)) for place in spread]
    mean = sum(factors) / len(factors)
    return [knobs.delay * factor / mean for factor in factors]


def _faults(knobs: Knobs) -> dict[int, Reply]:
    """The first reply for each file that has a fault, by its number; the shares are kept to the file."""
    kinds = {_WAIT: knobs.busy, _AGAIN: knobs.failing, _BEFORE: knobs.reset / 2, _WITHIN: knobs.reset / 2}
    replies: list[Reply] = []
    share = 0.0
    for reply, more in kinds.items():
        share += more
        replies += [reply] * (round(share * knobs.files) - len(replies))
    numbers = sorted(range(1, knobs.files + 1), key=lambda number: number * _BRONZE % 1)
    return dict(zip(numbers, replies, strict=False))


def _special(knobs: Knobs) -> list[Served]:
    picture = [picture_of(20_000, seed) for seed in range(4)]
    delay = knobs.delay
    moved = Reply(302, (("Location", "/elsewhere/moved.png"),))
    return [
        Served("/images/flaky.png", picture[0], delay, (_AGAIN, _AGAIN, Reply()),
               note="failed twice (503) and came at the third try"),
        Served("/images/moved.png", picture[1], delay, (moved,), note="came from where a redirect led (302)"),
        Served("/elsewhere/moved.png", picture[1], delay, listed=False),
        Served("/images/gone.png", picture[2], delay, (Reply(410),), ends=410,
               note="failed, for it is gone for good (410)"),
        Served("/images/busy.png", picture[3], delay, (_WAIT, Reply()),
               note="came after the second that the server asked to wait (429)"),
    ]  # fmt: skip


def urls(table: Sequence[Served], bases: Sequence[str]) -> list[str]:
    """The list to download, from hosts with these URLs, each with a `/` at its end."""
    return [each.url(bases) for each in table if each.listed]
