"""What no container of a consumer's pod may do, the application's own and those beside it."""

from __future__ import annotations

from ebbtide.manifests.kubernetes.labels import Manifest


def container_security(user_id: int) -> Manifest:
    """No rights beyond those of a user who is not root, and no file system but the volumes to write to."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": user_id,
        "runAsGroup": user_id,
    }
