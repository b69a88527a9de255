"""Which IP addresses may be dialled for a stranger's URL: global unicast, nothing else.

`ipaddress.is_global` is not enough: it is true for NAT64 and 6to4 forms of private addresses, for multicast
and for site-local addresses.

Source: https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry (2024-10-22), read 2026-11-21. Blocks
there that are reachable but host no files (anycast relays, AS112, protocol assignments) are refused as well.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_V4_REFUSED: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a shared (carrier NAT) address"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a protocol assignment"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.31.196.0/24", "a protocol assignment"),
        ("192.52.193.0/24", "a protocol assignment"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("192.168.0.0/16", "a private address"),
        ("192.175.48.0/24", "a protocol assignment"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
        # Public on paper; inside Azure it is the machine below the machine (WireServer). 2026-11-21,
        # Source: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        ("168.63.129.16/32", "a cloud platform's own address"),
    )
)

_V6_GLOBAL = IPv6Network("2000::/3")  # all that is assigned as global unicast (RFC 4291, section 2.4)

_V6_REFUSED: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0/96", "an IPv4-mapped address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("100::/64", "a discard address"),
        ("2001::/32", "a Teredo address"),
        ("2001:2::/48", "a benchmarking address"),
        ("2001:10::/28", "an ORCHID address"),
        ("2001:20::/28", "an ORCHID address"),
        ("2001::/23", "a protocol assignment"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("2620:4f:8000::/48", "a protocol assignment"),
        ("3fff::/20", "a documentation address"),
        ("5f00::/16", "a segment routing address"),
        ("fc00::/7", "a unique local address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)


def refusal_of(address: str | IPv4Address | IPv6Address) -> str | None:
    """Why an address must not be dialled, as a noun with its article ("a private address"); None: it may be.

    Whatever is not an address in canonical form ("0177.0.0.1", "127.1", a name) is refused as well.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "something that is not an IP address"
    if isinstance(parsed, IPv4Address):
        return next((reason for network, reason in _V4_REFUSED if parsed in network), None)
    if parsed.scope_id is not None:
        return "an address with a zone"
    refused = next((reason for network, reason in _V6_REFUSED if parsed in network), None)
    return refused or (None if parsed in _V6_GLOBAL else "a reserved address")


def is_own_address(address: str) -> bool:
    """Whether an interface of this machine has this address: the kernel would talk to it from itself.

    Nothing is sent: connecting a datagram socket only looks up the route.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:  # no route there, so it is not here
            return False
        return ip_address(probe.getsockname()[0]) == ip_address(address)
