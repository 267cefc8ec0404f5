"""What earlier runs have left among the parts: kept if it can be continued, else removed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from .exclusive import make_way
from .ledger import LedgerWriter
from .transient import remove_transient_parts

_PART = re.compile(r"([0-9]{1,18})\.part")


def reclaim(ledger: LedgerWriter) -> None:
    """Remove the parts that no run can go on with, such as those of a kill, and forget those that are gone.

    A part with a second name is whole: a run was killed between giving it its name and taking the part's away.
    """
    remove_transient_parts(ledger.parts)
    known = {row for (row,) in ledger.select("SELECT row FROM part", ())}
    for row, path in _parts(ledger.parts):
        with suppress(OSError):  # somebody holds it, or has just removed it
            looks = os.lstat(path)  # what Windows tells while scanning has neither links nor inode
            if row in known and looks.st_nlink == 1 and ledger.part(row, looks) is not None:
                known.discard(row)
                continue
            with make_way(path):
                pass
    ledger.drop_parts(known)


def _parts(folder: str) -> Iterator[tuple[int, str]]:
    with os.scandir(folder) as found:
        for each in found:
            if match := _PART.fullmatch(each.name):
                yield int(match[1]), each.path
