"""A comparison from its list to its conclusion."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from pdl.errors import DestinationError, PdlError, SettingsError, SourceError
from pdl.progress import Reporter
from pdl.run import Run
from pdl.settings import Settings
from pdl.sources import Source
from pdl.storage.destination import prepare_destination
from pdl.storage.hold import Hold
from pdl.storage.reading import Ledger
from pdl.storage.state import prepare_state, state_folder

from .about import About, about
from .comparison import Comparison, Measurement
from .contestants import Field, label
from .difference import Difference, differences, in_words
from .laboratory import Laboratory, Seen
from .limit import limit
from .look import JOBS, SECONDS, Estimate, estimate, some_of
from .measuring import Order
from .ranking import Contestant, by_contestant, rows, times_of, winner
from .replay import ReplayEngine
from .sample import sample
from .spool import SpooledSource, spool
from .verdict import verdict

_FOLDER = "comparison"
"""Below `DEST/.pdl`: the list, and the copies that are measured."""
_KEPT_DIFFERENCES = 1000


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


class Comparer:
    """Compares engines on one list; holds the destination until it is closed.

    Args:
        source: the list; read to its end, and closed.
        plan: what is to be compared.
        teller: is told how it goes.

    Raises:
        DestinationError: the destination cannot be used, or a run holds it.
        SourceError: the list breaks in the middle, or is empty.
        OSError: the disk is full.
    """

    def __init__(self, source: Source, plan: Plan, teller: Teller) -> None:
        self._plan = plan
        self._teller = teller
        self._laboratory = Laboratory()
        self._measured: list[Measurement] = []
        self._notes: list[str] = []
        self._broken: dict[Contestant, str] = {}
        self._kept: _Copy | None = None
        self._interrupted = False
        self._published = False
        self._source_paths = source.paths
        with ExitStack() as undo:
            undo.callback(source.close)
            self._home = os.path.dirname(prepare_destination(plan.settings.dest))
            self._folder = os.path.join(self._home, _FOLDER)
            self._hold = self._take_hold()
            undo.callback(self.close)
            _remove(self._folder)
            os.mkdir(self._folder, 0o700)
            self._whole = spool(source, self._path("list"), self._check)
            undo.pop_all()
        if not self._whole.entries:
            self.close()
            raise SourceError("the list is empty: there is nothing to compare")
        self._listed = self._whole
        if plan.sample is not None and plan.sample < self._whole.entries:
            self._listed = sample(self._whole, plan.sample, self._path("sample"))

    def _take_hold(self) -> Hold:
        settings = self._plan.settings
        if settings.state_dir is not None:
            prepare_state(settings.dest, settings.state_dir)
        return Hold(settings.dest, state_folder(settings.dest, settings.state_dir), home=self._home)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _check(self) -> None:
        if self._laboratory.is_stopped:
            raise StoppedError

    def stop(self) -> None:
        """Measure no more; may be called from a signal handler."""
        self._laboratory.stop()

    def close(self) -> None:
        """Remove what was measured, and let others have the destination; again does nothing."""
        self._hold.release()
        with suppress(OSError):
            _remove(self._folder)
        if (state := self._plan.settings.state_dir) is not None:
            with suppress(OSError):
                _remove(os.path.join(state, _FOLDER))

    @property
    def settings(self) -> Settings:
        """Of the job."""
        return self._plan.settings

    # -- measuring

    def look(self) -> Estimate:
        """Fetch some entries, and estimate what the comparison will take.

        Raises:
            StoppedError: it was told to stop.
            PdlError: nothing can be measured.
        """
        plan, listed = self._plan, self._listed
        some = some_of(listed, self._path("look.list"))
        settings = replace(self._settings(("auto", JOBS), self._path("look")), deadline=SECONDS)
        seen = self._laboratory.measure(Order(settings, some.path, some.entries), self._teller.goes_on)
        _remove(self._path("look"))
        self._check()
        if seen.told.error is not None:
            raise PdlError(seen.told.error)
        return estimate(listed, seen.told, plan.field.contestants, plan.rounds, plan.settings.per_host)

    def measure(self) -> None:
        """Measure all rounds, each contestant once in each, in another order in each.

        It ends early when it is told to stop; what was measured so far counts.

        Raises:
            DestinationError: the disk is full, or the destination cannot be written any more.
        """
        contestants = self._plan.field.contestants
        steps = len(contestants) * (self._plan.rounds + 1)
        step = 0
        for number in range(self._plan.rounds + 1):
            turn = number % len(contestants)
            for contestant in contestants[turn:] + contestants[:turn]:
                if contestant not in self._broken and not self._laboratory.is_stopped:
                    self._measure(contestant, number, step, steps)
                step += 1
        self._interrupted = self._laboratory.is_stopped

    def _measure(self, contestant: Contestant, number: int, step: int, steps: int) -> None:
        name = f"{label(contestant)}, {f'round {number} of {self._plan.rounds}' if number else 'warming up'}"
        self._teller.begins(name, step, steps)
        dest = self._path(f"{step}")
        order = Order(self._settings(contestant, dest), self._listed.path, self._listed.entries)
        try:
            seen = self._laboratory.measure(order, self._teller.goes_on)
        except PdlError as error:
            self._leave_out(contestant, str(error), dest)
            return
        told = seen.told
        if self._laboratory.is_stopped:
            return
        if told.fatal or told.stopped == "disk-full":
            raise DestinationError(told.error or f"the disk of {self._plan.settings.dest!r} is full")
        if told.error is not None:
            self._leave_out(contestant, told.error, dest)
            return
        differing = self._hold_against_kept(contestant, seen, dest, name)
        measurement = _measurement(contestant, number, seen, differing)
        self._measured.append(measurement)
        self._teller.ended(measurement)

    def _leave_out(self, contestant: Contestant, why: str, dest: str) -> None:
        if self._laboratory.is_stopped:
            return
        self._broken[contestant] = why
        self._teller.notes(f"{label(contestant)} is left out: {why}")
        with suppress(OSError):
            _remove(dest)

    def _settings(self, contestant: Contestant, dest: str) -> Settings:
        """Of a measurement: those of the job, into a folder of its own."""
        engine, jobs = contestant
        state = self._plan.settings.state_dir
        return replace(
            self._plan.settings,
            engine=engine,
            jobs=jobs,
            dest=dest,
            state_dir=None if state is None else os.path.join(state, _FOLDER, os.path.basename(dest)),
            failed=None,
            checksums=None,
            overwrite=False,
            timings=True,
        )

    def _hold_against_kept(self, contestant: Contestant, seen: Seen, dest: str, name: str) -> int:
        """Compare with the copy that is kept, and keep the better one; answers how many entries differ."""
        ours = _Copy(dest, contestant[0], seen.told.done, self._settings(contestant, dest).state_dir)
        if self._kept is None:
            self._kept = ours
            return 0
        found: list[Difference] = []
        count = 0
        for each in differences(self._kept.ledger(), self._kept.dest, ours.ledger(), ours.dest):
            count += 1
            if len(found) < _KEPT_DIFFERENCES:
                found.append(each)
        if count:
            kind = "contents" if any(each.content for each in found) else "ends"
            self._notes.append(f"{name}: {count:,} entries with other {kind}: {in_words(found)}")
            self._teller.notes(self._notes[-1])
        if ours.done > self._kept.done:
            ours, self._kept = self._kept, ours
        ours.remove()
        return count

    # -- what was found

    def comparison(self) -> Comparison:
        """What was measured so far, and what follows."""
        plan, settings = self._plan, self._plan.settings
        described = _about(plan)
        measured = by_contestant(self._measured)
        limited = partial(limit, cpus=described.cpus, per_host=settings.per_host, hosts=self._listed.host_count)
        ranked = rows(measured, limited)
        best = winner(times_of(measured))
        named = None if best is None else label(best)
        left_out = plan.field.left_out | {label(each): why for each, why in self._broken.items()}
        return Comparison(
            about=described,
            entries=self._listed.entries,
            hosts=self._listed.host_count,
            sampled=None if self._listed is self._whole else self._whole.entries,
            rows=ranked,
            winner=named,
            verdict=verdict(ranked, named),
            left_out=left_out,
            notes=(*plan.notes, *self._notes),
            measurements=tuple(self._measured),
            interrupted=self._interrupted,
            published=self._published,
        )

    # -- the result

    @property
    def may_publish(self) -> bool:
        """A whole and checked copy is there, which the destination is to receive."""
        return (
            self._plan.publishes
            and self._kept is not None
            and self._listed is self._whole
            and not self._laboratory.is_stopped
        )

    def publication(self, reporter: Reporter) -> Run:
        """A run that brings the copy into the destination, as if it had fetched it; that is let go before.

        Raises:
            DestinationError: another run was faster.
        """
        kept, settings = self._kept, self._plan.settings
        assert kept is not None
        self._hold.release()
        engine = ReplayEngine(kept.dest, kept.ledger(), kept.engine, named=settings.content_disposition)
        source = SpooledSource(self._whole.path, self._whole.entries, self._source_paths)
        changed = replace(
            settings, engine=engine, http3=False, proxy="", netrc=False, deadline=None, max_time=None,
            timings=False, max_redirects=max(1, settings.max_redirects),
        )  # fmt: skip
        self._published = True
        return Run(source, changed, reporter)


class StoppedError(PdlError):
    """The comparison was told to stop before anything was measured."""

    def __init__(self) -> None:
        super().__init__("stopped before anything was measured")


@dataclass(frozen=True)
class _Copy:
    """What a measurement has fetched."""

    dest: str
    engine: str
    done: int
    state: str | None

    def ledger(self) -> Ledger:
        return Ledger(self.dest, state_dir=self.state)

    def remove(self) -> None:
        _remove(self.dest)
        if self.state is not None:
            _remove(self.state)


def _about(plan: Plan) -> About:
    described = about(replace(plan.settings, proxy=plan.settings.proxy or None))
    settings = {name: value for name, value in described.settings.items() if name not in ("engine", "jobs")}
    return replace(described, settings=settings | {"rounds": str(plan.rounds)})


def _measurement(contestant: Contestant, number: int, seen: Seen, differing: int) -> Measurement:
    told = seen.told
    return Measurement(
        engine=contestant[0],
        jobs=contestant[1],
        round=number,
        seconds=told.seconds,
        done=told.done,
        skipped=told.skipped,
        failed=told.failed,
        left=told.read - told.done - told.skipped - told.failed,
        size=told.size,
        attempts=told.attempts,
        retries=told.retries,
        errors=told.errors,
        user=seen.user,
        system=seen.system,
        startup=told.startup,
        rss=seen.rss,
        threads=seen.threads,
        processes=seen.processes,
        first_byte=told.first_byte,
        file=told.file,
        active=told.active,
        tail=told.tail,
        waited=told.waited,
        machine=seen.machine,
        blocked=seen.blocked,
        differing=differing,
    )


def _remove(path: str) -> None:
    """Remove a folder of ours with all that is in it, if it is there; a link in its place is not followed."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)
