"""Where the time of one attempt goes by libcurl's clocks, put into pdl's phases.

All of them begin with the transfer. What they tell, up to libcurl 8.23:

- CONNECT_TIME is TCP alone, to a proxy before it is asked for a tunnel. APPCONNECT_TIME is the end of the origin's
  handshake; that of a proxy may be in it or not. Over a kept connection both are 0, or nearly so in older versions.
- PRETRANSFER_TIME is late: the request has gone out already, and where the loop is busy the answer may be here too.
  In a transfer that fails earlier it tells of the end.
- STARTTRANSFER_TIME is the first line of any response but the proxy's to CONNECT: an informational one counts.
- TOTAL_TIME stands still while nothing comes, and is right when libcurl has ended the transfer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pycurl

from pdl.engines.phases import now
from pdl.model import Attempt, Timings

if TYPE_CHECKING:
    from .handles import Handle

_NUM_CONNECTS, _STARTTRANSFER_TIME, _TOTAL_TIME = (
    pycurl.NUM_CONNECTS,
    pycurl.STARTTRANSFER_TIME,
    pycurl.TOTAL_TIME,
)
_QUEUE_TIME = getattr(pycurl, "QUEUE_TIME_T", None)  # microseconds; from libcurl 8.6 on

_new = tuple.__new__


class _Connection(NamedTuple):
    """How a transfer came to its connection.

    Args:
        connect: see `Timings`.
        tls: see `Timings`.
        ready: seconds from the transfer's start until the request could go out, if that came.
    """

    connect: float | None = None
    tls: float | None = None
    ready: float = 0.0


class Stages:
    """What is measured of one attempt by pdl's own clock; the rest is asked of libcurl at the end."""

    done = False
    """libcurl has ended the transfer, not pdl."""
    _began = _dns = _read = 0.0
    _informed = False

    def await_name(self) -> None:
        """The name is being looked up; libcurl is given addresses."""
        self._began = now()

    def find_addresses(self) -> None:
        """What was waited for is there."""
        self._dns = now() - self._began

    def read_head(self, *, informed: bool) -> None:
        """The head of the final response has been read, which is when its body begins, or soon after.

        Args:
            informed: there were informational responses before it.
        """
        self._read, self._informed = now(), informed

    def timings(self, attempt: Attempt, handle: Handle | None, *, answered: bool) -> Timings:
        """What has been measured.

        Args:
            attempt: that was carried.
            handle: that carried it, before it is taken out of the loop; None if there were no addresses for one.
            answered: the head of the final response has come.
        """
        if handle is None:
            return Timings()
        info = handle.curl.getinfo
        if answered and self.done and not (info(_NUM_CONNECTS) or handle.patient or self._informed):
            wait = info(_STARTTRANSFER_TIME)
            # as nearly all go, so it is made in the shortest way
            return _new(Timings, (self._dns, 0.0, 0.0, wait, info(_TOTAL_TIME) - wait))
        return self._timings(attempt, handle, info, answered=answered)

    def _timings(
        self, attempt: Attempt, handle: Handle, info: Callable[[int], float], *, answered: bool
    ) -> Timings:
        """The same, whatever has happened."""
        asked = answered or (not self.done and info(pycurl.PRETRANSFER_TIME) > 0.0)
        if info(_NUM_CONNECTS):
            connection = _made(attempt, info, asked=asked)
        else:
            connection = _kept(handle) if asked else _Connection()
        connect, tls, ready = connection
        if not answered:
            return Timings(self._dns, connect, tls)
        first = info(_STARTTRANSFER_TIME)
        if self.done and not self._informed:
            body = info(_TOTAL_TIME) - first
        else:
            body = now() - self._read
            if self._informed and self.done:
                first = max(first, info(_TOTAL_TIME) - body)
        return Timings(self._dns, connect, tls, max(0.0, first - ready), max(0.0, body))


def _made(attempt: Attempt, info: Callable[[int], float], *, asked: bool) -> _Connection:
    """A connection that was made for the transfer; `asked` if a request went out over it."""
    named = info(pycurl.NAMELOOKUP_TIME)  # how long libcurl took to find the addresses that it was given
    connected, agreed = info(pycurl.CONNECT_TIME), info(pycurl.APPCONNECT_TIME)
    proxy, secure = attempt.proxy, attempt.url.startswith("https:")
    if proxy is not None and (secure or proxy.startswith("https:")):  # nothing tells when the tunnel stood
        sent = info(pycurl.PRETRANSFER_TIME)
        ready = min(agreed, sent) if secure and agreed > 0.0 else sent
        return _Connection(max(0.0, ready - named), None, ready) if asked else _Connection()
    if connected <= 0.0:
        return _Connection()
    connect = max(0.0, connected - named)
    if not secure:
        return _Connection(connect, 0.0, connected)
    return _Connection(connect, max(0.0, agreed - connected), agreed) if agreed > 0.0 else _Connection(connect)


def _kept(handle: Handle) -> _Connection:
    """A connection that was there, or that another transfer was making: the wait for that is in no phase."""
    if not handle.patient:
        return _Connection(0.0, 0.0)
    if _QUEUE_TIME is None:
        return _Connection(0.0, 0.0, handle.curl.getinfo(pycurl.PRETRANSFER_TIME))
    return _Connection(0.0, 0.0, handle.curl.getinfo(_QUEUE_TIME) / 1e6)
