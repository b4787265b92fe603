"""Addresses of servers, in one spelling each."""

from __future__ import annotations

import re
from ipaddress import ip_address

# What every cluster adds to the name of a Service in its namespace.
_OF_CLUSTER = re.compile(r"(?<=.)\.svc(\.cluster\.local)?$")


def spelt_alike(address: str) -> str:
    """`host:port` as everybody would write it: a name in small letters and without what a cluster adds to that of a
    Service, an address of IPv6 without zeros and in brackets."""
    host, _, port = address.rpartition(":")
    name = _OF_CLUSTER.sub("", host.strip("[]").lower().rstrip("."))
    try:
        number = ip_address(name)
    except ValueError:
        return f"{name}:{int(port)}"
    return f"[{number}]:{int(port)}" if number.version == 6 else f"{number}:{int(port)}"
