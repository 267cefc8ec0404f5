"""Results on standard output: as paths or as NDJSON. Reporters, so that they also hear of what a stop leaves."""

from __future__ import annotations

import json
import os
from typing import Any, TextIO

from .model import Notice, Progress, Result

_FIELDS = tuple(name for name in Result._fields if name != "line")


class PathLines:
    """One path a line for each file that was fetched.

    Args:
        stream: receives the lines.
        dest: what the paths begin with.
    """

    def __init__(self, stream: TextIO, dest: str) -> None:
        self._stream = stream
        self._dest = dest

    def on(self, event: Progress | Result | Notice) -> None:
        if isinstance(event, Result) and event.status == "done" and event.path is not None:
            self._stream.write(os.path.join(self._dest, *event.path.split("/")) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is held back."""


class JsonLines:
    """One JSON object a line for each result, with the fields of `Result` but the list's own line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def on(self, event: Progress | Result | Notice) -> None:
        if isinstance(event, Result):
            self._stream.write(json.dumps(as_json(event)) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is held back."""


def as_json(result: Result) -> dict[str, Any]:
    """A result as JSON types."""
    found = {name: getattr(result, name) for name in _FIELDS}
    if result.timings is not None:
        found["timings"] = result.timings._asdict()
    return found
