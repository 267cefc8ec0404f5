"""The fault server: HTTP/1.1 over raw sockets, right or wrong as the path says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable

from .ask import Ask
from .connection import Connection
from .content import content_of
from .gate import Gate
from .listener import Listener
from .routes import steps_of
from .steps import End, Pause, Stall, Steps

_ENOUGH_TO_SEND = 1 << 16


class FaultServer(Listener):
    """An origin that serves every route of `routes.ROUTES`; see `Listener` for its arguments and its records."""

    def __init__(self, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> None:
        self._gates: dict[str, Gate] = {}
        self._gates_lock = threading.Lock()
        super().__init__(host, tls=tls)

    def url(self, target: str) -> str:
        """The absolute URL of a target."""
        return self.origin + target

    def content(self, target: str, version: int = 1) -> bytes:
        """The whole file behind a target, in its first or its changed version."""
        return content_of(target, version)

    def release(self, target: str) -> None:
        """Let stalled requests for a target go on, those of the future as well."""
        self._gate(target).open()

    def handle(self, connection: Connection) -> None:
        while request := self.next_request(connection):
            serial, record = request
            ask = Ask(record, self.origin)
            connection.skip(int(record.header("Content-Length") or 0))
            try:
                end = self._play(steps_of(ask), connection, ask, lambda serial=serial: self.journal.end(serial))
            finally:
                self.journal.end(serial)
            if end or not ask.keeps_open:
                connection.end(end or End.CLOSE)
                return

    def _play(self, steps: Steps, connection: Connection, ask: Ask, ended: Callable[[], None]) -> End | None:
        """Take the steps; `ended` is called just before the last bytes, or the end of the connection."""
        held = bytearray()
        for step in steps:
            if isinstance(step, End):
                ended()
                connection.send(held)
                return step
            if isinstance(step, bytes | memoryview):
                if len(held) + len(step) > _ENOUGH_TO_SEND:
                    connection.send(held)
                    held.clear()
                held += step
                continue
            connection.send(held)
            held.clear()
            self._be_silent(step, connection, ask)
        ended()
        connection.send(held)
        return None

    def _be_silent(self, step: Pause | Stall, connection: Connection, ask: Ask) -> None:
        if isinstance(step, Pause):
            connection.pause(step.seconds)
        else:
            connection.pause(None, self._gate(ask.record.target))

    def _gate(self, target: str) -> Gate:
        with self._gates_lock:
            return self._gates.setdefault(target, self._gates.get(target) or Gate())

    def descriptors(self) -> set[int]:
        with self._gates_lock:
            gates = list(self._gates.values())
        return super().descriptors() | {one.fileno() for gate in gates for one in gate.sockets}

    def close(self) -> None:
        super().close()
        for gate in self._gates.values():
            gate.discard()
        self._gates.clear()
