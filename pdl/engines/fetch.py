"""One attempt over requests, as a generator of events: the driver that all blocking engines share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from pdl.descriptors import SHORTAGES
from pdl.errors import Kind
from pdl.http.clock import TransferClock
from pdl.http.fault import NoConnectionError, TransferError, unreachable_proxy
from pdl.http.head import ResponseHead, response_head
from pdl.http.transfer import Transfer
from pdl.model import Advanced, Attempt, Event, Finished, Responded, Verdict
from pdl.resolver import Resolver
from pdl.settings import Settings

from .adapter import StrictAdapter
from .breakage import broken
from .leash import Leash, Stopped
from .limits import DRAINED, DRAINING, NEWS_EVERY, WORTH_KEEPING
from .phases import Phases
from .pools import Ride
from .sockets import Sockets

PIECE = 256 * 1024
"""Bytes read from a connection at once, at the most."""
NAP = 0.02
"""Seconds between two looks at a name that is being resolved."""


class Driver:
    """Carries attempts over requests, one generator each, on shared connections.

    Args:
        settings: of the job.
        sockets: how the engine waits.
        now: the engine's clock.
        stepwise: resolve names in steps, for an engine that has nothing else to do meanwhile.
    """

    def __init__(
        self,
        settings: Settings,
        sockets: Sockets | None = None,
        now: Callable[[], float] = time.monotonic,
        *,
        stepwise: bool = False,
    ) -> None:
        self._stepwise = stepwise
        self._settings = settings
        self._sockets = sockets or Sockets()
        self._now = now
        self._resolver = Resolver()
        self._adapter = StrictAdapter(settings, self._sockets, self._resolver)

    def leash(self, attempt: Attempt) -> Leash:
        """What the engine holds an attempt by."""
        phases = Phases() if self._settings.timings else None
        return Leash(TransferClock(self._settings, attempt.time_limit, self._now, attempt.connect_within), phases)

    def fetch(self, attempt: Attempt, leash: Leash) -> Iterator[Event | None]:
        """Carry an attempt; None is a step without news. The last event is `Finished`, whatever happens."""
        transfer = Transfer(attempt, self._settings)
        try:
            yield from self._carry(transfer, leash)
        except Stopped:
            transfer.on_stop()
        except Exception as error:  # a bug here must cost one attempt, not the run
            yield Finished(attempt.id, broken(transfer, error))
            return
        except BaseException:
            transfer.on_stop()
            raise
        finally:
            leash.release()
        outcome = transfer.outcome
        assert outcome is not None
        if leash.phases is not None and outcome.verdict is not Verdict.STOPPED:
            outcome = outcome.timed(leash.phases.timings(answered=transfer.status is not None))
        yield Finished(attempt.id, outcome)

    def _carry(self, transfer: Transfer, leash: Leash) -> Iterator[Event | None]:
        attempt = transfer.attempt
        raw: Any = None
        try:
            ride = Ride(leash, self._resolver, self._sockets, attempt.reach)
            leash.check()
            if self._stepwise:
                yield from self._resolve(attempt, leash)
            response = self._adapter.exchange(transfer.request(), ride, attempt.proxy)
            raw = response.raw
            if transfer.on_head(_head(response)):
                yield from self._body(transfer, raw)
        except TransferError as fault:
            transfer.on_error(fault)
        except requests.RequestException as error:
            transfer.on_error(_named(error))
        except HTTPError as error:
            transfer.on_error(TransferError(Kind.RESET, f"the connection broke: {error}"))
        finally:
            if leash.phases is not None:
                leash.phases.end()
            if transfer.outcome is not None and transfer.outcome.errno in SHORTAGES:
                self._adapter.shed()
            if raw is not None:
                _let_go(raw, leash, drain=transfer.outcome is not None and not transfer.outcome.opened)

    def _resolve(self, attempt: Attempt, leash: Leash) -> Iterator[None]:
        """Wait for the name's addresses, so that the connection finds them at hand."""
        lookup = self._resolver.lookup(urlsplit(attempt.proxy or attempt.url).hostname or "")
        if lookup.done:
            return
        while not lookup.wait(NAP):
            try:
                leash.check()
            except NoConnectionError as error:
                raise unreachable_proxy(error) if attempt.proxy else error from None
            yield
        if leash.phases is not None:
            leash.phases.look_up()

    def _body(self, transfer: Transfer, raw: Any) -> Iterator[Event | None]:
        attempt, told = transfer.attempt.id, False
        news_at = self._now() + NEWS_EVERY
        if transfer.total is None or transfer.total >= WORTH_KEEPING:
            news_at = 0.0
        while data := raw.read1(PIECE, decode_content=False):
            if not transfer.on_data(data):
                break
            now = self._now()
            if now < news_at:
                yield None
                continue
            news_at = now + NEWS_EVERY
            if not told:
                told = True
                yield Responded(attempt, transfer.status or 0, transfer.total, transfer.partial())
            yield Advanced(attempt, transfer.size)
        transfer.on_end()

    def abandon(self) -> None:
        """As `close`, from another thread than that whose loop the connections belong to."""
        self._adapter.abandon()
        self._resolver.close()

    def close(self) -> None:
        """Close idle connections and the resolver."""
        self._adapter.close()
        self._resolver.close()


def _head(response: requests.Response) -> ResponseHead:
    """The head as it was parsed from the wire; where a test has put a response in its place, from its fields."""
    strict = getattr(response.raw, "_original_response", None)
    head = getattr(strict, "head", None)
    if head is not None:
        return head  # type: ignore[no-any-return]  # it is the StrictResponse's
    fields = tuple(response.raw.headers.items())
    return response_head("1.1", response.status_code, response.reason or "", fields)


def _let_go(raw: Any, leash: Leash, *, drain: bool) -> None:
    """Give the connection back: after its body, or a short unwanted one; else close it."""
    try:
        length = raw.length_remaining
        if drain and (length is None or length <= DRAINED):
            leash.clock.hurry(DRAINING)
            left = DRAINED
            while left > 0 and (data := raw.read1(left, decode_content=False)):
                left -= len(data)
    except (TransferError, HTTPError):
        pass  # the outcome is settled already; only the connection is lost
    finally:
        raw.close()
        raw.release_conn()


_NAMES: dict[type[requests.RequestException], Kind] = {
    requests.exceptions.ProxyError: Kind.PROXY,
    requests.exceptions.SSLError: Kind.TLS,
    requests.exceptions.ConnectTimeout: Kind.TIMEOUT,
    requests.exceptions.ReadTimeout: Kind.TIMEOUT,
    requests.exceptions.Timeout: Kind.TIMEOUT,
    requests.exceptions.ConnectionError: Kind.CONNECT,
    requests.exceptions.ChunkedEncodingError: Kind.TRUNCATED,
    requests.exceptions.ContentDecodingError: Kind.CODING,
    requests.exceptions.InvalidURL: Kind.INPUT,
    requests.exceptions.InvalidSchema: Kind.BLOCKED,
}
"""What requests' own exceptions are; most faults are named below it, before it sees them."""


def _named(error: requests.RequestException) -> TransferError:
    for known in type(error).__mro__:
        if known in _NAMES:
            return TransferError(_NAMES[known], f"{type(error).__name__}: {error}")
    return TransferError(Kind.INTERNAL, f"{type(error).__name__}: {error}")
