"""Settings at the edges of what `check` accepts: drawn stacks with everything that a pod may have, and their values
pushed as far as the models let them.

`edge_stack(written, random)` puts edge values (the longest names, signs, ports, numbers past 2^31) into the places of
a stack, keys included, and keeps each that still validates.
"""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from pydantic import ValidationError
from tests.strategies import Written

from ebbtide.settings.models.stack import StackSettings

TRIES = 25
"""Values that are put into a stack; about a third of them validates."""

_TEXTS = (
    "", "0", "1a", "A", "a.b", "a_b", "a-b", "-a", "a-", ".a", "..", ".", "a/b", "a:b", "a b", " a", "a\n", "\t", "~",
    "%41", "$(A)", "$$", "{}", "é", "ß", "\u2028", "\U0001f600", "\x7f", "\x1f", "null", "yes", "1e3", "0x10", "'", '"',
    "a" * 47, "a" * 63, "a" * 64, "a" * 253, "a" * 254, ".".join(["a" * 63] * 3), "A" * 316, "x/" + "a" * 63,
    "a." * 120 + "b/c", "127.0.0.1", "0.0.0.0/0", "::/0", "::ffff:10.0.0.1/128", "fe80::1/128", "10.0.0.0/32",
    "/", "/app", "/app/", "/a/../b", "/" + "d" * 300, "//a", "kubernetes.io/a", "x.kubernetes.io/b", "k8s.io/a",
    "app.kubernetes.io/name", "pod-template-hash", "controller.kubernetes.io/pod-deletion-cost", "$patch",
    "container.apparmor.security.beta.kubernetes.io/consumer", "seccomp.security.alpha.kubernetes.io/pod",
    "kubernetes.io/limit-ranger", "kubectl.kubernetes.io/last-applied-configuration", "default", "kube-system",
    "state", "tmp", "consumer", "metrics", "1", "1m", "999999", "100Mi", "9223372036854775807", "8Ei", "0.5Gi",
    "10000000000000000000000", "1Ki", "0s", "1s", "3600s", "168h", "99999h", "35791395m",
)  # fmt: skip
_NUMBERS = (0, 1, 2, 5, 9, 10, 63, 64, 99, 100, 253, 1000, 1023, 1024, 10_000, 65_535, 65_536, 2**31 - 1, 2**31, 2**63)

FILES = ({"path": "/etc/app/tls", "secret": "tls-v1", "keys": ["tls.crt"]}, {"path": "/etc/shop", "configMap": "shop"})
VARIABLES = {"environment": {"MODE": "proxy"}, "secretEnvironment": {"TOKEN": {"secret": "proxy-v1", "key": "token"}}}
PART = {
    "image": "registry.example/proxy:1",
    "command": ["/proxy"],
    "arguments": ["--port=5432"],
    **VARIABLES,
    "environmentFrom": [{"secret": "proxy-v1", "prefix": "PROXY_"}],
    "files": [{"path": "/etc/proxy", "configMap": "proxy"}],
    "writableDirectories": ["/var/cache/proxy"],
    "resources": {"cpu": "20m", "memory": "32Mi"},
}
POD: Written = {
    "imagePullSecrets": ["registry"],
    "environmentFrom": [{"secret": "shop-v1"}, {"configMap": "shop-v1", "prefix": "SHOP_"}],
    "files": list(FILES),
    "volumes": [
        {"path": "/data", "persistentVolumeClaim": "data", "readOnly": True},
        {"path": "/bucket", "csi": {"driver": "gcsfuse.csi.storage.gke.io", "attributes": {"bucketName": "shop"}}},
    ],
    "sidecars": {"proxy": {**PART, "started": {"port": 5432, "path": "/startup", "within": "30s"}}},
    "initContainers": {"migrate": {"command": ["/bin/migrate"], "writableDirectories": ["/app/var"]}},
    "priorityClass": "low",
    "patch": {"metadata": {"annotations": {"acme.example/owner": "shop"}}},
}
WORKERS: tuple[Written, ...] = (
    {"kind": "celery", "app": "shop", "queues": ["mail", "high"], "concurrency": 2, "arguments": ["-O", "fair"]},
    {"kind": "bullmq", "command": ["node", "worker.js"], "queues": ["mail"], "concurrency": 2},
    {"kind": "laravelQueue", "queues": ["mail"], "arguments": ["-v"]},
    {"kind": "sidekiq", "queues": ["mail"], "concurrency": 2},
)
OBSERVABILITY: tuple[Written, ...] = (
    {"kind": "managedPrometheus", "scrapeInterval": "30s", "rules": True},
    {"kind": "prometheusOperator", "labels": {"release": "kube-prometheus-stack"}, "namespace": "monitoring"},
)


def edge_stack(written: Written, random: Random) -> StackSettings | None:
    """What the stack became; None where even what was drawn does not validate."""
    stack = copy.deepcopy(written)
    settings = _validated(stack)
    if settings is None:
        return None
    for addition in (*_richer(stack, random), *(_pushed(stack, random) for _ in range(TRIES))):
        changed = copy.deepcopy(stack)
        addition(changed)
        if (accepted := _validated(changed)) is not None:
            stack, settings = changed, accepted
    return settings


def _validated(stack: Written) -> StackSettings | None:
    try:
        return StackSettings.model_validate(copy.deepcopy(stack))
    except ValidationError:
        return None


def _richer(stack: Written, random: Random) -> list[Any]:
    """What drawn stacks do not have."""

    def into_consumer(name: str, **values: Any) -> Any:
        return lambda changed: changed["consumers"][name].update(copy.deepcopy(values))

    additions: list[Any] = [lambda changed: changed.update(observability=dict(random.choice(OBSERVABILITY)))]
    for name, consumer in stack["consumers"].items():
        few = random.sample(sorted(POD), random.randint(0, len(POD)))
        additions.append(into_consumer(name, pod={key: POD[key] for key in few}))
        additions.append(into_consumer(name, metrics={"port": 9464, "scrapers": [{"namespace": "monitoring"}]}))
        idle = {**consumer["shutdown"], "idleFirst": {"apiServer": "10.0.0.2/32", "port": 443}}
        additions.append(into_consumer(name, shutdown=idle))
        additions.append(into_consumer(name, namespace={"name": "another"}, goal={"within": "30s", "percent": 99.5}))
        scaling = {"kind": "fixed", "replicas": 2}
        additions.append(into_consumer(name, worker=dict(random.choice(WORKERS)), autoscaling=scaling))
    return [addition for addition in additions if random.random() < 0.5]


def _pushed(stack: Written, random: Random) -> Any:
    """Another value, key, or entry, somewhere."""
    seed = random.random()

    def push(changed: Written) -> None:
        chosen = Random(seed)
        container, key = chosen.choice(_places(changed))
        value = container[key]
        match chosen.randrange(6):
            case 0 if isinstance(container, dict):
                renamed = chosen.choice(_TEXTS)
                container[renamed] = container.pop(key)
            case 1 if isinstance(value, list) and value:
                value.extend(copy.deepcopy(value) * chosen.choice((1, 40)))
            case 2 if isinstance(value, dict):
                value[chosen.choice(_TEXTS)] = chosen.choice((*_TEXTS, *_NUMBERS))
            case 3 if isinstance(value, list):
                value.append(chosen.choice(_TEXTS))
            case _ if isinstance(value, bool):
                container[key] = not value
            case _ if isinstance(value, int | float):
                container[key] = chosen.choice(_NUMBERS)
            case _ if isinstance(value, str):
                container[key] = chosen.choice((*_TEXTS, value + chosen.choice(_TEXTS)))
            case _ if isinstance(container, dict):
                del container[key]
            case _:
                container.append(copy.deepcopy(value))

    return push


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in nested values."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *_places(value[key])]]
