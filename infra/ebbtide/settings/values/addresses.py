"""Addresses of servers: in one spelling each, and what a name says of where the server is."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

# What every cluster adds to the name of a Service in its namespace.
_OF_CLUSTER = re.compile(r"(?<=.)\.svc(\.cluster\.local)?$")
_SERVICE = re.compile(r"[^.]+\.(?P<namespace>[^.]+)(?P<suffix>\.svc(\..+)?)?")


class Service(NamedTuple):
    """Where a Service of Kubernetes is, by its name."""

    namespace: str
    is_certain: bool
    """Whether the name says that it is one: `redis.brokers.svc` does, `redis.brokers` may be a host."""


def service_of(host: str) -> Service | None:
    """The Service that a name may be of; none where it has one label, or more than a Service's."""
    found = _SERVICE.fullmatch(host.rstrip("."))
    return Service(found["namespace"], found["suffix"] is not None) if found else None


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
