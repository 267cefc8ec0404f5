"""http.client's response with our own eyes: the head parsed strictly, the body framed strictly, every read timed.

http.client takes a head without its end for a whole one, a 103 for a final response, and `int(..., 16)` for a chunk
size; urllib3 builds on it. This subclass keeps its place in both and replaces what it decides.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import os
import socket
import ssl
from typing import Any, cast

from pdl.errors import Kind
from pdl.http.chunks import ChunkDecoder
from pdl.http.fault import TransferError
from pdl.http.head import MAX_LINE, HeadParser, ResponseHead

from .leash import Leash

BUFFER = 64 * 1024


class _TimedReader(io.RawIOBase):
    """The socket's bytes, each read under the attempt's clock, faults named once and for all."""

    def __init__(self, sock: Any, leash: Leash, *, timeouts: bool) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._leash = leash
        self._timeouts = timeouts
        self.count = 0
        self.phases = leash.phases

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
    if isinstance(error, ssl.SSLEOFError) and not error.reason and ssl.OPENSSL_VERSION_INFO >= (3,):
        # ssl calls everything so that the system says; a reason comes from OpenSSL, and only for a true end
        return TransferError(Kind.RESET, f"the connection broke: {os.strerror(errno.ECONNRESET)}")
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return TransferError(Kind.TRUNCATED, "the TLS connection was cut without its closing alert")
    if isinstance(error, ssl.SSLError):
        return TransferError(Kind.RESET, f"the TLS connection broke: {error.reason or error}")
    return TransferError(Kind.RESET, f"the connection broke: {error.strerror or error}")


class StrictResponse(http.client.HTTPResponse):
    """A response whose head and framing are checked before anybody builds on them."""

    head: ResponseHead
    fp: io.BufferedReader = cast("io.BufferedReader", None)  # for the finalizer of one whose making was interrupted

    def __init__(self, sock: Any, *args: Any, leash: Leash, timeouts: bool, **kwargs: Any) -> None:
        self._reader = _TimedReader(sock, leash, timeouts=timeouts)
        super().__init__(cast("socket.socket", self._reader), *args, **kwargs)
        self._sock = sock
        self._consumed = 0  # of what the reader has read: head and body
        self._remaining: int | None = None  # bytes to the end of the body, if it is framed by length
        self._chunks: ChunkDecoder | None = None

    def begin(self) -> None:
        """Read the head.

        Raises:
            TransferError: RESET if there is none or it is cut, PROTOCOL if it breaks the rules.
        """
        parser, phases = HeadParser(), self._reader.phases
        head: ResponseHead | None = None
        while head is None:
            try:
                line = self.fp.readline(MAX_LINE + 1)
            except TransferError as fault:
                if fault.kind is Kind.RESET and not parser.started:
                    raise EmptyReplyError from None
                if fault.kind is Kind.TRUNCATED:
                    raise TransferError(Kind.RESET, fault.message) from None
                raise
            if not line and not parser.started:
                raise EmptyReplyError
            self._consumed += len(line)
            if phases is not None and line.startswith(b"HTTP/"):
                phases.answer()
            head = parser.feed(line)
        if head.version not in ("1.0", "1.1"):
            raise TransferError(Kind.PROTOCOL, f"the server answered in HTTP/{head.version}, to a request in 1.1")
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
        if head.chunked and head.has_body:
            self._chunks = ChunkDecoder()
        else:
            self.length = self._remaining = head.content_length if head.has_body else 0
            if self._remaining is None:
                self.will_close = True
            elif self._remaining == 0:
                self._complete()

    def _complete(self, *, surplus: bool = False) -> None:
        """The body has ended: let go of the connection, and of its further use if more came than belongs here."""
        self._close_conn()  # type: ignore[attr-defined]
        if surplus or self._reader.count != self._consumed:
            with contextlib.suppress(OSError):  # it may be gone already
                self._sock.shutdown(socket.SHUT_RDWR)  # the pool sees it as dropped

    def read1(self, n: int = -1) -> bytes:
        """Some bytes of the body as they come, at most `n`; none at its end, as the framing defines it.

        Raises:
            TransferError: TRUNCATED, RESET, TIMEOUT or PROTOCOL.
        """
        if self.isclosed():
            return b""
        wanted = n if n > 0 else BUFFER
        if self._chunks is not None:
            return self._read_chunked(self._chunks, wanted)
        if self._remaining is not None:
            wanted = min(wanted, self._remaining)
        data = self.fp.read1(wanted)
        if not data:
            return self._ended()
        self._consumed += len(data)
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining == 0:
                self._complete()
        return data

    def _ended(self) -> bytes:
        """The connection ended: the body's end if that is how it is framed."""
        if self._chunks is not None:
            self._chunks.end()
        if self._remaining is not None:
            raise TransferError(Kind.TRUNCATED, "the connection ended before the body did")
        self._complete()
        return b""

    def _read_chunked(self, chunks: ChunkDecoder, n: int) -> bytes:
        data = b""
        while not data and not chunks.done:
            coded = self.fp.read1(n)
            if not coded:
                return self._ended()
            self._consumed += len(coded)
            data = chunks.feed(coded)
        if chunks.done:
            self._complete(surplus=chunks.surplus)
        return data


class EmptyReplyError(TransferError):
    """The connection ended before a byte of the reply: on a re-used one, the server had closed it meanwhile."""

    def __init__(self) -> None:
        super().__init__(Kind.RESET, "the server closed the connection without a reply")
