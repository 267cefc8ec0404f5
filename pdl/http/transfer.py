"""One attempt as a state machine: what to ask, and what every answer means. No sockets."""

from __future__ import annotations

import base64
import errno
from collections.abc import Callable
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from pdl import url as urls
from pdl.errors import Kind
from pdl.model import Attempt, Digest, Headers, Outcome, Partial, Span, Validator, Verdict
from pdl.settings import Settings
from pdl.storage.part import PartFile, PartLost
from pdl.storage.shared_part import SharedPart

from .coding import FREE_EXPANSION, Decoder, named_codings
from .disposition import file_name
from .fault import NoConnectionError, TransferError
from .fields import ContentRange, retry_after, strong_validator
from .head import ResponseHead
from .inspection import Inspection
from .magic import LONGEST, media_type
from .media import covers
from .spanning import Fit, is_of_version, judged, one_content_range, range_fields

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ARCHIVES = (".gz", ".tgz", ".svgz", ".z", ".taz")  # often mislabelled as gzip-coded: kept as they are sent


class Request(NamedTuple):
    """A GET request, exact to the byte.

    Args:
        url: the whole URL, for engines whose library wants it.
        parts: the URL taken apart; `parts.target` goes on the request line.
        headers: in the order in which they go out, Host first.
    """

    url: str
    parts: urls.Parts
    headers: Headers


class Transfer:
    """What HTTP means for one attempt, from its request to its outcome.

    The engine calls `on_head`, `on_data` for each piece of the body, then `on_end` at the body's proper end or
    `on_error` where it broke. `outcome` is None until the attempt has ended; after that further calls do nothing.

    Args:
        attempt: to carry.
        settings: of the job.
        part: where the bytes go, if not into the attempt's part file.
        clock: the seconds since 1970, from an engine that has a cheaper way to tell them.
    """

    _fit: Fit | None = None
    """What the body is, where others fetch the rest of the file at the same time."""

    def __init__(
        self,
        attempt: Attempt,
        settings: Settings,
        part: PartFile | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.attempt = attempt
        self.outcome: Outcome | None = None
        self._head: ResponseHead | None = None  # of a body that is the file's
        self.total: int | None = None
        """Bytes of the whole file, once the head has told."""
        self._settings = settings
        self._algorithm = attempt.digest.algorithm if attempt.digest else attempt.algorithm
        self._part = part or PartFile(attempt.part, self._algorithm)
        self._clock = clock or _seconds
        self._answer: ResponseHead | None = None
        self._first_byte: float | None = None
        self.status: int | None = None
        self._received = 0
        self._expected: int | None = None
        self._opened = False
        self._ranges_ignored = False
        self._decoder: Decoder | None = None  # of a body that is coded
        self._inspection: Inspection | None = None  # of a file whose type is not known to be wanted yet

    # -- the question

    def request(self) -> Request:
        """The request to send."""
        attempt = self.attempt
        parts = urls.split(attempt.url)
        bare = attempt.credentials is None and attempt.partial is None and attempt.unless is None
        if bare and not attempt.headers and attempt.span is None:
            return Request(attempt.url, parts, _plain_headers(parts.authority, self._settings.user_agent))
        given = {name.lower() for name, _ in attempt.headers} if attempt.headers else ()
        plain = _plain_headers(parts.authority, self._settings.user_agent)
        headers = [pair for pair in plain if pair[0].lower() not in given]
        if attempt.credentials is not None and "authorization" not in given:
            headers.append(("Authorization", basic_credentials(attempt.credentials)))
        headers.extend(attempt.headers)
        if attempt.span is not None:
            headers += range_fields(attempt.span)
        if (partial := attempt.partial) is not None:
            headers += [("Range", f"bytes={partial.size}-"), ("If-Range", partial.if_range)]
        elif (unless := attempt.unless) is not None:
            headers += [(name, value) for name, value in _conditions(unless) if name.lower() not in given]
        return Request(attempt.url, parts, tuple(headers))

    # -- the answer

    @property
    def size(self) -> int:
        """Bytes in the part."""
        return self._part.size if self._opened else 0

    def on_head(self, head: ResponseHead) -> bool:
        """Take the final response's head; True if its body is wanted."""
        if self.outcome is not None:
            return False
        self.status = head.status
        self._answer, self._first_byte = head, self._clock()
        try:
            self._judge(head)
        except TransferError as fault:
            self.on_error(fault)
        except PartLost:
            self._restart("the part file is gone or shorter than it was")
        except OSError as error:
            self._disk(error)
        return self.outcome is None

    @property
    def opens_the_way(self) -> bool:
        """It is a probe that was answered, so that others may fetch the rest; an engine tells of that at once."""
        if self._fit is None or self._inspection is not None or self.outcome is not None:
            return False
        return self.attempt.span is not None and self.attempt.span.is_probe

    def _judge(self, head: ResponseHead) -> None:
        partial, span = self.attempt.partial, self.attempt.span
        if span is not None and self._is_judged(head, span):
            return
        if head.status in (200, 203):
            self._whole(head, partial)
        elif head.status == 206 and partial is not None:
            self._continued(head, partial)
        elif head.status == 416 and partial is not None:
            self._out_of_range(head, partial)
        elif head.status in (304, 412) and partial is not None:
            self._restart(f"the server answered {head.status} to a range request")
        elif head.status == 304 and self.attempt.unless is not None:
            self._finish(Verdict.NOT_MODIFIED)
        elif head.status in _REDIRECTS:
            self._redirected(head)
        else:
            self._refused(head)

    def _is_judged(self, head: ResponseHead, span: Span) -> bool:
        """Judge an answer to the request for a span; False if it is like one to a request without."""
        found = judged(span, self.attempt.url, head)
        if found is None:
            return False
        if isinstance(found, str):
            same = span.if_range is not None and is_of_version(head, span.if_range)
            self._ranges_ignored = same and head.status in (200, 203)
            self._restart(found)
        elif self._codings(head):
            self._restart("a span of the file is coded, so nobody knows where in the file it is")
        else:
            self._take_span(head, span, found)
        return True

    def _take_span(self, head: ResponseHead, span: Span, fit: Fit) -> None:
        self._expect(fit.stop - span.start, fit.total)
        if self._settings.accept and span.is_probe:
            self._inspection = self._inspection_of(head)
        self._head = head
        if fit.stop - span.start == fit.total:  # there is nothing beside it
            self._part.begin()
            self._opened = True
            return
        self._part = part = SharedPart(self.attempt.part)
        self._fit = fit
        if span.is_probe:
            part.lay_out(fit.total)
        else:
            part.enter(span.start, fit.total)
        self._opened = True
        if self._settings.accept and span.unseen:
            self._inspect_beginning(head)

    def _whole(self, head: ResponseHead, partial: Partial | None) -> None:
        coded = self._codings(head)
        if coded and not self._settings.raw:
            self._decoder = Decoder(coded)
        if self._settings.accept:
            self._inspection = self._inspection_of(head)
        self._ranges_ignored = partial is not None and is_of_version(head, partial.if_range)
        self._expect(head.content_length, None if self._decoder else head.content_length)
        if not coded:  # else offsets count coded bytes: its validator lets nothing be continued
            self._head = head
        self._part.begin()
        self._opened = True

    def _continued(self, head: ResponseHead, partial: Partial) -> None:
        span = one_content_range(head)
        if span is None or span.first is None or span.last is None:
            self._restart("the server answered a range request without a valid Content-Range")
            return
        total = span.total if span.total is not None else partial.total
        if total is None:
            self._restart("nothing says whether the rest that the server sends is all of the rest")
            return
        if span.first != partial.size or span.last >= total or partial.total not in (None, total):
            self._restart(
                f"asked for {partial.size} to the end of {partial.total or 'the file'}, got "
                f"{span.first}-{span.last} of {span.total}"
            )
            return
        length = span.last - span.first + 1
        if not is_of_version(head, partial.if_range) or head.content_length not in (None, length):
            self._restart("the rest of the file belongs to another version or contradicts itself")
            return
        if self._codings(head):
            self._restart("the rest of the file is coded, so nobody knows where in the file it begins")
            return
        self._expect(length, total)
        self._head = head
        self._part.resume(partial.size)
        self._opened = True
        if self._settings.accept:
            self._inspect_beginning(head)

    def _out_of_range(self, head: ResponseHead, partial: Partial) -> None:
        span = one_content_range(head)
        whole = span == ContentRange(None, None, partial.size) and partial.total in (None, partial.size)
        if not whole or not is_of_version(head, partial.if_range):
            self._restart("the server has no bytes after those that are here, nor is this its whole file")
            return
        self._expect(0, partial.size)
        self._part.resume(partial.size)
        self._opened = True
        if self._settings.accept:
            self._inspect_beginning(head)
        if self.outcome is None:
            self._complete()

    def _redirected(self, head: ResponseHead) -> None:
        location = head.get("location")
        if not location:
            raise TransferError(Kind.REDIRECT, f"the server answered {head.status} without a Location")
        try:
            # the wire gives Latin-1; what stands in a Location beyond ASCII is UTF-8 in practice
            text = location.encode("latin-1").decode("utf-8", "replace")
            target = urls.resolve(self.attempt.url, text)
        except urls.UrlError as error:
            kind = Kind.BLOCKED if error.kind is Kind.BLOCKED else Kind.REDIRECT
            raise TransferError(kind, f"the redirect leads nowhere: {error}") from None
        self._finish(Verdict.REDIRECT, location=target.url, location_credentials=target.credentials)

    def _refused(self, head: ResponseHead) -> None:
        status = head.status
        if status in (204, 205):
            raise TransferError(Kind.EMPTY, f"the server answered {status}: there is no content")
        if status in (206, 304):
            raise TransferError(Kind.PROTOCOL, f"the server answered {status}, which was not asked for")
        if status == 407:
            raise TransferError(Kind.PROXY, "the proxy wants other credentials (407)", retries=0, proxy_failed=True)
        hint = None
        if status in (429, 503):
            hint = retry_after(head.get("retry-after"), head.get("date"), datetime.now(timezone.utc))
        reason = f" {urls.masked(head.reason)[:60]}" if head.reason.isprintable() and head.reason else ""
        message = f"the server answered {status}{reason}"
        self._finish(Verdict.FAILED, Kind.HTTP, message, retry_after=hint, partial=self.attempt.partial)

    def _codings(self, head: ResponseHead) -> list[str]:
        """The codings of the body, but for one that only names what an archive is by itself."""
        if head.get("content-encoding") is None:
            return []
        names = named_codings(head.get_all("content-encoding"))
        if head.content_length == 0 or (names in (["gzip"], ["x-gzip"]) and self._is_archive):
            return []
        return names

    @property
    def _is_archive(self) -> bool:
        path = unquote(urls.split(self.attempt.url).target.partition("?")[0])
        return path.lower().endswith(_ARCHIVES)

    def _inspection_of(self, head: ResponseHead) -> Inspection:
        kept = self._decoder is None and bool(named_codings(head.get_all("content-encoding")))
        return Inspection(self._settings.accept, head.get("content-type"), coded=kept)

    def _inspect_beginning(self, head: ResponseHead) -> None:
        """Inspect what is on disk already."""
        beginning = self._part.beginning(LONGEST)
        if head.status == 206 and head.get("content-type") is not None:
            inspection = self._inspection_of(head)
            self._inspection = None if inspection.feed(beginning) else inspection
            return
        # the head of a rest need not say what the file is (RFC 9110 section 15.3.7), that of a 416 cannot
        found = media_type(beginning)
        if found is None or not covers(self._settings.accept, found):
            self._restart("the server no longer says what the file is, and its beginning does not tell enough")

    def _expect(self, length: int | None, total: int | None) -> None:
        """Set the bytes to come and of the whole file; refuse a file that can't be the right one."""
        limit = self._settings.max_filesize
        if limit is not None and total is not None and total > limit:
            raise TransferError(Kind.TOO_LARGE, f"the file has {total} bytes; the limit is {limit}")
        if self.attempt.size is not None and total is not None and total != self.attempt.size:
            raise TransferError(
                Kind.DIGEST, f"the file has {total} bytes on the server; the list says {self.attempt.size}"
            )
        self._expected, self.total = length, total

    @property
    def validator(self) -> Validator | None:
        """What tells the version of the file that comes; None before it does."""
        if (head := self._head) is None:
            return None
        return Validator(self.attempt.url, head.get("etag"), head.get("last-modified"), head.get("date"))

    # -- the body

    def on_data(self, data: bytes) -> bool:
        """Take a piece of the body; False if no more is wanted, because it is whole or has failed."""
        if self.outcome is not None:
            return False
        received, expected = self._received + len(data), self._expected
        if expected is not None and received > expected:
            data, received = data[: expected - self._received], expected  # what is beyond it is not the file's
        if self._decoder is not None:
            return self._decode(self._decoder, data)
        if not self._keep(data):
            return False
        self._received = received
        return received != expected

    def _decode(self, decoder: Decoder, data: bytes) -> bool:
        """Take a piece of a coded body."""
        limit = self._settings.max_filesize
        self._received += len(data)
        if limit is not None and self._received > 2 * limit + FREE_EXPANSION:
            # what decodes to next to nothing could go on for ever
            self.on_error(TransferError(Kind.TOO_LARGE, f"the file is larger than {limit} bytes as it is coded"))
            return False
        try:
            for piece in decoder.feed(data):
                if not self._keep(piece):
                    return False
        except TransferError as fault:
            self.on_error(fault)
            return False
        return self._received != self._expected

    def _keep(self, data: bytes) -> bool:
        """Write bytes of the file; False if they may not be."""
        part, limit, said = self._part, self._settings.max_filesize, self.attempt.size
        size = part.size + len(data)
        if limit is not None and size > limit:
            self.on_error(TransferError(Kind.TOO_LARGE, f"the file is larger than {limit} bytes"))
            return False
        if said is not None and size > said:
            self.on_error(TransferError(Kind.DIGEST, f"the file has more than the {said} bytes that the list says"))
            return False
        if self._inspection is not None and not self._is_wanted(self._inspection, data):
            return False
        try:
            part.write(data)
        except OSError as error:
            self._disk(error)
            return False
        return True

    def _is_wanted(self, inspection: Inspection, data: bytes) -> bool:
        try:
            if inspection.feed(data):
                self._inspection = None
        except TransferError as fault:
            self.on_error(fault)
            return False
        return True

    def on_end(self) -> None:
        """The body has ended as its framing says."""
        if self.outcome is not None:
            return
        if not self._opened:
            self.on_error(TransferError(Kind.RESET, "the connection ended before the response began"))
        elif self._expected is not None and self._received < self._expected:
            self.on_error(
                TransferError(Kind.TRUNCATED, f"the body ended after {self._received} of {self._expected} bytes")
            )
        elif self.total is not None and self._part.size < self.total and self._fit is None:
            # a 206 may give less than was asked for (RFC 9110 section 14.2)
            self.on_error(
                TransferError(Kind.TRUNCATED, f"the server sent up to byte {self._part.size} of {self.total}")
            )
        else:
            self._complete()

    def on_error(self, fault: TransferError) -> None:
        """The attempt broke."""
        if self.outcome is not None:
            return
        partial = self.partial() if fault.kind in _RESUMED else None
        self._finish(
            Verdict.FAILED, fault.kind, fault.message, retries=fault.retries, partial=partial, errno=fault.errno,
            proxy_failed=fault.proxy_failed, unreachable=isinstance(fault, NoConnectionError),
        )  # fmt: skip

    def on_stop(self) -> None:
        """The engine lets go of the attempt; what is on disk stays."""
        if self.outcome is None:
            self._finish(Verdict.STOPPED, message="stopped", partial=self.partial())

    # -- the end

    def _complete(self) -> None:
        try:
            if self._decoder is not None:
                self._decoder.end()
            if self._inspection is not None:
                self._inspection.end()
        except TransferError as fault:
            self.on_error(fault)
            return
        if self._fit is not None:
            self._complete_span()
            return
        size, wanted = self._part.size, self.attempt.digest
        if self.attempt.size is not None and size != self.attempt.size:
            message = f"the file has {size} bytes; the list says {self.attempt.size}"
            self._finish(Verdict.FAILED, Kind.DIGEST, message)
            return
        found = Digest(self._algorithm, self._part.hexdigest() or "") if self._algorithm else None
        if wanted is not None and found is not None and found != wanted:
            self._finish(Verdict.FAILED, Kind.DIGEST, wanted.refutes(found), digest=found)
            return
        if not self._is_closed():
            return
        assert self._answer is not None
        fields = self._answer.first
        # by place, not by name: this is made for every file
        self.outcome = Outcome(
            Verdict.DONE, None, "", self.status, size, self._received, self._opened, self._ranges_ignored, found,
            self._first_byte, fields.get("etag"), fields.get("last-modified"), self._name,
        )  # fmt: skip

    def _complete_span(self) -> None:
        if not self._is_closed():
            return
        assert self._head is not None
        self.outcome = Outcome(
            Verdict.SPAN, status=self.status, size=self._part.size, received=self._received, opened=True,
            first_byte=self._first_byte, etag=self._head.get("etag"), last_modified=self._head.get("last-modified"),
            name=self._name, partial=self.partial(),
        )  # fmt: skip

    def _is_closed(self) -> bool:
        """Close the part; a disk may say only now that it is full."""
        try:
            self._part.close()
        except OSError as error:
            message = f"cannot write {self.attempt.part}: {error.strerror or error}"
            self._finish(Verdict.FAILED, Kind.DISK, message, errno=error.errno or errno.EIO)
            return False
        return True

    def _restart(self, why: str) -> None:
        self._finish(Verdict.RESTART, message=why)

    def partial(self) -> Partial | None:
        """What a later attempt may continue: bytes under a strong validator (RFC 9110 section 13.1.5)."""
        if not self._opened:
            return self.attempt.partial
        if self._fit is not None:
            return self._partial_of_span(self._fit)
        given = self.validator
        if given is None or self._part.size == 0:
            return None
        validator = strong_validator(given)
        if validator is None and self.attempt.partial is not None:
            validator = self.attempt.partial.if_range if self._continues else None
        if validator is None:
            return None
        return Partial(self._part.size, validator, self.total, self.attempt.url, self._name)

    def _partial_of_span(self, fit: Fit) -> Partial | None:
        if self._inspection is not None or fit.if_range is None:  # nobody knows yet whether the file is wanted
            return None
        return Partial(self._part.size, fit.if_range, fit.total, self.attempt.url, self._name)

    @property
    def _name(self) -> str | None:
        """The server's name for the file, if it is wanted; a 206 need not repeat it (RFC 9110 section 15.3.7)."""
        if not self._settings.content_disposition:
            return None
        name = None if self._head is None else file_name(self._head.get("content-disposition"))
        if name is None and self.attempt.partial is not None and self.status in (206, 416):
            return self.attempt.partial.name
        return name

    @property
    def _continues(self) -> bool:
        return self.status == 206

    def _disk(self, error: OSError) -> None:
        message = f"cannot write {self.attempt.part}: {error.strerror or error}"
        self._finish(Verdict.FAILED, Kind.DISK, message, errno=error.errno, partial=self.partial())

    def _finish(
        self,
        verdict: Verdict,
        kind: Kind | None = None,
        message: str = "",
        *,
        partial: Partial | None = None,
        **more: Any,
    ) -> None:
        try:
            if self._opened:
                if partial is not None:
                    self._part.close()
                else:
                    self._part.discard()
        except OSError:  # a disk may say only now that it is full
            partial = None
        self.outcome = Outcome(
            verdict, kind, message, status=self.status, size=self.size, received=self._received,
            opened=self._opened, ranges_ignored=self._ranges_ignored, partial=partial, **more,
        )  # fmt: skip


def _seconds() -> float:
    return datetime.now(timezone.utc).timestamp()


@lru_cache(maxsize=1024)
def _plain_headers(authority: str, user_agent: str) -> Headers:
    """The fields of a request that says nothing of its own."""
    return ("Host", authority), ("User-Agent", user_agent), ("Accept", "*/*"), ("Accept-Encoding", "identity")


def _conditions(unless: Validator) -> Headers:
    """What has a server send nothing if its file is still this version (RFC 9110 sections 13.1.2 and 13.1.3)."""
    given = (("If-None-Match", unless.etag), ("If-Modified-Since", unless.last_modified))
    return tuple((name, value) for name, value in given if value is not None)


_RESUMED = frozenset({Kind.TIMEOUT, Kind.RESET, Kind.TRUNCATED, Kind.PROXY})
"""Kinds after which the bytes that came are still good."""


def basic_credentials(credentials: str) -> str:
    """The value of an Authorization field for `user:password` (RFC 7617)."""
    return "Basic " + base64.b64encode(credentials.encode("utf-8")).decode("ascii")
