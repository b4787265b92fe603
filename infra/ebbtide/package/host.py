"""What the engine starts: a provider of the components, which constructs them in this process."""

from __future__ import annotations

import json
import sys
from typing import Any

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import main as serve
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.provider import ConstructResult
from pulumi.provider.server import ComponentInitError

from ebbtide.judgement.findings import SettingsError
from ebbtide.package.components import COMPONENTS
from ebbtide.version import __version__

NAME = "ebbtide"


class Provider(ComponentProvider):
    """`component_provider_host` with one difference: settings that are refused are no error of this program, and are
    shown without its traceback. Their paths are part of the text: beside a path that it is given the engine prints the
    value, which may be a secret that somebody pasted."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, NAME, version=__version__)

    def construct(
        self, name: str, resource_type: str, inputs: Any, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Make one component. Raises InputPropertiesError with every finding at once."""
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if not isinstance(error.inner, SettingsError):
                raise
            # Without a list the SDK (3.272) fails on its own answer.
            raise InputPropertiesError(f"\n{error.inner}", []) from None


def schema_text() -> str:
    """What other languages generate their SDKs from, as plugin/schema.json holds it."""
    return json.dumps(json.loads(Provider().schema or ""), indent=2) + "\n"


def main() -> None:
    """Serve the engine whose address is the first argument, until it ends this process."""
    serve(Provider(), sys.argv[1:])
