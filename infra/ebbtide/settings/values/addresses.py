"""Addresses of servers, in one spelling each."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

# What every cluster adds to the name of a Service in its namespace.
_OF_CLUSTER = re.compile(r"(?<=.)\.svc(\.cluster\.local)?$")


def spelt_alike(address: str) -> str:
    """`host:port` as everybody would write it: a name in small letters and without what a cluster adds to that of a
    Service, an address of IPv6 without zeros and in brackets."""
    host, _, port = address.rpartition(":")
    name = _OF_CLUSTER.sub("", host.strip("[]").lower().rstrip("."))
    number = _number(name)
    if number is not None:
        name = f"[{number}]" if number.version == 6 else str(number)
    return f"{name}:{int(port)}"


def is_number(host: str) -> bool:
    """Whether it is an address, and no name of one."""
    return _number(host.strip("[]")) is not None


def _number(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
