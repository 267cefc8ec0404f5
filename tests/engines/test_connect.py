"""Connections to the first of several addresses that answers, and to none that is not allowed."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.engines import connect as module
from pdl.engines import pools
from pdl.engines.addresses import allowed, interleave
from pdl.engines.connect import connect
from pdl.engines.leash import Leash, Stopped
from pdl.engines.sockets import Sockets
from pdl.errors import Kind
from pdl.http.clock import TransferClock
from pdl.http.fault import TransferError
from pdl.model import Reach
from pdl.resolver import Address, Resolver
from pdl.settings import Settings

HERE = Address(socket.AF_INET, "127.0.0.1", 0)
ELSEWHERE = Address(socket.AF_INET, "127.0.0.2", 0)


def v4(number: int) -> Address:
    return Address(socket.AF_INET, f"192.0.2.{number}", 0)


def v6(number: int) -> Address:
    return Address(socket.AF_INET6, f"2001:db8::{number:x}", 0)


def leash(seconds: float = 20.0) -> Leash:
    return Leash(TransferClock(Settings(connect_timeout=seconds), None, time.monotonic))


class DeafSockets(Sockets):
    """Never hears from the first sockets, as if their addresses swallowed every packet.

    Args:
        count: how many of them.
    """

    def __init__(self, count: int = 1) -> None:
        self.seen: list[socket.socket] = []
        self._count = count

    @property
    def silent(self) -> list[socket.socket]:
        return self.seen[: self._count]

    def wait_writable(self, socks: Sequence[socket.socket], timeout: float) -> list[socket.socket]:
        self.seen += [sock for sock in socks if sock not in self.seen]
        return super().wait_writable([sock for sock in socks if sock not in self.silent], timeout)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def port(listener: socket.socket) -> int:
    return listener.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else is given."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def fault(*args: object) -> TransferError:
    with pytest.raises(TransferError) as raised:
        connect(*args)
    return raised.value


# the order


def test_families_take_turns_from_the_systems_first():
    assert interleave([v6(1), v6(2), v6(3), v4(1), v4(2)]) == [v6(1), v4(1), v6(2), v4(2), v6(3)]
    assert interleave([v4(1), v4(2), v6(1)]) == [v4(1), v6(1), v4(2)]
    assert interleave([]) == []


@given(st.lists(st.builds(v4, st.integers(1, 99)) | st.builds(v6, st.integers(1, 99)), unique=True))
def test_no_address_is_lost_and_each_family_keeps_its_order(addresses: list[Address]):
    turns = interleave(addresses)
    assert sorted(turns) == sorted(addresses)
    for family in (socket.AF_INET, socket.AF_INET6):
        own = [address for address in addresses if address.family == family]
        assert [address for address in turns if address.family == family] == own
    families = [address.family for address in turns]
    both = 2 * min(families.count(socket.AF_INET), families.count(socket.AF_INET6))
    assert all(one != other for one, other in pairwise(families[:both]))


# what is not allowed


@pytest.mark.fault(26)
@pytest.mark.parametrize("ip", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254"])
@pytest.mark.parametrize("first", [True, False])
def test_a_link_local_address_is_refused_wherever_it_stands(ip: str, first: bool):
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    addresses = [Address(family, ip, 0), v4(1)] if first else [v4(1), Address(family, ip, 0)]
    with pytest.raises(TransferError, match=f"the redirect leads to the link-local address {ip}") as raised:
        allowed(tuple(addresses), Reach.NOT_LINK_LOCAL)
    assert raised.value.kind is Kind.BLOCKED
    assert list(allowed(tuple(addresses), Reach.ANY)) == interleave(addresses)


def test_other_addresses_of_private_networks_are_allowed():
    addresses = [v4(1), HERE, Address(socket.AF_INET, "10.0.0.1", 0), Address(socket.AF_INET6, "::1", 0)]
    assert list(allowed(tuple(addresses), Reach.NOT_LINK_LOCAL)) == interleave(addresses)


# connecting


def test_a_connection_is_made_and_waits_for_no_acknowledgements(listener: socket.socket, port: int, nothing_left):
    with connect([HERE], port, leash(), Sockets()) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted, address = listener.accept()
        accepted.close()
        assert address == sock.getsockname()


def test_a_refused_connection_is_a_fault_with_its_reason(closed_port: int, nothing_left):
    found = fault([HERE, HERE], closed_port, leash(), Sockets())
    assert found.kind is Kind.CONNECT
    assert str(found) == f"cannot connect: {os.strerror(errno.ECONNREFUSED)}"


def test_without_an_address_there_is_nothing_to_connect_to():
    assert str(fault([], 80, leash(), Sockets())) == "cannot connect: it has no address"


@pytest.mark.fault(48)
def test_a_refusal_makes_way_for_the_next_address_at_once(monkeypatch: pytest.MonkeyPatch, nothing_left):
    monkeypatch.setattr(module, "STAGGER", 3600.0)  # whoever waits it out runs into the connection's time-out
    try:
        listener = socket.create_server(("127.0.0.2", 0))
    except OSError:
        pytest.skip("this machine has no second loopback address")
    with listener, connect([HERE, ELSEWHERE], listener.getsockname()[1], leash(), Sockets()) as sock:
        assert sock.getpeername()[0] == "127.0.0.2"


@pytest.mark.fault(48)
def test_an_address_that_never_answers_holds_up_no_other(port: int, monkeypatch: pytest.MonkeyPatch, nothing_left):
    monkeypatch.setattr(module, "STAGGER", 0.01)
    sockets = DeafSockets(2)
    with connect([HERE, HERE, HERE], port, leash(), sockets) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)
    assert len(sockets.silent) == 2
    assert all(silent.fileno() == -1 for silent in sockets.silent)


@pytest.mark.fault(48)
def test_an_address_that_answers_late_still_wins_over_those_that_do_not(
    port: int, monkeypatch: pytest.MonkeyPatch, nothing_left
):
    monkeypatch.setattr(module, "STAGGER", 0.01)

    class LateSockets(DeafSockets):
        """Hears from the first socket once a second one was tried."""

        @property
        def silent(self) -> list[socket.socket]:
            return self.seen[:1] if len(self.seen) == 1 else self.seen[1:]

    with connect([HERE, HERE], port, leash(), LateSockets()) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)


def test_addresses_that_never_answer_time_out(port: int, monkeypatch: pytest.MonkeyPatch, nothing_left):
    monkeypatch.setattr(module, "STAGGER", 0.01)
    sockets = DeafSockets(9)
    found = fault([HERE, HERE, HERE], port, leash(0.1), sockets)
    assert (found.kind, "--connect-timeout" in str(found)) == (Kind.TIMEOUT, True)
    assert len(sockets.seen) == 3
    assert all(sock.fileno() == -1 for sock in sockets.seen)


def test_an_attempt_that_is_let_go_stops_connecting(port: int, nothing_left):
    held = leash()

    class CutSockets(DeafSockets):
        """Lets the attempt go while it waits."""

        def wait_writable(self, socks: Sequence[socket.socket], timeout: float) -> list[socket.socket]:
            held.cut(Stopped())
            return super().wait_writable(socks, 0)

    sockets = CutSockets()
    with pytest.raises(Stopped):
        connect([HERE], port, held, sockets)
    assert sockets.silent[0].fileno() == -1


def test_no_wait_is_so_long_that_a_cut_goes_unnoticed(port: int):
    waits: list[float] = []

    class NotingSockets(DeafSockets):
        def wait_writable(self, socks: Sequence[socket.socket], timeout: float) -> list[socket.socket]:
            waits.append(timeout)
            return super().wait_writable(socks, min(timeout, 0.01))

    fault([HERE], port, leash(0.05), NotingSockets())
    assert max(waits) <= module.SLICE


def test_a_socket_of_the_engines_kind_is_given_back(port: int, nothing_left):
    class WrappingSockets(Sockets):
        def adopt(self, sock: socket.socket) -> list[socket.socket]:
            return [sock]

    (sock,) = connect([HERE], port, leash(), WrappingSockets())
    sock.close()


# what the system refuses


def test_an_address_that_cannot_be_reached_at_all_makes_way_at_once(
    port: int, monkeypatch: pytest.MonkeyPatch, nothing_left
):
    class RoutelessSocket(socket.socket):
        """There is no way to the networks for documentation."""

        def connect_ex(self, address: tuple[str, int]) -> int:
            return errno.ENETUNREACH if address[0].startswith("192.0.2.") else super().connect_ex(address)

    monkeypatch.setattr(socket, "socket", RoutelessSocket)
    monkeypatch.setattr(module, "STAGGER", 3600.0)
    with connect([v4(1), v4(2), HERE], port, leash(), Sockets()) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)
    assert str(fault([v4(1), v4(2)], port, leash(), Sockets())) == (
        f"cannot connect: {os.strerror(errno.ENETUNREACH)}"
    )


def test_connecting_blocks_nobody(port: int, nothing_left):
    blocking: list[bool] = []

    class NotingSockets(Sockets):
        def wait_writable(self, socks: Sequence[socket.socket], timeout: float) -> list[socket.socket]:
            blocking.extend(sock.getblocking() for sock in socks)
            return super().wait_writable(socks, timeout)

    connect([HERE], port, leash(), NotingSockets()).close()
    assert blocking
    assert not any(blocking)


@pytest.mark.fault(51)
def test_without_a_socket_to_be_had_the_attempt_fails(port: int, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", refused)
    found = fault([HERE], port, leash(), Sockets())
    assert (found.kind, str(found)) == (Kind.CONNECT, "cannot connect: Too many open files")


def test_a_socket_that_connects_just_when_its_attempt_is_cut_is_closed(monkeypatch):
    made = []

    def connect_and_cut(addresses: Sequence[Address], port: int, held: Leash, sockets: Sockets) -> socket.socket:
        made.append(connect(addresses, port, held, sockets))
        held.cut(Stopped())
        return made[0]

    monkeypatch.setattr(pools, "connect", connect_and_cut)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = pools._HTTPConnection("127.0.0.1", server.getsockname()[1])
        connection.ride = pools.Ride(leash(), Resolver(), Sockets(), Reach.ANY)
        with pytest.raises(Stopped):
            connection._new_conn()
    assert made[0].fileno() == -1
