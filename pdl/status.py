"""The state of a destination, as its ledger knows it: for people, and as JSON."""

from __future__ import annotations

import time
from typing import Any

from .progress import amount, balance_line, printable
from .storage.reading import LedgerCounts


def status_lines(counts: LedgerCounts) -> list[str]:
    """The balance, the bytes, the hosts that fail most and the entry that waits longest."""
    files = "1 file" if counts.files == 1 else f"{counts.files:,} files"
    lines = [balance_line(counts), f"{files}, {amount(counts.size)}"]
    if counts.failed_by_host:
        lines.append("most failures:")
        lines += [f"  {count:,}  {printable(host)}" for host, count in counts.failed_by_host.items()]
    oldest = counts.oldest_left
    if oldest is not None:
        since = time.strftime(", since %Y-%m-%d %H:%M:%S", time.localtime(oldest.queued)) if oldest.queued else ""
        lines.append(f"left longest: row {oldest.row:,}{since}, {printable(oldest.url)}")
    return lines


def status_object(counts: LedgerCounts) -> dict[str, Any]:
    """The same as JSON types; times are in seconds since 1970."""
    oldest = counts.oldest_left
    return {
        "read": counts.read,
        "done": counts.done,
        "skipped": counts.skipped,
        "failed": counts.failed,
        "left": counts.left,
        "skipped_by_reason": counts.skipped_by_reason,
        "failed_by_kind": counts.failed_by_kind,
        "failed_by_host": counts.failed_by_host,
        "files": counts.files,
        "size": counts.size,
        "oldest_left": oldest and {"row": oldest.row, "url": oldest.url, "queued": oldest.queued},
    }
