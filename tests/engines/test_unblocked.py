"""The ends of queues that hold nobody up: half a message, and more than the pipe takes."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Iterator

import pytest

from pdl.engines.processes.queues import Receiver, Sender, one_way
from pdl.engines.processes.unblocked import unblocked_receiver, unblocked_sender

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there the ends may block")

LARGE = "x" * 600_000
"""More than any pipe takes at once."""


@pytest.fixture
def ends() -> Iterator[tuple[Receiver, Sender]]:
    receiver, sender = one_way()
    yield receiver, sender
    receiver.close()
    sender.close()


def test_a_message_is_given_when_it_is_whole(ends: tuple[Receiver, Sender]):
    receiver, told = unblocked_receiver(ends[0]), ends[1].connection.fileno()
    data = pickle.dumps("first")
    message = struct.pack("!i", len(data)) + data
    assert receiver.get() is None
    for byte in message[:-1]:
        os.write(told, bytes([byte]))
        assert receiver.get() is None
    os.write(told, message[-1:])
    ends[1].put("second")
    assert [receiver.get(), receiver.get(), receiver.get()] == ["first", "second", None]


def test_half_a_message_of_one_that_has_died_is_its_end(ends: tuple[Receiver, Sender]):
    receiver = unblocked_receiver(ends[0])
    os.write(ends[1].connection.fileno(), struct.pack("!i", 100) + b"half")
    ends[1].close()
    with pytest.raises(EOFError):
        receiver.get()


def test_what_does_not_fit_is_sent_later_and_in_order(ends: tuple[Receiver, Sender]):
    sender, receiver = unblocked_sender(ends[1]), unblocked_receiver(ends[0])
    messages = [LARGE, "second", LARGE, "fourth"]
    for message in messages:
        sender.put(message)
    found = []
    while len(found) < len(messages):
        sender.push_on()
        if (message := receiver.get()) is not None:
            found.append(message)
    assert found == messages
    assert not sender.push_on()


def test_the_other_ends_are_those_of_multiprocessing(ends: tuple[Receiver, Sender]):
    unblocked_sender(ends[1]).put(["told"])
    assert ends[0].get() == ["told"]


def test_nothing_is_sent_of_what_cannot_be_pickled(ends: tuple[Receiver, Sender]):
    sender = unblocked_sender(ends[1])
    with pytest.raises(Exception, match="pickle"):
        sender.put(["told", lambda: None])
    sender.put("next")
    assert ends[0].get() == "next"


def test_one_that_is_gone_is_told_of_each_time(ends: tuple[Receiver, Sender]):
    """Else somebody would be thought to have what was meant for the dead."""
    sender = unblocked_sender(ends[1])
    sender.put(LARGE)
    ends[0].close()
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            sender.put("more")
    assert not sender.push_on()
