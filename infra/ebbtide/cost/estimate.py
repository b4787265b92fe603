"""What a stack costs a month at a number of pods, as a range: nodes are packed better or worse, Spot prices move."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from math import ceil

from ebbtide.cost.prices import PriceTable
from ebbtide.manifests.google.cloud_sql import availability
from ebbtide.manifests.google.memorystore import replicas
from ebbtide.settings.models.broker import BrokerSettings, MadeBroker
from ebbtide.settings.models.cloud_sql import CloudSqlPostgres
from ebbtide.settings.models.memorystore import CAPACITY_GIGABYTES, MemorystoreValkey
from ebbtide.settings.models.node_capacity import allocatable
from ebbtide.settings.models.node_pool import NodePoolSettings
from ebbtide.settings.models.stack import StackSettings, is_gke

HOURS_A_MONTH = 730
_E2_STANDARD = re.compile(r"e2-standard-(?P<cpus>\d+)")
_GIBIBYTE = 1024**3
# Of every stack, beside what its own items leave out.
ALWAYS_LEFT_OUT = (
    "commitments and negotiated prices",
    "traffic",
    "logs and metrics",
    "backups",
    "images",
    "GKE's free tier",
    "taxes",
)

Pods = Mapping[str, float]
"""How many pods each consumer has, on the mean."""


@dataclass(frozen=True, slots=True)
class CostItem:
    """One part of the bill, a month."""

    what: str
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a stack costs a month at a number of pods."""

    items: tuple[CostItem, ...]
    left_out: tuple[str, ...]
    """What the table has no price for."""

    @property
    def least(self) -> float:
        """All of it, at its cheapest."""
        return sum(item.least for item in self.items)

    @property
    def most(self) -> float:
        """All of it, at its dearest."""
        return sum(item.most for item in self.items)


def estimate(stack: StackSettings, table: PriceTable, pods: Pods) -> Estimate:
    """The bill of what the stack makes. Of a cluster that exists, pods cost what its nodes do: somebody else's."""
    parts = (*_cluster(stack, table, pods), *broker_cost(stack.broker, stack, table))
    items = tuple(part for part in parts if isinstance(part, CostItem))
    return Estimate(items, tuple(part for part in parts if isinstance(part, str)))


def at_minimum(stack: StackSettings) -> Pods:
    """Every consumer at its least."""
    return {name: consumer.autoscaling.min_replicas for name, consumer in stack.consumers.items()}


def at_maximum(stack: StackSettings) -> Pods:
    """Every consumer at its most."""
    return {name: consumer.autoscaling.max_replicas for name, consumer in stack.consumers.items()}


def under(stack: StackSettings, loads: Pods) -> Pods:
    """Every consumer as its load was simulated, and at its least where it has none."""
    return {**at_minimum(stack), **loads}


def _cluster(stack: StackSettings, table: PriceTable, pods: Pods) -> Iterator[CostItem | str]:
    if not is_gke(stack.cluster):
        if stack.consumers:
            yield "the nodes of a cluster that others make"
        return
    fee = table.prices["cluster.hour"] * HOURS_A_MONTH
    yield CostItem("cluster", fee, fee)
    if not stack.cluster.pools:
        yield _requests(stack, table, pods)
        return
    for spot in dict.fromkeys(pool.spot for pool in stack.cluster.pools.values()):
        yield from _nodes(stack, table, pods, spot)


def _requests(stack: StackSettings, table: PriceTable, pods: Pods) -> CostItem:
    """Autopilot bills what pods ask for. Its own rounding up is not in it."""
    total = sum(
        pods[name]
        * (
            consumer.cpu_request_millicores / 1000 * table.prices["autopilot.cpu.hour"]
            + consumer.memory_request_bytes / _GIBIBYTE * table.prices["autopilot.gibibyte.hour"]
        )
        for name, consumer in stack.consumers.items()
    )
    return CostItem("pods", total * HOURS_A_MONTH, total * HOURS_A_MONTH)


def _nodes(stack: StackSettings, table: PriceTable, pods: Pods, spot: bool) -> Iterator[CostItem | str]:  # noqa: FBT001
    """Nodes: at best as many as the requests fill, at worst one for each pod; never beyond the pools' bounds."""
    pools = [pool for pool in stack.cluster.pools.values() if pool.spot is spot]
    machines = sorted({pool.machine_type for pool in pools})
    prices = [price for pool in pools if (price := _machine(pool, table)) is not None]
    offers = [offer for machine in machines if (offer := allocatable(machine)) is not None]
    if len(prices) < len(pools) or not offers:
        yield f"nodes of {', '.join(machines)}"
        return
    there = {name: one for name, one in stack.consumers.items() if one.placement.spot is spot}
    cpu = sum(pods[name] * one.cpu_request_millicores for name, one in there.items())
    memory = sum(pods[name] * one.memory_request_bytes for name, one in there.items())
    least, most = sum(pool.min_nodes for pool in pools), sum(pool.max_nodes for pool in pools)
    largest_cpu, largest_memory = max(offers)
    packed = ceil(max(cpu / largest_cpu, memory / largest_memory))
    spread = ceil(sum(pods[name] for name in there))
    fewest, many = (min(most, max(least, count)) for count in (packed, max(packed, spread)))
    cheap, dear = (table.prices["spot.share.least"], table.prices["spot.share.most"]) if spot else (1.0, 1.0)
    nat = table.prices["nat.node.hour"]
    name = "Spot nodes" if spot else "nodes"
    yield CostItem(
        f"{name}, {_range(fewest, many)} of {', '.join(machines)}",
        fewest * (min(prices) * cheap + nat) * HOURS_A_MONTH,
        many * (max(prices) * dear + nat) * HOURS_A_MONTH,
    )
    disks = {pool.disk_type: pool.disk_size_gigabytes for pool in pools}
    for kind, size in disks.items():
        price = table.prices.get(f"{kind}.gigabyte.month")
        if price is None:
            yield f"disks of {kind}"
        else:
            yield CostItem(f"disks of {kind}", fewest * size * price, many * size * price)


def _machine(pool: NodePoolSettings, table: PriceTable) -> float | None:
    """E2 bills a vCPU with its four GiB as much as an e2-medium, which is one; others are not in the table."""
    match = _E2_STANDARD.fullmatch(pool.machine_type)
    return None if match is None else int(match["cpus"]) * table.prices["e2.cpuWithFourGibibytes.hour"]


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


@singledispatch
def broker_cost(broker: object, stack: StackSettings, table: PriceTable) -> Iterator[CostItem | str]:  # noqa: ARG001
    """What this kind of broker costs; a kind that has not registered its own is left out, by name."""
    if isinstance(broker, BrokerSettings) and broker.is_made:
        yield "the broker"


def _secrets(broker: MadeBroker, table: PriceTable) -> CostItem:
    price = len(broker.keys) * table.prices["secret.version.month"]
    return CostItem("secrets", price, price)


@broker_cost.register
def _valkey(broker: MemorystoreValkey, stack: StackSettings, table: PriceTable) -> Iterator[CostItem | str]:
    node = table.prices.get(f"valkey.{broker.node_type}.hour")
    count = 1 + replicas(broker, stack)
    if node is None:
        yield f"a broker of {broker.node_type}"
    else:
        kept = CAPACITY_GIGABYTES.get(broker.node_type, 0) * table.prices["valkey.aof.gigabyte.hour"]
        hours = count * (node + (kept if broker.persistence == "AOF" else 0)) * HOURS_A_MONTH
        yield CostItem(f"broker, {count} of {broker.node_type}", hours, hours)
    yield _secrets(broker, table)


@broker_cost.register
def _cloud_sql(broker: CloudSqlPostgres, stack: StackSettings, table: PriceTable) -> Iterator[CostItem | str]:
    if broker.cpus is None or broker.memory_mebibytes is None or broker.edition != "ENTERPRISE":
        yield f"a broker of {broker.tier}"
    else:
        # Two machines and two disks are regional: one costs half.
        share = 1.0 if availability(broker, stack) == "REGIONAL" else 0.5
        machine = (
            broker.cpus * table.prices["cloudSql.regional.cpu.hour"]
            + broker.memory_mebibytes / 1024 * table.prices["cloudSql.regional.gibibyte.hour"]
        )
        disk = broker.disk_size_gigabytes * table.prices["cloudSql.regional.ssd.gigabyte.month"]
        total = share * (machine * HOURS_A_MONTH + disk)
        yield CostItem(f"broker, {broker.tier}", total, total)
    yield _secrets(broker, table)
