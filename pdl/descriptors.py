"""How many files and sockets a process may have open, and what to say when there are no more."""

from __future__ import annotations

import errno
import os

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors of the system that mean: of this process, or of the machine, too many files are open."""


def open_files() -> int | None:
    """How many files and sockets this process may have open; None where nobody knows."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> None:
    """Allow as many open files as the system lets us."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return  # some systems forbid "unlimited" here


def shortage() -> int | None:
    """The error of the system if no file can be opened right now, for lack of descriptors."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno if error.errno in SHORTAGES else None
    return None


def advice(number: int | None) -> str:
    """What to do about a shortage."""
    if number == errno.ENFILE:
        return "the whole machine has too many open files"
    limit = open_files()
    all_of = "all" if limit is None else f"all {limit}"
    return f"{all_of} files that this program may have open are open; ulimit -n raises the limit"
