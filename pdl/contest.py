"""`--report` of the command, of engines compared: agreed on before, shown meanwhile, handed out in the end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import click

from .errors import DestinationError, PdlError
from .interrupts import Interrupts
from .progress import amount
from .progress.text import duration
from .report.compare import Comparer, StoppedError
from .report.comparison import Comparison
from .report.contestants import field as field_of
from .report.look import Estimate
from .report.plan import Plan
from .report.telling import Telling
from .report.wording import plural
from .reporting import Wishes, hand_out
from .settings import Settings
from .sources import Source
from .voice import say

T = TypeVar("T")

_ASKED_FROM_BYTES = 10**9
_ASKED_FROM_SECONDS = 600.0
"""What a comparison may take without a word from the user, where nobody can be asked."""


def plan(settings: Settings, engines: Sequence[str], jobs: Sequence[int], face: Mapping[str, Any]) -> Plan:
    """What is to be compared.

    Raises:
        SettingsError: that cannot be compared.
    """
    contestants = field_of(engines, jobs, settings)
    return Plan(settings, contestants, rounds=face["rounds"] or 5, sample=face["sample"])


def compare(
    source: Source, plan: Plan, wishes: Wishes, publish: Callable[[Comparer], int], *, asks: bool = True
) -> int:
    """Compare, and hand out the report.

    Args:
        source: the list.
        plan: what is compared.
        wishes: for the report.
        publish: brings the files that were measured into the destination, and answers the exit code of that run.
        asks: what it will take is looked at, said, and agreed on before.

    Returns:
        The exit code.
    """
    comparer = Comparer(source, plan, telling := Telling(shown=not wishes.quiet))
    faults: list[Exception] = []
    code = 0
    interrupts = Interrupts(lambda _: comparer.stop())
    try:
        with suppress(StoppedError):
            with interrupts:
                comparer.prepare()
                estimated = comparer.look() if asks else None
            if estimated is not None:
                _agree(estimated, plan, wishes)  # where Ctrl-C is an answer
            with interrupts:
                _catch(faults, partial(_measure, comparer, telling))
        if not faults and comparer.may_publish:
            code = _catch(faults, partial(publish, comparer)) or 0
        comparison = comparer.comparison()
    finally:
        comparer.close()
    for fault in faults:
        say(f"pdl: {fault}")
    if comparison.measurements or interrupts.received is None:
        hand_out(comparison, wishes)
    if interrupts.received is not None:
        return int(interrupts.received.code or 1)
    if faults:
        return 1
    return code if code or comparison.published else _exit_code(comparison)


def _catch(faults: list[Exception], step: Callable[[], T]) -> T | None:
    """Take a step; what goes wrong in it is told after the report of what was measured, which it must not cost."""
    try:
        return step()
    except (PdlError, OSError) as error:
        faults.append(error)
        return None


def _measure(comparer: Comparer, telling: Telling) -> None:
    try:
        comparer.measure()
    finally:
        telling.close()


def _agree(estimated: Estimate, plan: Plan, wishes: Wishes) -> None:
    """Say what a comparison will take, and have the user agree.

    Raises:
        UsageError: nobody can be asked, and it takes more than may be taken for granted.
        DestinationError: the disk has no room for it.
    """
    _check_room(estimated, plan.settings.dest)
    large = (estimated.size or 0.0) > _ASKED_FROM_BYTES or estimated.seconds > _ASKED_FROM_SECONDS
    large = large or estimated.is_least  # nobody knows how large
    asks = not wishes.yes and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if asks or not wishes.quiet:
        say(f"pdl: {_foreseen(estimated, plan)}")
    if wishes.yes:
        return
    if asks:
        click.confirm("pdl: go on?", default=not large, abort=True, err=True)
    elif large:
        least = "at least " if estimated.is_least else ""
        takes = f"{least}{amount(estimated.size or 0.0)} and {duration(estimated.seconds)}"
        raise click.UsageError(f"a comparison that takes {takes} needs --yes; --sample N takes less")


def _foreseen(estimated: Estimate, plan: Plan) -> str:
    entries, hosts = plural(estimated.entries, "entry", "entries"), plural(estimated.hosts, "host", "hosts")
    size = "bytes unknown, as no file came" if estimated.size is None else amount(estimated.size)
    about = "more than" if estimated.is_least else "about"
    rounds = plural(plan.rounds, "round", "rounds")
    return (
        f"{entries} on {hosts}, with {len(plan.field.contestants)} settings, in {rounds} and "
        f"one to warm up: {estimated.requests:,} requests, {size}, {about} {duration(estimated.seconds)}, "
        f"by a look at {estimated.looked_at}"
    )


def _check_room(estimated: Estimate, dest: str) -> None:
    """Two copies of the list are on the disk at a time."""
    free = shutil.disk_usage(dest).free
    needed = 2 * (estimated.largest or 0.0)
    if needed > free:
        raise DestinationError(
            f"a comparison needs about {amount(needed)} on the disk of {dest!r}, which has {amount(free)}; "
            "--sample N takes less"
        )


def _exit_code(comparison: Comparison) -> int:
    """Of a comparison that has published nothing."""
    last = [each for each in comparison.measurements if each.round] or list(comparison.measurements)
    if not last:
        return 1
    if any(each.done or each.skipped for each in last):
        return 3 if any(each.failed for each in last) else 0
    return 4
