"""Whether an https origin carries several transfers over one connection: found out once, before many connect.

libcurl cannot tell before it has connected. Of many transfers that begin at once, each would make a connection of
its own; told to wait for one another (PIPEWAIT), they would go one after another where the origin speaks HTTP/1.1.
So a first one goes ahead. When it has connected a second one follows, and shows by its connection how the rest go.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import pycurl

if TYPE_CHECKING:
    from pdl.resolver import Address

    from .carriage import Carriage

_REMEMBERED = 4096
"""Origins."""


class _Inquiry:
    """What is being found out of one origin."""

    __slots__ = ("scouts", "waiting")

    def __init__(self) -> None:
        self.scouts: list[Carriage] = []
        self.waiting: dict[Carriage, tuple[Address, ...]] = {}


class Inquiries:
    """Holds attempts back while it is not known how their origin carries them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._open: dict[str, _Inquiry] = {}
        self._crowded: dict[str, _Inquiry] = {}  # those that somebody waits for

    def multiplexes(self, origin: str) -> bool | None:
        """Whether one connection carries several transfers; None while that is not known."""
        return self._known.get(origin)

    def admit(self, origin: str, carriage: Carriage, addresses: tuple[Address, ...]) -> bool:
        """Whether an attempt may go to an origin that is not known; else it waits here."""
        inquiry = self._open.setdefault(origin, _Inquiry())
        if not inquiry.scouts:
            inquiry.scouts.append(carriage)
            return True
        inquiry.waiting[carriage] = addresses
        self._crowded[origin] = inquiry
        return False

    def waiting(self) -> list[Carriage]:
        """The attempts that wait here."""
        return [carriage for inquiry in self._crowded.values() for carriage in inquiry.waiting]

    def next(self) -> list[tuple[Carriage, tuple[Address, ...]]]:
        """The attempts that may go now; they wait here no longer."""
        going: list[tuple[Carriage, tuple[Address, ...]]] = []
        for origin, inquiry in list(self._crowded.items()):
            scouts = inquiry.scouts
            if len(scouts) == 2 and scouts[1].is_connected:
                self._learn(origin, multiplexes=scouts[1].shares_its_connection)
            if origin in self._known or not inquiry.waiting:
                going += inquiry.waiting.items()
                del self._crowded[origin]
            elif not scouts or (len(scouts) == 1 and scouts[0].is_connected):
                carriage = next(iter(inquiry.waiting))
                going.append((carriage, inquiry.waiting.pop(carriage)))
                scouts.append(carriage)
        return going

    def ended(self, origin: str, carriage: Carriage) -> None:
        """An attempt has ended, or was given up."""
        version = carriage.version
        if version:
            self._learn(origin, multiplexes=version >= pycurl.CURL_HTTP_VERSION_2_0)
        elif (inquiry := self._open.get(origin)) is not None:
            self._leave(origin, inquiry, carriage)

    def _leave(self, origin: str, inquiry: _Inquiry, carriage: Carriage) -> None:
        inquiry.waiting.pop(carriage, None)
        if carriage in inquiry.scouts:
            inquiry.scouts.remove(carriage)
        if not inquiry.scouts and not inquiry.waiting:
            del self._open[origin]
            self._crowded.pop(origin, None)

    def _learn(self, origin: str, *, multiplexes: bool) -> None:
        if self._known.get(origin) is multiplexes:
            return
        self._known[origin] = multiplexes
        self._open.pop(origin, None)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
