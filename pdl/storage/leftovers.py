"""What earlier runs have left among the parts: kept if it can be continued, else removed."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from .exclusive import make_way
from .ledger import LedgerWriter

_PART = re.compile(r"([0-9]{1,18})\.part")


def reclaim(parts: str, ledger: LedgerWriter) -> None:
    """Remove the parts that no run can go on with, such as those of a kill, and forget those that are gone.

    A part with a second name is whole: a run was killed between giving it its name and taking the part's away.

    Args:
        parts: folder of the part files.
        ledger: of the destination.
    """
    known = {row for (row,) in ledger.select("SELECT row FROM part", ())}
    with os.scandir(parts) as found:
        for each in found:
            if (match := _PART.fullmatch(each.name)) is None:
                continue
            row = int(match[1])
            with suppress(OSError):  # somebody holds it, or has just removed it
                looks = os.lstat(each.path)  # what Windows tells while scanning has neither links nor inode
                if row in known and looks.st_nlink == 1 and ledger.part(row, looks) is not None:
                    known.discard(row)
                    continue
                with make_way(each.path):
                    pass
    ledger.drop_parts(known)
