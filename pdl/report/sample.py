"""Some entries of a long list that stand for all: from every host as many as its share is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping

from pdl.model import Entry

from .spool import OTHERS, Spooled, host_of, read_spool, write_spool


def sample(whole: Spooled, count: int, path: str, seed: int = 0) -> Spooled:
    """A stratified sample of a list, in its order, as a list of its own.

    Args:
        whole: the list; it is read once more.
        count: entries wanted.
        path: of the file to make.
        seed: the same one gives the same sample.
    """
    wanted = shares({host: number for host, number in whole.hosts.items() if host}, count)
    chance = random.Random(seed)  # noqa: S311 - no secret
    return write_spool(_chosen(read_spool(whole.path), whole.hosts, wanted, chance), path)


def shares(hosts: Mapping[str, int], count: int) -> dict[str, int]:
    """How many entries to take from each host, by largest remainders; every host at least one while that goes."""
    total = sum(hosts.values())
    if count >= total:
        return dict(hosts)
    if count < len(hosts):  # the largest hosts stand for all
        return dict.fromkeys(sorted(hosts, key=lambda host: (-hosts[host], host))[:count], 1)
    room = count - len(hosts)  # beyond one for each
    rest = total - len(hosts)
    exact = {host: room * (number - 1) / rest for host, number in hosts.items()}
    taken = {host: 1 + int(share) for host, share in exact.items()}
    left = count - sum(taken.values())
    for host in sorted(hosts, key=lambda host: (int(exact[host]) - exact[host], host))[:left]:
        taken[host] += 1
    return taken


def _chosen(
    entries: Iterator[Entry], hosts: Mapping[str, int], wanted: Mapping[str, int], chance: random.Random
) -> Iterator[Entry]:
    """As many entries of each host as are wanted, each of the host's with the same chance (selection sampling)."""
    missing, ahead = Counter(wanted), Counter(hosts)
    for entry in entries:
        host = host_of(entry)
        host = host if host in hosts else OTHERS
        if missing[host] and chance.random() * ahead[host] < missing[host]:
            missing[host] -= 1
            yield entry
        ahead[host] -= 1
