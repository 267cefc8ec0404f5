"""Content codings: undone to the end whatever the pieces, and never taken for whole when they are not."""

from __future__ import annotations

import gzip
import io
import random
import sys
import zlib
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdl import decompressors
from pdl.errors import Kind
from pdl.http import coding
from pdl.http.coding import FREE_EXPANSION, MOST_CODINGS, MOST_DROPPED, Decoder, named_codings
from pdl.http.fault import TransferError

if sys.version_info >= (3, 14):
    from compression import zstd

    zstd_of = zstd.compress
else:
    import zstandard

    zstd_of = zstandard.ZstdCompressor().compress


def gzip_of(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def raw_deflate_of(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


CODED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip_of),
    "x-gzip": ("x-gzip", gzip_of),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate_of),
    "zstd": ("zstd", zstd_of),
}
"""What a server may do to a file, and what it calls that."""
KINDS = st.sampled_from(sorted(CODED))
FILES = st.binary(max_size=300) | st.builds(bytes.__mul__, st.binary(max_size=9), st.integers(0, 9000))
CUTS = st.lists(st.integers(1, 400), max_size=30)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Data in pieces of these sizes, and the rest."""
    found, at = [], 0
    for size in cuts:
        found.append(data[at : at + size])
        at += size
    return [piece for piece in (*found, data[at:]) if piece]


def undone(names: list[str], *body: bytes) -> bytes:
    """What a whole body decodes to."""
    decoder = Decoder(names)
    whole = b"".join(out for piece in body for out in decoder.feed(piece))
    decoder.end()
    return whole


def fault_of(names: list[str], *body: bytes) -> TransferError:
    with pytest.raises(TransferError) as raised:
        undone(names, *body)
    return raised.value


# names


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([""], []),
        (["identity"], []),
        (["Identity, ,identity"], []),
        (["gzip"], ["gzip"]),
        (["GZIP, br"], ["gzip", "br"]),
        (["deflate", "identity,\tgzip "], ["deflate", "gzip"]),
    ],
)
def test_the_codings_of_a_head_are_listed_in_their_order(lines: list[str], names: list[str]):
    assert named_codings(lines) == names


@pytest.mark.parametrize("name", ["br", "compress", "x", "gzip;q=1", "chunked"])
def test_a_coding_that_is_not_undone_is_named_with_a_way_out(name: str):
    for names in ([name], ["gzip", name], [name, "gzip"]):
        fault = fault_of(names)
        assert (fault.kind, repr(name) in fault.message, "--raw" in fault.message) == (Kind.CODING, True, True)


def test_a_name_without_end_makes_no_message_without_end():
    assert len(fault_of(["x" * 10_000]).message) < 200


def test_there_is_an_end_to_the_codings_of_one_body():
    data = b"file"
    for _ in range(MOST_CODINGS):
        data = gzip_of(data)
    assert undone(["gzip"] * MOST_CODINGS, data) == b"file"
    fault = fault_of(["gzip"] * (MOST_CODINGS + 1), gzip_of(data))
    assert (fault.kind, "6 times" in fault.message) == (Kind.CODING, True)


# whole bodies


@given(kind=KINDS, content=FILES, cuts=CUTS)
@example(kind="raw deflate", content=b"", cuts=[1])
@example(kind="gzip", content=b"a" * 500_000, cuts=[1, 1, 1])
def test_a_body_is_the_file_however_it_is_cut_into_pieces(kind: str, content: bytes, cuts: list[int]):
    name, code = CODED[kind]
    assert undone([name], *pieces(code(content), cuts)) == content


@pytest.mark.parametrize("kind", CODED)
def test_a_body_may_come_byte_by_byte(kind: str):
    name, code = CODED[kind]
    content = random.Random(1).randbytes(2000) + b"a" * 5000
    body = code(content)
    assert undone([name], *(body[n : n + 1] for n in range(len(body)))) == content


@given(kinds=st.lists(KINDS, min_size=1, max_size=MOST_CODINGS), content=st.binary(max_size=200), cuts=CUTS)
def test_codings_are_undone_from_the_last_to_the_first(kinds: list[str], content: bytes, cuts: list[int]):
    body = content
    for kind in kinds:
        body = CODED[kind][1](body)
    assert undone([CODED[kind][0] for kind in kinds], *pieces(body, cuts)) == content


@given(st.lists(FILES, min_size=1, max_size=4), st.sampled_from(["gzip", "zstd"]), CUTS, st.integers(0, 3))
def test_several_members_are_one_file(files: list[bytes], name: str, cuts: list[int], zeros: int):
    padding = bytes(zeros) if name == "gzip" else b""
    body = padding.join(CODED[name][1](each) for each in files)
    assert undone([name], *pieces(body, cuts)) == b"".join(files)


@given(kind=st.sampled_from(sorted(CODED.keys() - {"zstd"})), junk=st.binary(max_size=50), cuts=CUTS)
def test_what_follows_the_data_is_dropped(kind: str, junk: bytes, cuts: list[int]):
    if junk.lstrip(b"\0").startswith(b"\x1f"):  # the first byte of a further member
        junk = b"x" + junk
    name, code = CODED[kind]
    assert undone([name], *pieces(code(b"file") + junk, cuts)) == b"file"


def test_once_something_else_followed_no_further_member_does():
    assert undone(["gzip"], gzip_of(b"file") + b"x" + gzip_of(b"no more"), gzip_of(b"nor this")) == b"file"


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
@pytest.mark.parametrize("junk", [b"\0", b"x"])
def test_what_follows_is_not_read_for_ever(kind: str, junk: bytes):
    name, code = CODED[kind]
    decoder = Decoder([name])
    assert b"".join(decoder.feed(code(b"file") + junk * MOST_DROPPED)) == b"file"
    with pytest.raises(TransferError) as raised:
        list(decoder.feed(junk))
    assert raised.value.kind is Kind.CODING


def test_zstd_may_begin_with_a_frame_to_be_skipped():
    assert undone(["zstd"], b"\x50\x2a\x4d\x18\4\0\0\0skip" + zstd_of(b"file")) == b"file"


# bodies that are not whole


@given(st.data())
def test_a_stream_that_is_cut_is_never_taken_for_whole(data: st.DataObject):
    names, body = [], data.draw(FILES)
    for kind in data.draw(st.lists(KINDS, min_size=1, max_size=3)):
        names.append(CODED[kind][0])
        body = CODED[kind][1](body)
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    assert fault_of(names, *pieces(cut, data.draw(CUTS))).kind is Kind.TRUNCATED


@pytest.mark.parametrize("kind", CODED)
def test_there_is_no_place_where_a_stream_could_be_cut_unnoticed(kind: str):
    name, code = CODED[kind]
    body = code(b"file" * 9)
    for size in range(len(body)):
        fault = fault_of([name], body[:size])
        assert (fault.kind, name.removeprefix("x-") in fault.message) == (Kind.TRUNCATED, True)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_further_member_that_is_cut_is_missed(name: str):
    first, second = CODED[name][1](b"one"), CODED[name][1](b"two")
    for size in range(1, len(second)):
        assert fault_of([name], first + second[:size]).kind is Kind.TRUNCATED


def test_an_inner_stream_that_is_cut_is_missed_though_the_outer_one_is_whole():
    assert fault_of(["zstd", "gzip"], gzip_of(zstd_of(b"file")[:-1])).kind is Kind.TRUNCATED


@pytest.mark.parametrize("kind", ["gzip", "x-gzip", "deflate"])
def test_a_flipped_bit_is_noticed(kind: str):
    name, code = CODED[kind]
    body = code(b"file" * 20)
    for at in range(10 if "gzip" in kind else 2, len(body)):  # before that it names the time or the packer
        broken = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert fault_of([name], broken).kind in (Kind.CODING, Kind.TRUNCATED)


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_what_was_never_coded_is_damaged(name: str):
    fault = fault_of([name], b"<html>This was never coded.</html>" * 20)
    assert (fault.kind, "damaged" in fault.message) == (Kind.CODING, True)


def test_nothing_but_frames_follows_a_frame_of_zstd():
    assert fault_of(["zstd"], zstd_of(b"file") + b"no frame").kind is Kind.CODING


@given(
    names=st.lists(st.sampled_from(["gzip", "deflate", "zstd"]), min_size=1, max_size=3),
    body=st.binary(max_size=200)
    | st.builds(
        lambda kind, content, rest: CODED[kind][1](content)[:9] + rest, KINDS, FILES, st.binary(max_size=99)
    ),
    cuts=CUTS,
)
def test_any_bytes_decode_or_are_a_fault(names: list[str], body: bytes, cuts: list[int]):
    try:
        undone(names, *pieces(body, cuts))
    except TransferError as fault:
        assert fault.kind in (Kind.CODING, Kind.TRUNCATED)  # noqa: PT017 - what else is raised fails the test


# bombs


def test_a_small_file_may_be_as_uniform_as_it_likes():
    once = gzip_of(bytes(FREE_EXPANSION))
    assert undone(["gzip", "gzip"], gzip_of(once)) == bytes(FREE_EXPANSION)
    assert undone(["zstd"], zstd_of(bytes(FREE_EXPANSION))) == bytes(FREE_EXPANSION)


BOMBS = {
    "gzip": ["gzip"],
    "gzip, gzip": ["gzip"] * 2,
    "gzip, zstd": ["gzip", "zstd"],
    "zstd": ["zstd"],
    "deflate": ["deflate"],
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("piece", [1000, 10**9])
def test_a_bomb_fails_before_it_takes_room(bomb: str, piece: int):
    body = bytes(50_000_000)
    for name in BOMBS[bomb]:
        body = CODED[name][1](body)
    decoder, made, largest = Decoder(BOMBS[bomb]), 0, 0
    fault: TransferError | None = None
    try:
        for start in range(0, len(body), piece):
            for out in decoder.feed(body[start : start + piece]):
                made, largest = made + len(out), max(largest, len(out))
    except TransferError as error:
        fault = error
    assert fault is not None
    assert (fault.kind, "expands" in fault.message, "--raw" in fault.message) == (Kind.CODING, True, True)
    assert made <= FREE_EXPANSION + coding.MOST_EXPANSION * len(body)
    assert largest < 5 << 20


def test_a_bomb_inside_of_codings_that_hide_it_is_found():
    # the inner stream is tens of megabytes of empty members: nothing comes out of the last stage
    empty = gzip_of(b"") * 2_000_000
    fault = fault_of(["gzip"] * 3, gzip_of(gzip_of(empty)))
    assert (fault.kind, "expands" in fault.message) == (Kind.CODING, True)


def test_a_window_that_takes_too_much_memory_is_refused():
    if sys.version_info >= (3, 14):
        large = zstd.compress(b"x", options={zstd.CompressionParameter.window_log: 25})
    else:
        parameters = zstandard.ZstdCompressionParameters(window_log=25)
        out = io.BytesIO()
        with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(out, closefd=False) as writer:
            writer.write(b"x")
        large = out.getvalue()
    assert fault_of(["zstd"], large).kind is Kind.CODING


def test_pieces_are_taken_as_they_are_wanted():
    """Whoever stops after the first piece has not paid for the rest."""
    body = gzip_of(random.Random(2).randbytes(1_000_000))
    decoder = Decoder(["gzip"])
    first = next(islice(decoder.feed(body), 1))
    assert 65_536 <= len(first) < 200_000
    assert decoder._taken < len(body) // 2


def test_without_its_library_zstd_says_what_is_missing(monkeypatch):
    def missing(name: str):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(coding, "import_module", missing)
    monkeypatch.setattr(decompressors, "import_module", missing)
    fault = fault_of(["zstd"], zstd_of(b"file"))
    assert (fault.kind, "zstd" in fault.message, "is needed" in fault.message) == (Kind.CODING, True, True)
