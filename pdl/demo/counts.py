"""What the demo's server saw: what a report of its clients can be held against."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Counts:
    """What the server did since it started, or was told to start over.

    Args:
        requests: by path, of the paths that are served.
        hosts: requests by host, as `127.0.0.1:8080`; also those for what is not there.
        statuses: responses by status, of those whose head was sent.
        body_bytes: of bodies, as far as they were given to connections; who hangs up may not have got them.
        resets: connections that were reset, as planned.
        connections: that were accepted.
        first: time of the first request, in seconds of `time.time`; None without requests.
        last: time of the last one.
        first_byte: mean seconds from a request to the first byte of its response.
        cpu: seconds of processor time that its processes took.
    """

    requests: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    body_bytes: int = 0
    resets: int = 0
    connections: int = 0
    first: float | None = None
    last: float | None = None
    first_byte: float = 0.0
    cpu: float = 0.0


class Tally:
    """Counts of one host, while they are made."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Forget everything."""
        self.requests: dict[str, int] = {}
        self.asked = 0
        self.statuses: dict[int, int] = {}
        self.body_bytes = self.resets = self.connections = 0
        self.first = self.last = 0.0
        self.waited = 0.0

    def on_request(self) -> None:
        self.last = time.time()
        self.first = self.first or self.last
        self.asked += 1

    def on_path(self, path: str) -> None:
        self.requests[path] = self.requests.get(path, 0) + 1

    def on_head(self, status: int, waited: float) -> None:
        """A response begins, so many seconds after its request."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.waited += waited

    def told(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        return vars(self)


def merged(told: Iterable[tuple[str, dict[str, Any]]], cpu: float) -> Counts:
    """The counts of hosts together, each told by its tally."""
    requests: dict[str, int] = {}
    hosts: dict[str, int] = {}
    statuses: dict[int, int] = {}
    tallies = []
    for host, tally in told:
        tallies.append(tally)
        requests.update(tally["requests"])
        hosts[host] = tally["asked"]
        for status, count in tally["statuses"].items():  # a key of JSON is a string
            statuses[int(status)] = statuses.get(int(status), 0) + count
    asked = [tally for tally in tallies if tally["asked"]]
    responses = sum(statuses.values())
    return Counts(
        requests,
        hosts,
        statuses,
        body_bytes=sum(tally["body_bytes"] for tally in tallies),
        resets=sum(tally["resets"] for tally in tallies),
        connections=sum(tally["connections"] for tally in tallies),
        first=min((tally["first"] for tally in asked), default=None),
        last=max((tally["last"] for tally in asked), default=None),
        first_byte=sum(tally["waited"] for tally in tallies) / responses if responses else 0.0,
        cpu=cpu,
    )
