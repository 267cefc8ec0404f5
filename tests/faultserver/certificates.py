"""A certificate authority for tests."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone

import trustme

_NAMES = ("127.0.0.1", "127.0.0.2", "::1", "localhost")


class Authority:
    """Issues certificates that nobody trusts who has not been given `pem`."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.pem: bytes = self._ca.cert_pem.bytes()

    def context(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """The TLS context of a server under these names; without any, under those of this machine."""
        until = datetime.now(timezone.utc) - timedelta(days=1) if expired else None
        since = until - timedelta(days=30) if until else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        self._ca.issue_cert(*(names or _NAMES), not_before=since, not_after=until).configure_cert(context)
        return context
