"""Which of a host's addresses an attempt may connect to, and in which order."""

from __future__ import annotations

from collections.abc import Iterable

from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.model import Reach
from pdl.networks import is_link_local, is_private
from pdl.resolver import Address, Lookup, ResolveError


def found(lookup: Lookup) -> tuple[Address, ...]:
    """The addresses of a look-up that is done.

    Raises:
        TransferError: DNS, if there are none.
    """
    try:
        return lookup.result()
    except ResolveError as error:
        raise TransferError(
            Kind.DNS, error.message, retries=None if error.transient else 1, errno=error.errno
        ) from None


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


def allowed(addresses: tuple[Address, ...], reach: Reach) -> tuple[Address, ...]:
    """The addresses that an attempt may connect to, in the order in which they are tried.

    Raises:
        TransferError: BLOCKED, if a rule leaves none.
    """
    if reach is Reach.PUBLIC:
        addresses = _public(addresses)
    elif reach is Reach.NOT_LINK_LOCAL:
        _refuse_link_local(addresses)
    return addresses if len(addresses) == 1 else tuple(interleave(addresses))


def _refuse_link_local(addresses: tuple[Address, ...]) -> None:
    for address in addresses:
        if is_link_local(address.ip):
            raise TransferError(Kind.BLOCKED, f"the redirect leads to the link-local address {address.ip}")


def _public(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    public = tuple(address for address in addresses if not is_private(address.ip))
    if addresses and not public:
        raise TransferError(Kind.BLOCKED, f"{addresses[0].ip} is no public address (--block-private)")
    return public
