"""Rows by identity: whatever was added is found, from memory and from segments, while these are merged."""

from __future__ import annotations

import os
import random

import pytest

from pdl.storage import identities as identities_module
from pdl.storage.identities import Identities


@pytest.fixture
def small_segments(monkeypatch):
    """Segments that are written and merged within a test."""
    monkeypatch.setattr(identities_module, "_GATHERED", 50)
    monkeypatch.setattr(identities_module, "_BLOCK", 4)
    monkeypatch.setattr(identities_module, "_MERGED", 16)


@pytest.fixture(params=["at a place", "by seeking"])
def identities(request, tmp_path, monkeypatch, small_segments):
    if request.param == "by seeking":
        monkeypatch.setattr(identities_module, "_read_at", identities_module._seek_and_read)
    identities = Identities(str(tmp_path))
    yield identities
    identities.close()


def rows(number, seed=1):
    draw = random.Random(seed)
    return {draw.getrandbits(64): row for row in range(1, number + 1)}


def add(identities, added, batch=7):
    items = list(added.items())
    for start in range(0, len(items), batch):
        identities.add(dict(items[start : start + batch]))


def test_every_row_is_found_at_every_size(identities):
    known = {}
    for identity, row in rows(3000).items():
        identities.add({identity: row})
        known[identity] = row
        if row % 97 == 0:
            assert all(row in identities.find(identity) for identity, row in known.items())


def test_nothing_is_found_that_was_not_added(identities):
    add(identities, rows(2000))
    assert not [row for identity in rows(2000, seed=2) for row in identities.find(identity)]


def test_identities_that_begin_alike_are_all_told(identities):
    alike = {7 << 32 | number: number for number in range(1, 401)}
    add(identities, alike)
    assert all(row in identities.find(identity) for identity, row in alike.items())


@pytest.mark.parametrize("identity", [0, 2**64 - 1, 2**32 - 1, 2**32])
def test_the_ends_of_the_range_are_found(identities, identity):
    identities.add({identity: 2**32 - 1})
    add(identities, rows(1000))
    assert 2**32 - 1 in identities.find(identity)


def test_the_number_of_files_stays_small(identities):
    most = 0
    for identity, row in rows(20_000).items():
        identities.add({identity: row})
        most = max(most, len(identities._segments))
    assert most < 40  # of 400 that were written
    assert sum(segment.count for segment in identities._segments) + len(identities._gathered) == 20_000


def test_no_name_is_left_in_the_folder(identities, tmp_path):
    add(identities, rows(1000))
    if os.name != "nt":
        assert os.listdir(tmp_path) == []
    identities.close()
    assert os.listdir(tmp_path) == []
    identities.close()
    assert list(identities.find(1)) == []
