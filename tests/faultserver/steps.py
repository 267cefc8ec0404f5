"""What a route does on the wire: a route is a generator of these steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence for a time, in seconds."""

    seconds: float


class Stall:
    """Silence until the test releases the target, the client goes away or the server closes."""


class End(Enum):
    """How the server ends a connection."""

    CLOSE = auto()  # FIN, over TLS with a closure alert before it
    CUT = auto()  # FIN, over TLS without a closure alert
    RESET = auto()  # RST


Step = bytes | memoryview | Pause | Stall | End
Steps = Iterator[Step]
"""A route that runs out of steps leaves the connection open, unless the client asked otherwise."""
