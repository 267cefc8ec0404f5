"""Whether a file is of a wanted type: what the server says and how the file begins must both agree."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.http.inspection import Inspection
from pdl.http.magic import LONGEST

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
ZIP = b"PK\3\4" + bytes(100)
SOUND = b"\0\0\0\x14ftypisom" + bytes(100)
PAGE = b"<!DOCTYPE html><html><p>Please log in.</html>"
TEXT = b"a,b\n1,2\n"
IMAGES = ("image/*",)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BYTES = "application/octet-stream"


def fault_of(accepted: tuple[str, ...], said: str | None, *pieces: bytes, coded: bool = False) -> str | None:
    """Why a file fails; None if it is wanted."""
    fault: TransferError | None = None
    try:
        inspection = Inspection(accepted, said, coded=coded)
        if not any(inspection.feed(piece) for piece in pieces):
            inspection.end()
    except TransferError as error:
        fault = error
    if fault is None:
        return None
    assert (fault.kind, "--accept wants " in fault.message) == (Kind.CONTENT_TYPE, True)
    return fault.message


WANTED = [
    (IMAGES, "image/png", PNG),
    (IMAGES, "image/png; charset=binary", PNG),
    (IMAGES, "image/jpeg", PNG),  # another picture than the server says, but one that is wanted
    (("image/png",), "image/x-png", PNG),
    (("image/jpg",), "image/jpeg", JPEG),
    (IMAGES, None, PNG),
    (IMAGES, "", PNG),
    (IMAGES, "nonsense", PNG),
    (IMAGES, BYTES, PNG),
    (IMAGES, "binary/octet-stream", PNG),
    (("*/*",), None, TEXT),
    (("*/*",), "image/png", PNG),
    (("application/*",), BYTES, TEXT),
    ((BYTES,), BYTES, PNG),
    ((BYTES,), None, TEXT),
    (("audio/*",), "audio/mp4", SOUND),
    (("application/zip",), "application/x-zip-compressed", ZIP),
    ((DOCX,), DOCX, ZIP),  # what the table does not know goes by its Content-Type
    (("text/csv",), "text/csv", TEXT),
    (("application/json",), "application/json", b"{}"),
    (("image/*",), "image/x-raw-of-some-camera", b"whatever"),
    (("text/html",), "text/html; charset=utf-8", PAGE),
    (("text/html",), "text/html", b"a page without a tag"),
    (("text/*",), "text/plain", PAGE),
    (("text/html",), None, PAGE),
    (("application/xhtml+xml",), "application/xhtml+xml", PAGE),
]

UNWANTED = [
    (IMAGES, "text/html", PAGE, "text/html"),
    (IMAGES, "text/html", PNG, "text/html"),
    (IMAGES, "image/png", PAGE, "begins as text/html"),
    (IMAGES, "image/png", b"\xef\xbb\xbf\n " + PAGE, "begins as text/html"),
    (IMAGES, "image/x-raw-of-some-camera", PAGE, "begins as text/html"),
    (("*/*",), "image/png", PAGE, "begins as text/html"),
    ((DOCX,), DOCX, PAGE, "begins as text/html"),
    ((BYTES,), BYTES, PAGE, "begins as text/html"),
    (("application/json",), "application/json", PAGE, "begins as text/html"),
    (("image/png",), "image/png", JPEG, "begins as image/jpeg"),
    (("image/png",), "image/jpeg", PNG, "image/jpeg"),
    (IMAGES, "image/png", TEXT, "does not begin as one"),
    (IMAGES, "image/png", b"", "does not begin as one"),
    (IMAGES, "image/png", PNG[:7], "does not begin as one"),
    (IMAGES, "image/png", bytes(LONGEST + 1), "does not begin as one"),
    (IMAGES, "video/mp4", SOUND, "video/mp4"),
    (IMAGES, None, PAGE, "begins as text/html"),
    (IMAGES, BYTES, ZIP, "begins as application/zip"),
    (IMAGES, None, TEXT, "does not tell"),
    (IMAGES, None, b"", "does not tell"),
    (("audio/*",), BYTES, SOUND, "begins as video/mp4"),
    ((DOCX,), BYTES, ZIP, "begins as application/zip"),
]


@pytest.mark.parametrize(("accepted", "said", "data"), WANTED)
def test_a_file_that_is_wanted_passes(accepted: tuple[str, ...], said: str | None, data: bytes):
    assert fault_of(accepted, said, data) is None


@pytest.mark.parametrize(("accepted", "said", "data", "why"), UNWANTED)
def test_a_file_that_is_not_wanted_says_why(accepted: tuple[str, ...], said: str | None, data: bytes, why: str):
    message = fault_of(accepted, said, data)
    assert message is not None
    assert why in message


CASES = [case[:3] for case in (*WANTED, *UNWANTED)]


@given(st.sampled_from(CASES), st.lists(st.integers(1, 200), max_size=20))
def test_the_pieces_that_a_file_comes_in_change_nothing(case: tuple, cuts: list[int]):
    accepted, said, data = case
    whole, pieces = fault_of(accepted, said, data), []
    for size in cuts:
        pieces.append(data[:size])
        data = data[size:]
    assert fault_of(accepted, said, *pieces, data) == whole


@pytest.mark.parametrize("case", CASES)
def test_a_file_may_come_byte_by_byte(case: tuple):
    accepted, said, data = case
    assert fault_of(accepted, said, *(data[n : n + 1] for n in range(len(data)))) == fault_of(*case)


def test_what_the_server_says_is_judged_before_a_byte_has_come():
    with pytest.raises(TransferError):
        Inspection(IMAGES, "text/html")


def test_a_file_is_judged_as_soon_as_it_can_be():
    assert Inspection(IMAGES, "image/png").feed(PNG[:8])
    with pytest.raises(TransferError):
        Inspection(IMAGES, "image/png").feed(PAGE[:15])
    with pytest.raises(TransferError):
        Inspection(IMAGES, "image/png").feed(bytes(LONGEST))
    assert not Inspection(IMAGES, "image/png").feed(bytes(LONGEST - 1))


def test_a_coding_that_is_kept_hides_the_type_but_of_a_page_that_has_none():
    packed = gzip.compress(PNG)
    assert fault_of(IMAGES, "image/png", packed, coded=True) is None
    assert fault_of(IMAGES, "image/png", packed) is not None
    assert fault_of(IMAGES, "image/png", PAGE, coded=True) is not None
    assert fault_of(IMAGES, None, packed, coded=True) is not None
    assert fault_of(("application/gzip",), None, packed, coded=True) is None


def test_a_type_without_end_makes_no_message_without_end():
    message = fault_of(tuple(f"image/x-{n}" for n in range(99)), "text/" + "x" * 9999, b"")
    assert message is not None
    assert len(message) < 300
