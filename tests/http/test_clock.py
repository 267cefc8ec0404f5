"""The time-outs of one attempt, in a time that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.http.clock import TransferClock
from pdl.http.fault import TransferError
from pdl.settings import Settings


class Time:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def clock(
    time: Time,
    *,
    timeout: float = 30.0,
    min_speed: float = 100.0,
    connect_timeout: float = 10.0,
    limit: float | None = None,
) -> TransferClock:
    settings = Settings(timeout=timeout, min_speed=min_speed, connect_timeout=connect_timeout)
    return TransferClock(settings, limit, time)


def transferring(time: Time, **limits: float | None) -> TransferClock:
    running = clock(time, **limits)
    running.transferring()
    return running


def drip(time: Time, running: TransferClock, pauses: Iterable[float]) -> None:
    """One byte after each pause."""
    for pause in pauses:
        time.pass_by(pause)
        running.advance(1)


def fault(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(TransferError) as raised:
        call(*args)
    assert raised.value.kind is Kind.TIMEOUT
    return str(raised.value)


def test_a_connection_that_takes_too_long_is_given_up(time: Time):
    connecting = clock(time)
    time.pass_by(9.9)
    connecting.check()
    time.pass_by(0.1)
    assert "--connect-timeout" in fault(connecting.check)


def test_the_time_to_connect_begins_again_with_another_connection(time: Time):
    connecting = clock(time)
    time.pass_by(9)
    connecting.connecting()
    time.pass_by(9)
    connecting.check()


def test_what_a_proxy_answers_before_the_transfer_is_within_the_time_to_connect(time: Time):
    connecting = clock(time)
    time.pass_by(5)
    connecting.advance(200)
    time.pass_by(5)
    assert "--connect-timeout" in fault(connecting.advance, 1)


def test_what_came_while_connecting_does_not_count_as_speed(time: Time):
    running = clock(time)
    running.advance(1_000_000)
    running.transferring()
    for _ in range(30):
        time.pass_by(0.99)
        running.advance(10)
    time.pass_by(0.5)
    assert "too slow" in fault(running.advance, 10)


@pytest.mark.fault(8)
def test_a_transfer_where_nothing_comes_is_given_up(time: Time):
    running = transferring(time)
    time.pass_by(29.9)
    running.check()
    time.pass_by(0.1)
    assert fault(running.check) == "nothing came for 30 s (--timeout)"


def test_every_byte_puts_the_stall_off(time: Time):
    running = transferring(time, min_speed=0)
    drip(time, running, [29] * 100)
    time.pass_by(30)
    fault(running.check)


@pytest.mark.fault(9)
def test_a_byte_now_and_then_is_too_slow(time: Time):
    running = transferring(time)
    assert "too slow" in fault(drip, time, running, [1] * 100)
    assert time.seconds <= 1000 + 30 + 30 / 8 + 1


def test_bytes_that_drip_in_are_judged_as_they_come_however_long_the_pauses(time: Time):
    running = transferring(time)
    assert "too slow" in fault(drip, time, running, [29] * 10)


def test_just_the_least_speed_is_enough(time: Time):
    running = transferring(time)
    for _ in range(1000):
        time.pass_by(0.5)
        running.advance(50)


@pytest.mark.fault(9)
def test_a_burst_at_the_start_does_not_pay_for_a_drip_that_follows(time: Time):
    running = transferring(time)
    running.advance(10**9)
    assert "too slow" in fault(drip, time, running, [1] * 100)
    assert time.seconds <= 1000 + 2 * 30 + 30 / 8 + 1


def test_a_burst_and_then_silence_is_a_stall(time: Time):
    running = transferring(time)
    running.advance(10**9)
    time.pass_by(30)
    assert "nothing came" in fault(running.check)


def test_a_slow_start_is_forgiven_when_enough_comes_within_the_window(time: Time):
    running = transferring(time)
    time.pass_by(29)
    running.advance(1)
    time.pass_by(0.5)
    running.advance(3000)
    time.pass_by(10)
    running.advance(1)


def test_without_a_least_speed_only_silence_counts(time: Time):
    running = transferring(time, min_speed=0)
    drip(time, running, [29.9] * 1000)


def test_the_time_for_the_file_ends_it_however_fast_it_comes(time: Time):
    running = transferring(time, limit=60)
    for _ in range(59):
        time.pass_by(1)
        running.advance(10**6)
    time.pass_by(1)
    assert "--max-time" in fault(running.advance, 10**6)


def test_the_time_for_the_file_ends_a_connection_attempt_as_well(time: Time):
    connecting = clock(time, limit=3)
    time.pass_by(3)
    assert "--max-time" in fault(connecting.check)


@pytest.mark.parametrize(("limit", "left"), [(None, 2), (60, 2), (1, 1)])
def test_what_is_not_worth_waiting_for_ends_sooner_and_never_later(time: Time, limit: float | None, left: float):
    running = transferring(time, limit=limit)
    running.hurry(2)
    assert running.remaining() == left
    time.pass_by(left)
    fault(running.check)


def test_no_time_at_all_is_over_at_once(time: Time):
    assert "--max-time" in fault(clock(time, limit=0).check)


def test_what_remains_is_the_time_to_the_next_limit(time: Time):
    running = clock(time, limit=35)
    assert running.remaining() == 10
    time.pass_by(4)
    assert running.remaining() == 6
    running.transferring()
    assert running.remaining() == 30
    time.pass_by(20)
    running.advance(10_000)
    assert running.remaining() == 11  # of the time for the file


def test_what_remains_is_always_a_time_that_can_be_waited_for(time: Time):
    running = clock(time)
    time.pass_by(1000)
    assert 0 < running.remaining() < 0.1
    assert 0 < clock(time, connect_timeout=1e300).remaining() < 2**31 / 1000
    assert 0 < transferring(time, timeout=1e300).remaining() < 2**31 / 1000


@pytest.mark.fault(9)
@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(100, 10**6)), max_size=50),
    st.lists(st.floats(0.5, 29), min_size=100, max_size=100),
)
def test_whatever_came_before_a_drip_is_found_out(before: list[tuple[float, int]], pauses: list[float]):
    time = Time()
    running = transferring(time)
    for pause, count in before:
        time.pass_by(pause)
        running.advance(max(count, round(pause * 100) + 1))
    drip_begins = time.seconds
    fault(drip, time, running, pauses)
    assert time.seconds - drip_begins < 4 * 30


@given(st.lists(st.tuples(st.floats(0.001, 29), st.floats(1, 100)), max_size=60))
def test_what_is_never_slower_than_the_least_speed_is_never_given_up(steps: list[tuple[float, float]]):
    time = Time()
    running = transferring(time)
    for pause, excess in steps:
        time.pass_by(pause)
        running.advance(int(pause * 100 * excess) + 1)
