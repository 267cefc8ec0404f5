"""The list of what failed, to be fed back."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from pdl.errors import DestinationError


class FailedList:
    """Writes failed lines as they stood in the list; the file appears whole, when the run ends.

    Until then the lines are beside it under another name, so that a list may be fed back into itself. Lines may
    carry passwords: only the owner can read them (mode 0600).

    Args:
        path: the file; one that is there is replaced.
        lists: paths of the lists that are read.

    Raises:
        DestinationError: nothing can be written there.
    """

    def __init__(self, path: str, lists: Iterable[str] = ()) -> None:
        import tempfile  # noqa: PLC0415 - takes time, and few want such a list

        self._path = os.path.abspath(path)
        self._is_list = any(_is_same_file(self._path, each) for each in lists)
        self._fault: OSError | None = None
        folder, name = os.path.split(self._path)
        # root could replace even /dev/null
        if os.path.exists(self._path) and not os.path.isfile(self._path):
            raise DestinationError(f"the list of failures {path!r} cannot be written: it is not a regular file")
        try:
            descriptor, self._temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=folder)
        except OSError as error:
            raise DestinationError(f"the list of failures {path!r} cannot be written: {error.strerror}") from None
        self._file: IO[str] | None = os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape")

    def add(self, line: str) -> None:
        """A line that failed."""
        if self._file is None or self._fault is not None:
            return
        try:
            self._file.write(line + "\n")
        except OSError as error:  # the run goes on; close() will tell
            self._fault = error

    def discard(self) -> None:
        """Leave everything as it was."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
            os.unlink(self._temporary)

    def close(self, *, everything: bool = True) -> None:
        """Put the file in its place; again does nothing.

        Args:
            everything: all entries of the lists have ended. Else a list that would be replaced by its own failures
                stays as it is, for what is left stands nowhere else.

        Raises:
            DestinationError: it cannot be written; what was written stays under the name in the message.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
            if self._is_list and not everything:
                os.unlink(self._temporary)
                return
            if self._fault is not None:
                raise self._fault
            os.replace(self._temporary, self._path)
        except OSError as error:
            raise DestinationError(
                f"the list of failures {self._path!r} cannot be written: {error.strerror}; see {self._temporary!r}"
            ) from None


def check_failed_list(path: str) -> None:
    """Find out early whether a list of failures can be written there.

    Raises:
        DestinationError: it cannot.
    """
    trial = FailedList(path)
    trial.discard()


def _is_same_file(path: str, other: str) -> bool:
    """Whether replacing `path` would be the end of `other`; a link is replaced itself."""
    with suppress(OSError):
        return not os.path.islink(path) and os.path.samefile(path, other)
    return False
