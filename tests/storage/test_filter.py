"""The filter: forgets no key, grows, and answers falsely only seldom."""

from __future__ import annotations

import random

import pytest

from pdl.storage import filter as filter_module
from pdl.storage.filter import Filter


@pytest.fixture
def small_stages(monkeypatch):
    """Stages that fill up within a test."""
    monkeypatch.setattr(filter_module, "_STAGES", (6, 8))
    monkeypatch.setattr(filter_module, "_LAST_STAGES", 10)


def keys(number, seed=1):
    draw = random.Random(seed)
    return [draw.getrandbits(64) for _ in range(number)]


def test_a_key_is_new_once():
    filter_ = Filter()
    assert 12345 not in filter_
    assert filter_.add(12345) is False
    assert filter_.add(12345) is True
    assert 12345 in filter_


@pytest.mark.parametrize("key", [0, 2**64 - 1, 2**63, 4095, 1 << 12])
def test_the_ends_of_the_range_are_keys(key):
    filter_ = Filter()
    assert not filter_.add(key)
    assert key in filter_


def test_no_key_is_forgotten_over_many_stages(small_stages):
    filter_ = Filter()
    added = keys(10_000)
    for key in added:
        filter_.add(key)
    assert all(key in filter_ for key in added)
    assert all(filter_.add(key) for key in added)


def test_false_answers_stay_rare_up_to_the_end_of_a_stage(monkeypatch):
    monkeypatch.setattr(filter_module, "_STAGES", (15,))
    filter_ = Filter()
    until_full = int(filter_module._LOAD * 2**15)
    assert sum(map(filter_.add, keys(until_full))) < until_full / 2000
    assert sum(key in filter_ for key in keys(50_000, seed=2)) < 50_000 / 500


def test_it_grows_by_stages_as_keys_come(small_stages):
    filter_ = Filter()
    sizes = [filter_.size]
    for key in keys(10_000):
        filter_.add(key)
        if filter_.size != sizes[-1]:
            sizes.append(filter_.size)
    words = [2**6, 2**6 + 2**8, 2**6 + 2**8 + 2**10, 2**6 + 2**8 + 2 * 2**10, 2**6 + 2**8 + 3 * 2**10]
    assert sizes == [8 * count for count in words]


def test_the_same_keys_give_the_same_answers(small_stages):
    one, other = Filter(), Filter()
    given = keys(5000)
    answers = [one.add(key) for key in given]
    assert answers == [other.add(key) for key in given]
    assert any(answers)


def test_masks_are_four_bits_all_different():
    masks = filter_module._masks()
    assert len(set(masks)) == 4096
    assert {mask.bit_count() for mask in masks} == {4}
