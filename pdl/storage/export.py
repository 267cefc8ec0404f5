"""The ledger as a file for other programs: a table, JSON lines, or the digests as `sha256sum` takes them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from typing import IO, Any

from pdl.errors import DestinationError
from pdl.model import Digest

from .reading import LedgerEntry
from .replacing import replacing

ENDINGS = ".csv, .jsonl, .ndjson, SHA256SUMS, .sha256sums or .sha256"
"""Of the names of files that can be written."""

Form = Callable[[Iterable[LedgerEntry], IO[str]], int]
"""Writes entries, and answers how many done ones had to be left out."""


def form_of(path: str) -> Form | None:
    """How a file is written, by the ending of its name; None if by none that is known."""
    name = os.path.basename(path).lower()
    return next((form for ending, form in _FORMS.items() if name.endswith(ending)), None)


def export(entries: Iterable[LedgerEntry], path: str, form: Form) -> int:
    """Write a file, which appears whole or not at all; one that is there is replaced.

    Returns:
        How many done entries have no place in it, because they have no sha256.

    Raises:
        DestinationError: it cannot be written, or the ledger cannot be read.
    """
    path = os.path.abspath(path)
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # root could replace even /dev/null
            raise DestinationError(f"the export {path!r} cannot be written: it is not a regular file")
        with replacing(path) as file:
            return form(entries, file)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise DestinationError(f"the export {path!r} cannot be written: {reason}") from None


def _write_csv(entries: Iterable[LedgerEntry], file: IO[str]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(LedgerEntry._fields)
    for entry in entries:
        values = entry._asdict() | _digests(entry) | {"mirrors": " ".join(entry.mirrors)}
        writer.writerow(values.values())
    return 0


def _write_json_lines(entries: Iterable[LedgerEntry], file: IO[str]) -> int:
    for entry in entries:
        file.write(json.dumps(entry._asdict() | _digests(entry)) + "\n")
    return 0


def _write_sha256sums(entries: Iterable[LedgerEntry], file: IO[str]) -> int:
    missing = 0
    for entry in entries:
        if not entry.is_done:
            continue
        if entry.digest is not None and entry.digest.algorithm == "sha256":
            file.write(f"{entry.digest.value}  {entry.path}\n")
        else:
            missing += 1
    return missing


def _digests(entry: LedgerEntry) -> dict[str, Any]:
    return {"digest": _as_text(entry.digest), "wanted_digest": _as_text(entry.wanted_digest)}


def _as_text(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)


_FORMS: dict[str, Form] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".ndjson": _write_json_lines,
    "sha256sums": _write_sha256sums,
    ".sha256": _write_sha256sums,
}
"""How files are written, by the endings of their names in lower case."""
