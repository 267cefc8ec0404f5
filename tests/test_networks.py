"""To which kind of network an address belongs, however it is written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.networks import is_link_local, is_private

pytestmark = pytest.mark.fault(26)

PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1",
    "255.255.255.255",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1", "128.0.0.1",
    "168.63.129.17", "169.253.1.1", "172.15.0.1", "172.32.0.0", "192.0.1.1", "192.167.1.1", "198.17.1.1",
    "198.20.0.0", "223.255.255.255",
]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("169.254.169.254", True), ("169.254.0.0", True), ("fe80::1", True), ("febf::1", True),
        ("::ffff:169.254.1.1", True), ("169.253.1.1", False), ("127.0.0.1", False), ("::1", False),
        ("fec0::1", False), ("10.0.0.1", False), ("h.example", False), ("169.254", False), ("", False),
        (".", False), ("\xe4", False), ("2852039166.example", False),
    ],
)  # fmt: skip
def test_link_local_addresses_are_known_in_every_form(host: str, expected: bool):
    assert is_link_local(host) is expected


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_no_public_hosts_is_private(host: str):
    assert is_private(host)
    assert is_private(host + ".")


@pytest.mark.parametrize("host", PUBLIC)
def test_an_address_just_beside_those_is_public(host: str):
    assert not is_private(host)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.1", "10.1", "2852039166"]
)
def test_an_address_is_known_in_the_forms_that_systems_take_for_one(host: str):
    assert is_private(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("::", True), ("::1", True), ("fc00::1", True), ("fd00:ec2::254", True), ("fe80::1", True),
        ("fec0::1", True), ("ff02::1", True), ("2001:db8::1", True), ("3fff::1", True), ("5f00::1", True),
        ("100::1", True), ("64:ff9b:1::1", True), ("2001:2::1", True), ("2001:10::1", True), ("::10.0.0.1", True),
        ("::1.1.1.1", True), ("4000::1", True), ("fe80::1%3", True),
        ("2606:4700::1111", False), ("2001:4860:4860::8888", False), ("2a00::1", False), ("3ffe::1", False),
    ],
)  # fmt: skip
def test_an_ipv6_address_is_public_within_the_one_public_block_only(host: str, expected: bool):
    assert is_private(host) is expected


def forms_of(v4: str) -> list[str]:
    """The IPv6 addresses that stand for an IPv4 address."""
    number = int(ipaddress.IPv4Address(v4))
    return [
        f"::ffff:{v4}",
        f"64:ff9b::{v4}",
        str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)),
        str(ipaddress.IPv6Address((0x20010000 << 96) | (0x01010101 << 64) | (number ^ 0xFFFFFFFF))),
        str(ipaddress.IPv6Address((0x20010000 << 96) | (number << 64) | (0x01010101 ^ 0xFFFFFFFF))),
    ]


@given(st.sampled_from(PRIVATE + PUBLIC) | st.ip_addresses(v=4).map(str))
def test_an_ipv6_address_is_as_private_as_what_it_stands_for(v4: str):
    assert {is_private(form) for form in forms_of(v4)} == {is_private(v4)}


@given(st.ip_addresses(v=4))
def test_a_public_address_is_one_that_python_calls_global_too(v4: ipaddress.IPv4Address):
    if not is_private(str(v4)):
        assert v4.is_global
        assert not v4.is_multicast


@given(st.ip_addresses(v=4))
def test_every_way_of_writing_an_address_gives_the_same_answer(v4: ipaddress.IPv4Address):
    number = int(v4)
    ways = {
        str(number),
        hex(number),
        f"{number >> 24}.{number & 0xFFFFFF}",
        f"{number >> 24:#x}.{number & 0xFFFFFF}",
    }
    assert {is_private(way) for way in ways} == {is_private(str(v4))}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("a.localhost", True), ("localhost.example", False),
        ("notlocalhost", False), ("h.example", False), ("", False), (".", False), ("\xe4", False),
        ("10.0.0.1.example", False),
    ],
)  # fmt: skip
def test_a_name_is_private_only_where_it_can_lead_nowhere_else(host: str, expected: bool):
    assert is_private(host) is expected
