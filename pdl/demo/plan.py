"""What the demo serves, and what must come of it: one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pdl.model import Headers

from .images import Picture, picture_of

_SMALLEST, _LARGEST = 1_000, 1_000_000
_SKEW = 2.5
"""How many more small files there are than large ones; 0 makes all of them large."""
_SLOW_EVERY, _SLOW = 100, 20
"""One file in so many is so many times slower than the average."""
_GOLDEN, _SILVER = 0.6180339887498949, 0.41421356237309515
"""Multiples of such a number, without their whole parts, are spread evenly from 0 to 1, with no need for chance."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the server is to be like.

    Args:
        files: good files, beside the special ones.
        delay: seconds before a response, on average over most files; a few are slower.
    """

    files: int = 300
    delay: float = 0.02


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request is answered; 200 stands for the picture."""

    status: int = 200
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Served:
    """One path of the server, and what a download of it ends with.

    Args:
        path: as in a URL.
        picture: what the file holds.
        delay: seconds before a response.
        replies: to the first request, the second and so on; then from the first again, for the next client.
        listed: it is in the list of URLs.
        ends: the HTTP status that its download ends with; 200 if the file comes, however it comes.
        note: what is special about it, in words for people.
    """

    path: str
    picture: Picture
    delay: float
    replies: tuple[Reply, ...] = (Reply(),)
    listed: bool = True
    ends: int = 200
    note: str = ""

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]


def plan(knobs: Knobs) -> tuple[Served, ...]:
    """Everything that is served, in the order of the list."""
    table = list(_good(knobs))
    special = _special(knobs)
    for nth, each in enumerate(special):  # the first comes early: its retries take their time
        table.insert(knobs.files * nth // len(special) + nth, each)
    return tuple(table)


def _good(knobs: Knobs) -> Iterator[Served]:
    for number in range(1, knobs.files + 1):
        size = _SMALLEST * (_LARGEST / _SMALLEST) ** ((number * _GOLDEN % 1) ** _SKEW)
        factor = _SLOW if number % _SLOW_EVERY == 0 else 0.5 + number * _SILVER % 1
        yield Served(f"/images/{number:04}.png", picture_of(round(size), number), knobs.delay * factor)


def _special(knobs: Knobs) -> list[Served]:
    picture = [picture_of(20_000, seed) for seed in range(4)]
    delay = knobs.delay
    again, wait = Reply(503), Reply(429, (("Retry-After", "1"),))
    moved = Reply(302, (("Location", "/elsewhere/moved.png"),))
    return [
        Served("/images/flaky.png", picture[0], delay, (again, again, Reply()),
               note="failed twice (503) and came at the third try"),
        Served("/images/moved.png", picture[1], delay, (moved,), note="came from where a redirect led (302)"),
        Served("/elsewhere/moved.png", picture[1], delay, listed=False),
        Served("/images/gone.png", picture[2], delay, (Reply(410),), ends=410,
               note="failed, for it is gone for good (410)"),
        Served("/images/busy.png", picture[3], delay, (wait, Reply()),
               note="came after the second that the server asked to wait (429)"),
    ]  # fmt: skip


def urls(table: tuple[Served, ...], base: str) -> list[str]:
    """The list to download, from a server at `base`, which ends in `/`."""
    return [base + each.path[1:] for each in table if each.listed]
