"""`--report` of the command: asks before a comparison, shows how it goes, and puts the report where it belongs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import click

from .errors import DestinationError
from .interrupts import Interrupts
from .progress import amount
from .progress.text import duration
from .report.about import about
from .report.compare import Comparer, Plan, StoppedError
from .report.comparison import Comparison
from .report.contestants import field as field_of
from .report.file import ReportFile
from .report.from_ledger import ledger_report
from .report.look import Estimate
from .report.recorder import Recorder, run_report
from .report.run_report import RunReport
from .report.telling import Telling
from .run import Run
from .settings import Settings
from .sources import Source
from .storage.reading import Ledger
from .voice import results, say

_ASKED_FROM_BYTES = 10**9
_ASKED_FROM_SECONDS = 600.0
"""What a comparison may take without a word from the user, where nobody can be asked."""


class Wishes(NamedTuple):
    """What the user wants of a report.

    Args:
        files: that it is written to, by their paths.
        printed: it is printed as a table.
        as_json: it is printed as JSON instead.
        quiet: nothing is said of how it goes.
        yes: nobody is asked.
    """

    files: Mapping[str, ReportFile]
    printed: bool
    as_json: bool
    quiet: bool
    yes: bool


def wishes(face: Mapping[str, Any], lists: Iterable[str]) -> Wishes:
    """What the options of the command's face say of a report; its files are checked before anything starts.

    Raises:
        SettingsError: one of the files cannot take a report.
    """
    avoid = list(lists)
    files = {path: ReportFile(path, avoid) for path in face["report"] if path}
    as_json = bool(face["json_lines"])
    return Wishes(files, printed=not as_json, as_json=as_json, quiet=face["quiet"], yes=face["yes"])


def plan(settings: Settings, engines: Sequence[str], jobs: Sequence[int], face: Mapping[str, Any]) -> Plan:
    """What is to be compared.

    Raises:
        SettingsError: that cannot be compared.
    """
    contestants = field_of(engines, jobs, settings)
    return Plan(settings, contestants, rounds=face["rounds"] or 5, sample=face["sample"])


def report_ledger(settings: Settings, wishes: Wishes) -> int:
    """Report on what the ledger of the destination knows."""
    ledger = Ledger(settings.dest, state_dir=settings.state_dir)
    _hand_out(ledger_report(ledger, about(None)), wishes)
    return 0


@dataclass
class RunObserver:
    """Reports on one run.

    Args:
        settings: of the run.
        wishes: for the report.
        recorder: a reporter that the run must have.
    """

    settings: Settings
    wishes: Wishes
    recorder: Recorder = field(default_factory=Recorder)

    def report(self, run: Run) -> None:
        """Hand out the report of the run, which has ended."""
        _hand_out(run_report(self.recorder, about(self.settings), run.summary), self.wishes)


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
    fault, code = None, 0
    try:
        with Interrupts(lambda _: comparer.stop()) as interrupts, suppress(StoppedError):
            if asks:
                _agree(comparer.look(), plan, wishes)
            fault = _measured(comparer, telling)
        if fault is None and comparer.may_publish:
            code = publish(comparer)
        comparison = comparer.comparison()
    finally:
        comparer.close()
    if fault is not None:
        say(f"pdl: {fault}")
    if comparison.measurements or interrupts.received is None:
        _hand_out(comparison, wishes)
    if interrupts.received is not None:
        return int(interrupts.received.code or 1)
    return 1 if fault is not None else code or _exit_code(comparison)


def _measured(comparer: Comparer, telling: Telling) -> DestinationError | None:
    """Measure; answers what ended that early, for what was measured before counts."""
    try:
        comparer.measure()
    except DestinationError as error:
        return error
    finally:
        telling.close()
    return None


def _agree(estimated: Estimate, plan: Plan, wishes: Wishes) -> None:
    """Say what a comparison will take, and have the user agree.

    Raises:
        UsageError: nobody can be asked, and it takes more than may be taken for granted.
        DestinationError: the disk has no room for it.
    """
    if not wishes.quiet:
        say(f"pdl: {_foreseen(estimated, plan)}")
    _check_room(estimated, plan.settings.dest)
    large = (estimated.size or 0.0) > _ASKED_FROM_BYTES or estimated.seconds > _ASKED_FROM_SECONDS
    if wishes.yes:
        return
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("pdl: go on?", default=not large, abort=True, err=True)
    elif large:
        takes = f"{amount(estimated.size or 0.0)} and {duration(estimated.seconds)}"
        raise click.UsageError(f"a comparison that takes {takes} needs --yes; --sample N takes less")


def _foreseen(estimated: Estimate, plan: Plan) -> str:
    hosts = "1 host" if estimated.hosts == 1 else f"{estimated.hosts:,} hosts"
    size = "bytes unknown, as no file came" if estimated.size is None else amount(estimated.size)
    rounds = "1 round" if plan.rounds == 1 else f"{plan.rounds} rounds"
    return (
        f"{estimated.entries:,} entries on {hosts}, with {len(plan.field.contestants)} settings, in {rounds} and "
        f"one to warm up: {estimated.requests:,} requests, {size}, about {duration(estimated.seconds)}, "
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
    if not any(each.failed for each in last):
        return 0
    return 3 if any(each.done or each.skipped for each in last) else 4


def _hand_out(report: Comparison | RunReport, wishes: Wishes) -> None:
    """Write and print a report; what goes wrong with one form keeps it from no other."""
    faults = []
    for hand_out in [partial(_write, report, path, wishes) for path in wishes.files] + [
        partial(_print, report, wishes)
    ]:
        try:
            hand_out()
        except Exception as error:  # what was measured for an hour is worth every other form
            faults.append(error)
    if faults:
        raise faults[0]


def _write(report: Comparison | RunReport, path: str, wishes: Wishes) -> None:
    wishes.files[path].write(report)
    if not wishes.quiet:
        say(f"pdl: the report is in {path}")


def _print(report: Comparison | RunReport, wishes: Wishes) -> None:
    if wishes.as_json:
        results().write(report.to_json())
    elif wishes.printed:
        results().write(report.table(color=_is_coloured()))


def _is_coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
