"""Which of a host's addresses an attempt may connect to, and in which order."""

from __future__ import annotations

from collections.abc import Iterable

from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.resolver import Address, Lookup, ResolveError, is_link_local


def found(lookup: Lookup) -> tuple[Address, ...]:
    """The addresses of a look-up that is done.

    Raises:
        TransferError: DNS, if there are none.
    """
    try:
        return lookup.result()
    except ResolveError as error:
        raise TransferError(Kind.DNS, error.message, retries=None if error.transient else 1) from None


def interleave(addresses: Iterable[Address]) -> list[Address]:
    """The addresses with their families in turns, beginning with the one that the system prefers."""
    by_family: dict[int, list[Address]] = {}
    for address in addresses:
        by_family.setdefault(address.family, []).append(address)
    turns: list[Address] = []
    queues = list(by_family.values())
    while any(queues):
        turns += [queue.pop(0) for queue in queues if queue]
    return turns


def allowed(addresses: tuple[Address, ...], *, refuse_link_local: bool) -> tuple[Address, ...]:
    """The addresses that an attempt may connect to, in the order in which they are tried.

    Raises:
        TransferError: BLOCKED, if a rule leaves none.
    """
    if refuse_link_local and (blocked := [address.ip for address in addresses if is_link_local(address.ip)]):
        raise TransferError(Kind.BLOCKED, f"the redirect leads to the link-local address {blocked[0]}")
    return addresses if len(addresses) == 1 else tuple(interleave(addresses))
