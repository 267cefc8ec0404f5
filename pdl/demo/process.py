"""The server in a process of its own, so that it takes no time from the downloads."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from pdl.errors import PdlError

from .plan import Knobs, plan, urls

_PATIENCE = 2.0
"""Seconds that the process gets to end by itself."""
_DEFAULTS = Knobs()


class DemoServer:
    """A running server; leaving the `with` block ends it, and so does the death of this process.

    Args:
        knobs: what it is to be like.

    Raises:
        PdlError: it did not start; it has said why on standard error.
    """

    def __init__(self, knobs: Knobs = _DEFAULTS) -> None:
        self.table = plan(knobs)
        self._process = _start()
        try:
            self.base = self._learn_base(knobs)
        except BaseException:
            self.close()
            raise

    def _learn_base(self, knobs: Knobs) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.write(json.dumps(asdict(knobs)) + "\n")
            self._process.stdin.flush()
        base = self._process.stdout.readline().strip()
        if not base:
            raise PdlError("the server of the demo did not start")
        return base

    @property
    def urls(self) -> list[str]:
        """The list to download."""
        return urls(self.table, self.base)

    def __enter__(self) -> DemoServer:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, by the end of its input; again does nothing."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start() -> subprocess.Popen[str]:
    """Start the process, in a group of its own: the Ctrl-C that stops the downloads must leave it to us."""
    command = [sys.executable, "-m", "pdl.demo", "-"]
    home = Path(__file__).parents[2]  # comes first in its path: the same pdl as here, and nothing of the user's
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=home, stdin=pipe, stdout=pipe, text=True, **apart)  # noqa: S603 - our own
