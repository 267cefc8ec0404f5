"""Where the time of one attempt goes: marks that the requests driver sets as it comes along."""

from __future__ import annotations

import time

from pdl.model import Timings

now = time.perf_counter
"""The clock of all marks: fine on every system, and a real one, which runs while the caller holds the loop too."""


class Phases:
    """The marks of one attempt, the first of which is its making."""

    __slots__ = ("_answered", "_asked", "_began", "_connect", "_dns", "_ended", "_looked_up", "_since", "_tls")

    def __init__(self) -> None:
        self._began = now()
        self._looked_up = 0.0
        self._dns: float | None = None
        self._connect: float | None = None
        self._tls: float | None = None
        self._since = self._asked = self._answered = self._ended = self._began

    def look_up(self) -> None:
        """A name that had to be waited for has been looked up."""
        self._looked_up = now() - self._began

    def begin_to_connect(self) -> None:
        """The addresses are there; what came of a kept connection counts no more."""
        self._dns, self._since = self._looked_up, now()
        self._connect = self._tls = None

    def connect(self) -> None:
        """TCP stands, or a proxy's tunnel through it."""
        self._connect = now() - self._since

    def secure(self, *, tls: bool) -> None:
        """The connection is ready."""
        assert self._connect is not None
        self._tls = now() - self._since - self._connect if tls else 0.0

    def keep(self) -> None:
        """A kept connection is used."""
        self._dns, self._connect, self._tls = self._looked_up, 0.0, 0.0

    def ask(self) -> None:
        """The request goes out."""
        self._asked = now()

    def answer(self) -> None:
        """The first line of a response has come; only that of the last one counts."""
        self._answered = now()

    def end(self) -> None:
        """Nothing more is to come."""
        self._ended = now()

    def timings(self, *, answered: bool) -> Timings:
        """What the marks tell.

        Args:
            answered: the head of the final response has come.
        """
        wait = self._answered - self._asked if answered else None
        body = self._ended - self._answered if answered else None
        return Timings(self._dns, self._connect, self._tls, wait, body)
