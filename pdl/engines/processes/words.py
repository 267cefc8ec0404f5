"""What engine and worker say to each other besides attempts and events."""

from __future__ import annotations

from enum import Enum


class Word(Enum):
    """One word, sent by itself."""

    READY = "ready"  # the worker to the engine: it can be given an attempt
    GO_ON = "go on"  # the engine to the worker: the last `Advanced` was taken, the next may come
    STOP = "stop"  # the engine to the worker: let go of the attempt, and end
