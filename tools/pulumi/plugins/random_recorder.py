"""The `random` provider's stand-in: its plugin is in no package registry. It does make a password, of letters and
digits, from the system's source; it makes no hash of it, and knows no other type.
"""

from __future__ import annotations

import secrets
import string
from importlib.metadata import version
from typing import Any

from serving import Provider, RefusedError, Subject, serve

from properties import UNKNOWN, Path, Properties

PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type


class RandomRecorder(Provider):
    """What it once made stays as it is: every change makes another one."""

    def replaces(self, subject: Subject, path: Path, old: Any, new: Any) -> bool:  # noqa: ARG002
        return True

    def same_object(self, subject: Subject, old: Properties, new: Properties) -> bool:  # noqa: ARG002
        return False

    def create(self, subject: Subject, inputs: Properties) -> tuple[str, Properties]:
        if subject.token != PASSWORD or inputs.get("special", True):
            raise RefusedError(f"{subject.token} with {inputs} is not recorded")
        letters = string.ascii_letters + string.digits
        made = "".join(secrets.choice(letters) for _ in range(inputs["length"]))
        return "none", {**inputs, "result": made}

    def plan(self, subject: Subject, inputs: Properties, outputs: Properties | None) -> Properties:  # noqa: ARG002
        return {**inputs, "result": UNKNOWN}

    def delete(self, subject: Subject, inputs: Properties) -> None:
        """Nothing was made outside of the state."""


if __name__ == "__main__":
    serve(RandomRecorder(version("pulumi-random")))
