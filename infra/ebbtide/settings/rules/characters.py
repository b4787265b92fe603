"""Which characters a text may have on its way to the API server."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.rules.texts import texts_of

# YAML 1.1, c-printable, as go.yaml.in/yaml reads it; below U+0020 JSON escapes, and U+0085 arrives as a space.
_UNPRINTABLE = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")


@consumer_rule(
    "E-02a",
    Level.ERROR,
    remedy="Take the character out, or put the value into a Secret.",
    source="Kubernetes 1.34: a server-side apply is read as YAML, and refused with `control characters are not "
    "allowed`. Pulumi's provider applies so.",
)
def check_characters(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A text has no character that YAML cannot hold: the API server takes no object that has one."""
    for path, _, value in texts_of(consumer):
        found = _UNPRINTABLE.search(value)
        if found is not None:
            yield Finding(
                path,
                f"has the character U+{ord(found[0]):04X}, which no object of Kubernetes' can hold when it is applied",
                "take it out, or put the value into a Secret",
            )
