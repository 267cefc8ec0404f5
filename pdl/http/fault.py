"""The exception that a fault of the network or the server is, until it becomes an outcome."""

from __future__ import annotations

from pdl.errors import Kind


class TransferError(Exception):
    """An attempt cannot go on.

    Args:
        kind: what it is called.
        message: a sentence for people, without secrets.
        retries: further tries it is worth, where that is fewer than the table in `pdl.retry` grants.
        errno: what the system said, if it has no more files to open.
        proxy_failed: it is the proxy's own failure.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        retries: int | None = None,
        errno: int | None = None,
        proxy_failed: bool = False,
    ) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.retries = retries
        self.errno = errno
        self.proxy_failed = proxy_failed

    def __str__(self) -> str:
        return self.message


class NoConnectionError(TransferError):
    """There was no connection in the time that there is for one."""


def unreachable_proxy(fault: TransferError) -> TransferError:
    """What it means that no connection to a proxy came about, TLS included."""
    return TransferError(
        Kind.PROXY,
        f"the proxy cannot be reached: {fault.message}",
        retries=0 if fault.kind is Kind.TLS else None,
        errno=fault.errno,
        proxy_failed=fault.errno is None,
    )
