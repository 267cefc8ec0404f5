import itertools
import threading

import pytest

from pdl.sources.feeder import Feeder


class Counter:
    """An endless iterator that fails when it is advanced further than allowed."""

    def __init__(self, window):
        self.allowed = window
        self.advanced = 0

    def __iter__(self):
        return self

    def __next__(self):
        assert self.advanced < self.allowed
        self.advanced += 1
        return self.advanced


def take_some(feeder, limit, wait_until):
    taken = []
    wait_until(lambda: taken.extend(feeder.take(limit)) or taken)
    return taken


def test_an_iterator_is_never_advanced_beyond_the_window(wait_until):
    counter = Counter(window=7)
    feeder = Feeder(counter, window=7)
    for _ in range(50):
        wait_until(lambda: counter.advanced == counter.allowed)
        counter.allowed += 3
        assert len(feeder.take(3)) == 3

    wait_until(lambda: counter.advanced == 7 + 150)
    feeder.close()


def test_items_come_once_and_in_order(wait_until):
    feeder = Feeder(iter(range(1000)), window=10)
    items = []
    while (taken := feeder.take(4)) is not None:
        items += taken

    assert items == list(range(1000))
    assert feeder.take(4) is None


def test_an_item_is_there_before_the_next_is_asked_for(wait_until):
    gate = threading.Event()

    def one_and_then_silence():
        yield 1
        gate.wait()

    feeder = Feeder(one_and_then_silence(), window=10)

    assert take_some(feeder, 5, wait_until) == [1]
    assert feeder.take(5) == []
    gate.set()
    wait_until(lambda: feeder.take(5) is None)


@pytest.mark.parametrize("raised", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_what_the_iterator_raises_comes_as_it_is_after_the_items_before_it(raised, wait_until):
    def broken():
        yield from range(5)
        raise raised

    feeder = Feeder(broken(), window=100)
    items = []
    with pytest.raises(type(raised)) as caught:
        wait_until(lambda: items.extend(feeder.take(2)))

    assert caught.value is raised
    assert items == list(range(5))
    assert feeder.take(2) is None


def test_an_iterable_that_cannot_even_begin_raises_from_take(wait_until):
    class Broken:
        def __iter__(self):
            raise OSError("no begin")

    feeder = Feeder(Broken(), window=1)

    with pytest.raises(OSError, match="no begin"):
        wait_until(lambda: feeder.take(1))


def test_a_generator_that_waits_for_room_is_closed_in_the_feeders_thread(wait_until):
    closed_by = []

    def endless():
        try:
            yield from itertools.count()
        finally:
            closed_by.append(threading.current_thread().name)

    feeder = Feeder(endless(), window=2)
    take_some(feeder, 1, wait_until)
    feeder.close()

    wait_until(lambda: closed_by)
    assert closed_by == ["pdl-feeder"]
    wait_until(lambda: feeder.take(1) is None)


def test_close_does_not_wait_for_a_generator_that_hangs(wait_until):
    entered, gate, closed = threading.Event(), threading.Event(), threading.Event()

    def hanging():
        try:
            entered.set()
            gate.wait()
            yield 1
            raise AssertionError("advanced after close()")
        finally:
            closed.set()

    feeder = Feeder(hanging(), window=2)
    assert entered.wait(20)
    feeder.close()
    assert not closed.is_set()

    gate.set()
    assert closed.wait(20)
    wait_until(lambda: feeder.take(1) is None)


def test_a_generator_that_objects_to_being_closed_is_heard_by_nobody(wait_until):
    def stubborn():
        try:
            yield from itertools.count()
        finally:
            raise ValueError("not now")

    feeder = Feeder(stubborn(), window=2)
    take_some(feeder, 1, wait_until)
    feeder.close()

    wait_until(lambda: feeder.take(1) is None)


def test_an_iterator_of_the_caller_is_left_open(tmp_path, wait_until):
    path = tmp_path / "lines"
    path.write_text("a\n" * 100)
    with open(path) as lines:
        feeder = Feeder(lines, window=2)
        take_some(feeder, 1, wait_until)
        feeder.close()
        wait_until(lambda: feeder.take(1) is None)

        assert not lines.closed
