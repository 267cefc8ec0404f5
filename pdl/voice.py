"""How the command speaks: messages on standard error, results on standard output."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO

import click


def say(message: str) -> None:
    """Write a line to standard error; that nobody reads it, or a full disk under it, changes nothing."""
    with suppress(OSError):
        click.echo(message, err=True)


def results() -> TextIO:
    """Standard output, for results."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # a name that the terminal's encoding lacks must not end the run
        reconfigure(errors="backslashreplace")
    return sys.stdout
