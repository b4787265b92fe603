"""One node: control plane, container runtime, kubelet and metrics-server, each with what made it run here."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

from archives import name_on_the_node, names_in
from certificates import make_certificates
from images import PAUSE, build_image
from layout import (
    API_PORT,
    BRIDGE,
    BRIDGE_ADDRESS,
    CGROUP,
    METRICS_PORT,
    NETWORK,
    NODE,
    NODE_ADDRESS,
    POD_RANGE,
    SERVICE_RANGE,
    Layout,
)
from problem import Problem
from processes import free_port, start, wait_for
from programs import build_programs, install_debian_packages, program

PROCESSES = frozenset(
    {
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *("containerd", "kubelet", "metrics-server"),
    }
)
_CGROUPS = Path("/sys/fs/cgroup")


def bring_up(layout: Layout) -> float:
    """Start everything and wait until the node is ready and metrics are served. Returns the seconds it took."""
    install_debian_packages()
    kubernetes, metrics_server = build_programs()
    build_image(PAUSE)
    begun = time.monotonic()
    layout.directory.mkdir(parents=True)
    make_certificates(layout)
    _make_bridge()
    _start_control_plane(layout, kubernetes)
    _start_runtime(layout)
    _start_kubelet(layout, kubernetes)
    _wait_for_node(layout, kubernetes)
    # It looks once as it starts and then every 15 s, and needs two looks: before there is a node it would waste one.
    _start_metrics_server(layout, metrics_server)
    _state_disk(layout, kubernetes)
    _wait_for_metrics(layout, kubernetes)
    return time.monotonic() - begun


def import_images(layout: Layout, archive: Path) -> list[str]:
    """Give the images of an archive to the node, and return their names there. Raises Problem."""
    names = names_in(archive)
    try:
        _ctr(layout, "images", "import", str(archive))
    except Problem as problem:
        raise Problem(f"{archive}: containerd does not take it: {problem}") from None
    for name in names:
        if name_on_the_node(name) != name:
            _ctr(layout, "images", "tag", "--force", name, name_on_the_node(name))
    return [name_on_the_node(name) for name in names]


def kubectl(
    layout: Layout, kubernetes: Path, *arguments: str, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run kubectl as the administrator."""
    command = [str(kubernetes / "kubectl"), "--kubeconfig", str(layout.kubeconfig), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def _make_bridge() -> None:
    ip = program("ip")
    if subprocess.run([ip, "link", "show", BRIDGE], capture_output=True, check=False).returncode:
        subprocess.run([ip, "link", "add", BRIDGE, "address", BRIDGE_ADDRESS, "type", "bridge"], check=True)
    subprocess.run([ip, "address", "replace", f"{NODE_ADDRESS}/24", "dev", BRIDGE], check=True)
    subprocess.run([ip, "link", "set", BRIDGE, "up"], check=True)


def _start_control_plane(layout: Layout, kubernetes: Path) -> None:
    client, peer = free_port(), free_port()
    etcd = f"http://127.0.0.1:{client}"
    start(
        layout,
        "etcd",
        [
            program("etcd"),
            f"--data-dir={layout.directory / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        ],
    )
    start(layout, "kube-apiserver", [kubernetes / "kube-apiserver", *_api_server_flags(layout, etcd)])
    wait_for(
        "the API server",
        layout,
        "kube-apiserver",
        lambda: not kubectl(layout, kubernetes, "get", "ns", "kube-system").returncode,
    )
    start(
        layout,
        "kube-controller-manager",
        [
            kubernetes / "kube-controller-manager",
            f"--kubeconfig={layout.kubeconfig_of('controller-manager')}",
            f"--service-account-private-key-file={layout.key('service-accounts')}",
            f"--root-ca-file={layout.certificate('ca')}",
            f"--flex-volume-plugin-dir={layout.directory / 'volume-plugins'}",
            "--leader-elect=false",
            "--secure-port=0",
        ],
    )
    start(
        layout,
        "kube-scheduler",
        [
            kubernetes / "kube-scheduler",
            f"--kubeconfig={layout.kubeconfig_of('scheduler')}",
            "--leader-elect=false",
            "--secure-port=0",
        ],
    )


def _api_server_flags(layout: Layout, etcd: str) -> list[str]:
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--tls-cert-file={layout.certificate('apiserver')}",
        f"--tls-private-key-file={layout.key('apiserver')}",
        f"--client-ca-file={layout.certificate('ca')}",
        f"--token-auth-file={layout.directory / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.key('service-accounts')}",
        f"--service-account-signing-key-file={layout.key('service-accounts')}",
        f"--kubelet-client-certificate={layout.certificate('apiserver-kubelet')}",
        f"--kubelet-client-key={layout.key('apiserver-kubelet')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={layout.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={layout.certificate('front-proxy')}",
        f"--proxy-client-key-file={layout.key('front-proxy')}",
    ]


def _start_runtime(layout: Layout) -> None:
    configuration = layout.directory / "containerd.toml"
    cni = layout.directory / "cni"
    cni.mkdir()
    # JSON strings are TOML strings as well.
    quoted = {
        name: json.dumps(str(path))
        for name, path in {
            "root": layout.directory / "containerd",
            "state": layout.directory / "run",
            "socket": layout.socket,
            "runc": layout.directory / "runc",
            "cni": cni,
            "pause": PAUSE.reference,
        }.items()
    }
    configuration.write_text(f"""\
version = 2
root = {quoted["root"]}
state = {quoted["state"]}
[grpc]
address = {quoted["socket"]}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {quoted["pause"]}
restrict_oom_score_adj = true
disable_tcp_service = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = {quoted["runc"]}
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = {quoted["cni"]}
[plugins."io.containerd.internal.v1.opt"]
path = {json.dumps(str(layout.directory / "opt"))}
""")
    ranges = [[{"subnet": POD_RANGE, "rangeStart": "10.251.0.10", "gateway": NODE_ADDRESS}]]
    addresses = {
        "type": "host-local",
        "ranges": ranges,
        "dataDir": str(layout.directory / "addresses"),
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": False, "ipMasq": False, "ipam": addresses}
    network = {"cniVersion": "0.4.0", "name": NETWORK, "plugins": [bridge]}
    (cni / "10-ebbtide.conflist").write_text(json.dumps(network, indent=1))
    start(layout, "containerd", [program("containerd"), "--config", configuration])
    wait_for("the container runtime", layout, "containerd", lambda: layout.socket.is_socket() and _answers(layout))
    import_images(layout, build_image(PAUSE))


def _answers(layout: Layout) -> bool:
    command = [program("ctr"), "--address", str(layout.socket), "version"]
    return not subprocess.run(command, capture_output=True, check=False).returncode


def _ctr(layout: Layout, *arguments: str) -> None:
    command = [program("ctr"), "--address", str(layout.socket), "--namespace", "k8s.io", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(done.stderr.strip().removeprefix("ctr: "))


def _start_kubelet(layout: Layout, kubernetes: Path) -> None:
    unified = (_CGROUPS / "cgroup.controllers").is_file()
    hierarchies = (
        [_CGROUPS] if unified else [path for path in _CGROUPS.iterdir() if path.is_dir() and path.name != "unified"]
    )
    for hierarchy in hierarchies:
        (hierarchy / CGROUP).mkdir(exist_ok=True)
        _inherit_cpuset(hierarchy)
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{layout.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        # A node of a test machine has no firewall of its own to keep, no swap to refuse and no DNS to hand on.
        "makeIPTablesUtilChains": False,
        "failSwapOn": False,
        "resolvConf": "",
        "localStorageCapacityIsolation": False,
        "evictionHard": {"memory.available": "50Mi"},
        "volumePluginDir": str(layout.directory / "volume-plugins"),
        "podLogsDir": str(layout.directory / "pod-logs"),
        "containerLogMaxSize": "100Mi",
        "imageGCHighThresholdPercent": 100,
    }
    path = layout.directory / "kubelet.json"
    path.write_text(json.dumps(configuration, indent=1))
    start(
        layout,
        "kubelet",
        [
            kubernetes / "kubelet",
            f"--config={path}",
            f"--kubeconfig={layout.kubeconfig_of('kubelet')}",
            f"--root-dir={layout.directory / 'kubelet'}",
            f"--cert-dir={layout.directory / 'certificates' / 'kubelet'}",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
        ],
    )


def _inherit_cpuset(hierarchy: Path) -> None:
    """On cgroup v1 a new cpuset is empty, and nothing can run in it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = hierarchy / CGROUP / name
        if file.is_file() and not file.read_text().strip():
            file.write_text((hierarchy / name).read_text())


def _start_metrics_server(layout: Layout, directory: Path) -> None:
    kubeconfig = layout.kubeconfig_of("metrics-server")
    start(
        layout,
        "metrics-server",
        [
            directory / "metrics-server",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={NODE_ADDRESS}",
            f"--secure-port={METRICS_PORT}",
            f"--cert-dir={layout.directory / 'certificates' / 'metrics-server'}",
            "--kubelet-insecure-tls",
            "--kubelet-preferred-address-types=InternalIP",
            "--metric-resolution=15s",
        ],
    )


def _wait_for_node(layout: Layout, kubernetes: Path) -> None:
    query = ["get", "node", NODE, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}']
    wait_for("the node", layout, "kubelet", lambda: kubectl(layout, kubernetes, *query).stdout == "True")


def _wait_for_metrics(layout: Layout, kubernetes: Path) -> None:
    registered = Path(__file__).with_name("metrics-api.json").read_text()
    applied = kubectl(
        layout,
        kubernetes,
        "apply",
        "--server-side",
        "-f",
        "-",
        text=registered.replace("NODE_ADDRESS", NODE_ADDRESS).replace('"METRICS_PORT"', str(METRICS_PORT)),
    )
    if applied.returncode:
        raise RuntimeError(applied.stderr)
    wait_for(
        "metrics",
        layout,
        "metrics-server",
        lambda: (
            not kubectl(layout, kubernetes, "get", "--raw", f"/apis/metrics.k8s.io/v1beta1/nodes/{NODE}").returncode
        ),
    )


def _state_disk(layout: Layout, kubernetes: Path) -> None:
    """Say how large the disk is. A kubelet that does not watch it (it has no statistics of this file system) says
    nothing, and a pod that requests some of it then fits nowhere; what is stated from outside it keeps."""
    gibibytes = shutil.disk_usage(layout.directory).total // 2**30
    capacity = {"status": {"capacity": {"ephemeral-storage": f"{gibibytes}Gi"}}}
    patch = ["patch", "node", NODE, "--subresource=status", "--type=merge", "-p", json.dumps(capacity)]
    patched = kubectl(layout, kubernetes, *patch)
    if patched.returncode:
        raise RuntimeError(patched.stderr)
    query = ["get", "node", NODE, "-o", "jsonpath={.status.allocatable.ephemeral-storage}"]
    wait_for("the node's disk", layout, "kubelet", lambda: kubectl(layout, kubernetes, *query).stdout != "")
