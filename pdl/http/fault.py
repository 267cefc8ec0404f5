"""The exception that a fault of the network or the server is, until it becomes an outcome."""

from __future__ import annotations

from pdl.errors import Kind


class TransferError(Exception):
    """An attempt cannot go on.

    Args:
        kind: what it is called.
        message: a sentence for people, without secrets.
        retries: further tries it is worth, where that is fewer than the table in `pdl.retry` grants.
    """

    def __init__(self, kind: Kind, message: str, *, retries: int | None = None) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.retries = retries

    def __str__(self) -> str:
        return self.message
