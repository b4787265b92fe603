"""`scripts/cluster`: a whole Kubernetes node on this machine, from package registries alone."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from archives import archive_of, names_in
from foreign import foreign_cluster
from images import IMAGES, build_image
from layout import Layout
from node import PROCESSES as NODE_PROCESSES
from node import bring_up, import_images, kubectl
from problem import Problem
from processes import is_running, recorded
from programs import KEDA, KUBERNETES, METRICS_SERVER, install_debian_packages
from progress import say
from teardown import remains, take_down

from keda import PROCESSES as KEDA_PROCESSES
from keda import start_keda


def main() -> int:
    """Run one command. Returns the exit status."""
    arguments = _parser().parse_args()
    layout = Layout.of_this_machine()
    try:
        # What is built has locks of its own, for half an hour at times; looking takes nothing from anybody.
        with nullcontext() if arguments.run in (build, status, load_image) else _alone(layout):
            return int(arguments.run(layout, arguments) or 0)
    except Problem as problem:
        say(f"scripts/cluster: {problem}")
        return 1
    except KeyboardInterrupt:
        say("scripts/cluster: stopped; nothing half built is left, and what Go has compiled is not compiled again")
        return 130


def up(layout: Layout, arguments: argparse.Namespace) -> None:
    """Start the node; does nothing if it runs. Prints what to export."""
    foreign = foreign_cluster(arguments.context, layout.kubeconfig)
    if foreign is not None:
        say(f"Using the {foreign.tool} cluster of context {foreign.context}; nothing was started.")
        if arguments.keda:
            say("KEDA comes into it with Helm, unless it is there: https://keda.sh/docs/latest/deploy/")
        return
    _refuse_without_root("up")
    if arguments.keda:
        # Before anything runs: it takes longest.
        KEDA.build()
    with _nothing_left_of_a_failure(layout):
        if not _all_running(layout):
            if layout.directory.exists():
                say("A cluster is half there; taking it away first.")
            take_down(layout)
            say(f"The node is ready after {bring_up(layout):.1f} s.")
        if arguments.keda and not recorded(layout).keys() >= KEDA_PROCESSES:
            start_keda(layout, KUBERNETES.directory(), KEDA.directory())
    sys.stdout.write(f"export KUBECONFIG={layout.kubeconfig}\n")


def down(layout: Layout, arguments: argparse.Namespace) -> int:
    """Take the node away."""
    if foreign_cluster(arguments.context, layout.kubeconfig) is not None:
        say("That cluster is not ours; it is left alone.")
        return 0
    _refuse_without_root("down")
    take_down(layout)
    left = remains(layout)
    for line in left:
        say(f"still there: {line}")
    return 1 if left else 0


def status(layout: Layout, arguments: argparse.Namespace) -> int:
    """Say what is built, what runs, and what the node says of itself."""
    foreign = foreign_cluster(arguments.context, layout.kubeconfig)
    if foreign is not None:
        sys.stdout.write(f"context {foreign.context}, a {foreign.tool} cluster\n")
        return 0
    for module in (KUBERNETES, METRICS_SERVER, KEDA):
        built = "built" if module.directory().is_dir() else "not built"
        sys.stdout.write(f"{module.name} {module.version()}: {built}\n")
    entries = recorded(layout)
    for name, entry in entries.items():
        state = f"running, pid {entry['pid']}" if is_running(entry) else "ended"
        sys.stdout.write(f"{name}: {state}, log {layout.log(name)}\n")
    if not _all_running(layout):
        sys.stdout.write(
            "the node is down\n" if not entries else "the node is half there; `scripts/cluster up` repairs it\n"
        )
        return 1
    for query in (["get", "nodes", "-o", "wide"], ["get", "pods", "--all-namespaces", "-o", "wide"], ["top", "nodes"]):
        answer = kubectl(layout, KUBERNETES.directory(), *query)
        sys.stdout.write(answer.stdout or answer.stderr)
    return 0


def build(layout: Layout, arguments: argparse.Namespace) -> None:  # noqa: ARG001 - the commands are alike
    """Build the programs, and print the directory of Kubernetes' ones."""
    install_debian_packages()
    kubernetes = KUBERNETES.build()
    if not arguments.control_plane:
        METRICS_SERVER.build()
    if arguments.keda:
        KEDA.build()
    sys.stdout.write(f"{kubernetes}\n")


def load_image(layout: Layout, arguments: argparse.Namespace) -> None:
    """Give images to the cluster, and print their names there."""
    install_debian_packages()
    foreign = foreign_cluster(arguments.context, layout.kubeconfig)
    if foreign is None and not _all_running(layout):
        raise Problem("there is no cluster to load an image into: `scripts/cluster up` starts one")
    for image in arguments.image or list(IMAGES):
        with nullcontext(build_image(IMAGES[image])) if image in IMAGES else archive_of(image) as archive:
            if foreign is None:
                with _alone(layout):
                    names = import_images(layout, archive)
            else:
                foreign.load(archive, image)
                names = names_in(archive)
        sys.stdout.writelines(f"{name}\n" for name in names)


def _all_running(layout: Layout) -> bool:
    entries = recorded(layout)
    return entries.keys() >= NODE_PROCESSES and all(map(is_running, entries.values()))


@contextmanager
def _nothing_left_of_a_failure(layout: Layout) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if not os.environ.get("EBBTIDE_CLUSTER_KEEP"):
            take_down(layout)
        raise


def _refuse_without_root(command: str) -> None:
    if os.geteuid() != 0:
        raise Problem(
            f"`{command}` makes a bridge, mounts and cgroups: run it as root, or name a kind cluster by --context"
        )


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One command at a time; the lock lies beside the directory, which `down` removes."""
    layout.directory.parent.mkdir(parents=True, exist_ok=True)
    path = layout.directory.with_suffix(".lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another `scripts/cluster` is at work; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/cluster", description="A whole Kubernetes node on this machine.")
    parser.add_argument("--context", help="use this kind, minikube or k3d cluster instead of one of our own")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run in (("up", up), ("down", down), ("status", status), ("build", build), ("load-image", load_image)):
        command = commands.add_parser(name, help=(run.__doc__ or "").rstrip("."))
        command.set_defaults(run=run)
        if run in (up, build):
            command.add_argument("--keda", action="store_true", help="with KEDA, which scales on a queue's length")
        if run is build:
            command.add_argument("--control-plane", action="store_true", help="only Kubernetes' own programs")
        if run is load_image:
            command.add_argument(
                "image",
                nargs="*",
                help=f"one of this project's ({', '.join(IMAGES)}), a tar archive of `docker save` or in OCI layout, "
                "or a name that docker or podman has; default: all of this project's",
            )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
