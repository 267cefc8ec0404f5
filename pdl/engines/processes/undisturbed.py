"""What new processes are kept from while they start: signals that they cannot handle yet, and strange modules."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

_SENT_BY_TERMINALS = ("SIGINT", "SIGHUP")
_HELD_BACK = (*_SENT_BY_TERMINALS, "SIGTERM")
_ONE_AT_A_TIME = threading.Lock()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Start processes in here: signals wait until they can be handled, and modules come from where ours do."""
    with _ONE_AT_A_TIME, _own_modules_only(), _signals_held_back():
        yield


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold signals back in this thread, and in processes started from it, until they unblock them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # noqa: PLC0415 - POSIX only

    resource_tracker.ensure_running()  # which would let SIGINT and SIGTERM through again on its way
    signums = [getattr(signal, name) for name in _HELD_BACK]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:  # which handlers of signals that came before may end as soon as this is called
        signal.pthread_sigmask(signal.SIG_BLOCK, signums)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _own_modules_only() -> Iterator[None]:
    """Keep new Pythons (from 3.11 on) from importing what lies in the current folder, unless this one does, too.

    They are started by `python -c`, which looks there first: where downloads go, whatever their names are.
    """
    name = "PYTHONSAFEPATH"
    if name in os.environ or "" in sys.path or os.getcwd() in sys.path:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name, None)


def leave_signals_to_the_engine() -> None:
    """In a new process: take what was held back, but for what a terminal sends to every process of its group.

    What Ctrl-C and a closed terminal mean is decided in the engine's process.
    """
    for name in _SENT_BY_TERMINALS:
        if (signum := getattr(signal, name, None)) is not None:
            signal.signal(signum, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
