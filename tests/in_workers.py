"""Does to worker processes what `monkeypatch` does to this one: a `sitecustomize` that they find in their path."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest


def run_at_start(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Have every Python that is started from now on run some code first."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(textwrap.dedent(code))
    path = filter(None, [str(folder), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
