"""What earlier runs have left among the parts: kept if it can be continued, else removed."""

from __future__ import annotations

import os
from contextlib import suppress

from pdl.patterns import pattern

from .comparisons import remove_comparisons
from .exclusive import make_way
from .ledger import LedgerWriter
from .parts import parts_in, remove_transient_parts

_PART = pattern(r"([0-9]{1,18})\.part")
_KNOWN = "SELECT row, status FROM part LEFT JOIN entry USING (row)"


def reclaim(ledger: LedgerWriter) -> None:
    """Remove the parts that no run can go on with, such as those of a kill, and forget those that are gone.

    A part with a second name is whole: a run was killed between giving it its name and taking the part's away. Nor
    is one wanted of an entry that has its file.

    Raises:
        DestinationError: the folder of the parts cannot be read.
    """
    remove_transient_parts(ledger.parts)
    remove_comparisons(os.path.dirname(ledger.parts))
    known = dict(ledger.select(_KNOWN, ()))
    for name, path in parts_in(ledger.parts):
        if (match := _PART.fullmatch(name)) is None:
            continue
        row = int(match[1])
        with suppress(OSError):  # somebody holds it, or has just removed it
            looks = os.lstat(path)
            wanted = row in known and known[row] not in ("done", "skipped")
            if wanted and looks.st_nlink == 1 and ledger.part(row, looks) is not None:
                del known[row]
                continue
            with make_way(path):
                pass
    ledger.drop_parts(known)
