"""Bodies that are cut within HTTP/2: an early end is told from a reset, as over HTTP/1.1."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from carrying import engine_of, fetch_one
from faultserver import Authority

from pdl.errors import Kind
from pdl.model import Verdict

pytest.importorskip("pycurl")

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = 24  # bytes
BODY = b"x" * 400

End = Callable[[ssl.SSLSocket, int], None]
"""Ends a response of 1,000 bytes, of which 400 were sent, on a stream."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113 section 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name: bytes, value: bytes) -> bytes:
    """A literal field without indexing, RFC 7541 section 6.2.2."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def ask(sock: ssl.SSLSocket) -> int:
    """Read up to the request, and answer its stream."""
    stream = sock.makefile("rb")
    stream.read(PREFACE)
    while True:
        head = stream.read(9)
        stream.read(int.from_bytes(head[:3], "big"))
        if head[3] == SETTINGS and not head[4] & ACK:
            sock.sendall(frame(SETTINGS, ACK, 0))
        elif head[3] == HEADERS:
            return int.from_bytes(head[5:], "big")


@contextmanager
def server(authority: Authority, end: End) -> Iterator[str]:
    """Answers one request over HTTP/2, and ends the answer in some way; gives the URL."""
    context = authority.context()
    context.set_alpn_protocols(["h2"])

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as sock:
            sock.settimeout(10)
            sock.sendall(frame(SETTINGS, 0, 0))
            stream = ask(sock)
            sock.sendall(frame(HEADERS, END_HEADERS, stream, b"\x88" + field(b"content-length", b"1000")))
            sock.sendall(frame(DATA, 0, stream, BODY))
            end(sock, stream)
            while sock.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/file"
        finally:
            thread.join()


def early(sock: ssl.SSLSocket, stream: int) -> None:
    sock.sendall(frame(DATA, END_STREAM, stream, b"y" * 100))


def early_and_empty(sock: ssl.SSLSocket, stream: int) -> None:
    sock.sendall(frame(DATA, END_STREAM, stream))


def no_error(sock: ssl.SSLSocket, stream: int) -> None:
    sock.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", 0)))


def internal_error(sock: ssl.SSLSocket, stream: int) -> None:
    sock.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", 2)))


def cancelled(sock: ssl.SSLSocket, stream: int) -> None:
    sock.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))


def closing_alert(sock: ssl.SSLSocket, stream: int) -> None:
    with suppress(OSError):
        sock.unwrap()
    sock.shutdown(socket.SHUT_WR)  # what still comes is read, or the system would reset the connection over it


def no_closing_alert(sock: ssl.SSLSocket, stream: int) -> None:
    sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("end", [early, early_and_empty, no_error, closing_alert, no_closing_alert])
def test_a_body_that_ends_early_is_truncated(authority: Authority, ca_pem: str, tmp_path: Path, end: End):
    with server(authority, end) as url, engine_of("curl", cacert=ca_pem) as engine:
        outcome = fetch_one(engine, url, tmp_path)
    assert (outcome.verdict, outcome.kind, outcome.status) == (Verdict.FAILED, Kind.TRUNCATED, 200), outcome
    assert "code" not in outcome.message


@pytest.mark.parametrize("end", [internal_error, cancelled])
def test_a_stream_that_is_reset_is_a_reset(authority: Authority, ca_pem: str, tmp_path: Path, end: End):
    with server(authority, end) as url, engine_of("curl", cacert=ca_pem) as engine:
        outcome = fetch_one(engine, url, tmp_path)
    assert (outcome.verdict, outcome.kind, outcome.status) == (Verdict.FAILED, Kind.RESET, 200), outcome
