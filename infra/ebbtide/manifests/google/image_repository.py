"""A repository for consumer images in Artifact Registry."""

from __future__ import annotations

from ebbtide.judgement.findings import refused
from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Component, Resource
from ebbtide.settings.models.stack import StackSettings


def build_image_repository(stack: StackSettings, name: str | None = None) -> Component:
    """The component with its repository. Raises SettingsError where the stack makes none."""
    settings = stack.image_repository
    if settings is None:
        message = f"is not given for stack {stack.name}"
        raise refused("wiring", message, "write imageRepository: {}", ("imageRepository",))
    component = Resource(token=names.IMAGE_REPOSITORY, name=name or settings.name)
    repository = Resource(
        token=names.REPOSITORY,
        name=f"{component.name}-repository",
        parent=component.key,
        protect=stack.protect,
        secret_outputs=names.LABEL_OUTPUTS,
        delete_before_replace=True,
        properties={
            "project": names.google(stack).project,
            "location": names.google(stack).region,
            "repositoryId": settings.name,
            "format": "DOCKER",
            "description": f"Consumer images of ebbtide's stack {stack.name}",
            # A tag that is reported and deployed stays the image it was.
            "dockerConfig": {"immutableTags": True},
            "cleanupPolicies": [
                {
                    "id": "keep-recent",
                    "action": "KEEP",
                    "mostRecentVersions": {"keepCount": settings.keep_versions},
                },
                {
                    "id": "delete-untagged",
                    "action": "DELETE",
                    "condition": {
                        "tagState": "UNTAGGED",
                        "olderThan": f"{settings.delete_untagged_after_days * 24 * 3600}s",
                    },
                },
            ],
        },
    )
    return Component(component, (repository,))
