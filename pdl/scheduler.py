"""When to start what: caps and pauses of hosts, retries, mirrors, redirects. It keeps the time; nobody sleeps.

All of it runs in the one loop, so nothing here needs a lock.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import retry
from . import url as urls
from .descriptors import SHORTAGES, advice
from .errors import Kind
from .http.magic import LONGEST
from .http.routes import Routes
from .logins import Logins
from .model import Attempt, Download, Headers, Notice, Outcome, Partial, Reach, Verdict
from .networks import is_link_local, is_private
from .outage import SUSPECTED, Outage, Outages
from .proxies import Proxy, shows_that_it_works
from .settings import Settings
from .spans import Piece, Spans
from .task import Ended, Host, Task

NEAR = 512
"""Downloads read ahead, unless four times what is carried at once is more: each refill costs a commit."""
FARTHEST = 16_384
"""Downloads read ahead at the most, while the hosts of all that are known are at their caps or paused."""

RELIEF = 1.0
"""Seconds after a lack of file descriptors, until a little more is carried at once again."""

SHORTAGES_WAITED_FOR = 5
"""Lacks of descriptors in a row, with nothing under way that could give any back, until they are failures."""

REMEMBERED = 16_384
"""Hosts that have answered and of which nothing is wanted now, that are remembered."""

DEAD_HOSTS_TOLD = 10
"""Hosts that are given up, of which everybody is told; of further ones only who wants to know more."""

_ANY = Reach.ANY
_UNTOLD = frozenset({Kind.WORKER, Kind.INTERNAL})
"""Kinds that tell nothing of the host."""
_NO_ANSWER = frozenset({Kind.DNS, Kind.CONNECT, Kind.BLOCKED})
"""Kinds that tell of the host, but not from it."""
_DEATHS = 2  # of a worker on the same URL, after which it is the URL that is blamed


class _Postponed(NamedTuple):
    """A piece of a file that waits for its next try."""

    task: Task
    spans: Spans
    piece: Piece


class Scheduler:
    """Decides which attempt starts next, and what follows from how it ended.

    Args:
        settings: caps, retries and limits.
        routes: the proxy of every URL.
        capacity: attempts that the engine carries at once.
        part: path of an entry's part file, by its row.
        deadline: the time at which the whole job ends, or None.
        logins: credentials by host, for what the list gives none for.
    """

    def __init__(
        self,
        settings: Settings,
        routes: Routes,
        *,
        capacity: int,
        part: Callable[[int], str],
        deadline: float | None = None,
        logins: Logins | None = None,
    ) -> None:
        self._settings = settings
        self._routes = routes
        self._most = self._capacity = min(capacity, settings.jobs)
        self._per_host = settings.per_host or self._capacity
        self._near = min(max(NEAR, 4 * self._capacity), FARTHEST)
        self._part = part
        self._deadline = deadline
        self._logins = logins
        self._hosts: dict[str, Host] = {}
        self._ready: deque[Host] = deque()
        self._later: list[tuple[float, int, Any]] = []  # (time, tie-breaker, Task or Host)
        self._order = itertools.count()
        self._ids = itertools.count(1)
        self._active: dict[int, Task] = {}
        self._relief = math.inf  # when more than `_capacity` may be carried again, if that was lowered
        self._shortages = 0  # in a row
        self._proxies: dict[str, Proxy[Task]] = {}  # those that have failed, and not worked since
        self._outages: Outages = Outages()
        self._past: dict[str, int] = {}  # `misses` of hosts that have answered, the longest unwanted first
        self._answered: set[int] = set()  # attempts under way whose answers have begun to come
        self._given_up = 0  # hosts
        self._block_private = settings.block_private
        self._is_limited = settings.max_time is not None or deadline is not None
        self._lost: list[tuple[Task, Outcome]] = []  # cannot go where they were to go
        self.notices: list[Notice] = []
        """What people are to be told; whoever tells them clears it."""
        self._no_resume: dict[str, None] = {}  # hosts that answer every range request with the whole file
        self._splits = settings.split > 1
        self._divided: dict[Task, None] = {}  # downloads in spans
        self.total = 0
        """Downloads that were added and have not ended."""

    # -- in

    def add(self, task: Task) -> None:
        """A download that may start now."""
        self.total += 1
        self._enqueue(task)

    @property
    def room(self) -> int:
        """How many more downloads may be read: a bounded look-ahead, wider while capped hosts stand in the way."""
        starving = not self._ready and len(self._active) < self._capacity
        if starving:
            return max(0, FARTHEST - self.total)
        room = self._near - self.total
        return room if room >= self._near // 4 else 0  # many at once cost less than one by one

    @property
    def active(self) -> int:
        """Attempts under way."""
        return len(self._active)

    def running(self) -> Iterable[Task]:
        """The downloads that have an attempt under way, and those in spans, some of which are there."""
        return self._divided | dict.fromkeys(self._active.values()) if self._splits else self._active.values()

    def task(self, attempt: int) -> Task | None:
        """The download of an attempt under way."""
        return self._active.get(attempt)

    # -- out

    def next(self, now: float) -> Attempt | None:
        """The attempt to start now, or None while there is none or no slot is free."""
        if now >= self._relief:
            self._relieve(now)
        if len(self._active) >= self._capacity:
            return None
        if self._later:
            self._release(now)
        while self._ready:
            host = self._ready.popleft()
            host.listed = False
            if not host.queue or host.active >= self._cap(host) or host.paused_until > now:
                continue
            if host.outage is not None and not self._may_try(host, host.outage, now):
                continue
            task = host.queue.popleft()
            if (self._proxies or self._block_private) and not self._may_go(task):
                self._list(host, now)
                self._forget(host)
                continue
            host.active += 1
            outage = host.outage
            attempt = self._attempt(task, now, None if outage is None else outage.limit)
            if outage is not None:
                outage.send(attempt.id)
            if self._proxies and attempt.proxy in self._proxies:
                self._proxies[attempt.proxy].send(attempt.id)
            self._list(host, now)
            return attempt
        return None

    def wake_up(self) -> float:
        """When something may start that can't start now; infinity if only events can change that."""
        if self._lost:
            return -math.inf
        if not self._later or len(self._active) >= self._capacity:
            return self._relief
        return min(self._later[0][0], self._relief)

    def _attempt(self, task: Task, now: float, connect_within: float | None) -> Attempt:
        if task.started is None:
            task.started = now
        if not task.hops:
            task.attempts += 1
        proxy = self._routes.proxy(task.url)
        download, logins = task.download, self._logins
        headers = self._headers(download) if task.headers_allowed else ()
        credentials = task.credentials if logins is None else self._credentials(task, logins)
        partial = task.partial if task.partial is not None and self._is_of_use(task.partial, task.url) else None
        digest, size = download.digest, download.size
        limit = self._time_limit(task, now) if self._is_limited else None
        reach = _ANY if proxy is not None or not (task.hops or self._block_private) else self._reach(task)
        number = next(self._ids)
        self._active[number] = task
        # by place, not by name: this is made for every file
        attempt = Attempt(
            number, task.row, task.url, self._part(task.row), headers, credentials, proxy, partial, digest, size,
            limit, reach, self._settings.digest, task.unless, connect_within,
        )  # fmt: skip
        return self._span_of(task, attempt) if self._splits else attempt

    def _is_of_use(self, partial: Partial, url: str) -> bool:
        """Whether a URL can continue what is there; bytes that are no beginning are of use to spans only."""
        return partial.url == url and (partial.size > 0 or self._splits)

    def _credentials(self, task: Task, logins: Logins) -> str | None:
        """Those that the list gives; else those of the host, as long as what the user gave may go there."""
        given = task.credentials
        return logins.of(_host(task.url)) if given is None and task.headers_allowed else given

    def _reach(self, task: Task) -> Reach:
        if self._block_private:
            return Reach.PUBLIC
        return Reach.ANY if _host(task.url) == _host(task.mirrors[0]) else Reach.NOT_LINK_LOCAL

    def _headers(self, download: Download) -> Headers:
        if not download.headers:
            return self._settings.headers
        own = {name.lower() for name, _ in download.headers}
        common = tuple(pair for pair in self._settings.headers if pair[0].lower() not in own)
        return common + download.headers

    def _time_limit(self, task: Task, now: float) -> float:
        limits = []
        if self._settings.max_time is not None:
            limits.append((now if task.started is None else task.started) + self._settings.max_time - now)
        if self._deadline is not None:
            limits.append(self._deadline - now)
        return max(min(limits), 0.0)

    # -- back

    def finished(self, attempt: int, outcome: Outcome, now: float) -> Ended | None:
        """An attempt ended: the end of its download, or None if that goes on."""
        task = self._active.pop(attempt)
        host = task.host
        assert host is not None
        host.active -= 1
        if attempt in self._answered:
            self._answered.remove(attempt)
            host.speaking -= 1
        if outcome.ranges_ignored:
            self._never_resume(host.name)
        if task.split is None or self._is_whole_answer(task, outcome):
            if outcome.opened or outcome.partial is not None:
                task.partial = outcome.partial
            if host.name in self._no_resume:
                task.partial = None
        if self._shortages and outcome.errno not in SHORTAGES:
            self._shortages = 0
        if outcome.unreachable:
            self._miss(host, attempt, now)
        elif not host.settled:
            self._hear(host, attempt, task, outcome, now)
        proxy = self._routes.proxy(task.url) if self._routes.has_proxies else None
        if task.split is None:
            ended = self._decide(task, outcome, host, now)
        else:
            ended = self._decide_span(task, attempt, outcome, host, now)
        if proxy is not None:
            self._judge_proxy(proxy, attempt, outcome, now)
        if host.queue:
            self._list(host, now)
        else:
            self._forget(host)
        return ended

    def _decide(self, task: Task, outcome: Outcome, host: Host, now: float) -> Ended | None:
        if outcome.verdict is Verdict.DONE:
            return self._end(task, outcome, now)
        if outcome.verdict is Verdict.REDIRECT:
            return self._follow(task, outcome, now)
        if outcome.verdict is Verdict.RESTART:
            task.partial = None
            task.from_the_start()
            return self._again(task, now)
        if outcome.verdict is Verdict.STOPPED:
            self._uncharged(task)
            return None
        if outcome.verdict is Verdict.FAILED:
            return self._failed(task, outcome, host, now)
        return self._end(task, outcome, now)

    def _uncharged(self, task: Task) -> None:
        """Ask again, as if the attempt had not been made."""
        task.attempts -= 1
        task.from_the_start()
        self._enqueue(task, first=True)

    def _follow(self, task: Task, outcome: Outcome, now: float) -> Ended | None:
        assert outcome.location is not None
        if len(task.hops) >= self._settings.max_redirects:
            chain = " -> ".join([*task.hops[-3:], task.url, outcome.location])
            message = f"more than {self._settings.max_redirects} redirects; the last: {chain}"
            return self._failed(task, _failure(Kind.REDIRECT, message, outcome), None, now)
        host = urls.split(outcome.location).host
        if is_link_local(host) and host != urls.split(task.mirrors[0]).host:
            message = f"the redirect leads to the link-local address {host}"
            return self._failed(task, _failure(Kind.BLOCKED, message, outcome), None, now)
        if self._block_private and is_private(host):
            message = f"the redirect leads to {host}, which is no public address (--block-private)"
            return self._failed(task, _failure(Kind.BLOCKED, message, outcome), None, now)
        task.follow(outcome.location, outcome.location_credentials)
        return self._again(task, now)

    def _failed(self, task: Task, outcome: Outcome, host: Host | None, now: float) -> Ended | None:
        if outcome.kind is Kind.WORKER:
            task.deaths += 1
            task.partial = outcome.partial  # nobody knows how far it came
            if task.deaths < _DEATHS:
                task.attempts -= 1
                task.from_the_start()
                return self._again(task, now)
            return self._end(task, outcome, now)
        if outcome.errno in SHORTAGES:
            if self._lower_capacity(now):
                self._uncharged(task)
                return None
            outcome = outcome._replace(message=f"{outcome.message}: {advice(outcome.errno)}", retries=0)
        if host is not None and outcome.retry_after is not None:
            self._pause(host, outcome, now)
        if host is not None and (given_up := _given_up(host, outcome)) is not None:
            return self._next_mirror(task, given_up, now)
        if _is_busy(host, outcome) and len(task.mirrors) == 1:
            return self._again(task, now)
        further = retry.further_tries(outcome)
        if further == 0:
            return self._next_mirror(task, outcome, now)
        assert outcome.kind is not None
        task.once[outcome.kind] = task.once.get(outcome.kind, 0) + 1
        task.failures += 1
        if task.failures > self._settings.retries:
            return self._end(task, outcome, now)
        if task.once[outcome.kind] > further:
            return self._next_mirror(task, outcome, now)
        if outcome.unreachable and host is not None and host.outage is not None and len(task.mirrors) == 1:
            return self._again(task, now)  # once the host answers
        return self._try_again(task, outcome, now)

    def _next_mirror(self, task: Task, outcome: Outcome, now: float) -> Ended | None:
        """A mirror failed for good: drop it and ask the next, if there is one."""
        if len(task.mirrors) == 1:
            return self._end(task, outcome, now)
        task.split = None
        task.turn_to(task.mirrors[1:])
        return self._again(task, now)

    def _try_again(self, task: Task, outcome: Outcome, now: float) -> Ended | None:
        """Ask the next mirror, after a pause once all had their turn."""
        rounds, rest = divmod(task.failures, len(task.mirrors))
        if len(task.mirrors) > 1:
            task.turn_to((*task.mirrors[1:], task.mirrors[0]))
        else:
            task.from_the_start()
        delay = 0.0 if rest else retry.backoff(task.url, rounds, self._settings.retry_delay)
        if self._is_too_late(task, now + delay):
            return self._end(task, outcome, now)
        heapq.heappush(self._later, (now + delay, next(self._order), task))
        return None

    def _again(self, task: Task, now: float) -> Ended | None:
        """Ask again at once, before what has not been asked yet."""
        if self._is_too_late(task, now):
            message = "the time for this file is over (--max-time)"
            return self._end(task, Outcome(Verdict.FAILED, Kind.TIMEOUT, message), now)
        self._enqueue(task, first=True)
        return None

    def _is_too_late(self, task: Task, when: float) -> bool:
        """Whether the time for a download is over by then."""
        longest = self._settings.max_time
        return longest is not None and task.started is not None and when >= task.started + longest

    def _end(self, task: Task, outcome: Outcome, now: float) -> Ended:
        self.total -= 1
        return Ended(task, outcome, now - task.started if task.started is not None else 0.0)

    # -- files in spans

    def _span_of(self, task: Task, attempt: Attempt) -> Attempt:
        """The attempt, with the bytes that it is to fetch if others fetch others of the same file, or may."""
        if task.split is None:
            task.split = self._new_split(task, attempt.partial)
            if task.split is None:
                partial = attempt.partial
                return attempt if partial is None or partial.size else attempt._replace(partial=None)
        else:
            task.split.places -= 1
        if task.split.is_planned:
            self._divide(task)
            task.attempts += bool(task.hops)
        span = task.split.begin(attempt.id)
        self._take_places(task)
        return attempt._replace(partial=None, unless=attempt.unless if span.is_probe else None, span=span)

    def _new_split(self, task: Task, partial: Partial | None) -> Spans | None:
        """How a download begins that may be split; None if it is not."""
        settings, said = self._settings, task.download.size
        assert task.host is not None
        if task.unsplit or task.host.name in self._no_resume or (said is not None and said <= settings.split_size):
            return None
        if partial is None:
            return Spans(settings.split, settings.split_size)
        return Spans.restored(partial, settings.split, settings.split_size, LONGEST if settings.accept else 0)

    def _take_places(self, task: Task) -> None:
        """Have a download stand in line once for each attempt that may begin."""
        assert task.split is not None
        while task.split.is_planned and task.split.places < task.split.wanted:
            task.split.places += 1
            self._enqueue(task, first=True)

    def responded(self, attempt: int, status: int, partial: Partial | None) -> bool:
        """The head of an answer has come; whether other attempts may fetch the rest of its file."""
        task = self._active[attempt]
        assert task.host is not None
        if attempt not in self._answered:
            self._answered.add(attempt)
            task.host.speaking += 1
        if not task.host.settled:
            self._found_alive(task.host)  # which else is known at an attempt's end only
            self._list(task.host, -math.inf)
        if task.split is None or not self._plan(task, task.split, status, partial):
            return False
        if partial is not None:
            task.split.advance(attempt, partial.size)
        return True

    def _plan(self, task: Task, spans: Spans, status: int | None, partial: Partial | None) -> bool:
        """Divide a file, if the answer to its probe has not yet shown that it can be, and does now."""
        if spans.is_planned:
            return True
        if status != 206 or partial is None or partial.total is None or not spans.goes_beyond_probe(partial.total):
            return False
        spans.plan(partial)
        self._divide(task)
        self._take_places(task)
        return True

    def _divide(self, task: Task) -> None:
        task.partial = None
        self._divided[task] = None

    def _is_whole_answer(self, task: Task, outcome: Outcome) -> bool:
        """Whether a probe ended as an attempt for the whole file does; then the file is not in spans."""
        assert task.split is not None
        if self._plan(task, task.split, outcome.status, outcome.partial):
            return False
        task.split, task.unsplit = None, outcome.verdict is Verdict.RESTART
        return True

    def _decide_span(self, task: Task, attempt: int, outcome: Outcome, host: Host, now: float) -> Ended | None:
        spans = task.split
        assert spans is not None
        piece = spans.end(attempt, outcome)
        if spans.fault is None:
            spans.fault = self._span_fault(task, piece, outcome, host, now)
        if spans.fault is not None:
            return self._break_off(task, spans, now)
        if spans.is_whole:
            del self._divided[task]
            return self._end(task, spans.outcome(outcome), now)
        self._take_places(task)
        return None

    def _span_fault(
        self, task: Task, piece: Piece | None, outcome: Outcome, host: Host, now: float
    ) -> Outcome | None:
        """Have the rest of a piece fetched later; or why the file cannot be fetched in spans any more."""
        assert task.split is not None
        if outcome.verdict not in (Verdict.SPAN, Verdict.FAILED, Verdict.STOPPED):
            return outcome
        if piece is None:  # all of it has come
            return None
        spares = outcome.errno in SHORTAGES and self._lower_capacity(now)
        if outcome.kind is Kind.WORKER:
            piece.deaths += 1
            spares = piece.deaths < _DEATHS
        if outcome.verdict is not Verdict.FAILED or spares:
            task.attempts -= 1
            task.split.put_back(piece)
            return None
        if outcome.errno in SHORTAGES:
            outcome = outcome._replace(message=f"{outcome.message}: {advice(outcome.errno)}", retries=0)
        if outcome.retry_after is not None:
            self._pause(host, outcome, now)
        if (given_up := _given_up(host, outcome)) is not None:
            return given_up
        if _is_busy(host, outcome):
            task.split.put_back(piece)
            return None
        if _is_crowded(outcome) and task.split.narrow():
            self._give_up_places(task, task.split)  # there may be more than are wanted now
            task.split.put_back(piece)
            return None
        if not piece.may_fail(outcome.kind, self._settings.retries, retry.further_tries(outcome)):
            return outcome
        if outcome.unreachable and host.outage is not None:
            task.split.put_back(piece)  # once the host answers
            return None
        delay = retry.backoff(f"{task.url} {piece.start}", piece.failures, self._settings.retry_delay)
        if self._is_too_late(task, now + delay):
            return outcome
        heapq.heappush(self._later, (now + delay, next(self._order), _Postponed(task, task.split, piece)))
        return None

    def _resume_piece(self, due: _Postponed) -> None:
        """The back-off of a piece is over; its file may have come to another end meanwhile."""
        if due.task.split is due.spans and due.spans.fault is None:
            due.spans.put_back(due.piece)
            self._take_places(due.task)

    def _lose(self, task: Task, failure: Outcome, now: float) -> Ended | None:
        """End a download that cannot go on, or have it go on at its next mirror."""
        if task.split is None or not task.split.is_planned:
            task.split = None
            return self._next_mirror(task, failure, now)
        task.split.fault = task.split.fault or failure
        return self._break_off(task, task.split, now)

    def _break_off(self, task: Task, spans: Spans, now: float) -> Ended | None:
        """End a file in spans when its last attempt has: they hold the part, and no engine can call them back."""
        self._give_up_places(task, spans)
        if spans.is_active:
            return None
        assert spans.fault is not None
        del self._divided[task]
        if spans.fault.verdict is Verdict.FAILED:
            return self._next_mirror(task, spans.fault, now)
        task.split, task.unsplit, task.partial = None, True, None
        task.from_the_start()
        return self._again(task, now)

    def refuted(self, ended: Ended, now: float) -> Ended | None:
        """A file whose spans had all come is not the right one: another mirror may have that."""
        self.total += 1
        return self._next_mirror(ended.task, ended.outcome, now)

    def _give_up_places(self, task: Task, spans: Spans) -> None:
        """Have a download stand in line no more, nor be lost by a place."""
        if spans.places:
            spans.places = 0
            self._lost = [each for each in self._lost if each[0] is not task]
            queues = [task.host.queue] if task.host is not None else []
            for queue in (*queues, *(proxy.held for proxy in self._proxies.values())):
                kept = [each for each in queue if each is not task]
                queue.clear()
                queue.extend(kept)

    # -- hosts

    def _enqueue(self, task: Task, *, first: bool = False) -> None:
        name = _authority(task.url)
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(name)
            if (misses := self._past.pop(name, None)) is not None:
                host.answered, host.misses, host.settled = True, misses, not misses
            if self._outages:
                host.outage = self._outages.get(name)
        task.host = host
        if first:
            host.queue.appendleft(task)
        else:
            host.queue.append(task)
        if not host.listed:
            self._list(host, -math.inf)

    def _list(self, host: Host, now: float) -> None:
        """Put a host in line if it can start something; a pause that has not been lifted keeps it out."""
        if (
            not host.listed
            and host.queue
            and host.active < self._cap(host)
            and host.paused_until <= now
            and (host.outage is None or host.outage.due or host.outage.given_up)
        ):
            host.listed = True
            self._ready.append(host)

    def _cap(self, host: Host) -> int:
        """Attempts at once to a host; until it has answered, no more than its share of all, as it may be dead."""
        if host.settled:
            return self._per_host
        return max(1, min(self._per_host, self._capacity // len(self._hosts)))

    def _pause(self, host: Host, outcome: Outcome, now: float) -> None:
        assert outcome.retry_after is not None
        asked = outcome.retry_after
        until = now + asked if asked <= retry.LONGEST_RETRY_AFTER else math.inf
        if until > host.paused_until:
            host.paused_until, host.paused_by = until, outcome
            if until < math.inf:
                heapq.heappush(self._later, (until, next(self._order), host))

    def _release(self, now: float) -> None:
        """Bring back what is due: downloads whose back-off is over, hosts whose pause is."""
        while self._later and self._later[0][0] <= now:
            _, _, due = heapq.heappop(self._later)
            if isinstance(due, Task):
                self._enqueue(due, first=True)
            elif isinstance(due, _Postponed):
                self._resume_piece(due)
            elif isinstance(due, Proxy):
                due.allow_probe()
                self._let_go(due)
            elif isinstance(due, Outage):
                due.due = not due.given_up
                if (host := self._hosts.get(due.host)) is not None:
                    self._list(host, now)
            elif due.paused_until <= now:
                due.paused_until = -math.inf
                self._list(due, now)
                self._forget(due)

    def _forget(self, host: Host) -> None:
        if host.queue or host.active or host.paused_until > -math.inf:
            return
        if self._hosts.get(host.name) is host:  # after two pauses it comes twice, and may have been replaced
            del self._hosts[host.name]
            if host.answered:
                self._past[host.name] = host.misses
                if len(self._past) > REMEMBERED:
                    del self._past[next(iter(self._past))]

    def _never_resume(self, host: str) -> None:
        self._no_resume[host] = None
        while len(self._no_resume) > 1024:
            del self._no_resume[next(iter(self._no_resume))]

    # -- hosts that do not answer

    def _may_try(self, host: Host, outage: Outage, now: float) -> bool:
        """Whether a download may try a host that does not answer; those of one that was given up are lost."""
        if outage.given_up and now >= outage.again_at:
            outage.resume()
        if outage.given_up:
            assert outage.failure is not None
            self._lost += [(task, outage.failure) for task in host.queue]
            host.queue.clear()
            self._forget(host)
        return outage.due

    def _miss(self, host: Host, attempt: int, now: float) -> None:
        """An attempt came to no connection."""
        host.settled, host.misses = False, host.misses + 1
        outage = host.outage
        if outage is None:
            if host.answered and host.misses < SUSPECTED:
                return
            settings = self._settings
            outage = host.outage = Outage(
                host.name,
                answered=host.answered,
                retries=settings.retries,
                retry_delay=settings.retry_delay,
                connect_timeout=settings.connect_timeout,
            )
            self._outages.add(outage)
            self._turn_to_mirrors(host)
            if not outage.exhausted:
                message = f"{host.name} does not answer: its downloads wait while one at a time tries it again"
                self.notices.append(Notice(message, verbosity=1))
        elif outage.end_of(attempt):
            outage.probes += not host.speaking  # one that sends to others is busy, and not dead
        else:
            return
        if outage.exhausted and not host.speaking:
            self._give_up_host(host, outage, now)
        else:
            heapq.heappush(self._later, (now + outage.delay(), next(self._order), outage))

    def _hear(self, host: Host, attempt: int, task: Task, outcome: Outcome, now: float) -> None:
        """An attempt ended otherwise, which may be a sign of life."""
        outage = host.outage
        probed = outage is not None and outage.end_of(attempt)
        # the time for the file was over, or a connection from before the outage has fallen silent
        silent = self._is_too_late(task, now) or (outage is not None and not probed)
        if (
            outcome.verdict is Verdict.STOPPED
            or outcome.kind in _UNTOLD
            or outcome.proxy_failed
            or outcome.errno in SHORTAGES
            or (outcome.kind is Kind.TIMEOUT and silent)
        ):
            if outage is not None and probed:
                outage.due = True
            return
        self._found_alive(host, answered=outcome.kind not in _NO_ANSWER)

    def _found_alive(self, host: Host, *, answered: bool = True) -> None:
        """A host has shown a sign of life; what waited for one may go."""
        host.misses = 0
        host.answered = host.settled = host.answered or answered
        if (outage := host.outage) is not None:
            host.outage = None
            self._outages.over(outage)
            self.notices.append(Notice(f"{host.name} answers again", verbosity=1))

    def _turn_to_mirrors(self, host: Host) -> None:
        """Have what waits for a host and has another mirror go there."""
        waiting, host.queue = host.queue, deque()
        for task in waiting:
            if len(task.mirrors) > 1 and not task.hops and task.split is None:
                task.turn_to((*task.mirrors[1:], task.mirrors[0]))
                self._enqueue(task)
            else:
                host.queue.append(task)

    def _give_up_host(self, host: Host, outage: Outage, now: float) -> None:
        """All that waits for a host fails, and so does what comes soon."""
        outage.give_up(now)
        assert outage.failure is not None
        self._given_up += 1
        waiting = f"; {len(set(host.queue))} more downloads from it fail" if host.queue else ""
        verbosity = 0 if waiting and self._given_up <= DEAD_HOSTS_TOLD else 1
        self.notices.append(Notice(f"{outage.failure.message}{waiting}", verbosity))

    # -- what may not go, and what is short

    def _may_go(self, task: Task) -> bool:
        """Whether a download may be asked for where it is to be asked for next; else it is put elsewhere."""
        if self._block_private and is_private(host := _host(task.url)):
            message = f"{host} is no public address (--block-private)"
            self._lost.append((task, Outcome(Verdict.FAILED, Kind.BLOCKED, message)))
            return False
        url = self._routes.proxy(task.url)
        proxy = self._proxies.get(url) if url is not None else None
        if proxy is None or proxy.admits_next():
            return True
        if proxy.is_dead:
            self._lost.append((task, _beyond(proxy)))
        elif not task.hops and task.split is None and (turns := self._open_way(task)):
            task.mirrors = task.mirrors[turns:] + task.mirrors[:turns]
            task.partial = None
            task.from_the_start()
            self._enqueue(task, first=True)
        else:
            proxy.held.append(task)
        return False

    def _open_way(self, task: Task) -> int:
        """Which mirror of a download no failing proxy stands before; 0 for none."""
        ways = (self._routes.proxy(mirror) for mirror in task.mirrors)
        return next((turns for turns, way in enumerate(ways) if way is None or way not in self._proxies), 0)

    def give_up_lost(self, now: float) -> list[Ended]:
        """End the downloads that cannot go where they were to go; those that have another mirror go on there."""
        lost, self._lost = dict(self._lost), []  # a file in spans may have lost several places
        ended = [self._lose(task, failure, now) for task, failure in lost.items()]
        return [each for each in ended if each is not None]

    def _judge_proxy(self, url: str, attempt: int, outcome: Outcome, now: float) -> None:
        """What the end of an attempt says of the proxy that it went through."""
        proxy = self._proxies.get(url)
        if proxy is None:
            if not outcome.proxy_failed:
                return
            proxy = self._proxies[url] = Proxy(url)
        probed = proxy.end_of(attempt)
        if proxy.is_dead:
            return
        if shows_that_it_works(outcome):
            del self._proxies[url]
            self._let_go(proxy)
        elif probed and (outcome.verdict is Verdict.STOPPED or outcome.errno in SHORTAGES):
            proxy.allow_probe()
            self._let_go(proxy)
        else:
            begins = outcome.proxy_failed and proxy.failed(outcome)
            proxy.probes += probed
            if begins or probed:
                self._probe_later(proxy, now)

    def _probe_later(self, proxy: Proxy[Task], now: float) -> None:
        """Try a proxy that seems dead again after a while, or never more."""
        if proxy.is_hopeless or proxy.probes >= self._settings.retries:
            self._give_up_proxy(proxy)
            return
        if proxy.probes == 0:
            self.notices.append(Notice(f"the proxy {proxy.shown} fails: its downloads wait", verbosity=1))
        delay = retry.backoff(proxy.shown, proxy.probes + 1, self._settings.retry_delay)
        heapq.heappush(self._later, (now + delay, next(self._order), proxy))

    def _let_go(self, proxy: Proxy[Task]) -> None:
        """Have what waits for a proxy ask again whether it may go."""
        while proxy.held:
            self._enqueue(proxy.held.pop(), first=True)

    def _give_up_proxy(self, proxy: Proxy[Task]) -> None:
        """All that was to go through a proxy fails, wherever it waits."""
        proxy.is_dead = True
        failure = _beyond(proxy)
        self.notices.append(Notice(f"{failure.message}; nothing is fetched without it that should go through it"))
        self._let_go(proxy)
        for host in list(self._hosts.values()):
            self._lost += [(task, failure) for task in host.queue if self._goes_through(proxy, task)]
            host.queue = deque(task for task in host.queue if not self._goes_through(proxy, task))
            self._forget(host)
        later, self._later = sorted(self._later), []  # what is sorted is a heap
        for entry in later:
            if isinstance(entry[2], Task) and self._goes_through(proxy, entry[2]):
                self._lost.append((entry[2], failure))
            else:
                self._later.append(entry)

    def _goes_through(self, proxy: Proxy[Task], task: Task) -> bool:
        url = self._routes.proxy(task.url)
        return url is not None and self._proxies.get(url) is proxy

    def _lower_capacity(self, now: float) -> bool:
        """No more descriptors: carry no more at once than now, for a while; False if that has been in vain."""
        self._capacity, self._relief = len(self._active), now + RELIEF
        if self._active:
            return True
        self._shortages += 1
        if self._shortages <= SHORTAGES_WAITED_FOR:
            return True
        self._capacity = 1  # the next may as well fail at once
        return False

    def _relieve(self, now: float) -> None:
        """Carry a little more at once again."""
        self._capacity = min(self._most, self._capacity + 1 + self._capacity // 8)
        self._relief = now + RELIEF if self._capacity < self._most else math.inf

    def give_up_parked(self, now: float) -> list[Ended]:
        """End the downloads of parked hosts, if nothing else is left to do but wait for them.

        Those that have another mirror go on there.
        """
        if self._active or self._later or self._ready or self._lost:
            return []
        ended = []
        for host in [host for host in self._hosts.values() if host.parked]:
            assert host.paused_by is not None
            outcome = host.paused_by
            message = f"{outcome.message}, and the host asks to wait {outcome.retry_after:.0f} s"
            failure = _failure(Kind.HTTP, message, outcome._replace(timings=None))  # which are another's
            given_up, host.queue = host.queue, deque()
            ended += [self._lose(task, failure, now) for task in dict.fromkeys(given_up)]
        return [each for each in ended if each is not None]


def _authority(url: str) -> str:
    return urls.split(url).authority


def _host(url: str) -> str:
    return urls.split(url).host


def _given_up(host: Host, outcome: Outcome) -> Outcome | None:
    """The failure of a host that is given up, if no connection to it is what an attempt ended with."""
    if not outcome.unreachable or host.outage is None or not host.outage.given_up:
        return None
    assert host.outage.failure is not None
    return host.outage.failure._replace(timings=outcome.timings)


def _is_busy(host: Host | None, outcome: Outcome) -> bool:
    """Whether no connection came about as the host is busy with others; then it is waited for, at no cost."""
    return outcome.unreachable and host is not None and host.outage is not None and host.speaking > 0


def _is_crowded(outcome: Outcome) -> bool:
    """Whether a span may have been refused because others are under way: servers have limits for each client."""
    if outcome.status is None:
        return outcome.kind in (Kind.CONNECT, Kind.RESET) and outcome.errno is None
    return outcome.kind is Kind.HTTP and outcome.status in (429, 503)


def _beyond(proxy: Proxy[Task]) -> Outcome:
    """The failure of what could only be reached through a dead proxy."""
    assert proxy.failure is not None
    message = f"the proxy {proxy.shown} is given up: {proxy.failure.message}"
    return Outcome(Verdict.FAILED, Kind.PROXY, message)


def _failure(kind: Kind, message: str, after: Outcome) -> Outcome:
    return Outcome(Verdict.FAILED, kind, message, status=after.status, timings=after.timings)
