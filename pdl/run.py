"""The one loop: entries in, attempts out, events back, results to the caller. All of it in the caller's thread."""

from __future__ import annotations

import errno
import filecmp
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TypeVar

from . import engines, retry
from .errors import DestinationError, EngineError, Kind, PdlError, SettingsError
from .held import Held
from .http.routes import Routes
from .intake import Admitted, Intake, NameTaken
from .kinds import parse_kinds
from .logins import logins
from .model import (
    Advanced,
    Event,
    Finished,
    Notice,
    Outcome,
    Partial,
    Progress,
    Responded,
    Result,
    Running,
    Verdict,
)
from .naming import Naming
from .progress import Reporter, hears_results
from .recall import Recall
from .scheduler import Scheduler
from .settings import Settings
from .sources import Source
from .storage.durability import FlushedFolders, flush_destination
from .storage.failed_list import FailedList
from .storage.ledger import LedgerWriter
from .storage.leftovers import reclaim
from .storage.publish import Publisher
from .storage.state import ledger_path
from .storage.transient import TransientLedger
from .summary import Stop, Summary, Tally
from .task import Ended, Task
from .unchecked import Unchecked

T = TypeVar("T")

FEEDING = 0.01
"""Seconds of reading and skipping between two waits for the engine."""
BATCH = 500
"""Entries taken from the source at once, at the most."""
WAITING = 0.1
"""Seconds; the longest wait while the source may have something at any time."""
SPANS_KEPT_EVERY = 1.0
"""Seconds between two notes of how far the spans of a file have come; a kill costs what came since the last."""
NEWS_EVERY = 0.1
"""Seconds between two `Progress` snapshots."""
_RUNNING_SHOWN = 8
_ENDED_TOGETHER = 128
"""Downloads that wait to be published, at the most, while each look at the engine brings more of them."""
_TOLD_AT_ONCE = 250
"""Results that the ledger is told of together, if so many come between two snapshots."""

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_UNWRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR})


class Run:
    """One job from its list to its summary.

    Args:
        source: the list; the run closes it. None takes the entries from the ledger, as the settings want it.
        settings: of the job.
        reporter: hears of everything; the run closes it.

    Raises:
        SettingsError: an option that makes no sense, an unknown engine, one that is not installed.
        DestinationError: the destination cannot be used, or another run holds it.
    """

    def __init__(self, source: Source | None, settings: Settings, reporter: Reporter) -> None:
        self._source: Source | None = source
        self._settings = settings
        self._reporter = reporter
        self._tells_results = hears_results(reporter)
        self._tally = Tally()
        self._unwritten: list[Result] = []  # what the ledger has yet to be told
        self._fetched: list[tuple[Result, Outcome]] = []  # the same, of files that have come
        self._untold: list[Result] = []  # what reporter and caller have yet to be told
        self._ended: deque[Ended] = deque()  # what has come and is yet to be published
        _check_list(source, settings)
        self._started = time.monotonic()
        self._deadline = math.inf if settings.deadline is None else self._started + settings.deadline
        self._losses: list[Exception] = []
        self._under_way = 0  # while the loop last waited: when something has ended, others are about to begin
        self._read_whole = False
        self._fault: BaseException | None = None  # what ended the source; raised when all before it has ended
        self._stop: Stop | None = None
        self._news_at = 0.0
        self._closed = False
        self._waiting = False
        self._torn = False  # a file may have got its name that nobody will write down any more
        self._interruption: BaseException | None = None
        self._set_up(settings)

    def _set_up(self, settings: Settings) -> None:
        naming, routes = Naming(settings.layout, settings.output), Routes(settings)
        known = logins(settings.netrc)
        self._engine = engines.create(
            settings.engine, settings, lambda passed_over: self._reporter.on(Notice(passed_over, verbosity=1))
        )
        self._collapse = _Collapse(settings)
        self._punctual = bool(getattr(self._engine, "punctual", False))
        with ExitStack() as undo:
            undo.callback(self._engine.close)
            if self._source is None and not os.path.exists(ledger_path(settings.dest, settings.state_dir)):
                raise DestinationError(f"nothing is known of earlier runs in {settings.dest!r}: it has no ledger")
            self._ledger = _open_ledger(settings)
            undo.callback(self._ledger.close)
            if settings.durable:
                flush_destination(settings.dest, self._ledger.folder)
            if not settings.no_state:
                reclaim(self._ledger)
            self._recall = self._recalled(settings) if self._source is None else None
            self._intake = Intake(self._ledger, naming, settings, self._reserved())
            self._intake.set_check(self.check_interruption)
            self._publisher = Publisher(settings.dest, overwrite=settings.overwrite)
            undo.callback(self._publisher.close)
            self._failed = FailedList(settings.failed, self._source_paths) if settings.failed else None
            undo.pop_all()
        deadline = None if math.isinf(self._deadline) else self._deadline
        part, capacity = self._ledger.part_path, self._engine.capacity
        self._scheduler = Scheduler(settings, routes, capacity=capacity, part=part, deadline=deadline, logins=known)
        self._held = Held(FlushedFolders(settings.dest), part) if settings.durable else None
        self._unchecked = Unchecked(part, settings.digest) if settings.split > 1 else None

    def _recalled(self, settings: Settings) -> Recall:
        if settings.retry_failed is not None:
            return Recall(self._ledger, parse_kinds(settings.retry_failed))
        return Recall(self._ledger, None, fetched_only=settings.dry_run)

    @property
    def _is_read(self) -> bool:
        """Nothing more is to be read."""
        return self._source is None and self._recall is None

    @property
    def _source_paths(self) -> tuple[str, ...]:
        return self._source.paths if self._source is not None else ()

    def _reserved(self) -> list[str]:
        """The job's own files, which are never a target."""
        failed = self._settings.failed
        return [*self._source_paths, *_standard_files(), *([os.path.abspath(failed)] if failed else [])]

    # -- the loop

    def results(self) -> Iterator[Result]:
        """Every entry's result, in the order of completion; the run is closed when this ends, however it does.

        Raises:
            EngineError: the engine collapsed.
            DestinationError: the destination cannot be written any more.
            SourceError: the list broke in the middle; raised when everything before that has ended.
        """
        try:
            try:
                while not self._over():
                    self._turn()
                    yield from self._tell()
            except EngineError as collapse:  # raised when all that has come is told
                self._fault = collapse
            self._end_all()
            self._settle_last()
            yield from self._tell()
        finally:
            self.close()
        if self._fault is not None:
            raise self._fault

    def _turn(self) -> None:
        """Read and start what there is room for, wait, and end what has ended."""
        self._feed()
        self._start()
        self._under_way = self._scheduler.active
        if self._held and (not self._scheduler.active or self._held.is_due(time.monotonic())):
            self._settle_held(self._held)
        waiting = len(self._ended)
        for event in self._wait(0.0 if self._untold or waiting else self._patience()):
            self._learn(event)
        if len(self._ended) == waiting or not self._punctual or len(self._ended) >= _ENDED_TOGETHER:
            self._end_all()
        if self._unchecked:
            self._end_checked(self._unchecked)
        self._give_up()

    def _over(self) -> bool:
        if self._stop is None and time.monotonic() >= self._deadline and not self._is_fetched:
            self._stop = "deadline"
            self._reporter.on(Notice(f"the deadline of {self._settings.deadline:g} s has come: the rest is left"))
        if self._stop in ("deadline", "closed"):
            return True
        if self._stop is not None or isinstance(self._fault, DestinationError):
            return self._scheduler.active == 0
        return self._is_complete

    @property
    def _stopping(self) -> bool:
        return self._stop is not None or isinstance(self._fault, DestinationError)

    @property
    def _room(self) -> int:
        """How many entries may be read; what waits to be published has yet to be told of, too."""
        return max(0, self._scheduler.room - len(self._ended))

    def _feed(self) -> None:
        """Read entries while there is room for them, for a short while."""
        until = time.monotonic() + FEEDING
        if self._recall is not None:
            self._feed_recalled(self._recall)
        while self._source is not None and not self._stopping and (room := self._room):
            try:
                entries = self._source.take(min(room, BATCH))
            except BaseException as error:
                if not isinstance(error, Exception):
                    raise
                self._fault = error  # of the list, or of the caller's own iterator
                self._end_source()
                break
            if entries is None:
                self._read_whole = True
                self._end_source()
                break
            self._admit(self._intake.admit, entries)
            if not entries or time.monotonic() >= until:
                break

    def _feed_recalled(self, recall: Recall) -> None:
        """The same, with entries out of the ledger."""
        until = time.monotonic() + FEEDING
        while not self._stopping and (room := self._room):
            recalled = recall.take(min(room, BATCH))
            if not recalled:
                self._recall, self._read_whole = None, True
                break
            self._admit(self._intake.recall, recalled)
            if time.monotonic() >= until:
                break

    def _admit(self, decide: Callable[[list[T]], list[Result | Admitted]], entries: list[T]) -> None:
        admitted: list[Result | Admitted] = []
        with self._until_full():
            admitted = decide(entries)
        for each in admitted:
            if isinstance(each, Result):
                self._count(each)  # the ledger knows of it
            else:
                self._scheduler.add(_task(each))

    def _end_source(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = self._recall = None

    def _start(self) -> None:
        """Fill the engine's free slots."""
        if self._stopping:
            return
        attempts = list(iter(partial(self._scheduler.next, time.monotonic()), None))
        with self._collapse:
            for attempt in attempts:
                self._engine.start(attempt)

    def _wait(self, timeout: float) -> list[Event]:
        self._waiting = True
        try:
            if self._interruption is not None:
                raise self._interruption
            with self._collapse:
                return self._engine.wait(timeout)
        finally:
            self._waiting = False

    def interrupt(self, reason: BaseException) -> None:
        """End the loop with this exception; for signal handlers, in the loop's own thread.

        It is raised here if the loop waits, which wakes it, else when it comes to wait: never while something is
        half published or half written down. A punctual engine is not disturbed: it soon comes back by itself.
        """
        self._interruption = reason
        if self._waiting and not self._punctual:
            raise reason

    def check_interruption(self) -> None:
        """Raise what the run was interrupted with, if it was; for long work outside the wait."""
        if self._interruption is not None:
            raise self._interruption

    def _patience(self) -> float:
        """Seconds until something other than an event may want the loop."""
        if self._is_complete or self._unchecked:
            return 0.0
        now = time.monotonic()
        longest = WAITING if not self._is_read and self._room else 2.5 * WAITING
        return max(0.0, min(longest, self._scheduler.wake_up() - now, self._deadline - now))

    # -- events

    def _learn(self, event: Event) -> None:
        task = self._scheduler.task(event.attempt)
        if task is None:
            return
        if isinstance(event, Finished):
            self._learn_end(event, task)
        elif isinstance(event, Advanced):
            task.size = event.size
            if task.split is not None:
                self._learn_advance(event, task)
        else:
            task.total = event.length
            if self._learn_way(event, task):
                return
            if event.partial is not None:
                self._keep_part(task, event.partial)
                self._ledger.flush()  # some engines block until more comes

    def _learn_end(self, event: Finished, task: Task) -> None:
        outcome, now = event.outcome, time.monotonic()
        if outcome.kind is Kind.TIMEOUT and now >= self._deadline:  # the job's time is over, not the file's
            outcome = outcome._replace(verdict=Verdict.STOPPED)
        task.size = outcome.partial.size if outcome.partial is not None else 0
        ended = self._scheduler.finished(event.attempt, outcome, now)
        if ended is not None and ended.outcome.verdict is Verdict.DONE:
            self._ended.append(ended)
        elif ended is not None:
            self._end(ended)
        elif task.split is not None:
            task.size = task.split.size
            self._keep_spans(task)
        elif task.partial is not None:
            self._keep_part(task, task.partial)
        elif task.kept:
            self._forget_part(task)
            self._ledger.flush()  # before the part gets other bytes

    # -- files in spans

    def _learn_way(self, event: Responded, task: Task) -> bool:
        """Have others fetch the rest of a file, if the answer to its probe, or to another span, allows that.

        The scheduler learns of every answer, as it tells that a host is alive.
        """
        planned = task.split is not None and task.split.is_planned
        if not self._scheduler.responded(event.attempt, event.status, event.partial):
            return False
        if not planned:
            self._keep_spans(task)
            self._ledger.flush()
        return True

    def _learn_advance(self, event: Advanced, task: Task) -> None:
        spans, now = task.split, time.monotonic()
        assert spans is not None
        spans.advance(event.attempt, event.size)
        task.size = spans.size
        if now - spans.kept >= SPANS_KEPT_EVERY:
            self._keep_spans(task)

    def _keep_spans(self, task: Task) -> None:
        """Have the ledger know which bytes of a file are there, unless they are given up."""
        spans = task.split
        if spans is not None and spans.fault is None and (known := spans.partial()) is not None:
            spans.kept = time.monotonic()
            self._keep_part(task, known)

    def _end_checked(self, unchecked: Unchecked) -> None:
        """Look for a short while at what has come in spans, and publish what is right."""
        for looked in unchecked.look():
            looked.task.split = None
            if looked.outcome.verdict is Verdict.DONE:
                self._end(looked)
                continue
            self._forget_part(looked.task)
            self._ledger.flush()  # before the part gets other bytes
            ended = self._scheduler.refuted(looked, time.monotonic())
            if ended is not None:
                self._end(ended)

    def _give_up(self) -> None:
        """End what can go nowhere, or waits for hosts that want to be left alone for longer than anybody waits."""
        for ended in self._scheduler.give_up_lost(time.monotonic()):
            self._end(ended)
        self._pass_on_notices()
        if self._scheduler.active or (not self._is_read and self._room):
            return
        for ended in self._scheduler.give_up_parked(time.monotonic()):
            self._end(ended)

    def _pass_on_notices(self) -> None:
        for notice in self._scheduler.notices:
            self._reporter.on(notice)
        self._scheduler.notices.clear()

    def _end_all(self) -> None:
        """Publish what has come; with punctual engines the requests that follow are on their way by then."""
        while self._ended:
            self._end(self._ended.popleft())

    def _end(self, ended: Ended) -> None:
        if self._unchecked is not None and ended.task.split is not None and ended.outcome.verdict is Verdict.DONE:
            self._keep_spans(ended.task)
            self._unchecked.add(ended)
            return
        if self._held is not None and ended.outcome.verdict is Verdict.DONE:
            self._held.add(ended, time.monotonic())
            return
        try:
            result = self._result(ended)
            if result.status == "done":
                self._fetched.append((result, ended.outcome))
            else:
                self._unwritten.append(result)
        except BaseException:
            self._torn = True
            raise
        self._count(result)

    def _result(self, ended: Ended) -> Result:
        """Publish what is done, and put the end of a download into words."""
        task, outcome = ended.task, ended.outcome
        if outcome.verdict is Verdict.DONE:
            outcome = self._publish(task, outcome)
        if outcome.kind is Kind.DISK:
            self._judge_disk(outcome)
        done, same = outcome.verdict is Verdict.DONE, outcome.verdict is Verdict.NOT_MODIFIED
        if done or same:
            size = outcome.size if done else task.standing or 0
            if task.kept:
                self._forget_part(task)
        else:
            size = 0
            self._leave_part(task, outcome)
        attempts, seconds = outcome.past or (task.attempts, ended.seconds)
        download = task.download
        # by place, not by name: this is made for every file
        return Result(
            task.row, "done" if done else "skipped" if same else "failed", download.url, task.path,
            "not-modified" if same else None, outcome.kind, outcome.message, outcome.status, size, attempts,
            task.url if task.url != download.url else None, seconds, download.where, download.line,
            ended.outcome.timings,
        )  # fmt: skip

    def _keep_part(self, task: Task, known: Partial) -> None:
        """Have the ledger know by what a part can be continued, should this run end before it is whole."""
        with suppress(OSError):  # it is gone
            self._ledger.keep_part(task.row, os.stat(self._ledger.part_path(task.row)).st_ino, known)
            task.kept = True

    def _forget_part(self, task: Task) -> None:
        self._ledger.drop_parts([task.row])
        task.kept = False

    def _leave_part(self, task: Task, outcome: Outcome) -> None:
        """Leave the part of a download that failed to a later run, if that can go on with it; else drop it."""
        known = task.partial if task.split is None else task.split.partial()
        if known is not None and (self._stopping or retry.further_tries(outcome)):
            self._keep_part(task, known)
            return
        if self._stopping:
            return
        if task.kept:
            self._forget_part(task)
        with suppress(OSError):
            os.unlink(self._ledger.part_path(task.row))

    def _publish(self, task: Task, outcome: Outcome) -> Outcome:
        part = self._ledger.part_path(task.row)
        try:
            if outcome.name is not None:
                self._rename(task, outcome.name)
            if self._settings.update and self._is_unchanged(task, outcome, part):
                self._ledger.renew(task.row, outcome)
                os.unlink(part)
                return outcome._replace(verdict=Verdict.NOT_MODIFIED)
            if task.row > self._ledger.committed:
                self._ledger.flush()  # after a kill, no other URL may be given a name that has a file
            self._publisher.publish(part, task.path, replace=task.standing is not None)
        except NameTaken as reason:
            return Outcome(Verdict.FAILED, Kind.NAME, str(reason), status=outcome.status)
        except FileExistsError:
            message = f"{task.path} has come into being meanwhile; --overwrite replaces it"
            return Outcome(Verdict.FAILED, Kind.NAME, message, status=outcome.status)
        except (IsADirectoryError, NotADirectoryError) as error:
            message = f"{task.path} cannot be a file: {error.strerror}"
            return Outcome(Verdict.FAILED, Kind.NAME, message, status=outcome.status)
        except UnicodeEncodeError:
            message = f"{task.path!a} has characters that names cannot have here; a UTF-8 locale helps"
            return Outcome(Verdict.FAILED, Kind.NAME, message, status=outcome.status)
        except OSError as error:
            message = f"cannot put {task.path} in its place: {error.strerror or error}"
            return Outcome(Verdict.FAILED, Kind.DISK, message, status=outcome.status, errno=error.errno)
        return outcome

    # -- files that are to outlive a loss of power

    def _settle_held(self, held: Held) -> None:
        """Put what has come on the disk for good: bytes, then names, then the account; only then it is told."""
        try:
            settled = self._publish_held(held)
        except BaseException:
            self._torn = True
            raise
        with self._until_full():
            self._write_down()
            self._ledger.flush()
        for result in settled:
            self._count(result)

    def _publish_held(self, held: Held) -> list[Result]:
        """Flush and publish what has come, and have it written down next."""
        faults = self._flush_held(held)
        settled = []
        for ended in held.take():
            fault = faults.get(ended.task.row)
            final = ended if fault is None else self._refused(ended, fault)
            settled.append((self._result(final), final.outcome))
        try:
            held.flush_names([result.path for result, _ in settled if result.status == "done" and result.path])
        except OSError as error:  # which names will stay is unknown: the next run looks, as after a kill
            self._lose_names(error)
            settled = [each for each in settled if each[0].status != "done"]
        self._fetched += [each for each in settled if each[0].status == "done"]
        self._unwritten += [result for result, _ in settled if result.status != "done"]
        return [result for result, _ in settled]

    def _settle_last(self) -> None:
        if self._held:
            self._settle_held(self._held)

    def _flush_held(self, held: Held) -> dict[int, OSError]:
        """Flush the ledger's paths, which no file may have before, and the parts; answers what failed, by row."""
        try:
            self._ledger.flush()
        except OSError as error:
            return dict.fromkeys(held.rows(), error)
        return held.flush()

    def _refused(self, ended: Ended, fault: OSError) -> Ended:
        """A file that could not be flushed: nobody knows which of its bytes are there, so no run continues it."""
        task = ended.task
        task.partial = None
        with self._until_full():
            if task.kept:
                self._forget_part(task)
        with suppress(OSError):
            os.unlink(self._ledger.part_path(task.row))
        message = f"cannot put {task.path} on the disk for good: {fault.strerror or fault}"
        refused = Outcome(Verdict.FAILED, Kind.DISK, message, status=ended.outcome.status, errno=fault.errno)
        return ended._replace(outcome=refused._replace(timings=ended.outcome.timings))

    def _lose_names(self, error: OSError) -> None:
        if error.errno in _FULL:
            self._stop_as_full()
        else:
            message = f"the folder {self._settings.dest!r} cannot be flushed any more: {error.strerror or error}"
            self._fault = DestinationError(message)

    def _is_unchanged(self, task: Task, outcome: Outcome, part: str) -> bool:
        """Whether the file that has come is the one that is there, where the server could not tell."""
        if outcome.size != task.standing:
            return False
        try:
            return filecmp.cmp(part, os.path.join(self._settings.dest, *task.path.split("/")), shallow=False)
        except OSError:
            return False

    def _rename(self, task: Task, name: str) -> None:
        """Let a download have the name that its server gave, and the ledger know of it first."""
        path = self._intake.rename(task.download, task.path, name)
        if path != task.path:
            self._ledger.move(task.row, path)
            task.path = path

    def _judge_disk(self, outcome: Outcome) -> None:
        """Stop the run where a fault of the disk is not one file's alone."""
        dest = self._settings.dest
        if outcome.errno in _FULL:
            self._stop_as_full()
        elif outcome.errno in _UNWRITABLE and not os.access(self._ledger.parts, os.W_OK | os.X_OK):
            self._fault = DestinationError(f"the folder {dest!r} cannot be written any more: {outcome.message}")

    @contextmanager
    def _until_full(self) -> Iterator[None]:
        """A full disk stops the run, instead of breaking it."""
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._stop_as_full()

    def _stop_as_full(self) -> None:
        if self._stop is None:
            self._stop = "disk-full"
            temporary = " or of the folder for temporary files" if self._settings.no_state else ""
            message = f"the disk of {self._settings.dest!r}{temporary} is full: nothing new is started"
            self._reporter.on(Notice(message))

    def _count(self, result: Result) -> None:
        self._tally.add(result)
        self._untold.append(result)
        if result.status == "failed" and self._failed is not None:
            self._failed.add(result.line)

    def _write_down(self, at_least: int = 1) -> None:
        """Tell the ledger how entries ended, if there are so many to tell of."""
        if len(self._unwritten) + len(self._fetched) < at_least:
            return
        if self._fetched:
            self._ledger.record_fetched(self._fetched)
            self._fetched.clear()
        if self._unwritten:
            self._ledger.record(*self._unwritten)
            self._unwritten.clear()

    # -- telling

    def _tell(self) -> list[Result]:
        """Tell ledger and reporter of what has ended; answers it for the caller."""
        now = time.monotonic()
        with self._until_full():
            self._write_down(_TOLD_AT_ONCE if now < self._news_at else 1)
            self._ledger.flush_if_due(now)
        results = self._tell_results()
        if now >= self._news_at:
            self._news_at = now + NEWS_EVERY
            self._reporter.on(self._progress(now))
        return results

    def _tell_results(self) -> list[Result]:
        results, self._untold = self._untold, []
        if self._tells_results:
            for result in results:
                self._reporter.on(result)
        return results

    def _progress(self, now: float) -> Progress:
        tally, read = self._tally, self._intake.read
        total, fraction = read if self._read_whole else None, None
        if self._source is not None:
            position = self._source.position()
            total = position.total
            if position.fraction is not None and read:
                fraction = position.fraction * tally.ended / read
        elif self._recall is not None:
            total = self._recall.total
            fraction = tally.ended / total if total else None
        elif self._read_whole and read:
            fraction = tally.ended / read
        running = sorted(self._scheduler.running(), key=lambda task: task.size, reverse=True)
        return Progress(
            read=read,
            done=tally.done,
            skipped=sum(tally.skipped.values()),
            failed=sum(tally.failed.values()),
            size=tally.size + sum(task.size for task in running) + self._size_waiting,
            seconds=now - self._started,
            fraction=fraction,
            total=total,
            running=tuple(Running(t.row, t.path, t.size, t.total) for t in running[:_RUNNING_SHOWN]),
            active=self._under_way,
        )

    @property
    def _size_waiting(self) -> int:
        """Bytes of what has come and is not published yet."""
        unpublished = sum(ended.outcome.size for ended in self._ended)
        return unpublished + sum(waiting.size for waiting in (self._held, self._unchecked) if waiting)

    # -- the end

    def stop(self) -> None:
        """Have the loop end at its next turn; may be called from anywhere."""
        if self._stop is None and not self._is_fetched:
            self._stop = "closed"

    @property
    def _is_complete(self) -> bool:
        return self._is_fetched and not self._ended

    @property
    def _is_fetched(self) -> bool:
        """All has come, and needs no more than to be published; what has come in spans is still to be looked at."""
        if not self._is_read or self._scheduler.total or self._unchecked:
            return False
        return self._unchecked is None or all(ended.task.split is None for ended in self._ended)

    def close(self) -> None:
        """Stop, keep part files, and write down everything that is known; again does nothing."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        self._end_source()
        try:
            with self._collapse:
                self._engine.close()
                events = self._engine.wait(0)
            for event in events:
                self._learn(event)
        finally:
            self._settle()

    def _settle(self) -> None:
        """Tell the last news and close what holds files, each step whatever happens to the others."""
        now = time.monotonic()
        self._seconds = now - self._started
        self._under_way = 0
        steps: list[Callable[[], object]] = [self._end_all, self._settle_last]
        steps += [self._unchecked.close] if self._unchecked is not None else []
        steps += [self._tell_verified, self._close_ledger]
        steps += [self._intake.close, self._publisher.close, self._close_failed]
        steps += [self._tell_results, lambda: self._reporter.on(self._progress(now)), self._reporter.close]
        for step in steps:
            try:
                step()
            except Exception as error:  # a reporter may be anybody's, and raise anything
                self._losses.append(error)
                if self._fault is None:
                    self._fault = error

    def raise_for_losses(self) -> None:
        """Raise what kept the last news from being written down or told, once."""
        if self._losses:
            losses, self._losses = self._losses, []
            raise losses[0]

    def _tell_verified(self) -> None:
        if self._intake.verification is not None:
            self._reporter.on(Notice(self._intake.verification.account()))

    def _close_failed(self) -> None:
        if self._failed is not None:
            self._failed.close(everything=self._read_whole and self._tally.ended == self._intake.read)

    def _close_ledger(self) -> None:
        with self._until_full():
            try:
                self._write_down()
                if self._is_written_down:
                    self._ledger.end_run()
            finally:
                self._ledger.close()

    @property
    def _is_written_down(self) -> bool:
        """The ledger knows of every file that got its name, as far as this run knows."""
        whole = not self._losses and not self._torn
        return whole and self._stop != "disk-full" and not isinstance(self._fault, DestinationError)

    @property
    def fault(self) -> BaseException | None:
        """What went wrong with the list or the destination, so far; `results` raises it at its end."""
        return self._fault

    @property
    def summary(self) -> Summary:
        """The account so far; final once the run is closed."""
        tally, read = self._tally, self._intake.read
        return Summary(
            read=read,
            done=tally.done,
            skipped=sum(tally.skipped.values()),
            failed=sum(tally.failed.values()),
            left=read - tally.ended,
            skipped_by_reason=dict(tally.skipped),
            failed_by_kind=dict(tally.failed),
            size=tally.size,
            seconds=self._seconds if self._closed else time.monotonic() - self._started,
            failures=self._ledger.failures(),
            stopped=self._stop,
        )


def _open_ledger(settings: Settings) -> LedgerWriter:
    engine, durable = engines.name_of(settings.engine, settings.worker_engine), settings.durable
    if settings.no_state:
        return TransientLedger(settings.dest, engine)
    return LedgerWriter(settings.dest, engine, durable=durable, state_dir=settings.state_dir)


def _check_list(source: Source | None, settings: Settings) -> None:
    """Refuse a list where the ledger has the entries, and none where it has not."""
    if source is not None and (settings.retry_failed is not None or settings.dry_run):
        name = "dry_run" if settings.dry_run else "retry_failed"
        raise SettingsError(f"{name} takes its entries from the ledger, and no list beside it")
    if source is None and not (settings.retry_failed is not None or settings.update or settings.verify):
        raise SettingsError(
            "without a list there must be retry_failed, update or verify, for what the ledger knows"
        )


def _task(admitted: Admitted) -> Task:
    row, download, path, partial, standing, unless = admitted
    if partial is None and standing is None:  # as nearly all are
        return Task(row, download, path)
    return Task(row, download, path, partial=partial, unless=unless, standing=standing, kept=partial is not None)


def _standard_files() -> Iterator[str]:
    """Paths of the files that standard input, output and error are redirected to, where the system tells them."""
    for descriptor in range(3):
        with suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if os.path.isfile(path) and os.path.samestat(os.stat(path), os.fstat(descriptor)):
                yield path


class _Collapse:
    """Whatever an engine raises is its collapse."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.engine if isinstance(settings.engine, str) else type(settings.engine).__name__

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is not None and isinstance(error, Exception) and not isinstance(error, PdlError):
            raise EngineError(f"the engine {self._name!r} collapsed: {type(error).__name__}: {error}") from error
