"""How many workers there are, and what each carries."""

from __future__ import annotations

import os
import ssl
import sys
from dataclasses import replace
from typing import NamedTuple

from pdl import engines
from pdl.engines.limits import affordable
from pdl.engines.tls import is_ca_given, tls_context
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

    An engine like those of the workers is made here once, and closed: it shows what one can carry, and what it
    refuses is known before anything starts.

    Raises:
        SettingsError: an engine of the workers cannot do what is asked of it.
        EngineError: it cannot be made.
    """
    inner = settings.worker_engine or engines.DEFAULT_WORKER
    alone = inner == engines.DEFAULT_WORKER
    wanted = settings.workers or (settings.jobs if alone else usable_cpus())
    workers = affordable(min(settings.jobs, wanted, _MOST), _DESCRIPTORS)
    settings = _for_workers(replace(settings, engine=inner, worker_engine=None, workers=None))
    if alone:
        return Staffing(workers, 1, workers, settings)
    jobs, settings = settings.jobs, replace(settings, jobs=-(-settings.jobs // workers))
    trial = engines.create(inner, settings)
    trial.close()
    return Staffing(workers, trial.capacity, min(jobs, trial.capacity * workers), settings)


def usable_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _for_workers(settings: Settings) -> Settings:
    """The settings as workers need them: picklable, and not dependent on folder and environment of later times.

    Raises:
        SettingsError: the CA certificates cannot be loaded.
    """
    if not is_ca_given(settings):
        return settings
    tls_context(ssl.SSLContext, settings)  # what is wrong with them should be known before anything starts
    place = given_ca_location(settings)
    assert place is not None
    return replace(settings, cacert=os.path.abspath(place))
