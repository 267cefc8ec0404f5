"""Who takes part in a comparison, and who can't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from pdl import engines
from pdl.errors import SettingsError
from pdl.settings import Settings

from .ranking import Contestant


class Field(NamedTuple):
    """Those who take part, and the reason of each engine that can't."""

    contestants: tuple[Contestant, ...]
    left_out: dict[str, str]


def field(names: Sequence[str], jobs: Sequence[int], settings: Settings) -> Field:
    """Every engine with every number of jobs; `sequential`, to which that number means nothing, once.

    Args:
        names: of engines; `all`, or none, are all that are installed.
        jobs: numbers of downloads at once.
        settings: of the job.

    Raises:
        SettingsError: a number that makes no sense, an unknown engine, one that was asked for by name and can't be
            used, or none that can.
    """
    for name in names:
        if not isinstance(name, str):
            raise SettingsError(
                f"engines are compared by their names, as they run in other processes, not {name!r}"
            )
    usable, left_out = _all(settings) if not names or engines.ALL in names else ([], {})
    for name in names:
        if name != engines.ALL:
            chosen = engines.choose(name, settings.worker_engine).name
            engines.check(chosen, settings_for(chosen, settings))
            usable.append(chosen)
    if not usable:
        raise SettingsError(f"no engine can be used: {'; '.join(left_out.values())}")
    if not any(map(engines.has_workers, usable)):
        engines.check(usable[0], settings)  # which says so if workers are asked for
    numbers = sorted({replace(settings, jobs=each).jobs for each in jobs})
    pairs = [(name, each) for name in dict.fromkeys(usable) for each in (numbers if name != "sequential" else [1])]
    return Field(tuple(pairs), left_out)


def _all(settings: Settings) -> tuple[list[str], dict[str, str]]:
    usable, left_out = [], {}
    for name, why_not in engines.available().items():
        if why_not is not None:
            left_out[name] = why_not
            continue
        try:
            chosen = engines.choose(name, settings.worker_engine).name
            engines.check(chosen, settings_for(chosen, settings))
            usable.append(chosen)
        except SettingsError as error:
            left_out[name] = str(error)
    return usable, left_out


def settings_for(engine: str, settings: Settings) -> Settings:
    """The settings of a job with an engine: what is said of workers is for engines that have some."""
    workers = settings.workers if engines.has_workers(engine) else None
    return replace(settings, engine=engine, worker_engine=None, workers=workers)


def label(contestant: Contestant) -> str:
    """What people call one."""
    name, jobs = contestant
    return name if name == "sequential" else f"{name} -j {jobs}"
