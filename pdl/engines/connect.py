"""A TCP connection to the first of several addresses that answers (RFC 8305, happy eyeballs)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Any

from pdl.descriptors import SHORTAGES
from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.resolver import Address

from .leash import Leash
from .sockets import SLICE, Sockets

STAGGER = 0.25
"""Seconds after which the next address is tried beside those that have not answered."""

_UNDER_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, getattr(errno, "WSAEWOULDBLOCK", 0)}


def connect(addresses: Sequence[Address], port: int, leash: Leash, sockets: Sockets) -> Any:
    """A connected socket of the engine's kind.

    Raises:
        TransferError: CONNECT with the last address's reason, or TIMEOUT.
    """
    waiting = list(addresses)
    pending: list[socket.socket] = []
    failure = "it has no address"
    try:
        while waiting or pending:
            if waiting:
                failure = _begin(pending, waiting.pop(0), port) or failure
                if not pending:
                    continue
            connected, failure = _first(pending, leash, sockets, failure, until_next=bool(waiting))
            if connected is not None:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                adopted = sockets.adopt(connected)
                pending.remove(connected)
                return adopted
    except OSError as error:
        shortage = error.errno if error.errno in SHORTAGES else None
        raise TransferError(Kind.CONNECT, f"cannot connect: {error.strerror or error}", errno=shortage) from error
    finally:
        for sock in pending:
            sock.close()
    raise TransferError(Kind.CONNECT, f"cannot connect: {failure}")


def _begin(pending: list[socket.socket], address: Address, port: int) -> str | None:
    """Begin to connect; answers why not, if the system refuses at once, as it does for a family that it lacks."""
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in SHORTAGES and not pending:  # other addresses would fare no better
            raise
        return error.strerror or str(error)
    pending.append(sock)
    sock.setblocking(False)
    code = sock.connect_ex(address.sockaddr(port))
    return None if code in _UNDER_WAY else _drop(pending, sock, code)


def _first(
    pending: list[socket.socket], leash: Leash, sockets: Sockets, failure: str, *, until_next: bool
) -> tuple[socket.socket | None, str]:
    """The first pending socket that connects; None when the next address has its turn or all have failed."""
    patience = STAGGER if until_next else float("inf")
    while pending and patience > 0:
        leash.check()
        pause = min(SLICE, patience, leash.clock.remaining())
        for sock in sockets.wait_writable(pending, pause):
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                return sock, failure
            failure = _drop(pending, sock, code)
        patience -= pause
    return None, failure


def _drop(pending: list[socket.socket], sock: socket.socket, code: int) -> str:
    pending.remove(sock)
    sock.close()
    return os.strerror(code)
