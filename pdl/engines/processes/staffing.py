"""How many workers there are, and what each carries."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import NamedTuple

from pdl import engines
from pdl.engines.limits import affordable
from pdl.http.routes import given_ca_location
from pdl.settings import Settings

APART = 4
"""Workers beside the others, at the most, for attempts that are to be carried alone."""
_MOST = 60 - APART if sys.platform == "win32" else sys.maxsize
"""Workers; Windows waits for no more things at once."""
_DESCRIPTORS = 4
"""What a worker takes of the engine's process: the ends of its pipes, and what tells of its death."""


class Staffing(NamedTuple):
    """Who does the work.

    Args:
        workers: processes, at the most.
        room: attempts that one carries at once.
        capacity: attempts at once, over all of them.
        settings: for the workers.
    """

    workers: int
    room: int
    capacity: int
    settings: Settings


def staffing(settings: Settings) -> Staffing:
    """What the settings ask for, as far as the limit of open files allows it.

    What workers would refuse is found out here, before anything starts. So an engine like theirs is made and
    closed, which shows also how much one can carry. Of the default one that is known; the libraries that it needs,
    this process can do without.

    Raises:
        SettingsError: the workers' engine cannot do what is asked of it, or the CA certificates cannot be loaded.
        EngineError: it cannot be made.
    """
    inner = settings.worker_engine or engines.DEFAULT_WORKER
    alone = inner == engines.DEFAULT_WORKER
    wanted = settings.workers or (settings.jobs if alone else usable_cpus())
    workers = affordable(min(settings.jobs, wanted, _MOST), _DESCRIPTORS)
    each = 1 if alone else -(-settings.jobs // workers)
    own = replace(settings, engine=inner, worker_engine=None, workers=None, jobs=each)
    ca = None if own.insecure else given_ca_location(own)
    # not dependent on folder and environment of later times
    settled = own if ca is None else replace(own, cacert=os.path.abspath(ca))
    if alone:
        if ca is not None:
            _check_ca(own)
        return Staffing(workers, 1, workers, settled)
    trial = engines.create(inner, own)
    trial.close()
    return Staffing(workers, trial.capacity, min(settings.jobs, trial.capacity * workers), settled)


def usable_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_ca(settings: Settings) -> None:
    """Find out whether the CA certificates that the user has given can be loaded."""
    import ssl  # noqa: PLC0415 - takes time, and few give certificates of their own

    from pdl.engines.tls import tls_context  # noqa: PLC0415 - needs ssl

    tls_context(ssl.SSLContext, settings)
