"""How worker processes come to life: by which start method, and what is said where that cannot be."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from pdl.errors import EngineError

UNGUARDED = 95
"""Code with which a process ends that should have become a worker, and found itself making an engine."""
UNGUARDED_MESSAGE = (
    "a worker process cannot start, as it runs this program's script from the beginning: "
    'let the script call pdl below `if __name__ == "__main__":`'
)

_OTHERS_UNGUARDED = (
    "a process that this program has started runs its script from the beginning, and so comes to pdl as well: "
    'let the script call pdl below `if __name__ == "__main__":`'
)
_NAME = "pdl-worker"
"""What multiprocessing calls our processes."""


class Nursery(Protocol):
    """What makes processes."""

    advice: str
    """What to do where none comes to life."""

    def process(self, target: Callable[..., None], args: tuple[Any, ...]) -> BaseProcess:
        """A process that is yet to be started."""

    def close(self) -> None:
        """End what it keeps running for that; its processes have ended."""


class SpawningNursery:
    """Each process is a Python of its own that begins from nothing, and imports the script of the program."""

    advice = (
        "it imports this program's script first, so that must not fail, "
        'and must call pdl below `if __name__ == "__main__":`'
    )

    def process(self, target: Callable[..., None], args: tuple[Any, ...]) -> BaseProcess:
        spawn = multiprocessing.get_context("spawn")
        return spawn.Process(target=target, args=args, name=_NAME, daemon=True)

    def close(self) -> None:
        pass


def open_nursery(preload: list[str]) -> Nursery:
    """What makes processes here: forks of a server that has modules loaded, where that is safe.

    That is Linux; libraries of macOS break in forked processes, and Windows does not fork. A program that has set
    the start method of multiprocessing to `spawn` gets what it asked for.
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    if sys.platform != "linux" or chosen == "spawn" or getattr(sys, "frozen", False):
        return SpawningNursery()
    from .forking import ForkingNursery  # noqa: PLC0415 - cannot be imported everywhere

    return ForkingNursery(preload, _NAME)


def refuse_impossible() -> None:
    """Say why this process cannot have workers, if so.

    Raises:
        EngineError: it may have no children, or none can begin where it is.
    """
    me = multiprocessing.current_process()
    # private, but what multiprocessing itself goes by; while it is set the script of the program is being imported
    if getattr(me, "_inheriting", False):
        if me.name == _NAME:
            os._exit(UNGUARDED)  # in silence; the process that has started this one says what is wrong
        raise EngineError(_OTHERS_UNGUARDED)
    if me.daemon:
        raise EngineError(
            "this process is a daemonic child of multiprocessing, which may have no children of its own: "
            "use another engine here, or a process with daemon=False"
        )
    try:
        os.getcwd()
    except OSError as error:  # multiprocessing has its processes begin there
        raise EngineError(
            f"no worker process can be started from the current folder: {error.strerror}; "
            "use another engine here, or begin in another folder"
        ) from None
