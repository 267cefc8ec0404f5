"""http.client's response with our own eyes: the head parsed strictly, the body framed strictly, every read timed.

http.client takes a head without its end for a whole one, a 103 for a final response, and `int(..., 16)` for a chunk
size; urllib3 builds on it. This subclass keeps its place in both and replaces what it decides.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import ssl
from typing import Any, cast

from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.http.head import MAX_LINE, HeadParser, ResponseHead

from .leash import Leash

BUFFER = 64 * 1024
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")


class _TimedReader(io.RawIOBase):
    """The socket's bytes, each read under the attempt's clock, faults named once and for all."""

    def __init__(self, sock: Any, leash: Leash, *, timeouts: bool) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._leash = leash
        self._timeouts = timeouts
        self.count = 0

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self, BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        leash = self._leash
        try:
            if self._timeouts:
                self._sock.settimeout(leash.clock.remaining())
            count: int = self._raw.readinto(buffer)
        except (socket.timeout, TimeoutError):  # noqa: UP041 - two classes until Python 3.10
            leash.check()
            raise TransferError(Kind.TIMEOUT, "nothing came in time (--timeout)") from None
        except (ssl.SSLError, OSError) as error:
            if leash.fault is not None:
                raise leash.fault from None
            raise _read_fault(error) from error
        if leash.fault is not None:
            raise leash.fault
        self.count += count
        leash.clock.advance(count)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


def _read_fault(error: OSError) -> TransferError:
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return TransferError(Kind.TRUNCATED, "the TLS connection was cut without its closing alert")
    if isinstance(error, ssl.SSLError):
        return TransferError(Kind.TLS, f"the TLS connection broke: {error.reason or error}")
    return TransferError(Kind.RESET, f"the connection broke: {error.strerror or error}")


class StrictResponse(http.client.HTTPResponse):
    """A response whose head and framing are checked before anybody builds on them."""

    head: ResponseHead

    def __init__(self, sock: Any, *args: Any, leash: Leash, timeouts: bool, **kwargs: Any) -> None:
        self._reader = _TimedReader(sock, leash, timeouts=timeouts)
        super().__init__(cast("socket.socket", self._reader), *args, **kwargs)
        self._sock = sock
        self._consumed = 0  # of what the reader has read: head and body
        self._remaining: int | None = None  # bytes to the end of the body, or of the chunk if chunked
        self._chunked = False
        self._begun = False  # a chunk was read, so its line end comes before the next one's size
        self._last_chunk = False

    def begin(self) -> None:
        """Read the head.

        Raises:
            TransferError: RESET if there is none or it is cut, PROTOCOL if it breaks the rules.
        """
        parser = HeadParser()
        head: ResponseHead | None = None
        while head is None:
            try:
                line = self.fp.readline(MAX_LINE + 1)
            except TransferError as fault:
                if fault.kind is Kind.TRUNCATED:
                    raise TransferError(Kind.RESET, fault.message) from None
                raise
            if not line and not parser.started:
                raise EmptyReplyError
            self._consumed += len(line)
            head = parser.feed(line)
        self._take(head)

    def _take(self, head: ResponseHead) -> None:
        self.head = head
        self.version = 10 if head.version == "1.0" else 11
        self.code = self.status = head.status
        self.reason = head.reason
        message = http.client.HTTPMessage()
        message._headers = list(head.fields)  # type: ignore[attr-defined]  # noqa: SLF001 - its setter parses anew
        self.headers = self.msg = message
        self.chunked = False  # the framing is kept here; http.client's own reading is not used
        self.will_close = not head.keep_alive
        self._chunked = head.chunked and head.has_body
        if not head.has_body or self._chunked:
            self._remaining = 0
        else:
            self._remaining = head.content_length
            if self._remaining is None:
                self.will_close = True
        self.length = self._remaining if not self._chunked else None
        if self._remaining == 0 and not self._chunked:
            self._complete()

    def _complete(self) -> None:
        """The body has ended: let go of the connection, and of its further use if more came than belongs here."""
        self._close_conn()  # type: ignore[attr-defined]
        if self._reader.count != self._consumed:
            with contextlib.suppress(OSError):  # it may be gone already
                self._sock.shutdown(socket.SHUT_RDWR)  # the pool sees it as dropped

    def read1(self, n: int = -1) -> bytes:
        """Some bytes of the body as they come, at most `n`; none at its end, as the framing defines it.

        Raises:
            TransferError: TRUNCATED, RESET, TIMEOUT or PROTOCOL.
        """
        if self.isclosed():
            return b""
        if self._chunked and self._remaining == 0 and not self._next_chunk():
            return b""
        wanted = n if n > 0 else BUFFER
        if self._remaining is not None:
            wanted = min(wanted, self._remaining)
        data = self.fp.read1(wanted)
        if not data:
            return self._ended()
        self._consumed += len(data)
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining == 0 and not self._chunked:
                self._complete()
        return data

    def _ended(self) -> bytes:
        """The connection ended: the body's end if that is how it is framed."""
        if self._remaining is not None:
            raise TransferError(Kind.TRUNCATED, "the connection ended before the body did")
        self._complete()
        return b""

    def _next_chunk(self) -> bool:
        """Read the line before a chunk (RFC 9112 section 7.1); False after the last one."""
        if self._last_chunk:
            return False
        if self._begun and self._line() != b"":
            raise _bad_chunk("it is longer than its size says")
        match = _CHUNK_SIZE.fullmatch(self._line(keep_end=True))
        if match is None:
            raise _bad_chunk("its size is not a number")
        self._begun = True
        self._remaining = int(match[1], 16)
        if self._remaining >= 2**63:
            raise _bad_chunk("its size is beyond all bounds")
        if self._remaining == 0:
            self._last_chunk = True
            self._read_trailer()
            self._complete()
        return not self._last_chunk

    def _line(self, *, keep_end: bool = False) -> bytes:
        line = self.fp.readline(MAX_LINE)
        self._consumed += len(line)
        if not line.endswith(b"\n"):
            if len(line) == MAX_LINE:
                raise _bad_chunk("the line of its size is endless")
            raise TransferError(Kind.TRUNCATED, "the connection ended between two chunks")
        return line if keep_end else line.rstrip(b"\r\n")

    def _read_trailer(self) -> None:
        size = 0
        while line := self._line():
            size += len(line)
            if size > MAX_LINE:
                raise _bad_chunk("the trailer is endless")


def _bad_chunk(why: str) -> TransferError:
    return TransferError(Kind.PROTOCOL, f"a chunk of the body breaks the rules: {why}", retries=1)


class EmptyReplyError(TransferError):
    """The connection ended before a byte of the reply: on a re-used one, the server had closed it meanwhile."""

    def __init__(self) -> None:
        super().__init__(Kind.RESET, "the server closed the connection without a reply")
