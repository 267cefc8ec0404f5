"""To which kind of network an address belongs, however it is written."""

from __future__ import annotations

import ipaddress
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NOT_PUBLIC = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # between a provider and its customers
        "127.0.0.0/8",
        "168.63.129.16/32",  # what Azure tells its machines about themselves
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
"""IPv4 blocks that are no public hosts' (RFC 6890 and IANA's registry of special-purpose addresses).

A table of our own: what `ipaddress` calls global has changed between versions of Python.
"""
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # protocols' own
        "2001:db8::/32",
        "3fff::/20",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052; its sibling 64:ff9b:1::/48 is for private use


def literal(host: str) -> Address | None:
    """The address that a host is by itself, or None for a name.

    A proxy or the system may take 2852039166, 0xa9fea9fe and 169.254.43518 for addresses as well.
    """
    host = host.rstrip(".")
    try:
        return ipaddress.ip_address(host if ":" in host else socket.inet_aton(host))
    except (ValueError, OSError):
        return None


def is_link_local(host: str) -> bool:
    """Whether a host is the literal of an address that belongs to the machine's own link.

    Metadata services of clouds live there (169.254.0.0/16, fe80::/10).
    """
    address = literal(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and bool((mapped or address).is_link_local)


def is_private(host: str) -> bool:
    """Whether a host is the literal of an address that is not a public host's.

    Those are private, loopback, link-local, unspecified, multicast, shared, documentation and reserved addresses,
    those of metadata services, IPv6 addresses that stand for one of them, and `localhost` (RFC 6761).
    """
    address = literal(host)
    if address is None:
        return f".{host.rstrip('.').lower()}".endswith(".localhost")
    if isinstance(address, ipaddress.IPv4Address):
        return _is_private_v4(address)
    behind = _embedded(address)
    if behind:
        return any(map(_is_private_v4, behind))
    return address not in _PUBLIC_V6 or any(address in block for block in _NOT_PUBLIC_V6)


def _is_private_v4(address: ipaddress.IPv4Address) -> bool:
    return any(address in block for block in NOT_PUBLIC)


def _embedded(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that packets to an IPv6 address end up at or pass: mapped, NAT64, 6to4, Teredo."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()
