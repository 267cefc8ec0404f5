from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.http.chunks import MAX_LINE, ChunkDecoder
from pdl.http.fault import TransferError


def decoded(*pieces: bytes) -> tuple[bytes, ChunkDecoder]:
    decoder = ChunkDecoder()
    return b"".join(map(decoder.feed, pieces)), decoder


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 20))
def test_what_was_chunked_comes_back_however_it_is_cut_up(chunks: list[bytes], step: int):
    coded = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nTrailer: x\r\n\r\n"
    body, decoder = decoded(*(coded[at : at + step] for at in range(0, len(coded), step)))
    assert body == b"".join(chunks)
    assert decoder.done
    assert not decoder.surplus


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_any_bytes_give_bytes_or_a_fault(pieces: list[bytes]):
    with suppress(TransferError):
        _, decoder = decoded(*pieces)
        decoder.end()


@pytest.mark.fault(3)
@pytest.mark.parametrize(
    "coded",
    [b"-1\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"1_0\r\n", b"\r\n", b"junk\r\n", b" 5\r\n",
     b"FFFFFFFFFFFFFFFF4\r\n", b"8000000000000000\r\n", b"5\r\nhelloX\r\n", b"5" + b"0" * MAX_LINE,
     b"0\r\n" + b"a: b\r\n" * MAX_LINE],
)  # fmt: skip
def test_chunks_that_break_the_rules_are_worth_one_further_try(coded: bytes):
    with pytest.raises(TransferError) as caught:
        decoded(coded)
    assert (caught.value.kind, caught.value.retries) == (Kind.PROTOCOL, 1)


@pytest.mark.fault(2)
@pytest.mark.parametrize("coded", [b"", b"5\r\nhel", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5"])
def test_an_end_before_the_end_is_a_cut(coded: bytes):
    _, decoder = decoded(coded)
    with pytest.raises(TransferError) as caught:
        decoder.end()
    assert caught.value.kind is Kind.TRUNCATED


def test_what_comes_after_the_end_is_told_of_and_not_the_files():
    body, decoder = decoded(b"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert (body, decoder.done, decoder.surplus) == (b"hello", True, True)
