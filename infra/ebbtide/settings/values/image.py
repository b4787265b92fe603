"""A container image that is always the same one: by digest, or by a tag that is not `latest`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

# github.com/distribution/reference: a host may have capitals and a port, a path may not; `.`, `_`, `__` and dashes
# only between letters and digits.
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?)"
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<repository>(?:{_HOST}/)?{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_EXAMPLE = "europe-west1-docker.pkg.dev/acme/consumers/githubevents:2026-11-23.1 or ...@sha256:<64 hex digits>"


def split_image(reference: str) -> tuple[str, str | None, str | None]:
    """`repository[:tag][@digest]` -> (repository, tag, digest). Raises ValueError if it is none."""
    name, _, digest = reference.partition("@")
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(reference)
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, None, digest or None
    return head, tag, digest or None


def _check_image(value: str) -> str:
    context = {"got": repr(value), "remedy": f"write for example {_EXAMPLE}"}
    try:
        _, tag, digest = split_image(value)
    except ValueError:
        raise PydanticCustomError("image", "is not an image reference (got {got})", context) from None
    if digest is None and tag in {None, "latest"}:
        reason = "names no version, so two pods of one Deployment could run different code (got {got})"
        raise PydanticCustomError("image", reason, context)
    return value


ImageReference = Annotated[str, AfterValidator(_check_image)]
"""`repository:tag` or `repository@sha256:...`; never `latest`."""
