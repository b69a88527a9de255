"""Which addresses may be dialled: every class of non-global address, its edges, and what must stay open."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from workers.fetching.addresses import is_own_address, refusal_of

REFUSED = {
    "an unspecified address": ["0.0.0.0", "0.1.2.3", "0.255.255.255", "::"],
    "a private address": [
        *("10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"),
    ],
    "a shared (carrier NAT) address": ["100.64.0.0", "100.100.100.200", "100.127.255.255"],
    "a loopback address": ["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"],
    "a link-local address": ["169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::1", "febf::1"],
    "a documentation address": [
        *("192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff::1", "3fff:fff:ffff::"),
    ],
    "a benchmarking address": ["198.18.0.0", "198.19.255.255", "2001:2::1"],
    "a 6to4 relay address": ["192.88.99.1"],
    "a multicast address": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1", "ffff::1"],
    "a reserved address": ["240.0.0.0", "255.255.255.254", "400::1", "1fff::1", "4000::1", "fe00::1"],
    "the broadcast address": ["255.255.255.255"],
    "a cloud platform's own address": ["168.63.129.16"],
    "a protocol assignment": [
        *("192.0.0.0", "192.0.0.192", "192.0.0.255", "192.31.196.1", "192.52.193.1", "192.175.48.1"),
        *("2001:1::1", "2001:3::1", "2001:30::1", "2001:1ff:ffff::", "2620:4f:8000::1"),
    ],
    "an IPv4-compatible address": ["::127.0.0.1", "::8.8.8.8", "::2"],
    "an IPv4-mapped address": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a9fe:a9fe"],
    "an IPv4-translated address": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "a NAT64 address": ["64:ff9b::a9fe:a9fe", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "64:ff9b:1:ffff::10.0.0.1"],
    "a discard address": ["100::1"],
    "a Teredo address": ["2001::1", "2001:0:7f00:1::"],
    "an ORCHID address": ["2001:10::1", "2001:20::1", "2001:2f:ffff::"],
    "a 6to4 address": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "a segment routing address": ["5f00::1"],
    "a unique local address": ["fc00::1", "fd00:ec2::254", "fdff:ffff::1"],
    "a site-local address": ["fec0::1", "feff::1"],
    "an address with a zone": ["fe80::1%eth0", "2606:4700::1111%1"],
    "something that is not an IP address": [
        *("", "localhost", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.0.0.1 ", "127.0.0.1/32"),
    ],
}

OPEN = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255"),
    *("198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15", "168.63.129.17"),
    *("2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1"),
]


@pytest.mark.parametrize(
    ("reason", "address"), [(r, a) for r, addresses in REFUSED.items() for a in addresses]
)
def test_what_is_not_global_unicast_is_refused_by_its_name(reason: str, address: str) -> None:
    assert refusal_of(address) == reason


@pytest.mark.parametrize("address", OPEN)
def test_global_unicast_is_open_up_to_the_edges_of_its_neighbours(address: str) -> None:
    assert refusal_of(address) is None


def test_a_parsed_address_is_judged_like_its_text() -> None:
    assert refusal_of(ip_address("2002:7f00:1::")) == "a 6to4 address"


def test_an_address_of_an_interface_is_our_own() -> None:
    assert is_own_address("127.0.0.1")


@pytest.mark.parametrize("address", ["255.255.255.255", "ff02::1"])
def test_an_address_of_no_interface_is_not_our_own(address: str) -> None:
    assert not is_own_address(address)
