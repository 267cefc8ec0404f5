"""What is to be compared, and who is told how that goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pdl.errors import SettingsError
from pdl.settings import Settings

from .comparison import Measurement
from .contestants import Field


class Teller(Protocol):
    """Who is told how a comparison goes."""

    def begins(self, name: str, step: int, steps: int) -> None:
        """A measurement begins.

        Args:
            name: of what is measured, and in which round.
            step: measurements before it.
            steps: all of them.
        """

    def goes_on(self, fraction: float) -> None:
        """So much of the measurement is done, from 0 to 1."""

    def ended(self, measurement: Measurement) -> None:
        """A measurement has ended."""

    def notes(self, text: str) -> None:
        """Something went otherwise than it should."""


@dataclass(frozen=True)
class Plan:
    """What is to be compared.

    Args:
        settings: of the job; `engine` and `jobs` are the contestants' affair.
        field: who takes part.
        rounds: that are measured, after one to warm up.
        sample: entries to take of the list; None takes all.
        publishes: have the files in the destination at the end; not of a sample.
        notes: what is known of the list or its servers, a sentence each.
    """

    settings: Settings
    field: Field
    rounds: int = 5
    sample: int | None = None
    publishes: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("rounds", "sample"):
            value = getattr(self, name)
            if name == "sample" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SettingsError(f"{name} takes a whole number from 1, not {value!r}")
        for name in ("update", "verify", "dry_run", "retry_failed", "no_state"):
            if getattr(self.settings, name) not in (None, False):
                option = name.replace("_", "-")
                raise SettingsError(
                    f"a comparison fetches the whole list again and again, which does not go with --{option}; "
                    "name one engine to have a report of that run alone"
                )
