"""The file that a report is written to."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress

from pdl.errors import DestinationError, SettingsError
from pdl.progress import printable
from pdl.storage.replacing import replacing

from .markdown import MARK
from .told import Told

_FORMS = {".html": Told.to_html, ".json": Told.to_json, ".md": Told.to_markdown}
_SEEN = 4096  # bytes of a file that show what it is
_REPORT = re.compile(
    r'\s*(?:<!doctype html>.*<meta name="generator" content="pdl |\{\s*"schema"\s*:\s*"pdl\.|'
    + re.escape(MARK)
    + ")",
    re.IGNORECASE | re.DOTALL,
)


class ReportFile:
    """A file that will take a report, whose form its ending tells. What could prevent that is looked for at once.

    Args:
        path: the file; one that is there is replaced if it is a report, or empty.
        avoid: paths of the job's own files, such as its lists, which it cannot be.

    Raises:
        SettingsError: it can be no report's file, or what makes pages is not installed.
    """

    def __init__(self, path: str, avoid: Iterable[str] = ()) -> None:
        self._path = os.path.abspath(path)
        ending = os.path.splitext(path)[1].lower()
        if ending not in _FORMS or "://" in path:
            raise SettingsError(
                f"--report takes a file that ends in .html, .json or .md, not {path!r}; "
                f"if that is a list, it goes before: pdl {printable(shlex.quote(path))} --report"
            )
        self._form = _FORMS[ending]
        try:
            self._check(avoid)
        except SettingsError:
            raise
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise SettingsError(f"the report {path!r} cannot be written: {reason}") from None
        if ending == ".html":
            from .page import require  # noqa: PLC0415 - only for pages

            require()

    def write(self, report: Told) -> None:
        """Write a report; the file appears whole or not at all.

        Raises:
            DestinationError: it cannot be written.
        """
        text = self._form(report)
        if os.path.lexists(self._path) and not _is_replaceable(self._path):
            raise DestinationError(
                f"the report {self._path!r} cannot be written: a file has come there meanwhile that is none"
            )
        try:
            with replacing(self._path) as file:
                file.write(text)
        except OSError as error:
            raise DestinationError(
                f"the report {self._path!r} cannot be written: {error.strerror or error}"
            ) from None

    def _check(self, avoid: Iterable[str]) -> None:
        import tempfile  # noqa: PLC0415 - takes time, and few want a report

        if "\0" in self._path:
            raise ValueError("a NUL in the name")
        if os.path.isdir(self._path):
            raise SettingsError(f"the report {self._path!r} cannot be written: it is a folder")
        folder = os.path.dirname(self._path)
        if not os.path.isdir(folder):
            raise SettingsError(f"the report {self._path!r} cannot be written: there is no folder {folder!r}")
        for each in avoid:
            if os.path.abspath(each) == self._path or _is_same_file(self._path, each):
                raise SettingsError(
                    f"the report {self._path!r} cannot be written: this job has the file for something else"
                )
        if os.path.lexists(self._path) and not _is_replaceable(self._path):
            raise SettingsError(
                f"the report {self._path!r} cannot be written: it exists and is no report of pdl's; "
                "remove it or take another name"
            )
        with tempfile.TemporaryFile(dir=folder):  # access rights alone don't tell everywhere
            pass


def _is_same_file(path: str, other: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.samefile(path, other)
    return False


def _is_replaceable(path: str) -> bool:
    """Whether nothing is lost with a file but a report."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(_SEEN)
    return not start or _REPORT.match(start.decode("utf-8", "replace")) is not None
