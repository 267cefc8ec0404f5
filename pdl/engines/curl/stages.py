"""Where the time of one attempt goes by libcurl's clocks, put into pdl's phases.

All of them begin with the transfer. What they tell was looked up and measured, up to libcurl 8.23:

- CONNECT_TIME is TCP alone, to a proxy before it is asked for a tunnel. APPCONNECT_TIME is the end of the
  handshake; where a proxy speaks TLS too, it may be there twice or not at all. Over a kept connection both are 0, or
  nearly so in older versions.
- PRETRANSFER_TIME is just before the request goes out. In a transfer that fails earlier it tells of its end.
- STARTTRANSFER_TIME is the first line of any response but the proxy's to CONNECT: an informational one counts.
- TOTAL_TIME stands still while nothing comes, and is right when libcurl has ended the transfer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pycurl

from pdl.engines.phases import now
from pdl.model import Attempt, Timings

if TYPE_CHECKING:
    from .handles import Handle


class Stages:
    """What is measured of one attempt, the making of which is its beginning."""

    __slots__ = ("_began", "_dns", "done")

    def __init__(self) -> None:
        self._began = now()
        self._dns: float | None = None
        self.done = False
        """libcurl has ended the transfer, not pdl."""

    def find_addresses(self, *, waited: bool) -> None:
        """The addresses are there; libcurl has no names to look up."""
        self._dns = now() - self._began if waited else 0.0

    def timings(self, attempt: Attempt, handle: Handle | None, *, answered: bool) -> Timings:
        """What has been measured.

        Args:
            attempt: that was carried.
            handle: that carried it, before it is taken out of the loop; None if there was none yet.
            answered: the head of the final response has come.
        """
        if handle is None:
            return Timings(self._dns)
        sent: float = handle.curl.getinfo(pycurl.PRETRANSFER_TIME)
        under_way = sent > 0.0 and (answered or not self.done)
        if handle.curl.getinfo(pycurl.NUM_CONNECTS):
            connect, tls = _connection(attempt, handle, sent if under_way else None)
        else:
            connect = tls = 0.0 if under_way else None
        if not answered or not handle.marks:
            return Timings(self._dns, connect, tls)
        first: float = handle.curl.getinfo(pycurl.STARTTRANSFER_TIME)
        final = first + handle.marks[-1] - handle.marks[0]
        body = handle.curl.getinfo(pycurl.TOTAL_TIME) - final if self.done else now() - handle.marks[-1]
        return Timings(self._dns, connect, tls, max(0.0, final - sent), max(0.0, body))


def _connection(attempt: Attempt, handle: Handle, sent: float | None) -> tuple[float | None, float | None]:
    """The seconds of connection and handshake.

    Args:
        attempt: that was carried.
        handle: that carried it.
        sent: when the request went out, if it did.
    """
    info = handle.curl.getinfo
    named = info(pycurl.NAMELOOKUP_TIME)  # how long libcurl took to find the addresses that it was given
    secure = attempt.url.startswith("https:")
    if secure and attempt.proxy is not None:  # where in this time the tunnel stood, nothing tells
        return (None if sent is None else max(0.0, sent - named)), None
    connected, agreed = info(pycurl.CONNECT_TIME), info(pycurl.APPCONNECT_TIME)
    if connected <= 0.0:
        return None, None
    if agreed > 0.0:
        return max(0.0, connected - named), max(0.0, agreed - connected)
    plain = not secure and not (attempt.proxy or "").startswith("https:")
    return max(0.0, connected - named), 0.0 if plain else None
