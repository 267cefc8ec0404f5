"""The list of what failed, to be fed back."""

from __future__ import annotations

import os
import tempfile
from typing import IO

from pdl.errors import DestinationError


class FailedList:
    """Writes failed lines as they stood in the list; the file appears whole, when the run ends.

    Until then the lines are beside it under another name, so that a list may be fed back into itself. Lines may
    carry passwords: only the owner can read them (mode 0600).

    Args:
        path: the file; one that is there is replaced.

    Raises:
        DestinationError: nothing can be written there.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        folder, name = os.path.split(self._path)
        try:
            descriptor, self._temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=folder)
        except OSError as error:
            raise DestinationError(f"the list of failures {path!r} cannot be written: {error.strerror}") from None
        self._file: IO[str] | None = os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape")

    def add(self, line: str) -> None:
        """A line that failed."""
        if self._file is not None:
            self._file.write(line + "\n")

    def close(self) -> None:
        """Put the file in its place.

        Raises:
            DestinationError: it cannot be written; what was written stays under the name in the message.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
            os.replace(self._temporary, self._path)
        except OSError as error:
            raise DestinationError(
                f"the list of failures {self._path!r} cannot be written: {error.strerror}; see {self._temporary!r}"
            ) from None
