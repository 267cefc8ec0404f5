"""The names of media types, and the ranges that they are in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.http import media
from pdl.http.magic import PROVEN
from pdl.http.media import common_name, covers, essence, possible_names


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("image/png", "image/png"),
        (" Image/PNG ; q=1; x", "image/png"),
        ("text/html;charset=utf-8", "text/html"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/png, image/png", "image/png"),
        ("", None),
        (None, None),
        ("png", None),
        ("image/", None),
        ("/png", None),
        ("image png", None),
        ("image/p ng", None),
        ("a/b/c", None),
    ],
)
def test_the_type_of_a_field_is_read(field: str | None, name: str | None):
    assert essence(field) == name


@given(st.text())
def test_any_field_has_a_type_or_none(field: str):
    found = essence(field)
    assert found is None or (found == found.lower() and found.count("/") == 1)


@pytest.mark.parametrize(
    ("ranges", "name", "inside"),
    [
        (["image/png"], "image/png", True),
        (["image/*"], "image/x-anything", True),
        (["*/*"], "a/b", True),
        (["image/jpg"], "image/jpeg", True),
        (["image/jpeg"], "image/jpg", True),
        (["audio/*", "image/png"], "image/png", True),
        (["image/png"], "image/jpeg", False),
        (["image/*"], "imagery/png", False),
        (["image/*"], "application/image", False),
        ([], "image/png", False),
    ],
)
def test_a_range_covers_its_types_by_any_name(ranges: list[str], name: str, inside: bool):
    assert covers(ranges, name) is inside


def test_other_names_lead_to_names_that_the_first_bytes_tell():
    assert set(media._ALIASES.values()) <= PROVEN
    assert not set(media._ALIASES) & PROVEN
    assert set(media._KIN) <= PROVEN
    assert all(common_name(name) == name for name in PROVEN)


def test_a_file_may_be_of_its_own_type_before_all_others():
    assert possible_names("image/png") == ("image/png",)
    assert possible_names("video/mp4")[:2] == ("video/mp4", "audio/mp4")
