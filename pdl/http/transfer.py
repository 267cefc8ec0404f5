"""One attempt as a state machine: what to ask, and what every answer means. No sockets."""

from __future__ import annotations

import base64
import errno
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from pdl import url as urls
from pdl.errors import Kind
from pdl.model import Attempt, Digest, Headers, Outcome, Partial, Validator, Verdict
from pdl.settings import Settings
from pdl.storage.part import PartFile, PartLost

from .fault import TransferError
from .fields import ContentRange, content_range, retry_after, strong_validator
from .head import ResponseHead

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
    """

    def __init__(self, attempt: Attempt, settings: Settings, part: PartFile | None = None) -> None:
        self.attempt = attempt
        self.outcome: Outcome | None = None
        self._head: ResponseHead | None = None  # of a body that is the file's
        self.total: int | None = None
        """Bytes of the whole file, once the head has told."""
        self._settings = settings
        self._part = part or PartFile(attempt.part, attempt.digest.algorithm if attempt.digest else None)
        self.status: int | None = None
        self._received = 0
        self._expected: int | None = None
        self._opened = False
        self._ranges_ignored = False

    # -- the question

    def request(self) -> Request:
        """The request to send."""
        attempt = self.attempt
        parts = urls.split(attempt.url)
        if not attempt.headers and attempt.credentials is None and attempt.partial is None:
            return Request(attempt.url, parts, _plain_headers(parts.authority, self._settings.user_agent))
        given = {name.lower() for name, _ in attempt.headers} if attempt.headers else ()
        plain = _plain_headers(parts.authority, self._settings.user_agent)
        headers = [pair for pair in plain if pair[0].lower() not in given]
        if attempt.credentials is not None and "authorization" not in given:
            headers.append(("Authorization", basic_credentials(attempt.credentials)))
        headers.extend(attempt.headers)
        if (partial := attempt.partial) is not None:
            headers += [("Range", f"bytes={partial.size}-"), ("If-Range", partial.if_range)]
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
        try:
            self._judge(head)
        except TransferError as fault:
            self.on_error(fault)
        except PartLost:
            self._restart("the part file is gone or shorter than it was")
        except OSError as error:
            self._disk(error)
        return self.outcome is None

    def _judge(self, head: ResponseHead) -> None:
        partial = self.attempt.partial
        if head.status in (200, 203):
            self._whole(head, partial)
        elif head.status == 206 and partial is not None:
            self._continued(head, partial)
        elif head.status == 416 and partial is not None:
            self._out_of_range(head, partial)
        elif head.status in (304, 412) and partial is not None:
            self._restart(f"the server answered {head.status} to a range request")
        elif head.status in _REDIRECTS:
            self._redirected(head)
        else:
            self._refused(head)

    def _whole(self, head: ResponseHead, partial: Partial | None) -> None:
        self._check_coding(head)
        self._ranges_ignored = partial is not None and self._same_version(head)
        self._expect(head.content_length, head.content_length)
        self._head = head
        self._part.begin()
        self._opened = True

    def _continued(self, head: ResponseHead, partial: Partial) -> None:
        span = _one_content_range(head)
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
        if not self._same_version(head) or head.content_length not in (None, length):
            self._restart("the rest of the file belongs to another version or contradicts itself")
            return
        self._check_coding(head)
        self._expect(length, total)
        self._head = head
        self._part.resume(partial.size)
        self._opened = True

    def _out_of_range(self, head: ResponseHead, partial: Partial) -> None:
        span = _one_content_range(head)
        whole = span == ContentRange(None, None, partial.size) and partial.total in (None, partial.size)
        if not whole or not self._same_version(head):
            self._restart("the server has no bytes after those that are here, nor is this its whole file")
            return
        self._expect(0, partial.size)
        self._part.resume(partial.size)
        self._opened = True
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

    def _check_coding(self, head: ResponseHead) -> None:
        if head.get("content-encoding") is None:
            return
        given = ",".join(head.get_all("content-encoding")).lower().split(",")
        codings = [coding for each in given if (coding := each.strip()) not in ("", "identity")]
        if not codings:
            return
        path = unquote(urls.split(self.attempt.url).target.partition("?")[0]).lower()
        if codings in (["gzip"], ["x-gzip"]) and path.endswith(_ARCHIVES):
            return
        raise TransferError(
            Kind.CODING, f"the server coded the file as {', '.join(codings)[:40]!r}, though asked not to"
        )

    def _same_version(self, head: ResponseHead) -> bool:
        """The response carries the validator that was sent, or none at all."""
        assert self.attempt.partial is not None
        sent = self.attempt.partial.if_range
        return all(value == sent for value in head.get_all("etag" if sent.startswith('"') else "last-modified"))

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
        if self._expected is not None and self._received + len(data) > self._expected:
            data = data[: self._expected - self._received]  # what is beyond the framing is not the file's
        size, limit, said = self._part.size + len(data), self._settings.max_filesize, self.attempt.size
        if limit is not None and size > limit:
            self.on_error(TransferError(Kind.TOO_LARGE, f"the file is larger than {limit} bytes"))
            return False
        if said is not None and size > said:
            self.on_error(TransferError(Kind.DIGEST, f"the file has more than the {said} bytes that the list says"))
            return False
        try:
            self._part.write(data)
        except OSError as error:
            self._disk(error)
            return False
        self._received += len(data)
        return self._received != self._expected

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
        elif self.total is not None and self._part.size < self.total:
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
        partial = self._partial() if fault.kind in _RESUMED else None
        self._finish(
            Verdict.FAILED, fault.kind, fault.message, retries=fault.retries, partial=partial, errno=fault.errno,
            proxy_failed=fault.proxy_failed,
        )  # fmt: skip

    def on_stop(self) -> None:
        """The engine lets go of the attempt; what is on disk stays."""
        if self.outcome is None:
            self._finish(Verdict.STOPPED, message="stopped", partial=self._partial())

    # -- the end

    def _complete(self) -> None:
        size, wanted = self._part.size, self.attempt.digest
        if self.attempt.size is not None and size != self.attempt.size:
            message = f"the file has {size} bytes; the list says {self.attempt.size}"
            self._finish(Verdict.FAILED, Kind.DIGEST, message)
            return
        found = Digest(wanted.algorithm, self._part.hexdigest() or "") if wanted else None
        if found != wanted:
            assert wanted is not None
            assert found is not None
            message = f"the {wanted.algorithm} is {found.value}; the list says {wanted.value}"
            self._finish(Verdict.FAILED, Kind.DIGEST, message, digest=found)
            return
        self._finish(Verdict.DONE, digest=found)

    def _restart(self, why: str) -> None:
        self._finish(Verdict.RESTART, message=why)

    def _partial(self) -> Partial | None:
        """What a later attempt may continue: bytes under a strong validator (RFC 9110 section 13.1.5)."""
        if not self._opened:
            return self.attempt.partial
        given = self.validator
        if given is None or self._part.size == 0:
            return None
        validator = strong_validator(given)
        if validator is None and self.attempt.partial is not None:
            validator = self.attempt.partial.if_range if self._continues else None
        if validator is None:
            return None
        return Partial(self._part.size, validator, self.total, self.attempt.url)

    @property
    def _continues(self) -> bool:
        return self.status == 206

    def _disk(self, error: OSError) -> None:
        message = f"cannot write {self.attempt.part}: {error.strerror or error}"
        self._finish(Verdict.FAILED, Kind.DISK, message, errno=error.errno, partial=self._partial())

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
                if verdict is Verdict.DONE or partial is not None:
                    self._part.close()
                else:
                    self._part.discard()
        except OSError as error:  # a disk may say only now that it is full
            partial = None
            if verdict is Verdict.DONE:
                verdict, kind = Verdict.FAILED, Kind.DISK
                message = f"cannot write {self.attempt.part}: {error.strerror or error}"
                more["errno"] = error.errno or errno.EIO
        self.outcome = Outcome(
            verdict, kind, message, status=self.status, size=self.size, received=self._received,
            opened=self._opened, ranges_ignored=self._ranges_ignored, partial=partial, **more,
        )  # fmt: skip


@lru_cache(maxsize=1024)
def _plain_headers(authority: str, user_agent: str) -> Headers:
    """The fields of a request that says nothing of its own."""
    return ("Host", authority), ("User-Agent", user_agent), ("Accept", "*/*"), ("Accept-Encoding", "identity")


def _one_content_range(head: ResponseHead) -> ContentRange | None:
    """The Content-Range, if it is valid and the response has no second one that differs."""
    values = set(head.get_all("content-range"))
    return content_range(values.pop()) if len(values) == 1 else None


_RESUMED = frozenset({Kind.TIMEOUT, Kind.RESET, Kind.TRUNCATED, Kind.PROXY})
"""Kinds after which the bytes that came are still good."""


def basic_credentials(credentials: str) -> str:
    """The value of an Authorization field for `user:password` (RFC 7617)."""
    return "Basic " + base64.b64encode(credentials.encode("utf-8")).decode("ascii")
