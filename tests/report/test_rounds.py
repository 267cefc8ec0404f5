"""Figures of several rounds, and when they name a winner."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.report.ranking import fastest, winner
from pdl.report.rounds import figure, paired_ratio

SECONDS = st.floats(1e-3, 1e3)
COMPARISONS = 1000


def test_a_figure_is_the_median_between_the_ends():
    assert figure([3.0, 1.0, 2.0, 9.0]) == (2.5, 1.0, 9.0)


def test_ratios_are_taken_round_by_round():
    ratio = paired_ratio([2.0, 20.0, 200.0], [1.0, 10.0, 100.0])
    assert ratio.value == pytest.approx(2)
    assert (ratio.low, ratio.high) == (pytest.approx(2), pytest.approx(2))
    assert ratio.is_apart


def test_the_interval_is_students():
    logs = [0.1, 0.2, 0.4]  # mean 0.2333, standard deviation 0.15275; t of two degrees of freedom is 4.303
    ratio = paired_ratio([math.exp(each) for each in logs], [1.0] * 3)
    reach = 4.303 * 0.15275 / math.sqrt(3)
    assert ratio.value == pytest.approx(math.exp(0.23333), rel=1e-4)
    assert ratio.low == pytest.approx(math.exp(0.23333 - reach), rel=1e-4)
    assert ratio.high == pytest.approx(math.exp(0.23333 + reach), rel=1e-4)
    assert not ratio.is_apart


def test_one_round_has_no_interval_and_no_winner():
    assert paired_ratio([2.0], [1.0]) == (pytest.approx(2), None, None)
    assert winner({("a", 1): {1: 1.0}, ("b", 1): {1: 9.0}}) is None


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=2, max_size=40))
def test_the_other_way_round_the_ratio_is_the_reciprocal(pairs):
    ours, theirs = zip(*pairs, strict=True)
    one, other = paired_ratio(ours, theirs), paired_ratio(theirs, ours)
    assert one.value * other.value == pytest.approx(1)
    assert one.low is not None
    assert other.high is not None
    assert one.low * other.high == pytest.approx(1)
    assert one.low <= one.value <= one.high * (1 + 1e-12)


def noise(chance: random.Random, shape: str) -> float:
    if shape == "normal":
        return chance.gauss(0, 0.05)
    if shape == "bursts":  # now and then somebody else takes the machine
        return chance.gauss(0, 0.02) + (0.3 if chance.random() < 0.1 else 0.0)
    return chance.gauss(0, 0.05) / math.sqrt(chance.gammavariate(1.5, 1 / 1.5))  # Student's with 3 degrees


def comparison(chance: random.Random, speeds: list[float], rounds: int, shape: str):
    """Times of contestants that take so long, in rounds that a drift of the machine has in common."""
    times: dict[tuple[str, int], dict[int, float]] = {(f"e{n}", 16): {} for n in range(len(speeds))}
    for number in range(1, rounds + 1):
        drift = chance.gauss(0, 0.2)
        for name, speed in zip(times, speeds, strict=True):
            times[name][number] = speed * math.exp(drift + noise(chance, shape))
    return times


@pytest.mark.parametrize("shape", ["normal", "bursts", "heavy"])
@pytest.mark.parametrize("contestants", [2, 3, 5])
@pytest.mark.parametrize("rounds", [2, 5, 10])
def test_equals_hardly_ever_have_a_winner(shape, contestants, rounds):
    chance = random.Random(f"{shape} {contestants} {rounds}")
    false = sum(
        winner(comparison(chance, [1.0] * contestants, rounds, shape)) is not None for _ in range(COMPARISONS)
    )
    assert false <= COMPARISONS // 10


@pytest.mark.parametrize("shape", ["normal", "bursts", "heavy"])
def test_two_equals_before_slower_ones_hardly_ever_have_a_winner(shape):
    chance = random.Random(shape)
    speeds = [1.0, 1.0, 2.0, 3.0, 10.0]
    found = [winner(comparison(chance, speeds, 5, shape)) for _ in range(COMPARISONS)]
    assert sum(each is not None for each in found) <= COMPARISONS // 10


@pytest.mark.parametrize(("gap", "at_least"), [(1.3, 0.95), (2.0, 1.0)])
def test_a_real_gap_is_found_and_the_right_one_named(gap, at_least):
    chance = random.Random(7)
    found = [winner(comparison(chance, [gap, 1.0, gap], 5, "normal")) for _ in range(COMPARISONS)]
    assert sum(each == ("e1", 16) for each in found) >= at_least * COMPARISONS
    assert not {("e0", 16), ("e2", 16)} & set(found)


def test_contestants_without_a_round_in_common_have_no_order():
    assert fastest({}) is None
    assert fastest({("a", 1): {1: 1.0}, ("b", 1): {2: 1.0}}) is None
