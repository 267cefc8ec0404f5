"""A comparison from its list to its conclusion."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial

from pdl.errors import DestinationError, PdlError, SourceError
from pdl.progress import Reporter
from pdl.run import Run
from pdl.settings import Settings
from pdl.sources import Source
from pdl.storage.comparisons import ComparisonFolder, remove_comparisons
from pdl.storage.destination import prepare_destination
from pdl.storage.failed_list import check_failed_list
from pdl.storage.hold import Hold
from pdl.storage.state import prepare_state, state_folder

from .about import About, about
from .comparison import Comparison, Measurement
from .contestants import label, settings_for
from .copies import Copies, Copy
from .laboratory import Laboratory, Seen
from .limit import limit
from .look import JOBS, SECONDS, Estimate, estimate, some_of
from .measuring import Order
from .plan import Plan, Teller
from .ranking import Contestant, by_contestant, rows, times_of, winner
from .replay import ReplayEngine
from .sample import sample
from .spool import Spooled, SpooledSource, spool
from .verdict import verdict
from .wording import plural


class Comparer:
    """Compares engines on one list: `prepare`, perhaps `look`, `measure`, perhaps `publication`, and `close`.

    The destination is held from `prepare` on. The list is read to its end, and closed, whatever happens.

    Args:
        source: the list.
        plan: what is to be compared.
        teller: is told how it goes.
    """

    def __init__(self, source: Source, plan: Plan, teller: Teller) -> None:
        self._source = source
        self._source_paths = source.paths
        self._plan = plan
        self._teller = teller
        self._laboratory = Laboratory()
        self._hold: Hold | None = None
        self._folder: ComparisonFolder | None = None
        self._states: ComparisonFolder | None = (
            None  # for the ledgers of measurements, where they are to be elsewhere
        )
        self._copies = Copies()
        self._measured: list[Measurement] = []
        self._notes: dict[Contestant, str] = {}
        self._broken: dict[Contestant, str] = {}
        self._interrupted = False
        self._publication: Run | None = None
        self._whole = self._listed = Spooled("")

    def prepare(self) -> None:
        """Take the destination, and read the list.

        Raises:
            StoppedError: it was told to stop.
            DestinationError: the destination cannot be used, or a run holds it.
            SourceError: the list breaks in the middle, or has nothing to compare on.
            OSError: the disk is full.
        """
        plan, settings = self._plan, self._plan.settings
        home = os.path.dirname(prepare_destination(settings.dest))
        if settings.failed is not None:
            check_failed_list(settings.failed)
        if settings.state_dir is not None:
            prepare_state(settings.dest, settings.state_dir)
        self._hold = Hold(settings.dest, state_folder(settings.dest, settings.state_dir), home=home)
        remove_comparisons(home)
        self._folder = ComparisonFolder(home)
        if settings.state_dir is not None:
            self._states = ComparisonFolder(settings.state_dir)
        self._whole = self._listed = spool(self._source, self._path("list"), self._check)
        if not self._whole.entries:
            raise SourceError("the list is empty: there is nothing to compare")
        if plan.sample is not None and plan.sample < self._whole.entries:
            self._listed = sample(self._whole, plan.sample, self._path("sample"))
            if not self._listed.entries:
                raise SourceError("the list has no URL: there is nothing to take a sample of")

    def _path(self, name: str) -> str:
        assert self._folder is not None
        return os.path.join(self._folder.path, name)

    def _check(self) -> None:
        if self._laboratory.is_stopped:
            raise StoppedError

    def stop(self) -> None:
        """Measure no more; may be called from a signal handler."""
        self._laboratory.stop()

    def close(self) -> None:
        """Remove what was measured, and let others have the destination; again does nothing."""
        self._source.close()
        for folder in (self._folder, self._states):
            if folder is not None:
                folder.remove()
        if self._hold is not None:
            self._hold.release()

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
        try:
            seen = self._laboratory.measure(Order(settings, some.path, some.entries), self._teller.goes_on)
        except PdlError:
            self._check()  # it was ended for its slowness to stop
            raise
        shutil.rmtree(settings.dest, ignore_errors=True)
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
        copy = Copy(dest, order.settings.state_dir, contestant[0], told.done, told.stopped)
        found = self._copies.take(copy, lambda: self._laboratory.is_stopped)
        if found is None:
            return
        if found.differing:
            self._notes.setdefault(contestant, f"{name}: {found.words}")  # once: it is likely to differ again
            self._teller.notes(f"{name}: {found.words}")
        measurement = _measurement(contestant, number, seen, found.differing)
        self._measured.append(measurement)
        self._teller.ended(measurement)

    def _leave_out(self, contestant: Contestant, why: str, dest: str) -> None:
        if self._laboratory.is_stopped:
            return
        self._broken[contestant] = why
        self._teller.notes(f"{label(contestant)} is left out: {why}")
        shutil.rmtree(dest, ignore_errors=True)

    def _settings(self, contestant: Contestant, dest: str) -> Settings:
        """Of a measurement: those of the job, into a folder of its own."""
        engine, jobs = contestant
        states = self._states
        return replace(
            settings_for(engine, self._plan.settings),
            jobs=jobs,
            dest=dest,
            state_dir=None if states is None else os.path.join(states.path, os.path.basename(dest)),
            failed=None,
            overwrite=False,
            timings=True,
        )

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
            notes=(*plan.notes, *self._notes.values(), *self._partly_published()),
            measurements=tuple(self._measured),
            interrupted=self._interrupted,
            published=self._is_published,
        )

    # -- the result

    @property
    def may_publish(self) -> bool:
        """A whole and checked copy is there, which the destination is to receive."""
        kept = self._copies.kept
        wanted = self._plan.publishes and self._listed is self._whole
        return wanted and kept is not None and kept.stopped is None and not self._laboratory.is_stopped

    def publication(self, reporter: Reporter) -> Run:
        """A run that brings the copy into the destination, as if it had fetched it; that is let go before.

        Raises:
            DestinationError: another run was faster.
        """
        kept, settings = self._copies.kept, self._plan.settings
        assert kept is not None
        assert self._hold is not None
        engine = ReplayEngine(kept.dest, kept.ledger(), kept.engine, named=settings.content_disposition)
        source = SpooledSource(self._whole.path, self._whole.entries, self._source_paths)
        changed = replace(
            settings, engine=engine, http3=False, proxy="", netrc=False, deadline=None, max_time=None,
            timings=False, worker_engine=None, workers=None, max_redirects=max(1, settings.max_redirects),
        )  # fmt: skip
        self._hold.release()
        self._publication = Run(source, changed, reporter)
        return self._publication

    @property
    def _is_published(self) -> bool:
        """All that the copy has is in the destination."""
        if self._publication is None:
            return False
        summary = self._publication.summary
        return summary.read == self._whole.entries and not summary.left

    def _partly_published(self) -> list[str]:
        if self._publication is None or self._is_published:
            return []
        files = plural(self._publication.summary.done, "file", "files")
        return [f"{files} came into the destination before that was stopped; without --report the rest is fetched"]


class StoppedError(PdlError):
    """The comparison was told to stop before anything was measured."""

    def __init__(self) -> None:
        super().__init__("stopped before anything was measured")


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
        working=told.working,
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
