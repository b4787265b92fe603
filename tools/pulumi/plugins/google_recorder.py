"""The `gcp` provider's stand-in: it RECORDS what it is asked for and calls nothing.

It answers with the inputs and with outputs that look like Google's. What it cannot show is whether Google accepts
anything; the inputs' names are held against the real SDK by a contract test, their meaning by review.
"""

from __future__ import annotations

import os
from importlib.metadata import version

from serving import Provider, RefusedError, Subject, serve

from properties import UNKNOWN, Properties

ENDPOINT_VARIABLE = "EBBTIDE_RECORDED_ENDPOINT"
"""host:port that recorded clusters give as the DNS name of their control plane, so that a test's own API server can
play the cluster."""

# Where a change means another object at Google: the identifying parts, from the SDK's documentation.
_IDENTITY = ("name", "project", "location", "region", "accountId", "repositoryId", "cluster", "network", "subnetwork")
_GRANT = ("member", "role", "repository", "serviceAccountId")
_PROJECT_NUMBER = "123456789012"


class Recorder(Provider):
    """Keeps no memory of its own: the engine's state is the record."""

    def replacing(self, subject: Subject) -> tuple[str, ...]:
        return _IDENTITY + (_GRANT if subject.token.lower().endswith("member") else ())

    def same_object(self, old: Properties, new: Properties) -> bool:
        return all(old.get(part) == new.get(part) for part in ("name", "accountId", "repositoryId"))

    def create(self, subject: Subject, inputs: Properties) -> tuple[str, Properties]:
        identifier = _identifier(subject, inputs)
        return identifier, {**inputs, **_made_up(subject, identifier, inputs)}

    def plan(self, subject: Subject, inputs: Properties) -> Properties:
        if subject.identifier:
            return {**inputs, **_made_up(subject, subject.identifier, inputs)}
        return {**inputs, **dict.fromkeys(_made_up(subject, "", inputs), UNKNOWN)}

    def update(self, subject: Subject, inputs: Properties) -> Properties:
        return {**inputs, **_made_up(subject, subject.identifier, inputs)}

    def delete(self, subject: Subject, outputs: Properties) -> None:
        """Nothing to delete. As Google's provider does, refuse what is under deletion protection."""
        if outputs.get("deletionProtection"):
            raise RefusedError(f"cannot destroy {subject.name} without setting deletion_protection=false")

    def invoke(self, function: str, arguments: Properties) -> Properties:
        if function != "gcp:organizations/getProject:getProject":
            raise RefusedError(f"{function} is not recorded: the recorder makes up no answers")
        return {**arguments, "number": _PROJECT_NUMBER}


def _identifier(subject: Subject, inputs: Properties) -> str:
    kind = subject.token.rpartition(":")[2]
    place = inputs.get("location") or inputs.get("region") or "global"
    own = inputs.get("name") or inputs.get("accountId") or inputs.get("repositoryId") or subject.name
    return f"projects/{inputs.get('project')}/locations/{place}/{kind[0].lower()}{kind[1:]}s/{own}"


def _made_up(subject: Subject, identifier: str, inputs: Properties) -> Properties:
    project, place = inputs.get("project"), inputs.get("location")
    match subject.token.rpartition(":")[2]:
        case "Network" | "Subnetwork":
            return {"selfLink": f"https://www.googleapis.com/compute/v1/{identifier}"}
        case "Account":
            return {"email": f"{inputs['accountId']}@{project}.iam.gserviceaccount.com"}
        case "Repository":
            return {"registryUri": f"{place}-docker.pkg.dev/{project}/{inputs['repositoryId']}"}
        case "Cluster":
            recorded = f"gke-{inputs['name']}-{_PROJECT_NUMBER}.{place}.gke.goog"
            asked = inputs.get("controlPlaneEndpointsConfig", {})
            by_name = {**asked.get("dnsEndpointConfig", {}), "endpoint": os.environ.get(ENDPOINT_VARIABLE) or recorded}
            return {"controlPlaneEndpointsConfig": {**asked, "dnsEndpointConfig": by_name}}
    return {}


if __name__ == "__main__":
    serve(Recorder(version("pulumi-gcp")))
