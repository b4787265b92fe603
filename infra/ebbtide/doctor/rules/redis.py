"""Rules about a Redis that a queue is in: what is in a queue stays there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.redis_servers import is_of_a_queue, may_hold_a_queue, redis_servers
from ebbtide.doctor.rules.declare import setup_rule
from ebbtide.doctor.setup import SetUp

_EVICTS: Final = re.compile(r"(?:allkeys|volatile)-(?:lru|lfu|random|ttl)")


@setup_rule(
    "D-90",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Write maxmemory-policy noeviction, and give a cache a Redis of its own.",
    source="Redis: any other policy removes keys when memory is full, and a queue is a key; volatile-* those that "
    "expire, as the locks of BullMQ's jobs do (taskforcesh/bullmq#2215).",
)
def check_eviction(setup: SetUp) -> Iterator[Diagnosis]:
    """A Redis that holds a queue removes no keys. One that only caches may."""
    for server in redis_servers(setup):
        said = server.settings.get("maxmemory-policy")
        if said is None or not _EVICTS.fullmatch(said.value) or not may_hold_a_queue(server, setup):
            continue
        is_all = said.value.startswith("allkeys")
        what = "and a queue is a key" if is_all else "those that expire: a lock, by which a job is handled once"
        yield Diagnosis(
            said.place,
            server.title,
            f"removes keys when its memory is full ({said.value}), {what}",
            f"write {'' if server.is_file else '--'}maxmemory-policy noeviction",
            Harm.LOSES if is_all else Harm.REPEATS,
        )


@setup_rule(
    "D-91",
    Harm.LOSES,
    remedy="Write appendonly yes, and give it a disk that outlives its pod (volumeClaimTemplates).",
    source="Redis' documentation of persistence: with save \"\" and no AOF nothing is on disk; Kubernetes': what a "
    "container writes, and an emptyDir, is gone with the pod.",
)
def check_persistence(setup: SetUp) -> Iterator[Diagnosis]:
    """A queue outlives the Redis that it is in. Without a disk a restart, an update or the drain of its node empties
    it, and what waited is gone."""
    for server in redis_servers(setup):
        if server.is_kept_nowhere and may_hold_a_queue(server, setup):
            yield Diagnosis(
                server.settings["save"].place,
                server.title,
                'keeps nothing on disk (save "", no AOF), and a queue is in it: a restart empties the queue',
                "write appendonly yes",
            )
        elif server.data_is_in_its_pod and is_of_a_queue(server, setup):
            yield Diagnosis(
                server.place,
                server.title,
                "keeps the queue inside of its pod: an update, an eviction or the drain of its node empties it",
                "mount a claim at /data (volumeClaimTemplates), and write appendonly yes",
            )
