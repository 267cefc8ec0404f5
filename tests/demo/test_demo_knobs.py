"""Knobs are read as they are written, and the plan is as they say."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import fields
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl import cli
from pdl.demo import PRESETS, Knobs, changed
from pdl.demo.images import png
from pdl.demo.plan import Reply, Served, plan
from pdl.errors import SettingsError

PLAIN = Knobs(files=100, smallest=200, largest=2_000, delay=0.0, special=False)


def first_replies(table: tuple[Served, ...]) -> Counter[Reply]:
    return Counter(served.replies[0] for served in table)


# -- the text


def test_a_text_changes_what_it_names_and_nothing_else():
    text = "files=500, delay=0.2,tail=fixed,keep-alive=no,special=YES,keep_alive=No"
    assert changed(PLAIN, text) == Knobs(500, 200, 2_000, 0.2, "fixed", keep_alive=False, special=True)


@pytest.mark.parametrize("text", ["", ",", "nope=1", "files", "=3", "files=1,,hosts=2", "files=1,x"])
def test_what_names_no_knob_is_told_all_names(text):
    with pytest.raises(SettingsError) as caught:
        changed(PLAIN, text)
    assert {field.name for field in fields(Knobs)} <= set(str(caught.value).replace(",", " ").split())


WRONG = {
    "files=0": "files takes 1 to 100,000, not 0",
    "files=1.5": "files takes a whole number, not '1.5'",
    "files=": "files takes a whole number, not ''",
    "delay=-1": "delay takes 0 to 60, not -1.0",
    "delay=nan": "delay takes 0 to 60, not nan",
    "delay=soon": "delay takes a number, not 'soon'",
    "tail=short": "tail takes fixed, few-slow, long-tailed, not 'short'",
    "keep_alive=1": "keep_alive takes yes or no, not '1'",
    "hosts=251": "hosts takes 1 to 250, not 251",
    "smallest=3000": "smallest, 3,000, is more than largest, 2,000",
    "busy=0.5,failing=0.3,reset=0.3": "together at most 1",
    "files=100000,smallest=90000,largest=90000": "more than 2 GB",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_bad_value_is_told_what_its_knob_takes(text):
    with pytest.raises(SettingsError) as caught:
        changed(PLAIN, text)
    assert WRONG[text] in str(caught.value)


@given(st.text("filesdayhot=,.-0123456789nos", max_size=30) | st.text())
def test_any_text_is_knobs_or_refused(text):
    with suppress(SettingsError):
        assert isinstance(changed(PLAIN, text), Knobs)


# -- the plan


def test_sizes_go_from_the_smallest_to_the_largest():
    sizes = sorted(len(png(served.picture)) for served in plan(PLAIN))
    assert 200 <= sizes[0] < 210
    assert 1_800 < sizes[-1] <= 2_000
    assert sizes[50] < 600


def test_equal_sizes_give_every_file_that_size_and_another_content():
    files = [png(served.picture) for served in plan(changed(PLAIN, "smallest=777,largest=777"))]
    assert {len(file) for file in files} == {777}
    assert len(set(files)) == 100


def test_fixed_delays_are_all_equal():
    assert {served.delay for served in plan(changed(PLAIN, "delay=0.3,tail=fixed"))} == {0.3}


def test_long_tailed_delays_have_the_mean_and_a_few_are_much_longer():
    delays = sorted(served.delay for served in plan(changed(PLAIN, "delay=0.1,tail=long-tailed")))
    assert sum(delays) / len(delays) == pytest.approx(0.1)
    assert median(delays) < 0.07
    assert delays[90] > 0.19
    assert delays[-1] > 0.5


def test_shares_are_kept_to_the_file():
    replies = first_replies(plan(changed(PLAIN, "busy=0.1,failing=0.25,reset=0.3")))
    assert replies[Reply(429, (("Retry-After", "1"),))] == 10
    assert replies[Reply(503)] == 25
    assert (replies[Reply(reset="before")], replies[Reply(reset="within")]) == (15, 15)
    assert replies[Reply()] == 35


@given(st.integers(1, 300), st.tuples(*[st.floats(0, 1 / 3)] * 3))
def test_any_shares_are_kept_within_a_file(files, shares):
    busy, failing, reset = shares
    table = plan(Knobs(files=files, delay=0.0, busy=busy, failing=failing, reset=reset, special=False))
    troubled = [served for served in table if served.replies != (Reply(),)]
    assert abs(len(troubled) - files * sum(shares)) <= 0.5 + 1e-6
    assert all(served.replies[1:] == (Reply(),) and served.ends == 200 for served in troubled)
    assert abs(sum(served.replies[0].status == 503 for served in troubled) - files * failing) <= 1 + 1e-6


def test_faults_are_spread_over_the_list_and_the_same_each_time():
    knobs = changed(PLAIN, "failing=0.2")
    troubled = [nth for nth, served in enumerate(plan(knobs)) if served.replies[0].status == 503]
    assert plan(knobs) == plan(knobs)
    assert {nth // 25 for nth in troubled} == {0, 1, 2, 3}


def test_hosts_take_turns():
    counts = Counter(served.host for served in plan(changed(PLAIN, "hosts=7,special=yes")) if not served.note)
    assert set(counts) == set(range(7))
    assert max(counts.values()) - min(counts.values()) <= 2


def test_without_special_files_there_is_nothing_to_tell():
    table = plan(PLAIN)
    assert len(table) == 100
    assert not any(served.note for served in table)


# -- presets


def test_the_command_has_the_names_of_the_presets():
    assert tuple(PRESETS) == cli._PRESETS
    assert all(preset.name == name for name, preset in PRESETS.items())


@pytest.mark.parametrize("name", PRESETS)
def test_one_after_another_the_waits_of_a_preset_take_less_than_eight_seconds(name):
    knobs, table = PRESETS[name].knobs, plan(PRESETS[name].knobs)
    waits = sum(served.delay * len(served.replies) for served in table)
    bodies = sum(served.picture.size for served in table)
    assert waits + (bodies / knobs.bandwidth if knobs.bandwidth else 0) < 8


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_a_story_of_two_or_three_sentences(name):
    assert 2 <= PRESETS[name].story.count(". ") + PRESETS[name].story.endswith(".") <= 3
    assert "  " not in PRESETS[name].story
