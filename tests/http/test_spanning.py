"""The request for a span of a file, and what every answer to it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.http.head import ResponseHead, response_head
from pdl.http.transfer import Transfer
from pdl.model import Attempt, Outcome, Partial, Span, Validator, Verdict
from pdl.settings import Settings

URL = "http://h.example/large"
CONTENT = bytes(range(20))
PROBE = Span(0, 8)
REST = Span(8, 14, '"v1"', 20)


def transfer(span: Span, folder: Path, settings: Settings | None = None, **fields: object) -> Transfer:
    attempt = Attempt(id=1, row=1, url=URL, part=str(folder / "1.part"), span=span, **fields)
    return Transfer(attempt, settings or Settings())


def head(status: int, **fields: str | int) -> ResponseHead:
    return response_head("1.1", status, "", tuple((n.replace("_", "-"), str(v)) for n, v in fields.items()))


def partial_head(text: str, **fields: str | int) -> ResponseHead:
    return head(206, **{"content_range": text, "etag": '"v1"', **fields})


def laid_out(folder: Path) -> None:
    """A probe has begun, and left the part as long as the file."""
    running = transfer(PROBE, folder)
    assert running.on_head(partial_head("bytes 0-7/20"))
    running.on_data(CONTENT[:8])
    running.on_end()


def outcome(running: Transfer, answer: ResponseHead, *pieces: bytes) -> Outcome:
    if running.on_head(answer):
        for piece in pieces:
            running.on_data(piece)
        running.on_end()
    assert running.outcome is not None
    return running.outcome


def content(folder: Path) -> bytes:
    return (folder / "1.part").read_bytes()


# the request


def fields_of(running: Transfer) -> dict[str, str]:
    return {name: value for name, value in running.request().headers if name not in ("Host", "User-Agent")}


def test_a_probe_asks_for_the_first_bytes_of_any_version(tmp_path: Path):
    plain = {"Accept": "*/*", "Accept-Encoding": "identity"}
    assert fields_of(transfer(PROBE, tmp_path)) == {**plain, "Range": "bytes=0-7"}
    unless = Validator(URL, etag='"v0"')
    asked = fields_of(transfer(PROBE, tmp_path, unless=unless))
    assert asked == {**plain, "Range": "bytes=0-7", "If-None-Match": '"v0"'}


def test_the_others_ask_for_their_bytes_of_that_version(tmp_path: Path):
    asked = fields_of(transfer(REST, tmp_path))
    assert (asked["Range"], asked["If-Range"]) == ("bytes=8-13", '"v1"')


# the probe


def test_a_probe_tells_what_the_others_need(tmp_path: Path):
    running = transfer(PROBE, tmp_path)
    assert not running.opens_the_way
    assert running.on_head(partial_head("bytes 0-7/20", content_length=8, last_modified="then"))
    assert running.opens_the_way
    assert (running.total, running.status) == (20, 206)
    assert content(tmp_path) == bytes(20)
    running.on_data(CONTENT[:3])
    assert running.partial() == Partial(3, '"v1"', 20, URL)
    assert not running.on_data(CONTENT[3:9])  # one byte more than was asked for
    running.on_end()
    found = running.outcome
    assert found is not None
    assert (found.verdict, found.size, found.received, found.etag) == (Verdict.SPAN, 8, 8, '"v1"')
    assert found.partial == Partial(8, '"v1"', 20, URL)
    assert not running.opens_the_way
    assert content(tmp_path) == CONTENT[:8] + bytes(12)


@pytest.mark.parametrize("total", [1, 7, 8])
def test_a_probe_that_covers_the_file_is_all_of_it(tmp_path: Path, total: int):
    for number, validator in enumerate(
        (None, 'W/"weak"', '"v1"')
    ):  # nothing is spliced, so nothing must be told apart
        folder = tmp_path / str(number)
        folder.mkdir()
        fields = {} if validator is None else {"etag": validator}
        running = transfer(PROBE, folder, algorithm="md5")
        found = outcome(running, head(206, content_range=f"bytes 0-{total - 1}/{total}", **fields), CONTENT[:total])
        assert (found.verdict, found.size) == (Verdict.DONE, total)
        assert found.digest is not None
        assert content(folder) == CONTENT[:total]


def test_a_probe_that_covers_the_file_and_is_cut_is_continued_as_ever(tmp_path: Path):
    running = transfer(PROBE, tmp_path)
    found = outcome(running, partial_head("bytes 0-6/7"), CONTENT[:3])
    assert (found.verdict, found.kind) == (Verdict.FAILED, Kind.TRUNCATED)
    assert found.partial == Partial(3, '"v1"', 7, URL)
    assert content(tmp_path) == CONTENT[:3]


def test_the_whole_file_in_answer_to_a_probe_is_taken(tmp_path: Path):
    found = outcome(transfer(PROBE, tmp_path), head(200, content_length=20, etag='"v1"'), CONTENT)
    assert (found.verdict, found.size, found.ranges_ignored) == (Verdict.DONE, 20, False)
    assert content(tmp_path) == CONTENT


@pytest.mark.parametrize(
    "answer",
    [
        head(206, etag='"v1"'),
        partial_head("bytes 0-7/*"),
        partial_head("bytes */20"),
        partial_head("bytes 1-7/20"),
        partial_head("bytes 0-6/20"),
        partial_head("bytes 0-8/20"),
        partial_head("lines 0-7/20"),
        partial_head("bytes 0-7/20", content_length=9),
        partial_head("bytes 0-7/20", content_encoding="gzip"),
        partial_head("bytes 0-7/20", etag='W/"weak"'),
        partial_head("bytes 0-7/20", etag="bare"),
        head(206, content_range="bytes 0-7/20"),
        head(206, content_range="bytes 0-7/20", last_modified="Tue, 03 Mar 2026 05:06:07 GMT"),
        head(400),
        head(405),
        head(412),
        head(416, content_range="bytes */0"),
        head(501),
    ],
)
def test_what_does_not_fit_the_probe_has_the_file_fetched_in_one_piece(tmp_path: Path, answer: ResponseHead):
    running = transfer(PROBE, tmp_path)
    found = outcome(running, answer)
    assert (found.verdict, found.partial, found.opened) == (Verdict.RESTART, None, False)
    assert found.message
    assert not (tmp_path / "1.part").exists()


def test_a_date_that_is_strong_tells_versions_apart(tmp_path: Path):
    dates = {"last_modified": "Tue, 03 Mar 2026 05:06:07 GMT", "date": "Wed, 04 Mar 2026 05:06:07 GMT"}
    running = transfer(PROBE, tmp_path)
    assert running.on_head(head(206, content_range="bytes 0-7/20", **dates))
    running.on_data(b"x")
    partial = running.partial()
    assert partial is not None
    assert partial.if_range == dates["last_modified"]
    running.on_stop()


@pytest.mark.parametrize(
    ("status", "kind"), [(404, Kind.HTTP), (503, Kind.HTTP), (204, Kind.EMPTY), (304, Kind.PROTOCOL)]
)
def test_other_answers_to_a_probe_mean_what_they_always_do(tmp_path: Path, status: int, kind: Kind):
    found = outcome(transfer(PROBE, tmp_path), head(status))
    assert (found.verdict, found.kind) == (Verdict.FAILED, kind)


def test_a_probe_for_what_has_not_changed_and_one_that_is_redirected(tmp_path: Path):
    unless = Validator(URL, etag='"v1"')
    assert outcome(transfer(PROBE, tmp_path, unless=unless), head(304)).verdict is Verdict.NOT_MODIFIED
    found = outcome(transfer(PROBE, tmp_path), head(302, location="/there"))
    assert (found.verdict, found.location) == (Verdict.REDIRECT, "http://h.example/there")


def test_limits_of_size_are_held_against_the_whole_file(tmp_path: Path):
    answer = partial_head("bytes 0-7/20")
    assert outcome(transfer(PROBE, tmp_path, Settings(max_filesize=19)), answer).kind is Kind.TOO_LARGE
    assert outcome(transfer(PROBE, tmp_path, size=19), answer).kind is Kind.DIGEST
    assert not (tmp_path / "1.part").exists()


def test_nobody_is_shown_the_way_before_the_type_is_known(tmp_path: Path):
    probe, settings = Span(0, 6000), Settings(accept=("image/*",))
    answer = partial_head("bytes 0-5999/9000", content_type="image/png")
    running = transfer(probe, tmp_path, settings)
    assert running.on_head(answer)
    running.on_data(b"\x89PNG")
    assert not running.opens_the_way
    assert running.partial() is None
    running.on_data(b"\r\n\x1a\n" + bytes(5000))
    assert running.opens_the_way
    running.on_stop()
    found = outcome(transfer(probe, tmp_path, settings), answer, b"<!DOCTYPE html>" + bytes(5000))
    assert (found.kind, found.partial) == (Kind.CONTENT_TYPE, None)


# the others


@pytest.mark.parametrize("fields", [{}, {"content_length": 6}, {"etag": '"v1"'}])
@pytest.mark.parametrize("text", ["bytes 8-13/20", "bytes 8-13/*"])
def test_a_span_is_written_in_its_place(tmp_path: Path, text: str, fields: dict[str, str]):
    laid_out(tmp_path)
    running = transfer(REST, tmp_path)
    assert running.on_head(head(206, content_range=text, **fields))
    assert not running.opens_the_way  # that is the probe's to say
    running.on_data(CONTENT[8:10])
    assert (running.size, running.partial()) == (10, Partial(10, '"v1"', 20, URL))
    running.on_data(CONTENT[10:14])
    running.on_end()
    assert running.outcome is not None
    assert (running.outcome.verdict, running.outcome.size) == (Verdict.SPAN, 14)
    assert content(tmp_path) == CONTENT[:14] + bytes(6)


@pytest.mark.parametrize(
    "answer",
    [
        head(200, content_length=20, etag='"v2"'),
        head(203, content_length=20),
        head(206, etag='"v1"'),
        partial_head("bytes 8-13/21"),
        partial_head("bytes 9-13/20"),
        partial_head("bytes 8-12/20"),
        partial_head("bytes 8-14/20"),
        partial_head("bytes */20"),
        partial_head("bytes 8-13/20", etag='"v2"'),
        partial_head("bytes 8-13/20", etag='W/"v1"'),
        partial_head("bytes 8-13/20", content_length=7),
        partial_head("bytes 8-13/20", content_encoding="br"),
        head(204),
        head(302, location="/there"),
        head(304),
        head(403),
        head(404),
        head(412),
        head(416, content_range="bytes */8"),
    ],
)
def test_what_contradicts_has_the_file_fetched_in_one_piece(tmp_path: Path, answer: ResponseHead):
    laid_out(tmp_path)
    before = content(tmp_path)
    found = outcome(transfer(REST, tmp_path), answer, CONTENT)
    assert (found.verdict, found.ranges_ignored) == (Verdict.RESTART, answer.status == 203)
    assert content(tmp_path) == before


def test_the_same_version_as_a_whole_shows_that_ranges_are_ignored(tmp_path: Path):
    laid_out(tmp_path)
    found = outcome(transfer(REST, tmp_path), head(200, etag='"v1"'))
    assert (found.verdict, found.ranges_ignored) == (Verdict.RESTART, True)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_in_trouble_is_no_contradiction(tmp_path: Path, status: int):
    laid_out(tmp_path)
    found = outcome(transfer(REST, tmp_path), head(status, retry_after=7))
    assert (found.verdict, found.kind, found.status) == (Verdict.FAILED, Kind.HTTP, status)
    assert found.retry_after == (7 if status in (429, 503) else None)


def test_a_span_that_breaks_tells_how_far_it_came(tmp_path: Path):
    laid_out(tmp_path)
    running = transfer(REST, tmp_path)
    assert running.on_head(partial_head("bytes 8-13/20"))
    running.on_data(CONTENT[8:11])
    running.on_error(TransferError(Kind.RESET, "it broke"))
    assert running.outcome is not None
    assert running.outcome.partial == Partial(11, '"v1"', 20, URL)
    found = outcome(transfer(REST, tmp_path), partial_head("bytes 8-13/20"), CONTENT[8:13])
    assert (found.kind, found.partial) == (Kind.TRUNCATED, Partial(13, '"v1"', 20, URL))
    running = transfer(REST, tmp_path)
    assert running.on_head(partial_head("bytes 8-13/20"))
    running.on_error(TransferError(Kind.PROTOCOL, "no chunk"))
    assert running.outcome is not None
    assert running.outcome.partial is None
    assert (tmp_path / "1.part").exists()  # it is not this attempt's alone to remove


def test_a_part_that_is_gone_or_has_another_length_is_begun_anew(tmp_path: Path):
    answer = partial_head("bytes 8-13/20")
    assert outcome(transfer(REST, tmp_path), answer).verdict is Verdict.RESTART
    (tmp_path / "1.part").write_bytes(bytes(19))
    assert outcome(transfer(REST, tmp_path), answer).verdict is Verdict.RESTART
    assert content(tmp_path) == bytes(19)


@pytest.mark.parametrize(
    ("beginning", "fields", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", {"content_type": "image/png"}, None),
        (b"\x89PNG\r\n\x1a\n", {}, None),
        (b"<!DOCTYPE html>", {"content_type": "image/png"}, Kind.CONTENT_TYPE),
        (b"\x89PNG\r\n\x1a\n", {"content_type": "text/html"}, Kind.CONTENT_TYPE),
    ],
)
def test_what_an_earlier_run_has_fetched_is_judged_too(
    tmp_path: Path, beginning: bytes, fields: dict[str, str], kind: Kind | None
):
    (tmp_path / "1.part").write_bytes(beginning.ljust(9000, b"\0"))
    span = Span(5000, 9000, '"v1"', 9000, unseen=True)
    running = transfer(span, tmp_path, Settings(accept=("image/*",)))
    found = outcome(running, partial_head("bytes 5000-8999/9000", **fields), bytes(4000))
    assert found.kind is kind
    assert (found.verdict is Verdict.SPAN) == (kind is None)
