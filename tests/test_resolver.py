"""Name resolution that is never in anybody's way, even where the system's own hangs."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pdl import resolver as module
from pdl.resolver import Address, Lookup, ResolveError, Resolver

PATIENCE = 20.0
"""Seconds after which something that should come has failed to."""
V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))


class NameServer:
    """Stands in for `getaddrinfo`; names that begin with `hangs` hang until they are let go."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, list[object] | Exception] = {}
        self.let_go = threading.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.hanging: list[int] = []
        self._changed = threading.Condition()

    def getaddrinfo(self, host: str, *_: object) -> list[object]:
        with self._changed:
            self.asked[host] += 1
            if host.startswith("hangs"):
                self.hanging.append(threading.get_ident())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._changed.notify_all()
        try:
            if host.startswith("hangs"):
                assert self.let_go.wait(60)
            answer = self.answers.get(host, [V4])
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            with self._changed:
                self.at_once -= 1
                self._changed.notify_all()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.let_go.set()
    for thread in workers():
        thread.join(PATIENCE)
    assert not workers()


@pytest.fixture
def resolver(names: NameServer) -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.close()


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pdl-resolver"]


def answered(lookup: Lookup) -> tuple[Address, ...]:
    assert lookup.wait(PATIENCE)
    return lookup.result()


def failed(lookup: Lookup) -> ResolveError:
    assert lookup.wait(PATIENCE)
    with pytest.raises(ResolveError) as raised:
        lookup.result()
    return raised.value


# answers


def test_addresses_come_in_the_systems_order_each_once(resolver: Resolver, names: NameServer):
    scoped = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 0, 0, 3))
    unix = (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "x") if hasattr(socket, "AF_UNIX") else V4
    names.answers["h"] = [V6, unix, V4, scoped, V6]
    assert answered(resolver.lookup("h")) == (
        Address(socket.AF_INET6, "2001:db8::1", 0),
        Address(socket.AF_INET, "192.0.2.1", 0),
        Address(socket.AF_INET6, "fe80::1", 3),
    )


def test_an_address_becomes_what_connect_takes():
    assert Address(socket.AF_INET, "192.0.2.1", 0).sockaddr(80) == ("192.0.2.1", 80)
    assert Address(socket.AF_INET6, "fe80::1", 3).sockaddr(80) == ("fe80::1", 80, 0, 3)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_an_address_is_its_own_answer_at_once(resolver: Resolver, names: NameServer, host: str, family: int):
    lookup = resolver.lookup(host)
    assert lookup.done
    assert lookup.result() == (Address(family, host, 0),)
    assert not names.asked


@pytest.mark.fault(47)
@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), False),
        (socket.gaierror(getattr(socket, "EAI_NODATA", socket.EAI_NONAME), "No address"), False),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), True),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"), True),
        (OSError(24, "Too many open files"), True),
        (UnicodeError("label too long"), False),
    ],
)
def test_a_failure_says_whether_asking_again_may_help(
    resolver: Resolver, names: NameServer, error: Exception, transient: bool
):
    names.answers["dead.example"] = error
    found = failed(resolver.lookup("dead.example"))
    assert found.transient is transient
    assert str(found).startswith("cannot resolve dead.example: ")


def test_a_name_without_any_address_is_a_failure(resolver: Resolver, names: NameServer):
    names.answers["empty"] = []
    found = failed(resolver.lookup("empty"))
    assert (str(found), found.transient) == ("cannot resolve empty: it has no address", False)


def test_a_label_that_is_too_long_for_dns_is_a_failure_of_that_name_alone():
    resolver = Resolver()  # with the system's own getaddrinfo, which raises UnicodeError
    try:
        assert not failed(resolver.lookup("a" * 70 + ".example")).transient
    finally:
        resolver.close()


# one look-up for all who ask


def test_who_asks_for_the_same_name_waits_for_the_same_look_up(resolver: Resolver, names: NameServer):
    first = resolver.lookup("hangs")
    assert all(resolver.lookup("hangs") is first for _ in range(100))
    names.let_go.set()
    assert answered(first)
    assert names.asked == {"hangs": 1}


def test_many_threads_that_ask_at_once_cause_one_look_up(resolver: Resolver, names: NameServer):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: answered(resolver.lookup(f"h{n % 10}")), range(400)))
    assert len(set(answers)) == 1
    assert set(names.asked.values()) == {1}


def test_an_answer_is_kept_for_a_while(resolver: Resolver, names: NameServer, clock: Clock):
    answered(resolver.lookup("h"))
    clock.now += module.KEPT - 1
    assert resolver.lookup("h").done
    assert names.asked["h"] == 1
    clock.now += 2
    names.answers["h"] = [V6]
    assert answered(resolver.lookup("h"))[0].ip == "2001:db8::1"
    assert names.asked["h"] == 2


@pytest.mark.fault(47)
def test_a_failure_is_kept_for_a_shorter_while(resolver: Resolver, names: NameServer, clock: Clock):
    names.answers["h"] = socket.gaierror(socket.EAI_AGAIN, "later")
    failed(resolver.lookup("h"))
    failed(resolver.lookup("h"))
    assert names.asked["h"] == 1
    clock.now += module.KEPT_FAILURE + 1
    names.answers["h"] = [V4]
    assert answered(resolver.lookup("h"))


def test_a_failure_can_be_had_by_many(resolver: Resolver, names: NameServer):
    names.answers["h"] = socket.gaierror(socket.EAI_NONAME, "no")
    lookup = resolver.lookup("h")
    assert failed(lookup) is failed(lookup)


def test_names_are_remembered_within_bounds(resolver: Resolver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_NAMES", 8)
    for n in range(50):
        answered(resolver.lookup(f"h{n}"))
    assert len(resolver._names) <= 8
    assert "h49" in resolver._names


def test_names_that_are_still_waited_for_are_not_forgotten(
    resolver: Resolver, names: NameServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MOST_NAMES", 4)
    hanging = [resolver.lookup(f"hangs{n}") for n in range(6)]
    assert all(resolver.lookup(f"hangs{n}") is lookup for n, lookup in enumerate(hanging))


# what hangs is in nobody's way


@pytest.mark.fault(47)
def test_a_name_that_hangs_holds_no_other(resolver: Resolver, names: NameServer):
    hanging = resolver.lookup("hangs")
    assert answered(resolver.lookup("h"))
    assert all(thread.daemon for thread in workers())  # nor does it hold the end of the program
    assert not hanging.done
    assert not hanging.wait(0)


@pytest.mark.fault(47)
def test_names_that_hang_in_every_worker_hold_no_other(
    resolver: Resolver, names: NameServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "STUCK", 0.05)
    hanging = [resolver.lookup(f"hangs{n}") for n in range(3 * module.WORKERS)]
    others = [resolver.lookup(f"h{n}") for n in range(5)]
    for lookup in others:
        assert answered(lookup)
    assert not any(lookup.done for lookup in hanging)


def test_look_ups_at_once_are_bounded_while_none_hangs(resolver: Resolver, names: NameServer):
    lookups = [resolver.lookup(f"hangs{n}") for n in range(3 * module.WORKERS)]
    names.wait_until(lambda: names.at_once == module.WORKERS)
    assert len(workers()) <= module.WORKERS + 1  # one waits for the others to be stuck
    names.let_go.set()
    for lookup in lookups:
        assert answered(lookup)
    assert names.most_at_once == module.WORKERS


def test_threads_are_bounded_even_where_everything_hangs(
    resolver: Resolver, names: NameServer, monkeypatch: pytest.MonkeyPatch
):
    for name, value in (("WORKERS", 2), ("MOST_WORKERS", 5), ("STUCK", 0.01)):
        monkeypatch.setattr(module, name, value)
    lookups = [resolver.lookup(f"hangs{n}") for n in range(20)]
    names.wait_until(lambda: names.at_once == 5)
    assert len(workers()) == 5
    names.let_go.set()
    for lookup in lookups:
        assert answered(lookup)
    assert names.most_at_once == 5


def test_one_after_another_needs_few_threads(resolver: Resolver):
    for n in range(200):
        answered(resolver.lookup(f"h{n}"))
    assert len(workers()) <= 3


def test_threads_end_when_there_has_been_nothing_to_do_for_a_while(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
):
    for name, value in (("_IDLE", 0.01), ("WORKERS", 1)):
        monkeypatch.setattr(module, name, value)
    for n in range(5):  # others begin when there is
        answered(resolver.lookup(f"h{n}"))
        for thread in workers():
            thread.join(PATIENCE)
        assert not workers()


# the end


def test_close_waits_for_nobody_and_ends_the_threads_that_do_not_hang(resolver: Resolver, names: NameServer):
    hanging = resolver.lookup("hangs")
    answered(resolver.lookup("h"))
    names.wait_until(lambda: names.at_once == len(names.hanging) == 1)
    resolver.close()
    resolver.close()
    for thread in workers():
        if thread.ident not in names.hanging:
            thread.join(PATIENCE)
    assert [thread.ident for thread in workers()] == names.hanging
    assert not hanging.done


def test_what_was_not_begun_at_the_end_is_never_begun(resolver: Resolver, names: NameServer):
    for n in range(3 * module.WORKERS):
        resolver.lookup(f"hangs{n}")
    names.wait_until(lambda: names.at_once == module.WORKERS)
    resolver.close()
    names.let_go.set()
    for thread in workers():
        thread.join(PATIENCE)
    assert names.asked.total() == module.WORKERS


def test_after_the_end_nothing_is_looked_up(resolver: Resolver, names: NameServer):
    resolver.close()
    lookups = [resolver.lookup(f"h{n}") for n in range(3)]
    assert not any(lookup.done for lookup in lookups)
    assert not workers()
    assert not names.asked
    assert resolver.lookup("127.0.0.1").done


def test_a_resolver_that_was_never_asked_has_no_thread(names: NameServer):
    Resolver()
    assert not workers()


# callbacks


def test_a_callback_is_called_once_when_the_answer_comes(resolver: Resolver, names: NameServer):
    rung = threading.Event()
    calls: list[bool] = []
    lookup = resolver.lookup("hangs")
    lookup.call_when_done(lambda: calls.append(lookup.done))
    lookup.call_when_done(rung.set)
    assert not rung.is_set()
    names.let_go.set()
    assert rung.wait(PATIENCE)
    answered(lookup)
    assert calls == [True]


def test_a_callback_that_comes_late_is_called_at_once(resolver: Resolver):
    lookup = resolver.lookup("127.0.0.1")
    calls: list[int] = []
    lookup.call_when_done(lambda: calls.append(1))
    assert calls == [1]


def test_a_callback_that_is_forgotten_is_not_called(resolver: Resolver, names: NameServer):
    calls: list[str] = []

    def unwanted() -> None:
        calls.append("unwanted")

    lookup = resolver.lookup("hangs")
    lookup.call_when_done(unwanted)
    lookup.call_when_done(lambda: calls.append("wanted"))
    lookup.forget(unwanted)
    lookup.forget(unwanted)  # again does nothing
    names.let_go.set()
    answered(lookup)
    for thread in workers():
        resolver.close()
        thread.join(PATIENCE)
    assert calls == ["wanted"]
