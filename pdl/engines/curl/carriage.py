"""One attempt on its way through libcurl: what comes out of the callbacks is fed to its `Transfer`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pycurl

from pdl import url as urls
from pdl.engines.breakage import broken
from pdl.engines.limits import DRAINED, DRAINING, NEWS_EVERY
from pdl.errors import Kind
from pdl.http.chunks import ChunkDecoder
from pdl.http.clock import TransferClock
from pdl.http.fault import NoConnectionError, TransferError, unreachable_proxy
from pdl.http.head import HeadParser, ResponseHead, whole_head
from pdl.http.transfer import Transfer
from pdl.model import Advanced, Attempt, Event, Finished, Responded, Verdict
from pdl.settings import Settings

from .faults import Failure, fault
from .handles import Handle, goes_apart
from .stages import Stages


class Carriage:
    """Feeds one attempt's `Transfer`, and judges its clock whenever it is looked after.

    The head is read when the body begins, when the attempt is looked after, or at its end. Most attempts end before
    they are looked after, so there is a clock from then on only.

    Args:
        attempt: to carry.
        settings: of the job.
        now: the engine's clock.
    """

    __slots__ = (
        "_began", "_broken", "_chunks", "_drained", "_fresh", "_head", "_news_at", "_noted", "_now",
        "_parser", "_received", "_settings", "_stages", "_timer", "_told", "_transferring", "attempt",
        "handle", "interruption", "origin", "transfer",
    )  # fmt: skip

    def __init__(self, attempt: Attempt, settings: Settings, now: Callable[[], float]) -> None:
        self.attempt = attempt
        self.transfer = Transfer(attempt, settings, clock=time.time)
        secure = attempt.url.startswith("https:") and not goes_apart(attempt)
        self.origin = f"{attempt.proxy or ''} {urls.origin(attempt.url)}" if secure else None
        """What may carry several transfers over one connection, and by which way; None if it cannot."""
        self.handle: Handle | None = None
        """libcurl's, once there is one."""
        self.interruption: BaseException | None = None
        """What a signal handler raised while this attempt's bytes were taken."""
        self._settings = settings
        self._timer: TransferClock | None = None
        self._now = now
        self._parser: HeadParser | None = None
        self._head: ResponseHead | None = None
        self._chunks: ChunkDecoder | None = None
        self._received = self._noted = self._drained = 0
        self._began = now()
        self._transferring = self._told = self._fresh = False
        self._news_at: float | None = None
        self._broken: Exception | None = None
        self._stages = Stages() if settings.timings else None

    @property
    def _clock(self) -> TransferClock:
        if self._timer is None:
            attempt = self.attempt
            self._timer = TransferClock(
                self._settings, attempt.time_limit, self._now, attempt.connect_within, self._began
            )
        return self._timer

    def mount(self, handle: Handle) -> None:
        """Have the handle's answers come here."""
        self.handle = handle
        handle.mount(self)

    def await_name(self) -> None:
        """The name is being looked up."""
        if self._stages is not None:
            self._stages.await_name()

    def find_addresses(self) -> None:
        """The name that was waited for has been looked up."""
        if self._stages is not None:
            self._stages.find_addresses()

    def set_out(self) -> None:
        """It was held up; that is no part of the time that it may take to connect."""
        self._clock.connecting()

    # -- within libcurl's callbacks

    def take(self, data: bytes) -> bool:
        """Take a piece of the body; False if the transfer is to be ended."""
        self._received += len(data)
        transfer = self.transfer
        if self._head is None:
            self._read_head()
        if transfer.outcome is not None:
            return self._drain(len(data))
        try:
            if self._chunks is None:
                if transfer.on_data(data):
                    return True
                transfer.on_end()
            else:
                self._take_chunks(self._chunks, data)
        except TransferError as error:
            transfer.on_error(error)
        return not self._has_failed and (self._chunks is None or not self._leaves_doubts(self._chunks))

    @property
    def _has_failed(self) -> bool:
        outcome = self.transfer.outcome
        return outcome is not None and outcome.kind is not None

    def _take_chunks(self, chunks: ChunkDecoder, data: bytes) -> None:
        if content := chunks.feed(data):
            self.transfer.on_data(content)
        if chunks.done:
            self.transfer.on_end()

    def _leaves_doubts(self, chunks: ChunkDecoder) -> bool:
        """Whether a body has ended after which libcurl would use the connection again, though it should not."""
        assert self._head is not None
        return chunks.done and (chunks.surplus or not self._head.keep_alive)

    def _drain(self, count: int) -> bool:
        """Let bytes that nobody wants pass by, if they are few, for the sake of the connection."""
        outcome, head = self.transfer.outcome, self._head
        assert outcome is not None
        if outcome.kind is None and outcome.opened:  # the file is whole; what comes now ends its framing
            return True
        if outcome.opened or head is None or (head.content_length or 0) > DRAINED:
            return False
        self._drained += count
        return self._drained <= DRAINED

    # -- between libcurl's callbacks

    def _read_head(self) -> None:
        """Read the lines that have come; the blank line after a final response's fields makes them a head."""
        assert self.handle is not None
        lines = self.handle.lines
        try:
            head = whole_head(lines) if self._parser is None else None
            if head is not None or (head := self._parse(lines)) is not None:
                self._on_head(head)
        except TransferError as error:
            self.transfer.on_error(error)
        lines.clear()

    def _parse(self, lines: list[bytes]) -> ResponseHead | None:
        """Read line by line, over several calls if need be."""
        if self._parser is None:
            self._parser = HeadParser()
        for line in lines:
            self._received += len(line)
            if (head := self._parser.feed(line)) is not None:
                return head
        return None

    def _on_head(self, head: ResponseHead) -> None:
        self._head = head
        if self._stages is not None:
            self._stages.read_head(informed=self._parser is not None and self._parser.informed)
        if head.chunked and head.has_body:
            self._chunks = ChunkDecoder()
        if not self.transfer.on_head(head):
            self._clock.hurry(DRAINING)
        elif head.content_length == 0:
            self.transfer.on_end()

    def look_after(self, events: list[Event]) -> TransferError | None:
        """Tell of progress; answers why the attempt is to be ended, if it is."""
        try:
            if self._head is None and self.handle is not None and self.handle.lines:
                self._read_head()
            if not self._transferring and self.is_connected:
                self._transferring = True
                self._clock.transferring()
            self._judge()
        except NoConnectionError as error:
            return self._late(error, connected=self._info(pycurl.CONNECT_TIME) > 0)
        except TransferError as error:
            return error
        except Exception as error:  # a bug must cost this attempt only
            self._broken = error
            return TransferError(Kind.WORKER, "")
        if self.transfer.outcome is None and self.transfer.size:
            self._tell(events)
        return None

    def judge_unborn(self) -> TransferError | None:
        """Judge the time before there is a handle, while the name is looked up."""
        try:
            self._clock.check()
        except NoConnectionError as error:
            return self._late(error, connected=False)
        except TransferError as error:
            return error
        return None

    def _late(self, error: NoConnectionError, *, connected: bool) -> TransferError:
        """No connection in time; if there is not even one to the proxy, it is the proxy's fault."""
        return error if connected or self.attempt.proxy is None else unreachable_proxy(error)

    def _judge(self) -> None:
        received = self._received
        if received != self._noted:
            self._clock.advance(received - self._noted)
            self._noted = received
        else:
            self._clock.check()

    def _tell(self, events: list[Event]) -> None:
        now, transfer = self._now(), self.transfer
        if self._news_at is None:
            self._news_at = now + NEWS_EVERY
        if now < self._news_at:
            return
        self._news_at = now + NEWS_EVERY
        if not self._told:
            self._told = True
            events.append(Responded(self.attempt.id, transfer.status or 0, transfer.total, transfer.partial()))
        events.append(Advanced(self.attempt.id, transfer.size))

    def tell_of_the_way(self, events: list[Event]) -> bool:
        """Tell at once that others may fetch the rest of the file; whether there is no more to be said of that."""
        if self.transfer.opens_the_way:
            self._told, self._news_at = False, 0.0
            self._tell(events)
            return True
        return self.transfer.outcome is not None

    # -- the end

    def end(self, code: int, message: str) -> Finished:
        """The transfer's end as libcurl tells it."""
        assert self.handle is not None
        if (raised := self.handle.raised) is not None:
            if not isinstance(raised, Exception):
                self.interruption = raised
            else:
                self._broken = raised
        if self._stages is not None:
            self._stages.done = True
        try:
            if self._broken is None and self.transfer.outcome is None:
                self._settle(code, message)
        except TransferError as error:
            self.transfer.on_error(error)
        except Exception as error:  # a bug must cost this attempt only
            self._broken = error
        return self._finished()

    def wants_another_connection(self, message: str) -> bool:
        """Whether libcurl gave up over kept connections that had died; then the next one is new. Once at most."""
        handle = self.handle
        if (
            self._fresh
            or handle is None
            or handle.lines
            or self._head is not None
            or "Connection died" not in message
        ):
            return False
        self._fresh = True
        handle.connect_anew()
        return True

    def _settle(self, code: int, message: str) -> None:
        if self._head is None:
            self._read_head()
        transfer = self.transfer
        if transfer.outcome is not None:
            return
        if code:
            transfer.on_error(fault(self._failure(code, message)))
        elif self._head is None:
            raise TransferError(Kind.RESET, "the connection ended within the response head")
        else:
            if self._chunks is not None:
                self._chunks.end()
            transfer.on_end()

    def _failure(self, code: int, message: str) -> Failure:
        info, attempt = self._info, self.attempt
        return Failure(
            code, message, info(pycurl.OS_ERRNO), info(pycurl.HTTP_CONNECTCODE), attempt.proxy is not None,
            attempt.url.startswith("https:"), self._head is not None, self.is_connected,
        )  # fmt: skip

    # -- what libcurl knows of it

    def _info(self, what: int) -> Any:
        assert self.handle is not None
        return self.handle.curl.getinfo(what)

    @property
    def is_connected(self) -> bool:
        """The request is on its way."""
        return bool(self._info(pycurl.PRETRANSFER_TIME) > 0)

    @property
    def shares_its_connection(self) -> bool:
        """It goes over one that was there before it."""
        return bool(self._info(pycurl.NUM_CONNECTS) == 0)

    @property
    def version(self) -> int:
        """The version of HTTP that the answer came in, by libcurl's numbers; 0 without one."""
        return int(self._info(pycurl.INFO_HTTP_VERSION)) if self.handle is not None else 0

    # -- other ends

    def give_up(self, error: TransferError) -> Finished:
        """End it with a fault of pdl's own finding."""
        self.transfer.on_error(error)
        return self._finished()

    def stop(self) -> Finished:
        """End it because the engine ends."""
        self.transfer.on_stop()
        return self._finished()

    def break_down(self, error: Exception) -> Finished:
        """End it because of a bug."""
        self._broken = error
        return self._finished()

    def _finished(self) -> Finished:
        if self._broken is not None:
            return Finished(self.attempt.id, broken(self.transfer, self._broken))
        outcome = self.transfer.outcome
        assert outcome is not None
        if self._stages is not None and outcome.verdict is not Verdict.STOPPED:
            answered = self._head is not None
            outcome = outcome.timed(self._stages.timings(self.attempt, self.handle, answered=answered))
        return Finished(self.attempt.id, outcome)
