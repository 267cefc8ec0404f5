"""What is tried again, how often, and after how long. Nobody sleeps here: the scheduler keeps the time."""

from __future__ import annotations

import math

from .descriptors import SHORTAGES
from .errors import Kind
from .model import Outcome

LONGEST_DELAY = 60.0
"""Seconds; where the back-off stops growing."""

LONGEST_RETRY_AFTER = 300.0
"""Seconds; a host that asks for more is parked."""

RETRIES: dict[Kind, float] = {
    Kind.INPUT: 0,
    Kind.BLOCKED: 0,
    Kind.DNS: math.inf,
    Kind.CONNECT: math.inf,
    Kind.PROXY: math.inf,
    Kind.TLS: 0,
    Kind.TIMEOUT: math.inf,
    Kind.RESET: math.inf,
    Kind.TRUNCATED: math.inf,
    Kind.PROTOCOL: 0,
    Kind.CODING: 0,
    Kind.HTTP: 0,  # but see RETRIED_STATUSES
    Kind.REDIRECT: 0,
    Kind.EMPTY: 0,
    Kind.TOO_LARGE: 0,
    Kind.DIGEST: 0,
    Kind.CONTENT_TYPE: 0,
    Kind.NAME: 0,
    Kind.DISK: 0,
    Kind.WORKER: 0,  # its second start is the scheduler's, and is not a try
    Kind.INTERNAL: 0,
}
"""Further tries that a failure of a kind is worth, within `Settings.retries`."""

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


def further_tries(outcome: Outcome) -> float:
    """How many further tries a failed outcome is worth by itself: 0, a small number or infinity."""
    assert outcome.kind is not None
    if outcome.retries is not None:
        return outcome.retries
    if outcome.kind is Kind.HTTP:
        return math.inf if outcome.status in RETRIED_STATUSES else 0
    if outcome.errno in SHORTAGES:  # of this process or machine, not of the file's disk
        return math.inf
    return RETRIES[outcome.kind]


def backoff(url: str, tries: int, first: float) -> float:
    """Seconds to wait after `tries` failed tries: exponential with full jitter.

    Drawn from 0 to `first`, doubled for each further try; seeded by URL and try, so that a run can be repeated
    and its URLs do not march in step.
    """
    import random  # noqa: PLC0415 - takes time, and most runs need no second try

    widest = min(LONGEST_DELAY, first * 2.0 ** min(tries - 1, 30))
    return random.Random(f"{url} {tries}").uniform(0, widest)  # noqa: S311 - spreads load, guards nothing
