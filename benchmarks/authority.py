"""A certificate of 127.0.0.1 that an authority made for the run has signed."""

from __future__ import annotations

from pathlib import Path


class Authority:
    """Makes the certificates; they are in a folder as PEM files.

    Raises:
        SystemExit: if what makes them is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import trustme  # noqa: PLC0415 - only TLS needs it
        except ImportError:
            raise SystemExit("trustme is not installed: python -m pip install trustme") from None
        self.trusted = folder / "authority.pem"
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.trusted))
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.key))
        for place, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(str(self.certificate), append=place > 0)
