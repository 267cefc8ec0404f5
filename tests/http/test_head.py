"""The head of a response: strict, bounded, and never anything but a head, nothing yet, or a TransferError."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.http import head as module
from pdl.http.fault import TransferError
from pdl.http.head import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_INFORMATIONAL,
    MAX_LINE,
    HeadParser,
    ResponseHead,
    response_head,
    whole_head,
)


def head_of(raw: bytes) -> ResponseHead | None:
    """What a parser makes of these bytes, fed line by line as an engine does; None if the head does not end."""
    parser = HeadParser()
    stream = io.BytesIO(raw)
    while line := stream.readline(MAX_LINE + 1):
        if (head := parser.feed(line)) is not None:
            return head
    return None


def answer(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *fields, b"", b""])


def fault_of(raw: bytes) -> TransferError:
    with pytest.raises(TransferError) as raised:
        head_of(raw)
    return raised.value


# what is right


def test_a_head_is_taken_apart():
    head = head_of(
        answer(b"Content-Type: image/png", b'ETag:"x"', b"X-Empty:", b"x-Blank: \t a b \t ", b"Content-Length: 5")
    )
    assert head == response_head(
        version="1.1",
        status=200,
        reason="OK",
        fields=(
            ("Content-Type", "image/png"),
            ("ETag", '"x"'),
            ("X-Empty", ""),
            ("x-Blank", "a b"),
            ("Content-Length", "5"),
        ),
    )
    assert (head.content_length, head.chunked, head.keep_alive) == (5, False, True)


def test_a_field_is_found_by_its_name_in_lower_case():
    head = head_of(answer(b"ETAG: 1", b"X: a", b"etag: 2"))
    assert head.get("etag") == "1"
    assert head.get_all("etag") == ["1", "2"]
    assert head.get("x-none") is None
    assert head.get_all("x-none") == []


def test_line_ends_without_a_return_are_taken():
    assert head_of(b"HTTP/1.1 200 OK\nA: b\n\n").fields == (("a", "b"),)


def test_blank_lines_before_the_status_line_are_passed_over():
    assert head_of(b"\r\n\n" + answer()).status == 200


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"HTTP/1.1 200 OK", ("1.1", 200, "OK")),
        (b"HTTP/1.0 404 Not  Found", ("1.0", 404, "Not  Found")),
        (b"HTTP/1.1 200 ", ("1.1", 200, "")),
        (b"HTTP/1.1 200", ("1.1", 200, "")),
        (b"HTTP/2 204 ", ("2", 204, "")),
        (b"HTTP/3 599", ("3", 599, "")),
        (b"HTTP/1.1 200 \xfcber", ("1.1", 200, "\xfcber")),
    ],
)
def test_a_status_line_gives_version_status_and_reason(line: bytes, expected: tuple[str, int, str]):
    head = head_of(answer(status=line))
    assert (head.version, head.status, head.reason) == expected


def test_values_are_read_as_latin_1():
    assert head_of(answer(b"Location: /\xc3\xa4")).get("location") == "/\xc3\xa4"


def test_a_folded_line_continues_its_field():
    head = head_of(answer(b"X: a", b"  b ", b"\tc", b"Y:", b" d", b"Z: e", b" "))
    assert head.fields == (("x", "a b c"), ("y", "d"), ("z", "e"))


def test_a_folded_length_is_still_a_length():
    assert head_of(answer(b"Content-Length:", b" 5", b" ")).content_length == 5


# what is not HTTP


@pytest.mark.parametrize(
    "line",
    [
        b"hello", b"ICY 200 OK", b"http/1.1 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK", b"HTTP/1.1 2x0 OK", b"HTTP/1.1 099 No", b"HTTP/1.1 600 No", b"HTTP/11 200 OK",
        b"HTTP/1. 200 OK", b"HTTP/1.1 200OK", b"HTTP/1.1 -20 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1 200 O\0K",
        b"HTTP/1.1 200 O\rK", b"HTTP/1.1 \xb2\xb200 OK", b"SSH-2.0-OpenSSH", b"\x16\x03\x01",
    ],
)  # fmt: skip
def test_what_is_no_status_line_breaks_the_protocol(line: bytes):
    assert fault_of(answer(status=line)).kind is Kind.PROTOCOL


@pytest.mark.parametrize(
    "line",
    [
        b"no colon", b": no name", b"na me: x", b"name : x", b"n\xe4me: x", b"na(me): x", b"\x01: x", b"A\0: x",
        b"A: x\0y", b"A: x\ry", b"A: x\r", b"\r",
    ],
)  # fmt: skip
def test_what_is_no_field_breaks_the_protocol(line: bytes):
    assert fault_of(answer(line)).kind is Kind.PROTOCOL


def test_a_head_that_begins_with_a_folded_line_breaks_the_protocol():
    assert fault_of(answer(b" folded")).kind is Kind.PROTOCOL


def test_a_folded_line_may_not_hold_forbidden_characters():
    assert fault_of(answer(b"A: x", b" \0")).kind is Kind.PROTOCOL


# heads that are cut


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK",
        b"HT",
        b"HTTP/1.1 200 OK\r\nA: b",
        b"HTTP/1.1 200 OK\r\nA: b\r",
        b"HTTP/1.1 100 \r\n\r\nH",
    ],
)
def test_a_line_without_its_end_is_a_connection_that_ended(raw: bytes):
    assert fault_of(raw).kind is Kind.RESET


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n", b"HTTP/1.1 103 \r\nA: b\r\n\r\n"]
)
def test_an_end_before_the_blank_line_is_no_head(raw: bytes):
    parser = HeadParser()
    for line in raw.splitlines(keepends=True):
        assert parser.feed(line) is None
    assert parser.started
    with pytest.raises(TransferError) as raised:
        parser.feed(b"")
    assert raised.value.kind is Kind.RESET


def test_a_parser_has_started_when_a_byte_has_come():
    parser = HeadParser()
    assert not parser.started
    parser.feed(b"\r\n")
    assert parser.started


# informational responses


def test_informational_responses_are_passed_over_with_their_fields():
    raw = (
        answer(status=b"HTTP/1.1 100 Continue") + answer(b"Link: x", status=b"HTTP/1.1 103 Early") + answer(b"A: b")
    )
    assert head_of(raw).fields == (("a", "b"),)


@pytest.mark.fault(30)
def test_a_flood_of_informational_responses_breaks_the_protocol():
    one = answer(status=b"HTTP/1.1 102 Processing")
    assert head_of(one * MAX_INFORMATIONAL + answer()).status == 200
    assert fault_of(one * (MAX_INFORMATIONAL + 1)).kind is Kind.PROTOCOL


def test_a_switch_of_protocols_was_not_asked_for():
    assert fault_of(answer(b"Upgrade: h2c", status=b"HTTP/1.1 101 Switching Protocols")).kind is Kind.PROTOCOL


# caps


@pytest.mark.fault(37)
def test_a_line_may_be_as_long_as_the_cap_and_no_longer():
    start = b"A: "
    assert len(head_of(answer(start + b"x" * (MAX_LINE - len(start) - 2))).get("a")) == MAX_LINE - 5
    assert fault_of(answer(start + b"x" * (MAX_LINE - len(start) - 1))).kind is Kind.PROTOCOL


@pytest.mark.fault(37)
def test_a_head_of_many_long_lines_is_refused():
    line = b"A: " + b"x" * 1000
    assert head_of(answer(*[line] * (MAX_HEAD // 1100))).status == 200
    assert fault_of(answer(*[line] * (MAX_HEAD // 1000))).kind is Kind.PROTOCOL


def test_blank_lines_without_end_are_refused():
    assert fault_of(b"\r\n" * (MAX_HEAD // 2 + 1)).kind is Kind.PROTOCOL


@pytest.mark.fault(37)
@pytest.mark.parametrize("line", [b"A: b", b" folded"])
def test_fields_and_folded_lines_are_counted_together(line: bytes):
    assert head_of(answer(b"A: b", *[line] * (MAX_FIELDS - 1))).status == 200
    assert fault_of(answer(b"A: b", *[line] * MAX_FIELDS)).kind is Kind.PROTOCOL


def test_a_value_full_of_blanks_is_parsed_in_linear_time():
    blanks = b" " * (
        MAX_LINE - 100
    )  # with a quadratic pattern this is most of a minute, and the time-out of the test
    assert head_of(answer(*[b"A: x" + blanks + b"y"] * 2)).get("a").endswith("  y")


# framing (RFC 9112 section 6.3)


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    "values",
    [
        [b"-5"], [b"+5"], [b"5s"], [b"0x5"], [b"5.0"], [b"5 5"], [b""], [b"5,"], [b"5", b"6"], [b"5, 6"],
        [b"5", b"05"], [b"\xb2"], [b"99999999999999999999"], [b"NaN"], [b"5;5"],
    ],
)  # fmt: skip
def test_an_invalid_length_breaks_the_protocol(values: list[bytes]):
    assert fault_of(answer(*[b"Content-Length: " + value for value in values])).kind is Kind.PROTOCOL


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("values", "length"), [([b"0"], 0), ([b"5", b"5"], 5), ([b"5, 5,5"], 5), ([b"007"], 7), ([], None)]
)
def test_a_length_may_be_repeated_if_it_is_the_same(values: list[bytes], length: int | None):
    assert head_of(answer(*[b"content-length: " + value for value in values])).content_length == length


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b" CHUNKED ", b"chunked,"])
def test_a_chunked_body_has_no_length(coding: bytes):
    head = head_of(answer(b"Transfer-Encoding: " + coding))
    assert (head.chunked, head.content_length, head.keep_alive) == (True, None, True)


@pytest.mark.fault(21)
@pytest.mark.parametrize("fields", [[b"Content-Length: 5"], [b"Content-Length: 5", b"Content-Length: 5"]])
def test_chunks_win_over_a_length_and_the_connection_ends(fields: list[bytes]):
    head = head_of(answer(*fields, b"Transfer-Encoding: chunked"))
    assert (head.chunked, head.content_length, head.keep_alive) == (True, None, False)


def test_chunks_in_http_1_0_end_the_connection():
    head = head_of(answer(b"Transfer-Encoding: chunked", b"Connection: keep-alive", status=b"HTTP/1.0 200 OK"))
    assert (head.chunked, head.keep_alive) == (True, False)


@pytest.mark.parametrize(
    "codings", [[b"gzip"], [b"gzip, chunked"], [b"chunked", b"gzip"], [b"chunked, chunked"], [b"x"]]
)
def test_transfer_codings_that_were_not_asked_for_break_the_protocol(codings: list[bytes]):
    assert fault_of(answer(*[b"Transfer-Encoding: " + coding for coding in codings])).kind is Kind.PROTOCOL


@pytest.mark.parametrize(
    ("version", "fields", "kept"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"Connection: close"], False),
        (b"1.1", [b"Connection: x, Close"], False),
        (b"1.1", [b"Connection: keep-alive", b"Connection: close"], False),
        (b"1.0", [], False),
        (b"1.0", [b"Connection: Keep-Alive"], True),
        (b"1.0", [b"Connection: keep-alive, close"], False),
    ],
)
def test_a_connection_is_kept_as_version_and_options_say(version: bytes, fields: list[bytes], kept: bool):
    assert head_of(answer(*fields, status=b"HTTP/" + version + b" 200 OK")).keep_alive is kept


@pytest.mark.parametrize(
    ("status", "has_body"), [(200, True), (204, False), (304, False), (205, True), (404, True)]
)
def test_some_statuses_have_no_body_whatever_the_fields_say(status: int, has_body: bool):
    assert response_head("1.1", status, "", (("Content-Length", "5"),)).has_body is has_body


# anything at all

WIRE = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK", b"HTTP/1.0 302", b"HTTP/1.1 100 \r\n", b"HTTP/2 404 x", b"\r\n", b"\n", b"\r",
                b": ", b"A: b\r\n", b"Content-Length: ", b"Transfer-Encoding: ", b"Connection: ", b"chunked",
                b"close", b"5", b",", b" ", b"\t", b"\0", b"\xff", b"gzip", b"-",
            ]
        ),
        max_size=20,
    ).map(b"".join),
)  # fmt: skip


@given(WIRE, st.booleans())
def test_any_bytes_give_a_head_or_nothing_or_a_transfer_error(raw: bytes, begun: bool):
    try:
        head = head_of(b"HTTP/1.1 200 OK\r\n" * begun + raw)
    except TransferError as fault:
        assert fault.kind in (Kind.PROTOCOL, Kind.RESET)  # noqa: PT017 - anything else that is raised fails the test
        return
    if head is not None:
        assert 200 <= head.status <= 599
        assert head.content_length is None or not head.chunked
        assert not any(c in value for _, value in head.fields for c in "\r\n\0")


LINES = st.lists(
    st.builds(
        bytes.join,
        st.just(b""),
        st.tuples(
            st.sampled_from([b"A", b"x-y", b" ", b"\t", b"", b"\xe4", b"A ", b":"]),
            st.sampled_from([b":", b": ", b":\t ", b"", b"::"]),
            st.sampled_from(
                [b"", b"v", b"v w", b"v:w", b"v ", b"\t", b"\x85", b"\xa0v", b"v\0", b"v\r", b"\x0bv", b"5"]
            ),
            st.sampled_from([b"\r\n", b"\n", b" \r\n", b"\r\r\n"]),
        ),
    ).filter(lambda line: line.strip(b"\r\n") or b"\r\r" in line),
    max_size=6,
)


@given(LINES)
def test_fields_that_are_whole_lines_are_those_that_all_care_is_taken_of(lines: list[bytes]):
    def outcome() -> object:
        try:
            return module._fields(lines)
        except TransferError as fault:
            return str(fault)

    with pytest.MonkeyPatch.context() as patch:
        fields = outcome()
        patch.setattr(module, "_field", lambda _: None)
        patch.setattr(module, "_remembered_field", lambda _: None)
        assert fields == outcome()


@given(
    st.lists(
        st.tuples(st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,9}", fullmatch=True), st.binary(max_size=20)),
        max_size=9,
    )
)
def test_fields_come_out_as_they_went_in(fields: list[tuple[str, bytes]]):
    clean = [(name, value.translate(None, b"\r\n\0").strip(b" \t")) for name, value in fields]
    clean = [(f"X{name}", value) for name, value in clean]
    raw = answer(*[name.encode() + b":" + value for name, value in clean])
    assert head_of(raw).fields == tuple((name.lower(), value.decode("latin-1")) for name, value in clean)


SOME_FIELDS = (
    b"A: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 6\r\n", b"X:\r\n", b" folded\r\n", b"no field\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: Close, x\r\n", b"Nul: \0\r\n", b"Bare: x\n",
)  # fmt: skip
SOME_STATUSES = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 404\r\n", b"HTTP/1.1 103 Early\r\n", b"HTTP/2 200 \r\n", b"junk\r\n",
)  # fmt: skip


def judged(read: Callable[[], object]) -> object:
    """What reading comes to: a head, None, or the fault's kind and message."""
    try:
        return read()
    except TransferError as fault:
        return fault.kind, fault.message


@given(st.lists(st.sampled_from(SOME_FIELDS)), st.sampled_from(SOME_STATUSES), st.booleans())
def test_a_head_that_is_taken_in_one_go_is_what_the_parser_makes_of_it(
    fields: list[bytes], status: bytes, ends: bool
):
    lines = [status, *fields, *([b"\r\n"] if ends else [])]
    at_once = judged(lambda: whole_head(lines))
    assert at_once is None or at_once == judged(lambda: head_of(b"".join(lines)))
