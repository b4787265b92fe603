"""A repository of manifests is judged while its reader waits."""

from __future__ import annotations

import sys
import time
from types import FrameType

import pytest
import yaml
from tests.doctor.bundles import bundles

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

MANIFESTS = 500
MOST_SECONDS = 3.0
# What PyYAML takes on the machine on which that is promised, for a fifth of them. A slower one has more time.
YAML_SECONDS = 0.35


def written() -> list[File]:
    """Deployments with a hook, each with its autoscaler."""
    (bundle,) = [one for one in bundles("right") if "external-metric" in one.name]
    hook = '          lifecycle: {preStop: {exec: {command: ["sh", "-c", "sleep 2"]}}}\n'
    text = bundle.files[0].text.replace("          command:", f"{hook}          command:")
    assert "preStop" in text
    return [File(f"{n}.yaml", text.replace("mail-consumer", f"mail-consumer-{n}")) for n in range(MANIFESTS // 2)]


@pytest.mark.slow
def test_five_hundred_manifests_take_at_most_three_seconds():
    files = written()
    begin = time.process_time()
    for file in files[: len(files) // 5]:
        list(yaml.load_all(file.text, yaml.SafeLoader))
    slowness = max(1.0, (time.process_time() - begin) / YAML_SECONDS)
    begin = time.process_time()
    report = diagnose_files(files)
    seconds = time.process_time() - begin
    assert len(report.seen) == MANIFESTS // 2
    assert report.diagnoses == ()
    assert seconds <= MOST_SECONDS * slowness, f"on a machine that is {slowness:.1f} times as slow"


def calls(files: list[File]) -> int:
    """How much is done, whatever else the machine does: a collection of a full heap's garbage alone is a second."""
    made = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal made
        made += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        diagnose_files(files)
    finally:
        sys.setprofile(None)
    return made


def test_four_times_the_manifests_are_not_sixteen_times_the_work():
    files = written()
    diagnose_files(files[:5])  # what is imported and compiled once
    few, many = calls(files[:40]), calls(files[:160])
    assert few > 1_000, "nothing was counted"
    assert many < 5 * few
