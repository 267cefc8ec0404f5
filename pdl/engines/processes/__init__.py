"""A pool of processes, each carrying one attempt at a time."""

from __future__ import annotations

from .engine import ProcessesEngine

__all__ = ["ProcessesEngine"]
