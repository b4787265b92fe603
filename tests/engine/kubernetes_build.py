"""Where the control plane's programs are; they are built where that has not been done."""

from __future__ import annotations

import os
from pathlib import Path


def kubernetes_binaries() -> Path:
    """A directory with etcd, kube-apiserver and kube-controller-manager."""
    return Path(os.environ["EBBTIDE_KUBERNETES_BINARIES"])
