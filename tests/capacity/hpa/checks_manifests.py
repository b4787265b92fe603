"""Cases of reading a manifest, and what each release switches."""

# ruff: noqa: C901, PLR0915, PT017  a row of a table is many columns
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.capacity.hpa.support import same
from tests.capacity.hpa.tables import manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    Case = tuple[str, Callable[[], None]]
    Load = Callable[[str], ModuleType]


_SOUND = {"minReplicas": 1, "maxReplicas": 5, "metrics": [manifests._EXTERNAL]}


def _manifest(**changes: Any) -> dict[str, Any]:
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": {**_SOUND, **changes}}


def _manifests(load: Load) -> Iterator[Case]:
    api = load("")
    read_manifest = load("manifest").read_manifest

    def quantity(text: Any, expected: int | None) -> None:
        try:
            got = load("quantity").milli_value(text)
        except ValueError:
            got = None
        same(expected, got)

    def behavior(stated: Any, expected: Any) -> None:
        got = read_manifest(_manifest(behavior=stated), 34).behavior
        rules = got and tuple(
            (
                tuple((each.kind, each.value, each.period_seconds) for each in rule.policies),
                rule.select_policy,
                rule.stabilization_window_seconds,
                rule.tolerance,
            )
            for rule in (got.scale_up, got.scale_down)
        )
        same(expected, rules)

    def metric(entry: Any, expected: Any) -> None:
        (got,) = read_manifest(_manifest(metrics=[entry]), 34).metrics
        values = (got.source, got.target_type, got.target, got.name, got.container, got.of_pods, got.is_cpu, got.title)
        same(expected, values)

    def refused(changes: Any, problems: Any) -> None:
        try:
            read_manifest(_manifest(**changes), 34)
        except load("manifest").ManifestError as error:
            same(len(problems), len(error.problems))
            for said, expected in zip(error.problems, problems, strict=True):
                assert said.startswith(expected), f"{said!r} does not start with {expected!r}"
                assert "(got " in said, said
            same("\n".join(error.problems), str(error))
        else:
            raise AssertionError(f"{changes} was accepted")

    def defaults() -> None:
        spec = read_manifest(_manifest(minReplicas=None, metrics=None), 34)
        (only,) = spec.metrics
        same(
            (1, 5, "Resource", "Utilization", 80, "cpu"),
            (spec.min_replicas, spec.max_replicas, only.source, only.target_type, only.target, only.name),
        )
        same(34, spec.release.minor)
        same(api.Release.of(36), read_manifest(_manifest(), api.Release.of(36)).release)
        flags = api.ControllerFlags()
        same((0.1, 15, 300, 300, 30, 2.0, 4.0), tuple(getattr(flags, name) for name in flags.__slots__))

    def equal_bounds() -> None:
        same(5, read_manifest(_manifest(minReplicas=5), 34).min_replicas)
        same(0, read_manifest(_manifest(minReplicas=0), 34).min_replicas)

    def other_kind() -> None:
        for wrong in ({"apiVersion": "autoscaling/v1"}, {"kind": "ScaledObject"}):
            try:
                read_manifest({**_manifest(), **wrong}, 34)
            except load("manifest").ManifestError as error:
                got = {"autoscaling/v2", "HorizontalPodAutoscaler", *wrong.values()} - {
                    {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}[key] for key in wrong
                }
                kind, version = sorted(got, key=lambda word: "/" in word)
                said = f"kind: must be HorizontalPodAutoscaler of autoscaling/v2 (got '{kind} of {version}')"
                same((said,), error.problems)
            else:
                raise AssertionError(f"{wrong} was accepted")

    for source, *row in manifests.QUANTITIES:
        yield source, lambda row=row: quantity(*row)
    for source, *row in manifests.BEHAVIORS:
        yield source, lambda row=row: behavior(*row)
    for source, *row in manifests.METRICS:
        yield "computeStatusFor...: " + source, lambda row=row: metric(*row)
    for source, *row in manifests.REFUSED:
        yield source, lambda row=row: refused(*row)
    yield "defaults.go: minReplicas 1, cpu 80 %, and the flags' defaults", defaults
    yield "validation: minReplicas may equal maxReplicas, and be 0 with an outside metric", equal_bounds
    yield "validation: another kind or version", other_kind


def _releases(load: Load) -> Iterator[Case]:
    api = load("")
    names = (
        "inclusive_tolerance", "configurable_tolerance", "scale_to_zero", "needs_scaled_to_zero_condition",
        "fills_missing_at_target", "fills_missing_at_exactly_one", "caps_average_proposal", "caps_value_proposal",
    )  # fmt: skip

    def check(minor: int, gates: dict[str, bool], expected: Any) -> None:
        release = api.Release.of(minor, **gates)
        same((minor, *expected), (release.minor, *(getattr(release, name) for name in names)))

    def unknown() -> None:
        for minor in (24, 38):
            try:
                api.Release.of(minor)
            except ValueError as error:
                assert f"1.{minor}" in str(error), error
            else:
                raise AssertionError(f"1.{minor} was accepted")

    for source, *row in manifests.RELEASES:
        yield "release " + source, lambda row=row: check(*row)
    yield "release outside 1.25 to 1.37", unknown


TABLES = (_manifests, _releases)
