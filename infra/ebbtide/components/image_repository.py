"""The repository for consumer images."""

from __future__ import annotations

from typing import TypedDict

import pulumi

from ebbtide.components.register import Registered, register
from ebbtide.manifests.google import names
from ebbtide.manifests.google.image_repository import build_image_repository
from ebbtide.settings.findings import Finding, SettingsError
from ebbtide.settings.stack import StackSettings


class ImageRepositoryArgs(TypedDict):
    """Inputs of `ImageRepository`."""

    settings: StackSettings
    """The stack; it must have an `imageRepository`."""


class ImageRepository(pulumi.ComponentResource):
    """An Artifact Registry repository that cleans up after itself."""

    resources: Registered
    """What it consists of."""
    address: pulumi.Output[str]
    """Where images are pushed: `europe-west1-docker.pkg.dev/acme/consumers`."""

    def __init__(self, name: str, args: ImageRepositoryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the repository. Raises SettingsError where the settings name none."""
        plan = build_image_repository(args["settings"], name)
        if not plan:
            message = f"is not given for stack {args['settings'].name}"
            raise SettingsError([Finding(("imageRepository",), message, "write imageRepository: {}", rule="wiring")])
        super().__init__(names.IMAGE_REPOSITORY, name, None, opts)
        self.resources = register(plan[1:], self)
        self.address = getattr(self.resources[plan[1].key], "registryUri")  # noqa: B009 - made by registering
        self.register_outputs({"address": self.address})
