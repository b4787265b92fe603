"""Whatever does not validate is refused in one way: a SettingsError that names the places."""

from __future__ import annotations

import re
from typing import Any

from tests.kubernetes_schema import NEWEST_VERSION, check_schema
from tests.properties.profiles import each_profile, hold
from tests.strategies import spoiled_stacks

from ebbtide.judgement.findings import SettingsError
from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.settings.loading.loader import load_from_engine

PYDANTICS_WORDS = re.compile(r"valid (string|integer|number|dictionary|tuple|boolean)|instance of|[Ii]nput should")


@each_profile
def test_whatever_somebody_writes_is_deployed_as_it_should_be_or_refused_with_its_place(examples: int) -> None:
    outcomes = {"deployed": 0, "refused": 0}

    def check(written: Any) -> None:
        config = {f"ebbtide:{key}": value for key, value in written.items() if key not in {"name", "google"}}
        google = written.get("google")
        if isinstance(google, dict):
            config |= {f"gcp:{key}": value for key, value in google.items()}
        try:
            stack = load_from_engine("test", config)
        except SettingsError as error:
            refusal = error
        else:
            outcomes["deployed"] += 1
            for manifest in stack_manifests(stack):
                check_schema(manifest, NEWEST_VERSION)
            return
        outcomes["refused"] += 1
        assert refusal.findings, "refused, and nobody says why"
        for finding in refusal.findings:
            assert finding.message, "a place without a reason"
            assert finding.remedy, f"and nobody says what to write instead: {finding}"
            assert not PYDANTICS_WORDS.search(finding.message), f"that is for people who know pydantic: {finding}"
            assert "\n" not in str(finding), "one message, one line"

    hold(check, spoiled_stacks(), 4 * examples)
    assert min(outcomes.values()) > 0, f"the strategy spoils nothing or everything: {outcomes}"
