"""The table of what the demo serves is what its description promises."""

from __future__ import annotations

import pytest

from pdl.demo.images import png
from pdl.demo.knobs import Knobs
from pdl.demo.plan import plan, urls

TABLE = plan(Knobs())
FILES = [png(served.picture) for served in TABLE if served.listed]


def test_there_are_a_few_hundred_files_of_many_sizes_most_of_them_small():
    sizes = sorted(map(len, FILES))
    assert 200 <= len(sizes) <= 500
    assert sizes[0] < 2_000
    assert sizes[-1] > 900_000
    assert sizes[len(sizes) // 2] < 10_000
    assert 15_000_000 < sum(sizes) < 25_000_000


def test_no_two_files_are_equal_and_no_two_names():
    assert len(set(FILES)) == len(FILES)
    assert len({served.name.casefold() for served in TABLE if served.listed}) == len(FILES)
    assert len({served.path for served in TABLE}) == len(TABLE)


def test_one_after_another_the_delays_take_less_than_eight_seconds():
    assert sum(served.delay * len(served.replies) for served in TABLE) < 8


def test_most_delays_are_near_the_average_and_a_few_are_long():
    delays = [served.delay for served in TABLE]
    slow = [delay for delay in delays if delay > 0.1]
    assert 1 <= len(slow) <= 5
    assert all(0.01 <= delay <= 0.03 for delay in delays if delay not in slow)


@pytest.mark.parametrize("served", [served for served in TABLE if served.note], ids=lambda served: served.name)
def test_a_special_file_ends_as_its_replies_say(served):
    statuses = [reply.status for reply in served.replies]
    if (location := dict(served.replies[-1].headers).get("Location")) is not None:
        (target,) = [each for each in TABLE if each.path == location]
        assert target.picture == served.picture
        assert not target.listed
        statuses = [reply.status for reply in target.replies]
    assert statuses[-1] == served.ends
    assert str(served.replies[0].status) in served.note


def test_one_file_alone_fails():
    assert [served.name for served in TABLE if served.ends != 200] == ["gone.png"]


def test_knobs_say_how_many_files_there_are_and_how_slow_they_are():
    table = plan(Knobs(files=7, delay=0.0))
    assert len([served for served in table if not served.note and served.listed]) == 7
    assert {served.delay for served in table} == {0.0}
    assert {served.note for served in table} == {served.note for served in TABLE}


def test_the_list_has_what_is_listed_in_its_order():
    listed = urls(TABLE, ["http://127.0.0.1:9/"])
    assert listed == [f"http://127.0.0.1:9{served.path}" for served in TABLE if served.listed]
    assert len(listed) == len(TABLE) - 1
