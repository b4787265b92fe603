"""Take a cluster away again: every process, mount, network namespace and cgroup that is ours, and nothing else.

Nothing is asked of the cluster itself, so that one that broke half-way is taken away as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from layout import BRIDGE, CGROUP, NETWORK, Layout
from processes import end, recorded
from programs import program

_CGROUPS = Path("/sys/fs/cgroup")
# Where these write whatever they are told: the kubelet (1.34), containerd's network library and its shims (1.6).
_LOG_LINKS = Path("/var/log/containers")
_KUBELET_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
_NETWORK_RESULTS = Path("/var/lib/cni/results")
_EMPTY_AFTERWARDS = (
    _LOG_LINKS,
    *(_KUBELET_SOCKET.parent, _KUBELET_SOCKET.parent.parent),
    *(_NETWORK_RESULTS, _NETWORK_RESULTS.parent),
    *(Path("/run/containerd/s"), Path("/run/containerd"), Path("/run/netns")),
)
# What starts containers goes first, what holds the state last.
_ORDER = (
    "kubelet",
    "metrics-server",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
)


def take_down(layout: Layout) -> None:
    """Leave nothing behind. Does nothing where there is nothing."""
    names = [*_ORDER, *(name for name in recorded(layout) if name not in (*_ORDER, "containerd")), "containerd"]
    for name in names[:-1]:
        end(layout, name)
    namespaces, sockets = _network_namespaces(layout), _shim_sockets(layout)
    _end_containers(layout)
    end(layout, "containerd")
    _unmount(str(layout.directory))
    for namespace in namespaces:
        _unmount(namespace)
        Path(namespace).unlink(missing_ok=True)
    for path in (*sockets, *_outside(layout)):
        path.unlink(missing_ok=True)
    for directory in _EMPTY_AFTERWARDS:
        # Unless somebody else has something there.
        with contextlib.suppress(OSError):
            directory.rmdir()
    subprocess.run([program("ip"), "link", "delete", BRIDGE], capture_output=True, check=False)
    _remove_cgroups()
    shutil.rmtree(layout.directory, ignore_errors=True)


def remains(layout: Layout) -> list[str]:
    """What of a cluster is on this machine, in words; empty after `take_down`."""
    found = [f"directory {layout.directory}"] if layout.directory.exists() else []
    found += [f"mount {path}" for path in _mounts(str(layout.directory))]
    found += [f"process {pid}" for pid in _shims(layout)]
    found += [f"cgroup {path}" for path in _our_cgroups()]
    found += [f"file {path}" for path in _outside(layout)]
    link = subprocess.run([program("ip"), "link", "show", BRIDGE], capture_output=True, check=False)
    return found + ([f"bridge {BRIDGE}"] if link.returncode == 0 else [])


def _network_namespaces(layout: Layout) -> list[str]:
    """The pods' network namespaces, as containerd has written them down for its containers."""
    found = set()
    for file in (layout.directory / "run").glob("io.containerd.runtime.v2.task/k8s.io/*/config.json"):
        spaces = json.loads(file.read_text()).get("linux", {}).get("namespaces", [])
        found |= {space["path"] for space in spaces if space["type"] == "network" and "path" in space}
    return sorted(path for path in found if path.startswith(("/run/netns/", "/var/run/netns/")))


def _shim_sockets(layout: Layout) -> list[Path]:
    """The sockets of containerd's shims, as each has written it down."""
    addresses = (layout.directory / "run").glob("io.containerd.runtime.v2.task/k8s.io/*/address")
    return [Path(address.read_text().removeprefix("unix://")) for address in addresses]


def _outside(layout: Layout) -> list[Path]:
    """Files outside our directory that stand for something in it."""
    links = (path for path in _LOG_LINKS.glob("*.log") if path.is_symlink())
    found = [path for path in links if path.readlink().is_relative_to(layout.directory)]
    for path in _NETWORK_RESULTS.glob(f"{NETWORK}-*-eth0"):
        container = path.name.removeprefix(f"{NETWORK}-").removesuffix("-eth0")
        found += [path, *_NETWORK_RESULTS.glob(f"cni-loopback-{container}-lo")]
    # A kubelet takes this one over as it starts: it is ours if ours has started.
    ours = _KUBELET_SOCKET.is_socket() and (layout.directory / "kubelet").is_dir()
    return found + ([_KUBELET_SOCKET] if ours else [])


def _end_containers(layout: Layout) -> None:
    """Kill what runs in our cgroup, then the shims that would report it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        pids = {pid for directory in _our_cgroups() for pid in _pids_in(directory)}
        if not pids:
            break
        for pid in pids:
            _kill(pid)
        time.sleep(0.1)
    for pid in _shims(layout):
        _kill(pid)


def _pids_in(directory: Path) -> set[int]:
    try:
        return {int(line) for line in (directory / "cgroup.procs").read_text().split()}
    except OSError:
        return set()


def _shims(layout: Layout) -> list[int]:
    """containerd's shims of this cluster: they name its socket, and outlive containerd."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"shim" in words[0] and str(layout.socket).encode() in words:
                found.append(int(entry.name))
    return found


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _mounts(below: str) -> list[str]:
    """Mount points at or below a path, the deepest first."""
    points = [
        line.split()[1].encode().decode("unicode_escape") for line in Path("/proc/self/mounts").read_text().splitlines()
    ]
    return sorted((point for point in points if point == below or point.startswith(f"{below}/")), reverse=True)


def _unmount(below: str) -> None:
    for point in _mounts(os.path.realpath(below)):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)


def _our_cgroups() -> list[Path]:
    """Our cgroups in every hierarchy, the deepest first."""
    roots = [root for root in (*_CGROUPS.glob(CGROUP), *_CGROUPS.glob(f"*/{CGROUP}")) if root.is_dir()]
    below = [Path(path) for root in roots for path, _, _ in os.walk(root)]
    return sorted(set(below), key=lambda path: len(path.parts), reverse=True)


def _remove_cgroups() -> None:
    # A process that has just ended holds its cgroup for a moment.
    for _ in range(50):
        for directory in _our_cgroups():
            with contextlib.suppress(OSError):
                directory.rmdir()
        if not _our_cgroups():
            return
        time.sleep(0.1)
