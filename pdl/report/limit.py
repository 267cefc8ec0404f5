"""What held a contestant back: the first of some suspicions that the figures bear out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pdl import engines

from .comparison import Limit, Measurement
from .wording import plural

_BUSY = 0.85
"""Share of a CPU's time from which on it counts as the limit."""
_MACHINE = 0.9
"""The same for all CPUs together, whoever uses them."""
_WANTED = 0.4
"""Share of a CPU's time that shows that more was wanted, where others had the rest."""
_BLOCKED = 0.3
"""Share of looks at which something waited for the disk."""
_FULL = 0.8
"""Share of the downloads at once that were under way on average."""
_TAIL = 0.25
"""Share of the run with few downloads left."""


def limit(measured: Sequence[Measurement], *, cpus: int, per_host: int | None, hosts: int) -> Limit:
    """What held it back.

    Args:
        measured: of one engine with one number of jobs; at least one.
        cpus: of the machine, as far as the process may use them.
        per_host: downloads at once from one host, if they are limited.
        hosts: of the list.
    """
    if not any(each.done for each in measured):
        return Limit("nothing", "no file came")
    cores = statistics.median(each.working / each.seconds for each in measured)
    machine = statistics.median(each.machine for each in measured)
    blocked = statistics.median(each.blocked or 0.0 for each in measured)
    active = statistics.median(each.active for each in measured)
    first = measured[0]
    usable = cpus if engines.has_workers(first.engine) else 1
    busy = f"{cores:.2f} of {cpus} CPUs in use by pdl, {machine:.0%} of them by all programs"
    if cores >= _BUSY * usable:
        one = "" if usable > 1 else "; one process fills no more than about one CPU"
        return Limit("cpu", f"{busy}{one}")
    if machine >= _MACHINE and cores >= _WANTED * usable:
        return Limit("machine", f"{busy}: other programs took the rest")
    if blocked >= _BLOCKED:
        return Limit("disk", f"waiting for the disk at {blocked:.0%} of the looks; {busy}")
    jobs = 1 if first.engine == "sequential" else first.jobs
    under_way = f"{active:.1f} of {jobs} downloads under way on average"
    if per_host is not None and per_host * hosts < jobs and active >= _FULL * per_host * hosts:
        capped = f"{per_host} at once from each of {plural(hosts, 'host', 'hosts')} (--per-host)"
        return Limit("per-host", f"{capped}, {active:.1f} under way on average; {busy}")
    waited = [each.waited for each in measured if each.waited is not None]
    share = statistics.median(waited) if waited else None
    spent = "" if share is None else f", {share:.0%} of their time without bytes coming"
    if active >= _FULL * jobs:
        if share is not None and share >= 0.5:
            return Limit("jobs", f"{under_way}{spent}; {busy}{_advice(first.engine, machine)}")
        return Limit("server", f"{under_way}{spent}: the bodies came no faster; {busy}")
    tail = statistics.median(each.tail for each in measured)
    if tail >= _TAIL:
        return Limit("tail", f"few downloads were left for the last {tail:.0%} of its time; {under_way}; {busy}")
    retries = statistics.median(each.retries for each in measured)
    if retries:
        return Limit("server", f"{retries:,.0f} tries were made again, after pauses; {under_way}; {busy}")
    return Limit("unknown", f"{under_way}{spent}; {busy}")


def _advice(engine: str, machine: float) -> str:
    if machine >= _MACHINE:
        return ""  # what is waited for may be on this machine, and have no more to give
    return "; only another engine has more at once" if engine == "sequential" else "; more -j may help"
