"""An address that swallows every packet, as a dead network does."""

from __future__ import annotations

import socket
import sys

import pytest


class Deaf:
    """A port where nobody answers: its queue is full, so that the system drops what comes.

    Args:
        host: address to listen on.
        port: to listen on; 0 for one that is free.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._waiting: list[socket.socket] = []
        try:
            self._listener.bind((host, port))
        except OSError:
            self._listener.close()
            pytest.skip(f"this machine has no {host}")
        self._listener.listen(0)
        self.host, self.port = self._listener.getsockname()[:2]
        self._fill(family)

    def _fill(self, family: int) -> None:
        """Connect until nobody is answered any more."""
        for _ in range(16):
            sock = socket.socket(family)
            self._waiting.append(sock)
            sock.settimeout(0.2)
            try:
                sock.connect((self.host, self.port))
            except TimeoutError:
                return
            except OSError:
                break
        self.close()
        pytest.skip(f"{sys.platform} does not drop what comes to a full queue")

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for sock in (*self._waiting, self._listener):
            sock.close()
