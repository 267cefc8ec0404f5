"""One attempt as a state machine: the exact request, and what every answer makes of it."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.http.head import ResponseHead, response_head
from pdl.http.transfer import Transfer, basic_credentials
from pdl.model import Attempt, Digest, Headers, Outcome, Partial, Validator, Verdict
from pdl.settings import Settings
from pdl.storage.part import PartLost

URL = "http://h.example/dir/file.bin?q=1"
OLD = "Tue, 03 Mar 2026 05:06:07 GMT"
DATE = "Wed, 04 Mar 2026 05:06:07 GMT"
HALF = Partial(size=5, if_range='"v1"', total=10, url=URL)
CONTENT = b"0123456789"
CODED = gzip.compress(CONTENT, mtime=0)


class MemoryPart:
    """A part file in memory, with the faults that a disk may have.

    Args:
        content: what an earlier attempt left.
        algorithm: of the digest.
    """

    def __init__(self, content: bytes | None = None, algorithm: str | None = None) -> None:
        self.content = content
        self.size = 0
        self.is_open = False
        self.refuses_open: OSError | None = None
        self.refuses_write: OSError | None = None
        self.refuses_close: OSError | None = None
        self.room = 10**9
        self._algorithm = algorithm

    def begin(self) -> None:
        self._open(b"")

    def resume(self, size: int) -> None:
        if self.content is None or len(self.content) < size:
            raise PartLost(errno.ESTALE, "gone")
        self._open(self.content[:size])

    def _open(self, content: bytes) -> None:
        assert not self.is_open
        if self.refuses_open:
            raise self.refuses_open
        self.content, self.size, self.is_open = content, len(content), True

    def write(self, data: bytes) -> None:
        assert self.is_open
        self.content += data[: self.room - self.size]
        self.size = len(self.content)
        if self.size == self.room or self.refuses_write:
            raise self.refuses_write or OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        self.is_open = False
        if self.refuses_close:
            raise self.refuses_close

    def discard(self) -> None:
        self.is_open = False
        self.content = None

    def beginning(self, size: int) -> bytes:
        assert self.is_open
        return self.content[:size]

    def hexdigest(self) -> str | None:
        return self._algorithm and hashlib.new(self._algorithm, self.content).hexdigest()


def transfer(part: MemoryPart | None = None, settings: Settings | None = None, /, **fields: object) -> Transfer:
    attempt = Attempt(id=1, row=1, **{"url": URL, "part": "/parts/1.part", **fields})
    if part is None:
        part = MemoryPart(CONTENT[:5] if attempt.partial else None, attempt.digest and attempt.digest.algorithm)
    return Transfer(attempt, settings or Settings(), part)


def bare(outcome: Outcome) -> Outcome:
    """The outcome without what the ledger is told of the response."""
    return outcome._replace(first_byte=None, etag=None, last_modified=None)


def head(status: int = 200, /, reason: str = "", **fields: str | int) -> ResponseHead:
    """A head; `content_length=5` stands for `Content-Length: 5`."""
    return response_head("1.1", status, reason, _fields(fields))


def _fields(given_fields: dict[str, str | int]) -> Headers:
    return tuple((name.replace("_", "-"), str(value)) for name, value in given_fields.items())


def outcome_of(transferring: Transfer, response: ResponseHead, *body: bytes) -> Outcome:
    """Feed a whole exchange, as a well-behaved engine does."""
    if transferring.on_head(response):
        for piece in body:
            if not transferring.on_data(piece):
                break
        transferring.on_end()
    assert transferring.outcome is not None
    part = transferring._part
    assert not part.is_open
    return transferring.outcome


def judged(response: ResponseHead, *body: bytes, **fields: object) -> tuple[Verdict, Kind | None, int | None]:
    outcome = outcome_of(transfer(**fields), response, *body)
    return outcome.verdict, outcome.kind, outcome.status


# the name


WANTED = Settings(content_disposition=True)
NAMED = {"content_disposition": 'attachment; filename="a.png"'}


def name_of(response: ResponseHead, *body: bytes, settings: Settings = WANTED, **fields: object) -> str | None:
    return outcome_of(transfer(None, settings, **fields), response, *body).name


def test_a_file_has_the_name_of_its_response_if_that_is_wanted():
    assert name_of(head(content_length=10, **NAMED), CONTENT) == "a.png"
    assert name_of(head(203, **NAMED), CONTENT) == "a.png"
    assert name_of(head(content_length=10), CONTENT) is None
    assert name_of(head(content_length=10, **NAMED), CONTENT, settings=Settings()) is None


@pytest.mark.parametrize(
    "response",
    [head(404, **NAMED), head(302, location="/x", **NAMED), head(304, **NAMED), head(204, **NAMED)],
    ids=lambda response: str(response.status),
)
def test_what_is_not_the_file_names_nothing(response: ResponseHead):
    assert name_of(response) is None
    assert name_of(response, partial=HALF._replace(name="old.png")) is None


def test_a_file_that_is_continued_has_the_name_of_the_rest_or_else_of_the_beginning():
    half = HALF._replace(name="old.png")
    rest_named = head(206, content_range="bytes 5-9/10", **NAMED)
    assert name_of(rest_named, CONTENT[5:], partial=half) == "a.png"
    assert name_of(head(206, content_range="bytes 5-9/10"), CONTENT[5:], partial=half) == "old.png"
    assert name_of(head(416, content_range="bytes */5"), partial=half._replace(total=5)) == "old.png"
    assert name_of(head(content_length=10), CONTENT, partial=half) is None  # another version may have another name


def test_the_beginning_of_a_file_keeps_its_name():
    response = head(content_length=10, etag='"v1"', **NAMED)
    assert outcome_of(transfer(None, WANTED), response, CONTENT[:5]).partial == HALF._replace(name="a.png")
    assert outcome_of(transfer(), response, CONTENT[:5]).partial == HALF


# the request


def headers(**fields: object) -> Headers:
    settings = Settings(user_agent="test/1")
    return transfer(None, settings, **fields).request().headers


def test_a_request_has_these_headers_in_this_order_and_no_other():
    assert headers() == (
        ("Host", "h.example"),
        ("User-Agent", "test/1"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
    )


def test_a_request_names_the_url_and_its_parts():
    request = transfer(url="https://[::1]:8443/a%20b?c").request()
    assert request.url == "https://[::1]:8443/a%20b?c"
    assert (request.parts.target, request.parts.host, request.parts.port) == ("/a%20b?c", "::1", 8443)
    assert request.headers[0] == ("Host", "[::1]:8443")


def test_credentials_go_as_basic_ones_in_utf_8():
    expected = "Basic " + base64.b64encode("ü:p:ä".encode()).decode()
    assert ("Authorization", expected) in headers(credentials="ü:p:ä")
    assert basic_credentials("Aladdin:open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 section 2


def test_fields_of_the_user_take_the_place_of_ours():
    given_fields = (
        ("user-agent", "mine"),
        ("ACCEPT", "image/*"),
        ("authorization", "Bearer x"),
        ("X-Key", "1"),
        ("x-key", "2"),
    )
    assert headers(headers=given_fields, credentials="u:p") == (
        ("Host", "h.example"),
        ("Accept-Encoding", "identity"),
        *given_fields,
    )


def test_a_range_goes_out_with_its_validator_or_not_at_all():
    assert headers(partial=HALF)[-2:] == (("Range", "bytes=5-"), ("If-Range", '"v1"'))
    assert not {"Range", "If-Range"} & {name for name, _ in headers()}


# whole files


def test_a_body_of_the_length_that_was_said_is_done():
    part = MemoryPart()
    outcome = outcome_of(transfer(part), head(content_length=10), CONTENT[:4], CONTENT[4:])
    assert bare(outcome) == Outcome(Verdict.DONE, status=200, size=10, received=10, opened=True)
    assert part.content == CONTENT


@pytest.mark.parametrize("response", [head(), head(transfer_encoding="chunked"), head(203, content_length=10)])
def test_a_body_is_done_when_its_framing_ends(response: ResponseHead):
    assert judged(response, CONTENT) == (Verdict.DONE, None, response.status)


@pytest.mark.parametrize("response", [head(content_length=0), head(), head(transfer_encoding="chunked")])
def test_an_empty_file_is_a_file(response: ResponseHead):
    part = MemoryPart()
    assert outcome_of(transfer(part), response).verdict is Verdict.DONE
    assert part.content == b""


@pytest.mark.fault(22)
def test_what_is_beyond_the_length_is_not_the_files():
    part = MemoryPart()
    running = transfer(part)
    assert running.on_head(head(content_length=10))
    assert running.on_data(CONTENT[:4]) is True
    assert running.on_data(CONTENT[4:] + b"junk") is False
    running.on_end()
    assert (running.outcome.verdict, part.content) == (Verdict.DONE, CONTENT)


def test_the_left_over_of_an_earlier_run_is_not_continued_unasked():
    part = MemoryPart(b"something else")
    assert outcome_of(transfer(part), head(content_length=10), CONTENT).size == 10
    assert part.content == CONTENT


# bodies that end too early


@pytest.mark.fault(1)
@pytest.mark.parametrize("response", [head(content_length=10), head(206, content_range="bytes 5-9/10")])
def test_a_body_that_is_shorter_than_its_length_is_truncated(response: ResponseHead):
    partial = HALF if response.status == 206 else None
    assert judged(response, CONTENT[:3], partial=partial) == (Verdict.FAILED, Kind.TRUNCATED, response.status)


def test_an_end_before_any_response_is_a_reset_and_no_empty_file():
    running = transfer()
    running.on_end()
    assert (running.outcome.verdict, running.outcome.kind) == (Verdict.FAILED, Kind.RESET)


RESUMED = [Kind.TIMEOUT, Kind.RESET, Kind.TRUNCATED, Kind.PROXY]


@pytest.mark.parametrize("kind", RESUMED)
def test_what_came_before_a_break_can_be_continued(kind: Kind):
    part = MemoryPart()
    running = transfer(part)
    running.on_head(head(content_length=10, etag='"v1"'))
    running.on_data(CONTENT[:5])
    running.on_error(TransferError(kind, "it broke"))
    assert running.outcome == Outcome(
        Verdict.FAILED, kind, "it broke", status=200, size=5, received=5, partial=HALF, opened=True
    )
    assert (part.content, part.is_open) == (CONTENT[:5], False)


@pytest.mark.parametrize("kind", sorted(set(Kind) - set(RESUMED)))
def test_after_any_other_fault_nothing_is_left_to_continue(kind: Kind):
    part = MemoryPart()
    running = transfer(part)
    running.on_head(head(content_length=10, etag='"v1"'))
    running.on_data(CONTENT[:5])
    running.on_error(TransferError(kind, "it broke", retries=1))
    assert (running.outcome.partial, running.outcome.opened, running.outcome.retries) == (None, True, 1)
    assert (part.content, part.is_open) == (None, False)


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ({"etag": '"x"'}, '"x"'),
        ({"etag": '"x"', "last_modified": OLD, "date": DATE}, '"x"'),
        ({"last_modified": OLD, "date": DATE}, OLD),
        ({"etag": 'W/"x"', "last_modified": OLD, "date": DATE}, None),
        ({"etag": "x"}, None),
        ({"last_modified": OLD, "date": OLD}, None),
        ({"last_modified": OLD}, None),
        ({}, None),
    ],
)
def test_only_a_strong_validator_lets_bytes_be_continued(fields: dict[str, str], validator: str | None):
    part = MemoryPart()
    outcome = outcome_of(transfer(part), head(content_length=10, **fields), CONTENT[:5])
    assert outcome.partial == (validator and Partial(5, validator, 10, URL))
    assert part.content == (CONTENT[:5] if validator else None)


def test_a_body_without_length_is_continued_without_a_total():
    running = transfer()
    running.on_head(head(etag='"v1"', transfer_encoding="chunked"))
    running.on_data(CONTENT[:5])
    running.on_error(TransferError(Kind.TRUNCATED, "cut"))
    assert running.outcome.partial == HALF._replace(total=None)


def test_a_break_before_the_first_byte_leaves_nothing_to_continue():
    part = MemoryPart()
    outcome = outcome_of(transfer(part), head(content_length=10, etag='"v1"'))
    assert (outcome.kind, outcome.partial, part.content) == (Kind.TRUNCATED, None, None)


def test_a_break_before_the_response_keeps_what_was_there():
    running = transfer(partial=HALF)
    running.on_error(TransferError(Kind.RESET, "no reply"))
    assert (running.outcome.partial, running.outcome.opened, running.outcome.status) == (HALF, False, None)


# the rest of a file


def rest(status: int = 206, /, **fields: str | int) -> ResponseHead:
    """The right answer to the request for the second half."""
    return head(status, **{"content_range": "bytes 5-9/10", "etag": '"v1"', "content_length": 5, **fields})


@pytest.mark.parametrize(
    "response",
    [
        rest(),
        head(206, content_range="bytes 5-9/10"),
        head(206, content_range="Bytes 5-9/10", transfer_encoding="chunked"),
        rest(content_range="bytes 5-9/*"),
        rest(last_modified=OLD),
    ],
)
def test_the_rest_is_appended(response: ResponseHead):
    part = MemoryPart(CONTENT[:5] + b"left over")
    running = transfer(part, partial=HALF)
    outcome = outcome_of(running, response, CONTENT[5:])
    assert bare(outcome) == Outcome(Verdict.DONE, status=206, size=10, received=5, opened=True)
    assert part.content == CONTENT
    assert running.total == 10


def test_the_rest_of_a_file_of_unknown_size_is_appended_when_the_server_says_its_size():
    partial = HALF._replace(total=None)
    part = MemoryPart(CONTENT[:5])
    assert outcome_of(transfer(part, partial=partial), rest(), CONTENT[5:]).verdict is Verdict.DONE
    assert part.content == CONTENT


@pytest.mark.fault(11, 13, 16)
@pytest.mark.parametrize(
    ("response", "partial"),
    [
        (rest(content_range="bytes 4-9/10", content_length=6), HALF),
        (rest(content_range="bytes 6-9/10", content_length=4), HALF),
        (rest(content_range="bytes 0-9/10", content_length=10), HALF),
        (rest(content_range="bytes 5-9/11"), HALF),
        (rest(content_range="bytes 5-4/10"), HALF),
        (rest(content_range="bytes 5-10/10"), HALF),
        (rest(content_range="bytes 5-19/*", content_length=15), HALF),
        (rest(content_range="bytes 5-9/*"), HALF._replace(total=None)),
        (rest(content_range="bytes 5-9223372036854775806/9223372036854775807"), HALF),
        (rest(content_range="lines 5-9/10"), HALF),
        (rest(content_range="bytes */10"), HALF),
        (rest(content_range="all of it"), HALF),
        (rest(content_range=""), HALF),
        (head(206, etag='"v1"', content_length=5), HALF),
        (head(206, content_type="multipart/byteranges; boundary=x"), HALF),
        (rest(content_length=10), HALF),
        (rest(etag='"v2"'), HALF),
        (rest(etag='W/"v1"'), HALF),
        (rest(last_modified=DATE), HALF._replace(if_range=OLD)),
        (head(304), HALF),
        (head(412), HALF),
        (head(416), HALF),
        (head(416, content_range="bytes */9"), HALF),
        (head(416, content_range="bytes */5"), HALF),
        (head(416, content_range="bytes 0-4/5"), HALF._replace(total=None)),
        (head(416, content_range="bytes */5", etag='"v2"'), HALF._replace(total=None)),
    ],
)
def test_whatever_cannot_be_the_rest_is_fetched_again_from_the_start(response: ResponseHead, partial: Partial):
    part = MemoryPart(CONTENT[:5])
    outcome = outcome_of(transfer(part, partial=partial), response, b"x" * 10)
    assert (outcome.verdict, outcome.partial, outcome.opened) == (Verdict.RESTART, None, False)
    assert part.content == CONTENT[:5]


@pytest.mark.fault(11)
@pytest.mark.parametrize("name", ["Content-Range", "ETag"])
def test_a_field_of_the_range_that_comes_twice_and_differs_is_not_trusted(name: str):
    second = {"Content-Range": "bytes 0-4/10", "ETag": '"v2"'}[name]
    response = response_head("1.1", 206, "", (*rest().fields, (name, second)))
    outcome = outcome_of(transfer(partial=HALF), response, CONTENT[5:])
    assert outcome.verdict is Verdict.RESTART


@pytest.mark.fault(11)
def test_less_than_the_rest_is_appended_and_the_rest_of_that_asked_for_later():
    part = MemoryPart(CONTENT[:5])
    outcome = outcome_of(
        transfer(part, partial=HALF), rest(content_range="bytes 5-7/10", content_length=3), CONTENT[5:8]
    )
    assert (outcome.verdict, outcome.kind) == (Verdict.FAILED, Kind.TRUNCATED)
    assert outcome.partial == HALF._replace(size=8)
    assert part.content == CONTENT[:8]


@pytest.mark.parametrize("fields", [{}, {"etag": '"v1"'}, {"last_modified": OLD, "date": DATE}])
def test_a_continuation_that_breaks_can_be_continued_again(fields: dict[str, str]):
    running = transfer(partial=HALF)
    running.on_head(head(206, content_range="bytes 5-9/10", **fields))
    running.on_data(CONTENT[5:8])
    running.on_error(TransferError(Kind.RESET, "again"))
    validator = OLD if "last_modified" in fields else '"v1"'
    assert running.outcome.partial == Partial(8, validator, 10, URL)


@pytest.mark.fault(13)
def test_a_file_that_had_been_whole_already_is_done():
    part = MemoryPart(CONTENT)
    partial = HALF._replace(size=10)
    outcome = outcome_of(transfer(part, partial=partial), head(416, content_range="bytes */10"), b"sorry")
    assert bare(outcome) == Outcome(Verdict.DONE, status=416, size=10, received=0, opened=True)
    assert part.content == CONTENT


@pytest.mark.fault(13)
def test_a_file_that_had_been_whole_already_still_has_to_have_its_digest():
    part = MemoryPart(CONTENT, "sha256")
    running = transfer(part, partial=HALF._replace(size=10), digest=Digest("sha256", "0" * 64))
    assert outcome_of(running, head(416, content_range="bytes */10")).kind is Kind.DIGEST
    assert part.content is None


def test_the_body_of_a_refusal_is_never_written():
    part = MemoryPart(CONTENT[:5])
    for status in (404, 416, 500):
        running = transfer(part, partial=HALF)
        assert running.on_head(head(status, content_length=5)) is False
        assert running.on_data(b"sorry") is False
        assert part.content == CONTENT[:5]


@pytest.mark.fault(10)
@pytest.mark.parametrize("status", [200, 203])
@pytest.mark.parametrize(
    ("etag", "ignored"),
    [({"etag": '"v1"'}, True), ({}, True), ({"etag": '"v2"'}, False), ({"etag": 'W/"v1"'}, False)],
)
def test_the_whole_file_instead_of_the_rest_replaces_what_was_there(
    status: int, etag: dict[str, str], ignored: bool
):
    part = MemoryPart(b"OLD..")
    outcome = outcome_of(transfer(part, partial=HALF), head(status, content_length=10, **etag), CONTENT)
    assert (outcome.verdict, outcome.size, outcome.ranges_ignored) == (Verdict.DONE, 10, ignored)
    assert part.content == CONTENT


@pytest.mark.parametrize("content", [None, b"", CONTENT[:4]])
def test_a_part_that_is_gone_is_fetched_again_from_the_start(content: bytes | None):
    outcome = outcome_of(transfer(MemoryPart(content), partial=HALF), rest(), CONTENT[5:])
    assert (outcome.verdict, outcome.partial) == (Verdict.RESTART, None)


# statuses


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, Kind.EMPTY), (205, Kind.EMPTY), (206, Kind.PROTOCOL), (304, Kind.PROTOCOL), (407, Kind.PROXY),
        *((status, Kind.HTTP) for status in (201, 300, 305, 306, 400, 401, 403, 404, 408, 410, 412, 416, 429, 500)),
    ],
)  # fmt: skip
def test_a_status_that_brings_no_file_fails_under_its_name(status: int, kind: Kind):
    part = MemoryPart()
    outcome = outcome_of(transfer(part), head(status, content_range="bytes 0-9/10", content_length=10), CONTENT)
    assert (outcome.verdict, outcome.kind, outcome.status) == (Verdict.FAILED, kind, status)
    assert part.content is None


def test_credentials_that_a_proxy_refuses_are_not_tried_again():
    assert outcome_of(transfer(), head(407)).retries == 0


def test_a_refusal_keeps_what_can_be_continued():
    assert outcome_of(transfer(partial=HALF), head(503)).partial == HALF


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "the server answered 503"),
        ("Busy", "the server answered 503 Busy"),
        ("see http://u:secret@h/", "the server answered 503 see http://***@h/"),
        ("\x1b[31mred", "the server answered 503"),
        ("long " * 100, "the server answered 503 " + ("long " * 12)),
    ],
)
def test_a_refusal_tells_the_reason_if_it_can_be_printed(reason: str, message: str):
    assert outcome_of(transfer(), head(503, reason)).message == message


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_may_ask_to_wait(status: int):
    assert outcome_of(transfer(), head(status, retry_after="120")).retry_after == 120.0
    later = "Wed, 04 Mar 2026 05:07:07 GMT"
    assert outcome_of(transfer(), head(status, retry_after=later, date=DATE)).retry_after == 60.0
    for garbage in ("-1", "soon", "1e10", OLD):
        assert outcome_of(transfer(), head(status, retry_after=garbage, date=DATE)).retry_after is None


@pytest.mark.parametrize("status", [404, 500, 502, 408])
def test_other_refusals_ask_nobody_to_wait(status: int):
    assert outcome_of(transfer(), head(status, retry_after="120")).retry_after is None


# redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/other", "http://h.example/other"),
        ("next?x=1#top", "http://h.example/dir/next?x=1"),
        ("https://Other.example:443", "https://other.example/"),
        ("//cdn.example/a b", "http://cdn.example/a%20b"),
        ("/\xc3\xa4", "http://h.example/%C3%A4"),  # UTF-8, as the wire gives it
        ("", None),
    ],
)
def test_a_redirect_leads_to_its_location(status: int, location: str, target: str | None):
    part = MemoryPart()
    outcome = outcome_of(transfer(part), head(status, location=location, content_length=9), b"elsewhere")
    if target is None:
        assert (outcome.verdict, outcome.kind) == (Verdict.FAILED, Kind.REDIRECT)
    else:
        assert outcome == Outcome(Verdict.REDIRECT, status=status, location=target)
    assert part.content is None


def test_userinfo_of_a_location_is_credentials_for_the_next_hop():
    outcome = outcome_of(transfer(), head(302, location="http://u:p@o.example/"))
    assert (outcome.location, outcome.location_credentials) == ("http://o.example/", "u:p")
    assert "u:p" not in repr(outcome)


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        (None, Kind.REDIRECT),
        ("http://", Kind.REDIRECT),
        ("http://a b/", Kind.REDIRECT),
        ("\x01", Kind.REDIRECT),
        ("file:///etc/passwd", Kind.BLOCKED),
        ("ftp://h/", Kind.BLOCKED),
        ("javascript:alert(1)", Kind.BLOCKED),
    ],
)
def test_a_redirect_that_leads_nowhere_fails(location: str | None, kind: Kind):
    response = head(302) if location is None else head(302, location=location)
    assert judged(response) == (Verdict.FAILED, kind, 302)


def test_a_redirect_keeps_what_can_be_continued_behind_it():
    part = MemoryPart(CONTENT[:5])
    outcome = outcome_of(transfer(part, partial=HALF), head(302, location="/x"))
    assert (outcome.opened, part.content) == (False, CONTENT[:5])


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_location_leads_somewhere_or_fails(location: bytes):
    outcome = outcome_of(transfer(), head(302, location=location.decode("latin-1")))
    assert (outcome.verdict is Verdict.REDIRECT) == (outcome.location is not None)
    assert outcome.verdict is Verdict.REDIRECT or outcome.kind in (Kind.REDIRECT, Kind.BLOCKED)


# content codings


@pytest.mark.parametrize("coding", ["", "identity", "Identity", "identity, identity"])
def test_no_coding_is_no_coding(coding: str):
    assert judged(head(content_encoding=coding), CONTENT)[0] is Verdict.DONE


@pytest.mark.fault(17)
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "x" * 100])
@pytest.mark.parametrize("url", [URL, "http://h/a?b.gz", "http://h/a.html"])
def test_a_coding_that_cannot_be_undone_fails(url: str, coding: str):
    part = MemoryPart()
    outcome = outcome_of(transfer(part, url=url), head(content_encoding=coding, etag='"v1"'), CONTENT)
    assert (outcome.kind, outcome.partial) == (Kind.CODING, None)
    assert part.content is None


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity,gzip"])
@pytest.mark.parametrize("cut", [1, 5, len(CODED)])
def test_a_coding_that_was_not_asked_for_is_undone(coding: str, cut: int):
    part = MemoryPart()
    response = head(content_encoding=coding, content_length=len(CODED))
    outcome = outcome_of(transfer(part), response, CODED[:cut], CODED[cut:] or CODED)
    assert (outcome.verdict, part.content) == (Verdict.DONE, CONTENT)
    assert (outcome.size, outcome.received) == (len(CONTENT), len(CODED))


def test_the_last_coding_is_undone_first():
    part = MemoryPart()
    response = response_head("1.1", 200, "", (("Content-Encoding", "deflate"), ("Content-Encoding", "gzip")))
    assert outcome_of(transfer(part), response, gzip.compress(zlib.compress(CONTENT))).verdict is Verdict.DONE
    assert part.content == CONTENT


@pytest.mark.parametrize("length", [{}, {"content_length": len(CODED) - 1}])
def test_a_coded_stream_that_is_cut_is_incomplete_though_its_body_is_not(length: dict[str, int]):
    part = MemoryPart()
    response = head(content_encoding="gzip", etag='"v1"', **length)
    outcome = outcome_of(transfer(part), response, CODED[:-1])
    assert (outcome.kind, outcome.partial, part.content) == (Kind.TRUNCATED, None, None)


def test_the_length_of_a_coded_body_is_judged_before_its_coding():
    response = head(content_encoding="gzip", content_length=len(CODED) + 1)
    outcome = outcome_of(transfer(), response, CODED)
    assert outcome.kind is Kind.TRUNCATED
    assert f"{len(CODED)} of {len(CODED) + 1} bytes" in outcome.message


@pytest.mark.parametrize("end", ["stop", "reset"])
def test_a_coded_body_is_never_continued(end: str):
    part = MemoryPart()
    running = transfer(part)
    running.on_head(
        head(content_encoding="gzip", content_length=len(CODED), etag='"v1"', last_modified=OLD, date=DATE)
    )
    assert (running.validator, running.total) == (None, None)  # no run may continue it later
    running.on_data(CODED[:-9])
    assert part.size > 0
    running.on_stop() if end == "stop" else running.on_error(FAULT)
    assert (running.outcome.partial, part.content, part.is_open) == (None, None, False)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_rest_that_is_coded_means_to_start_again(coding: str, raw: bool):
    response = rest(content_encoding=coding)
    outcome = outcome_of(transfer(None, Settings(raw=raw), partial=HALF), response, CONTENT[5:])
    assert (outcome.verdict, outcome.partial) == (Verdict.RESTART, None)


def test_a_whole_file_that_comes_coded_replaces_the_half_that_is_there():
    part = MemoryPart(CONTENT[:5])
    outcome = outcome_of(transfer(part, partial=HALF), head(content_encoding="gzip", etag='"v2"'), CODED)
    assert (outcome.verdict, part.content, outcome.opened) == (Verdict.DONE, CONTENT, True)


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip, gzip, gzip, gzip, gzip"])
def test_a_coding_can_be_kept(coding: str):
    part = MemoryPart()
    running = transfer(part, Settings(raw=True))
    outcome = outcome_of(running, head(content_encoding=coding, content_length=10, etag='"v1"'), CONTENT)
    assert (outcome.verdict, part.content, running.total, running.validator) == (Verdict.DONE, CONTENT, 10, None)


def test_an_empty_body_needs_no_end_of_its_coding():
    assert judged(head(content_encoding="gzip", content_length=0))[0] is Verdict.DONE
    assert judged(head(content_encoding="gzip"))[1] is Kind.TRUNCATED


def test_sizes_and_digests_are_those_of_the_decoded_file():
    right = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
    response = head(content_encoding="gzip", content_length=len(CODED))
    assert judged(response, CODED, size=len(CONTENT), digest=right)[0] is Verdict.DONE
    for size in (len(CONTENT) - 1, len(CONTENT) + 1, len(CODED)):
        assert judged(response, CODED, size=size)[1] is Kind.DIGEST
    assert outcome_of(transfer(None, Settings(max_filesize=10)), response, CODED).verdict is Verdict.DONE
    assert outcome_of(transfer(None, Settings(max_filesize=9)), response, CODED).kind is Kind.TOO_LARGE


def test_a_coded_body_that_decodes_to_nothing_for_ever_is_too_large():
    empty = gzip.compress(b"") * 10_000
    running = transfer(None, Settings(max_filesize=1000))
    running.on_head(head(content_encoding="gzip"))
    assert sum(1 for _ in itertools.takewhile(lambda _: running.on_data(empty), range(1000))) < 20
    assert running.outcome.kind is Kind.TOO_LARGE


def test_a_disk_that_fills_up_while_a_coding_is_undone_says_so():
    part = MemoryPart()
    part.room = 7
    outcome = outcome_of(transfer(part), head(content_encoding="gzip", etag='"v1"'), CODED)
    assert (outcome.kind, outcome.errno, outcome.partial) == (Kind.DISK, errno.ENOSPC, None)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "gzip, br"])
def test_an_archive_has_no_other_coding_than_its_own(coding: str):
    assert judged(head(content_encoding=coding), CONTENT, url="http://h/a.gz")[1] is Kind.CODING


def test_a_second_line_with_a_coding_is_seen():
    response = response_head("1.1", 200, "", (("Content-Encoding", "identity"), ("Content-Encoding", "br")))
    assert judged(response, CONTENT)[1] is Kind.CODING


@pytest.mark.fault(18)
@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.svgz", "a.tar.Z", "a%2Egz"])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_an_archive_that_is_labelled_as_coded_is_kept_as_it_is(name: str, coding: str):
    part = MemoryPart()
    outcome = outcome_of(transfer(part, url=f"http://h/{name}?x"), head(content_encoding=coding), CONTENT)
    assert (outcome.verdict, part.content) == (Verdict.DONE, CONTENT)


# wanted types

IMAGES = Settings(accept="image/*")
PNG = b"\x89PNG\r\n\x1a\n"
PART_OF_PNG = Partial(size=5, if_range='"v1"', total=8, url=URL)


def test_a_type_that_is_not_wanted_is_refused_by_the_head():
    part = MemoryPart()
    running = transfer(part, IMAGES)
    assert running.on_head(head(content_type="text/html", content_length=10)) is False
    assert (running.outcome.kind, running.outcome.retries, part.content) == (Kind.CONTENT_TYPE, None, None)


@pytest.mark.parametrize("coding", [{}, {"content_encoding": "gzip"}])
def test_bytes_that_are_not_wanted_end_the_body(coding: dict[str, str]):
    body = b"<!DOCTYPE html>" + bytes(10_000)
    part = MemoryPart()
    running = transfer(part, IMAGES)
    running.on_head(head(content_type="image/png", etag='"v1"', **coding))
    assert running.on_data(gzip.compress(body) if coding else body) is False
    assert (running.outcome.kind, running.outcome.partial, part.content) == (Kind.CONTENT_TYPE, None, None)


def test_a_body_that_tells_nothing_is_judged_at_its_end():
    part = MemoryPart()
    outcome = outcome_of(transfer(part, IMAGES), head(content_type="image/png"), PNG[:7])
    assert (outcome.verdict, outcome.kind, part.content) == (Verdict.FAILED, Kind.CONTENT_TYPE, None)
    assert (
        outcome_of(transfer(None, IMAGES), head(content_type="image/png"), PNG[:7], PNG[7:]).verdict is Verdict.DONE
    )


def png_transfer(beginning: bytes, **partial: object) -> Transfer:
    return transfer(MemoryPart(beginning), IMAGES, partial=PART_OF_PNG._replace(**partial))


@pytest.mark.parametrize("said", [{"content_type": "image/png"}, {"content_type": "application/octet-stream"}])
def test_what_is_on_disk_already_is_judged_with_the_rest(said: dict[str, str]):
    response = head(206, content_range="bytes 5-7/8", **said)
    assert outcome_of(png_transfer(PNG[:5]), response, PNG[5:]).verdict is Verdict.DONE
    assert outcome_of(png_transfer(b"<html"), response, b">  ").kind is Kind.CONTENT_TYPE
    assert outcome_of(png_transfer(b"other"), response, PNG[5:]).kind is Kind.CONTENT_TYPE


def test_what_is_on_disk_already_may_be_enough():
    running = png_transfer(b"<html>", size=6)
    assert running.on_head(head(206, content_range="bytes 6-7/8", content_type="image/png")) is False
    assert (running.outcome.kind, running.outcome.partial, running._part.content) == (Kind.CONTENT_TYPE, None, None)
    running = png_transfer(PNG, size=8, total=20)
    assert running.on_head(head(206, content_range="bytes 8-19/20", content_type="text/html")) is False
    assert running.outcome.kind is Kind.CONTENT_TYPE


def test_a_rest_that_does_not_say_what_it_is_must_be_known_by_its_beginning():
    response = head(206, content_range="bytes 8-9/10")
    assert outcome_of(png_transfer(PNG, size=8, total=10), response, b"ab").verdict is Verdict.DONE
    for beginning in (b"unknown!", b"<html>ab"):  # what it was taken for before, only its first head knows
        assert outcome_of(png_transfer(beginning, size=8, total=10), response, b"ab").verdict is Verdict.RESTART


def test_a_file_that_had_been_whole_already_is_judged_by_its_beginning():
    response = head(416, content_range="bytes */8", content_type="text/html")
    assert outcome_of(png_transfer(PNG, size=8), response).verdict is Verdict.DONE
    assert outcome_of(png_transfer(b"<html>ab", size=8), response).verdict is Verdict.RESTART
    assert outcome_of(png_transfer(b"unknown!", size=8), response).verdict is Verdict.RESTART


def test_an_archive_under_a_label_is_wanted_for_what_the_server_says_it_is():
    said = {"content_type": "application/x-tar", "content_encoding": "gzip"}
    settings, url = Settings(accept="application/x-tar"), "http://h/a.tgz"
    assert outcome_of(transfer(None, settings, url=url), head(**said), CODED).verdict is Verdict.DONE
    half = HALF._replace(total=len(CODED), url=url)
    response = head(206, content_range=f"bytes 5-{len(CODED) - 1}/{len(CODED)}", **said)
    running = transfer(MemoryPart(CODED[:5]), settings, url=url, partial=half)
    assert outcome_of(running, response, CODED[5:]).verdict is Verdict.DONE


# sizes and digests


def test_a_file_that_is_too_large_by_its_length_is_not_begun():
    part = MemoryPart()
    running = transfer(part, Settings(max_filesize=9))
    assert running.on_head(head(content_length=10)) is False
    assert (running.outcome.kind, part.content) == (Kind.TOO_LARGE, None)


@pytest.mark.fault(38)
def test_a_body_without_end_stops_at_the_largest_size():
    part = MemoryPart()
    running = transfer(part, Settings(max_filesize=1000))
    running.on_head(head())
    pieces = list(itertools.takewhile(lambda _: running.on_data(b"x" * 300), range(10**6)))
    assert (len(pieces), running.outcome.kind, part.content) == (3, Kind.TOO_LARGE, None)


def test_the_largest_size_itself_is_allowed():
    assert outcome_of(transfer(None, Settings(max_filesize=10)), head(), CONTENT).verdict is Verdict.DONE
    assert outcome_of(transfer(None, Settings(max_filesize=0)), head()).verdict is Verdict.DONE


def test_what_is_there_already_counts_towards_the_largest_size():
    settings = Settings(max_filesize=9)
    assert outcome_of(transfer(None, settings, partial=HALF), rest(), CONTENT[5:]).kind is Kind.TOO_LARGE
    unknown = HALF._replace(total=None)
    response = head(206, content_range="bytes 5-9/10")
    assert outcome_of(transfer(None, settings, partial=unknown), response, CONTENT[5:]).kind is Kind.TOO_LARGE


@pytest.mark.parametrize("said", [9, 11])
@pytest.mark.parametrize("response", [head(content_length=10), head(), head(transfer_encoding="chunked")])
def test_a_size_that_differs_from_the_lists_fails(said: int, response: ResponseHead):
    part = MemoryPart()
    outcome = outcome_of(transfer(part, size=said), response, CONTENT)
    assert (outcome.kind, part.content, outcome.partial) == (Kind.DIGEST, None, None)


@pytest.mark.parametrize("response", [head(content_length=10), head(), head(transfer_encoding="chunked")])
def test_a_file_of_the_lists_size_is_done(response: ResponseHead):
    assert judged(response, CONTENT[:4], CONTENT[4:], size=10)[0] is Verdict.DONE


def test_a_body_without_end_stops_at_the_lists_size():
    running = transfer(size=1000)
    running.on_head(head())
    assert len(list(itertools.takewhile(lambda _: running.on_data(b"x" * 300), range(10**6)))) == 3
    assert running.outcome.kind is Kind.DIGEST


def test_a_file_that_had_been_whole_already_still_has_to_have_its_size():
    partial = HALF._replace(size=10, total=None)
    assert judged(head(416, content_range="bytes */10"), partial=partial, size=11)[1] is Kind.DIGEST


@pytest.mark.fault(58)
@pytest.mark.parametrize("partial", [None, HALF])
@pytest.mark.parametrize("algorithm", ["sha256", "md5", "sha1", "sha512"])
def test_the_digest_of_the_whole_file_is_checked(algorithm: str, partial: Partial | None):
    right = Digest(algorithm, hashlib.new(algorithm, CONTENT).hexdigest())
    wrong = Digest(algorithm, "0" * len(right.value))
    response = rest() if partial else head()
    body = CONTENT[5:] if partial else CONTENT
    outcome = outcome_of(transfer(digest=right, partial=partial), response, body)
    assert (outcome.verdict, outcome.digest) == (Verdict.DONE, right)
    part = MemoryPart(CONTENT[:5], algorithm)
    outcome = outcome_of(transfer(part, digest=wrong, partial=partial), response, body)
    assert (outcome.verdict, outcome.kind, outcome.digest) == (Verdict.FAILED, Kind.DIGEST, right)
    assert right.value in outcome.message
    assert wrong.value in outcome.message
    assert (part.content, outcome.partial) == (None, None)


# the disk


def test_a_disk_that_refuses_the_part_fails_the_attempt():
    part = MemoryPart()
    part.refuses_open = PermissionError(errno.EACCES, "Permission denied")
    running = transfer(part)
    assert running.on_head(head(content_length=10)) is False
    assert (running.outcome.kind, running.outcome.errno) == (Kind.DISK, errno.EACCES)
    assert running.outcome.message == "cannot write /parts/1.part: Permission denied"


def test_a_disk_that_is_full_in_the_middle_keeps_what_it_took():
    part = MemoryPart()
    part.room = 7
    running = transfer(part)
    running.on_head(head(content_length=10, etag='"v1"'))
    assert running.on_data(CONTENT) is False
    assert (running.outcome.kind, running.outcome.errno) == (Kind.DISK, errno.ENOSPC)
    assert running.outcome.partial == HALF._replace(size=7)
    assert (part.content, part.is_open) == (CONTENT[:7], False)


@pytest.mark.fault(39)
def test_a_disk_that_says_only_at_the_end_that_it_is_full_is_no_success():
    part = MemoryPart()
    part.refuses_close = OSError(errno.EDQUOT, "Disk quota exceeded")
    outcome = outcome_of(transfer(part), head(content_length=10, etag='"v1"'), CONTENT)
    assert (outcome.verdict, outcome.kind, outcome.errno) == (Verdict.FAILED, Kind.DISK, errno.EDQUOT)
    assert (outcome.partial, outcome.opened) == (None, True)


@pytest.mark.fault(39)
def test_bytes_that_may_not_have_reached_the_disk_are_not_continued():
    part = MemoryPart()
    part.refuses_close = OSError(errno.EIO, "Input/output error")
    outcome = outcome_of(transfer(part), head(content_length=10, etag='"v1"'), CONTENT[:5])
    assert (outcome.kind, outcome.partial) == (Kind.TRUNCATED, None)


def test_a_disk_that_gives_no_number_is_still_a_failure_of_the_disk():
    part = MemoryPart()
    part.refuses_close = OSError("odd")
    assert outcome_of(transfer(part), head(), CONTENT).errno == errno.EIO


# stopping, and calls after the end


@pytest.mark.parametrize("validator", ['"v1"', 'W/"v1"'])
def test_a_stop_keeps_what_can_be_continued(validator: str):
    part = MemoryPart()
    running = transfer(part)
    running.on_head(head(content_length=10, etag=validator))
    running.on_data(CONTENT[:5])
    running.on_stop()
    assert running.outcome.verdict is Verdict.STOPPED
    assert running.outcome.partial == (HALF if validator == '"v1"' else None)
    assert (part.content is None, part.is_open) == (validator != '"v1"', False)


def test_a_stop_before_the_response_keeps_what_was_there():
    running = transfer(partial=HALF)
    running.on_stop()
    assert (running.outcome.verdict, running.outcome.partial, running.outcome.opened) == (
        Verdict.STOPPED,
        HALF,
        False,
    )


def test_after_the_end_further_calls_do_nothing():
    part = MemoryPart()
    running = transfer(part)
    outcome = outcome_of(running, head(content_length=10), CONTENT)
    assert running.on_data(b"more") is False
    running.on_end()
    running.on_error(TransferError(Kind.RESET, "late"))
    running.on_stop()
    assert running.on_head(head(500)) is False
    assert running.outcome is outcome
    assert part.content == CONTENT


# what the head tells


def test_validator_and_total_are_known_from_the_head_on():
    running = transfer()
    assert (running.validator, running.total, running.size) == (None, None, 0)
    running.on_head(head(content_length=10, etag='"v1"', last_modified=OLD, date=DATE))
    assert running.validator == Validator(URL, '"v1"', OLD, DATE)
    assert (running.total, running.size) == (10, 0)
    running.on_data(CONTENT[:4])
    assert running.size == 4


# anything at all

STATUSES = st.sampled_from([200, 203, 204, 206, 301, 302, 304, 400, 404, 412, 416, 429, 500, 503])
POSITIONS = st.builds("{}-{}".format, st.integers(0, 12), st.integers(0, 12)) | st.just("*")
RANGES = st.none() | st.builds("bytes {}/{}".format, POSITIONS, st.integers(0, 12))
FAULT = TransferError(Kind.RESET, "cut")


@given(
    status=STATUSES,
    content_range=RANGES,
    etag=st.sampled_from([None, '"v1"', '"v2"', 'W/"v1"']),
    length=st.none() | st.integers(0, 12),
    body=st.lists(st.binary(min_size=1, max_size=8), max_size=4),
    end=st.sampled_from(["end", "error", "stop"]),
    partial=st.sampled_from([None, HALF, HALF._replace(total=None)]),
    disk=st.sampled_from([None, "open", "write", "close"]),
)  # fmt: skip
def test_whatever_happens_a_file_is_done_only_if_all_of_it_came(
    status: int,
    content_range: str | None,
    etag: str | None,
    length: int | None,
    body: list[bytes],
    end: str,
    partial: Partial | None,
    disk: str | None,
):
    part = MemoryPart(CONTENT[:5] if partial else None)
    if disk:
        setattr(part, f"refuses_{disk}", OSError(errno.EIO, "broken"))
    running = transfer(part, partial=partial)
    fields = {"content_range": content_range, "etag": etag, "content_length": length}
    wanted = running.on_head(head(status, **{name: value for name, value in fields.items() if value is not None}))
    for piece in body:
        if not wanted or not running.on_data(piece):
            break
    {"end": running.on_end, "stop": running.on_stop, "error": lambda: running.on_error(FAULT)}[end]()
    outcome = running.outcome
    came = b"".join(body)
    assert not part.is_open
    if outcome.verdict is Verdict.DONE:
        assert disk is None or not came
        if status == 416:
            assert (partial.total, content_range) == (None, "bytes */5")
        elif status == 206:
            first, last, total = 5, outcome.size - 1, outcome.size
            assert (content_range, etag in (None, '"v1"')) == (f"bytes {first}-{last}/{total}", True)
            assert part.content == CONTENT[:5] + came[: total - 5]
        else:
            assert status in (200, 203)
            assert part.content == came[:length]
            assert length in (None, outcome.size)
    if outcome.partial is not None:
        assert part.content[: outcome.partial.size] == part.content
        assert outcome.partial.if_range == '"v1"' or outcome.partial.if_range == etag == '"v2"'
