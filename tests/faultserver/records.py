"""What a server saw: every request in order of arrival, and how many were under way at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .connection import Connection


@dataclass(frozen=True, slots=True)
class Record:
    """One request, exactly as it was sent.

    Args:
        method: of the request line.
        target: the raw request target; bytes above 127 stand as Latin-1 characters.
        version: `HTTP/1.1`.
        headers: names in their own case, in order, with repeats.
        client: the address that the client connected from.
        connection: number of the connection, from 1.
        ordinal: the how-manyeth request on its connection, from 1.
        nth: the how-manyeth request for this target, from 1.
        arrived: seconds of `time.monotonic()`.
    """

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    client: tuple[str, int]
    connection: int
    ordinal: int
    nth: int = 1
    arrived: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def keeps_open(self) -> bool:
        """Whether the client wants the connection to stay."""
        return self.version == "HTTP/1.1" and (self.header("Connection") or "").lower() != "close"

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case."""
        return next(iter(self.values(name)), None)

    def values(self, name: str) -> list[str]:
        """All fields of that name, in any case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Journal:
    """A thread-safe account of requests; every change wakes those who wait for one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: list[Record] = []
        self._nth: Counter[str] = Counter()
        self._open: dict[int, str] = {}  # serial number and target of what is in flight
        self._flow: list[tuple[int, str]] = []  # +1 and target when a request begins, -1 when it ends
        self._serial = 0

    def begin(self, head: bytes, connection: Connection) -> tuple[int, Record]:
        """Enter a request.

        Raises:
            ValueError: the head is not that of an HTTP request.
        """
        line, *rest = head.decode("latin-1").split("\r\n")
        method, target, version = line.split(" ")
        fields = (entry.partition(":") for entry in rest)
        headers = tuple((name, value.strip(" \t")) for name, _, value in fields)
        with self._changed:
            self._nth[target] += 1
            self._serial += 1
            record = Record(
                method, target, version, headers, connection.client, connection.number, connection.heads,
                self._nth[target],
            )  # fmt: skip
            self._records.append(record)
            self._open[self._serial] = target
            self._flow.append((1, target))
            self._changed.notify_all()
            return self._serial, record

    def end(self, serial: int) -> None:
        """A request is no longer in flight; saying so twice does no harm."""
        with self._changed:
            target = self._open.pop(serial, None)
            if target is not None:
                self._flow.append((-1, target))
                self._changed.notify_all()

    def changed(self) -> None:
        """Wake those who wait, as something outside the journal has changed."""
        with self._changed:
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything but what is in flight."""
        with self._changed:
            self._records.clear()
            self._nth.clear()
            self._flow = [(1, target) for target in self._open.values()]

    def records(self) -> list[Record]:
        with self._changed:
            return self._records.copy()

    def in_flight(self, prefix: str) -> int:
        with self._changed:
            return sum(target.startswith(prefix) for target in self._open.values())

    def max_in_flight(self, prefix: str) -> int:
        with self._changed:
            now = most = 0
            for step, target in self._flow:
                if target.startswith(prefix):
                    now += step
                    most = max(most, now)
            return most

    def wait_for(self, wanted: Callable[[Record], object], timeout: float) -> Record:
        """The first record that is wanted, also one that is there already.

        Raises:
            AssertionError: none came in time; the message lists what did.
        """
        seen = 0
        found: Record | None = None

        def look() -> bool:
            nonlocal seen, found
            fresh, seen = self._records[seen:], len(self._records)
            found = next((record for record in fresh if wanted(record)), None)
            return found is not None

        with self._changed:
            if self._changed.wait_for(look, timeout) and found is not None:
                return found
            came = [record.target for record in self._records]
        raise AssertionError(f"no such request within {timeout} s; there were {len(came)}: {came[-20:]}")

    def wait_until(self, holds: Callable[[], object], timeout: float) -> None:
        """Wait until a condition on the server holds; it is looked at after every change.

        Raises:
            AssertionError: it did not come to hold in time.
        """
        with self._changed:
            if not self._changed.wait_for(holds, timeout):
                raise AssertionError(f"the condition did not come to hold within {timeout} s")
