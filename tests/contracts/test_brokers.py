"""What holds of every broker that `ebbtide.brokers` knows, without starting one (tests/runtime does)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.manifests.kubernetes.examples import make_stack

from ebbtide.brokers import BROKERS, Depth

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("broker", BROKERS.values(), ids=BROKERS)
def test_what_a_killed_worker_leaves_comes_back_within_a_rehearsal_on_every_broker(broker):
    consumer = {"shutdown": {"longestMessage": "20s"}, "transport": dict(broker.transport)}
    transport = make_stack(consumer).consumers["events"].transport
    assert transport.redelivery_seconds <= 75


def test_what_a_broker_says_is_never_taken_for_an_empty_queue():
    assert Depth.read("") == Depth(0, 0), "RabbitMQ without any queue"
    assert Depth.read("3\t1\n2\t0\n") == Depth(5, 1)
    with pytest.raises(ValueError, match="does not say what it holds"):
        Depth.read("Error: unable to perform an operation on node")


def test_the_image_of_brokers_holds_every_broker_and_needs_nothing_installed_to_be_known():
    program = "import sys; sys.path.insert(0, 'tools/cluster'); import images; print(images.BROKER.arguments)"
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in ("redis", "rabbitmq", "postgresql"):
        assert all(package in done.stdout for package in BROKERS[name].packages)
    assert "$PACKAGES" in (ROOT / "tools" / "images" / "broker" / "Dockerfile").read_text()
