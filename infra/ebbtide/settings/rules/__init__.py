"""What the settings must hold beyond their types. One module a topic; importing this room declares every rule.

A rule is a function from settings to findings (`declare.py`). Ids are stable.
"""

# In the order in which findings of one level are shown: first what is wrong with the stack, then with a consumer.
# isort: off
from ebbtide.settings.rules import (
    stack,
    disruption,
    cluster,
    node_pools,
    consumer,
    options,
    network,
    handover,
    secrets,
    autoscaling,
    transport,
)
from ebbtide.settings.rules import characters, workers
from ebbtide.settings.rules import keda, keda_time_zones, keda_triggers, keda_formulas, keda_queries, keda_cluster
from ebbtide.settings.rules import broker_server, broker, observability, pod_parts, idle_first
from ebbtide.settings.rules import patch_fields, patch_judged, injection, shared_queues, addresses, variables
from ebbtide.settings.rules import check, neighbours

# isort: on

__all__ = [
    "addresses",
    "autoscaling",
    "broker",
    "broker_server",
    "characters",
    "check",
    "cluster",
    "consumer",
    "disruption",
    "handover",
    "idle_first",
    "injection",
    "keda",
    "keda_cluster",
    "keda_formulas",
    "keda_queries",
    "keda_time_zones",
    "keda_triggers",
    "neighbours",
    "network",
    "node_pools",
    "observability",
    "options",
    "patch_fields",
    "patch_judged",
    "pod_parts",
    "secrets",
    "shared_queues",
    "stack",
    "transport",
    "variables",
    "workers",
]
