"""What the provider's functions ask of Google's API, and how they tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.google.kinds import Api, Found

_DOCUMENT, _LIST = "secretmanager.v1", "secretmanager.projects.secrets.list"


def secrets(api: Api, arguments: Mapping[str, Any]) -> list[Found]:
    """getSecrets: those that a filter lets pass, from all pages. Raises Refused; a project without any has none."""
    query = {"filter": str(arguments["filter"])} if arguments.get("filter") else {}
    found, token = list[Found](), ""
    while True:
        turned = {"pageToken": token} if token else {}
        page = api.call(_DOCUMENT, _LIST, f"projects/{arguments['project']}/secrets", None, {**query, **turned})
        found += [_told(secret) for secret in page.get("secrets", [])]
        token = str(page.get("nextPageToken", ""))
        if not token:
            return found


def _told(secret: Found) -> Found:
    _, project, _, identifier = str(secret["name"]).split("/")
    labels = secret.get("labels", {})
    # The provider's labels of data are all that there are: nobody has said which of them were asked for.
    same = dict.fromkeys(("labels", "effectiveLabels", "pulumiLabels"), labels)
    return {"name": secret["name"], "project": project, "secretId": identifier, **same}
