"""A bug in what carries an attempt: it costs that attempt, not the run."""

from __future__ import annotations

from pdl.descriptors import SHORTAGES
from pdl.errors import Kind
from pdl.http.transfer import Transfer
from pdl.model import Outcome, Verdict


def broken(transfer: Transfer, error: BaseException) -> Outcome:
    """The outcome of an attempt whose worker raised; its part is let go."""
    transfer.on_stop()
    if isinstance(error, OSError) and error.errno in SHORTAGES:  # nobody's bug
        assert transfer.outcome is not None
        message = f"cannot connect: {error.strerror}"
        return transfer.outcome._replace(
            verdict=Verdict.FAILED, kind=Kind.CONNECT, message=message, errno=error.errno
        )
    return Outcome(Verdict.FAILED, Kind.WORKER, f"the worker broke: {type(error).__name__}: {error}")
