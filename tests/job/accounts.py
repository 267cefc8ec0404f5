"""What a run said at its end, and what it left on disk."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil
from faultserver import FaultServer

_FIRST_LINE = re.compile(
    r"^([\d,]+) entr(?:y|ies): done ([\d,]+), skipped ([\d,]+).*, failed ([\d,]+).*, left ([\d,]+)$", re.MULTILINE
)


class Account(NamedTuple):
    """The closing account."""

    read: int
    done: int
    skipped: int
    failed: int
    left: int

    @property
    def ended(self) -> int:
        return self.done + self.skipped + self.failed

    @property
    def balances(self) -> bool:
        return self.ended + self.left == self.read


def account_in(stderr: str) -> Account:
    """The one closing account of a run, from what it wrote to standard error."""
    found = _FIRST_LINE.findall(stderr)
    assert len(found) == 1, f"not one account, but {len(found)}: {stderr!r}"
    return Account(*(int(number.replace(",", "")) for number in found[0]))


def files_in(dest: Path) -> dict[str, bytes]:
    """Everything below a destination that has a final name."""
    return {
        file.relative_to(dest).as_posix(): file.read_bytes()
        for file in sorted(dest.rglob("*"))
        if file.is_file() and ".pdl" not in file.relative_to(dest).parts
    }


def parts_in(dest: Path) -> list[str]:
    """Names of the part files."""
    return sorted(os.listdir(dest / ".pdl" / "parts"))


def expected(server: FaultServer, targets: Iterable[str]) -> dict[str, bytes]:
    """The files that these targets are, by the last segment of their path."""
    return {target.partition("?")[0].rpartition("/")[2]: server.content(target) for target in targets}


def urls(server: FaultServer, targets: Iterable[str]) -> str:
    """A list of the targets."""
    return "".join(server.url(target) + "\n" for target in targets)


def left_of_group(leader: int) -> list[str]:
    """What is still there of a process group a second after its leader's end.

    multiprocessing's resource tracker ends when all others have, and gone is a process only some time after that.
    """
    until = time.monotonic() + 1
    while (left := group_of(leader)) and time.monotonic() < until:
        time.sleep(0.005)
    return left


def group_of(leader: int) -> list[str]:
    """The processes of a process group, each in words.

    Zombies count, but for those that the system's first process has yet to take, their own parent being gone.
    """
    found = {}
    for process in psutil.process_iter(["pid", "ppid", "name", "status"]):
        try:
            if os.getpgid(process.pid) == leader:
                found[process.pid] = process.info
        except ProcessLookupError:
            continue
    return [
        f"{info}"
        for info in found.values()
        if info["status"] != psutil.STATUS_ZOMBIE or info["pid"] == leader or info["ppid"] in found
    ]
