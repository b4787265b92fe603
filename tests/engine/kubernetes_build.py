"""Where the control plane's programs are; they are installed and built where that has not been done."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CLUSTER_TOOLS = Path(__file__).parents[2] / "tools" / "cluster"


def kubernetes_binaries() -> Path:
    """A directory with kube-apiserver and kube-controller-manager (about seven minutes if they have to be built);
    etcd is Debian's, on PATH. `EBBTIDE_KUBERNETES_BINARIES` names a directory that has all three."""
    given = os.environ.get("EBBTIDE_KUBERNETES_BINARIES")
    if given:
        return Path(given)
    # Last on the path: its modules have short names.
    sys.path.append(str(_CLUSTER_TOOLS))
    from programs import KUBERNETES, install_debian_packages

    install_debian_packages()
    built: Path = KUBERNETES.build()
    return built
