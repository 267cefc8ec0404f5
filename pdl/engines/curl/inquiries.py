"""Whether an https origin carries several transfers over one connection: found out once, before many connect.

libcurl cannot tell before it has connected. Of many transfers that begin at once, each would make a connection of
its own; told to wait for one another (PIPEWAIT), they would go one after another where the origin speaks HTTP/1.1.
So a first one goes ahead. When it has connected a second one follows, and shows by its connection how the rest go.
Nobody is held up for long by that, whatever becomes of these two.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import pycurl

if TYPE_CHECKING:
    from pdl.resolver import Address

    from .carriage import Carriage

HELD = 1.0
"""Seconds that attempts wait for what others find out, at the most."""
_REMEMBERED = 4096
"""Origins."""


class Going(NamedTuple):
    """An attempt that may go now.

    Args:
        carriage: of the attempt.
        addresses: that it may connect to.
        patient: it is to wait for a connection that is being made.
    """

    carriage: Carriage
    addresses: tuple[Address, ...]
    patient: bool


class _Inquiry:
    """What is being found out of one origin."""

    __slots__ = ("over", "scouts", "since", "waiting")

    def __init__(self) -> None:
        self.scouts: list[Carriage] = []
        self.waiting: dict[Carriage, tuple[Address, ...]] = {}
        self.since = 0.0  # when the first began to wait
        self.over = False  # it has taken too long


class Inquiries:
    """Holds attempts back while it is not known how their origin carries them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._open: dict[str, _Inquiry] = {}
        self._crowded: dict[str, _Inquiry] = {}  # those that somebody waits for

    def multiplexes(self, origin: str) -> bool | None:
        """Whether one connection carries several transfers; None while that is not known."""
        return self._known.get(origin)

    def admit(self, origin: str, carriage: Carriage, addresses: tuple[Address, ...], now: float) -> bool:
        """Whether an attempt may go to an origin that is not known; else it waits here."""
        inquiry = self._open.setdefault(origin, _Inquiry())
        if inquiry.over:
            return True
        if not inquiry.scouts:
            inquiry.scouts.append(carriage)
            return True
        if not inquiry.waiting:
            inquiry.since = now
        inquiry.waiting[carriage] = addresses
        self._crowded[origin] = inquiry
        return False

    def waiting(self) -> list[Carriage]:
        """The attempts that wait here."""
        return [carriage for inquiry in self._crowded.values() for carriage in inquiry.waiting]

    def next(self, now: float) -> list[Going]:
        """The attempts that may go now; they wait here no longer."""
        going: list[Going] = []
        for origin, inquiry in list(self._crowded.items()):
            scouts, waiting = inquiry.scouts, inquiry.waiting
            if len(scouts) == 2 and scouts[1].is_connected:
                self._learn(origin, multiplexes=scouts[1].shares_its_connection)
            inquiry.over = inquiry.over or now - inquiry.since >= HELD
            answer = self._known.get(origin)
            if answer is not None or inquiry.over:
                going += [Going(carriage, addresses, bool(answer)) for carriage, addresses in waiting.items()]
                waiting.clear()
            elif not scouts or (len(scouts) == 1 and scouts[0].is_connected):
                carriage = next(iter(waiting))
                going.append(Going(carriage, waiting.pop(carriage), patient=False))
                scouts.append(carriage)
            if not waiting:
                del self._crowded[origin]
                self._close(origin, inquiry)
        return going

    def ended(self, origin: str, carriage: Carriage) -> None:
        """An attempt that went has ended."""
        if version := carriage.version:
            self._learn(origin, multiplexes=version >= pycurl.CURL_HTTP_VERSION_2_0)
        if (inquiry := self._open.get(origin)) is not None and carriage in inquiry.scouts:
            inquiry.scouts.remove(carriage)
            self._close(origin, inquiry)

    def _close(self, origin: str, inquiry: _Inquiry) -> None:
        if not inquiry.scouts and not inquiry.waiting:
            self._open.pop(origin, None)

    def _learn(self, origin: str, *, multiplexes: bool) -> None:
        self._known[origin] = multiplexes
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
