"""What the scheduler moves about: downloads on their way, and the hosts in whose lines they stand."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from . import url as urls
from .errors import Kind
from .model import Download, Outcome, Partial, Validator
from .outage import Outage
from .spans import Spans


@dataclass(slots=True, eq=False)
class Task:
    """One download on its way: where it is to be asked for next, and what has been tried."""

    row: int
    download: Download
    path: str
    mirrors: tuple[str, ...] = field(init=False)
    url: str = field(init=False)
    """Where the next attempt goes: the first mirror, or a hop behind it."""
    hops: tuple[str, ...] = ()
    headers_allowed: bool = True
    hop_credentials: str | None = None
    attempts: int = 0
    failures: int = 0
    once: dict[Kind, int] = field(default_factory=dict)
    deaths: int = 0
    partial: Partial | None = None
    unless: Validator | None = None
    """The version that is there already."""
    standing: int | None = None
    """Bytes of pdl's own file that is there and gives way."""
    kept: bool = False
    """The ledger knows how the part can be continued."""
    split: Spans | None = None
    """Its bytes, while several attempts fetch them or it is found out whether they can."""
    unsplit: bool = False
    """It was found out that they cannot."""
    started: float | None = None
    total: int | None = None
    size: int = 0
    host: Host | None = None
    """What it was put in line for."""

    def __post_init__(self) -> None:
        self.mirrors = (self.download.url, *self.download.mirrors)
        self.url = self.download.url

    def from_the_start(self) -> None:
        """Ask the current mirror itself again, not the hop that a redirect once led to."""
        self.url = self.mirrors[0]
        self.hops = ()
        self.headers_allowed = True
        self.hop_credentials = None

    def turn_to(self, mirrors: tuple[str, ...]) -> None:
        """Ask the first of these next, which knows nothing of what another has sent."""
        self.mirrors = mirrors
        self.partial = self.unless = None
        self.from_the_start()

    def follow(self, location: str, credentials: str | None) -> None:
        """Go on at a redirect's target; what the user gave for an origin stays with it (RFC 9110 section 15.4)."""
        if urls.origin(location) != urls.origin(self.url):
            self.headers_allowed = False
        self.hops = (*self.hops, self.url)
        self.url, self.hop_credentials = location, credentials

    @property
    def credentials(self) -> str | None:
        if self.hop_credentials is not None or not self.headers_allowed:
            return self.hop_credentials
        return dict(self.download.credentials).get(self.mirrors[0]) if self.download.credentials else None


class Ended(NamedTuple):
    """A download that will not be tried any more."""

    task: Task
    outcome: Outcome
    seconds: float


@dataclass(slots=True, eq=False)
class Host:
    """One authority: what waits for it, and whether it may be asked."""

    name: str
    queue: deque[Task] = field(default_factory=deque)
    active: int = 0
    paused_until: float = -math.inf
    paused_by: Outcome | None = None
    listed: bool = False  # stands in the queue of hosts that can start something
    settled: bool = False  # it has answered, and the last connection to it came about
    answered: bool = False
    misses: int = 0  # connections in a row that did not come about
    speaking: int = 0  # attempts under way whose answers have begun to come
    outage: Outage | None = None

    @property
    def parked(self) -> bool:
        return self.paused_until == math.inf
