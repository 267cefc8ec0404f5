"""A pool of processes, each with an engine of its own that carries one attempt at a time, or several."""

from __future__ import annotations

from .engine import ProcessesEngine

__all__ = ["ProcessesEngine"]
