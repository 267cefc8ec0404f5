"""`--report` of the command, on one run or on a ledger; and where reports go to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from .report.about import about
from .report.file import ReportFile
from .report.from_ledger import ledger_report
from .report.recorder import Recorder
from .report.run_report import account_of
from .report.told import Told
from .run import Run
from .settings import Settings
from .storage.reading import Ledger
from .voice import results, say


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


def wishes(face: Mapping[str, Any], settings: Settings, lists: Iterable[str]) -> Wishes:
    """What the options of the command's face say of a report; its files are checked before anything starts.

    Raises:
        SettingsError: one of the files cannot take a report.
    """
    avoid = [*lists, *filter(None, (settings.failed, settings.checksums))]
    files = {path: ReportFile(path, avoid) for path in face["report"] if path}
    as_json = bool(face["json_lines"])
    printed = not as_json and sys.stdout is not None
    return Wishes(files, printed=printed, as_json=as_json, quiet=face["quiet"], yes=face["yes"])


def report_ledger(settings: Settings, wishes: Wishes) -> int:
    """Report on what the ledger of the destination knows."""
    ledger = Ledger(settings.dest, state_dir=settings.state_dir)
    hand_out(ledger_report(ledger, about(None)), wishes)
    return 0


@dataclass
class RunObserver:
    """Reports on one run.

    Args:
        given: the settings, as the user gave them.
        wishes: for the report.
        recorder: a reporter that the run must have.
    """

    given: Settings
    wishes: Wishes
    recorder: Recorder = field(default_factory=Recorder)

    @property
    def settings(self) -> Settings:
        """For the run: it measures what the report tells."""
        return replace(self.given, timings=True)

    def report(self, run: Run) -> None:
        """Hand out the report of the run, which has ended."""
        summary = run.summary
        account = account_of(summary, summary.size, summary.seconds, summary.stopped)
        hand_out(self.recorder.report(about(self.given), account), self.wishes)


def hand_out(report: Told, wishes: Wishes) -> None:
    """Write and print a report; what goes wrong with one form keeps it from no other."""
    faults = []
    for step in [
        *(partial(_write, report, path, wishes) for path in wishes.files),
        partial(_print, report, wishes),
    ]:
        try:
            step()
        except Exception as error:  # what was measured for an hour is worth every other form
            faults.append(error)
    if faults:
        raise faults[0]


def _write(report: Told, path: str, wishes: Wishes) -> None:
    wishes.files[path].write(report)
    if not wishes.quiet:
        say(f"pdl: the report is in {path}")


def _print(report: Told, wishes: Wishes) -> None:
    if wishes.as_json:
        results().write(report.to_json())
    elif wishes.printed:
        results().write(report.table(color=_is_coloured()))


def _is_coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
