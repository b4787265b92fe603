"""The repository for consumer images."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import pulumi

from ebbtide.components.register import Registered, register
from ebbtide.manifests.google import names
from ebbtide.manifests.google.image_repository import build_image_repository
from ebbtide.manifests.resource import Component
from ebbtide.settings.models.stack import StackSettings


class ImageRepositoryArgs(TypedDict):
    """Inputs of `ImageRepository`."""

    settings: StackSettings
    """The stack; it must have an `imageRepository`."""
    plan: NotRequired[Component]
    """Its part of a stack that was composed already (`compose`)."""


class ImageRepository(pulumi.ComponentResource):
    """An Artifact Registry repository that cleans up after itself."""

    resources: Registered
    """What it consists of."""
    address: pulumi.Output[str]
    """Where images are pushed: `europe-west1-docker.pkg.dev/acme/consumers`."""

    def __init__(self, name: str, args: ImageRepositoryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the repository. Raises SettingsError where the settings name none."""
        plan = args.get("plan") or build_image_repository(args["settings"], name)
        super().__init__(names.IMAGE_REPOSITORY, name, None, opts)
        self.resources = register(plan.parts, self)
        (repository,) = self.resources.values()
        self.address = getattr(repository, "registryUri")  # noqa: B009 - made by registering
        self.register_outputs({"address": self.address})
