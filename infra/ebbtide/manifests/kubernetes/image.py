"""When the kubelet asks the registry for an image."""

from __future__ import annotations

from ebbtide.settings.values.image import split_image


def image_pull_policy(image: str) -> str:
    """`Always` for a tag, which may have moved; `IfNotPresent` for a digest, which cannot, and for an image of the
    node's own (`localhost/...`), which no registry has. See docs/decisions/image-pull-policy.md."""
    repository, _, digest = split_image(image)
    return "IfNotPresent" if digest or repository.startswith("localhost/") else "Always"
