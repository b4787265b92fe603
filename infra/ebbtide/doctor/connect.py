"""Which file belongs to which: the container to its image, that to its start, that to supervisord and the workers.

Files of an image are found by what COPY says, else by their name, if only one of that name was given. Where nothing
but a supervisord.conf or a script was given, that is judged alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.follow import (
    WORKER_NAME,
    add_programs,
    find_hook,
    follow,
    is_called_worker,
    joined,
    start_of,
    worker_of,
)
from ebbtide.doctor.image import Command, Image
from ebbtide.doctor.image_files import RUN_FILE, ImageFiles
from ebbtide.doctor.overlays import build_overlays
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.shown import shown
from ebbtide.doctor.surroundings import fill_in, know_addresses
from ebbtide.doctor.targets import strays
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import Container, ManifestObject, Workload, autoscalers_of, scaled_by

OFFICIAL_BASES: Final = re.compile(
    r"^(?:docker\.io/)?(?:library/)?(?:php|python|ruby|node|debian|ubuntu|alpine)(?:[:@]|$)"
)

_SERVERS: Final = re.compile(
    r"(?:^|/)(?:redis|valkey|rabbitmq|postgres(?:ql)?|mysql|mariadb|mongo|memcached|kafka|zookeeper)"
    r"(?:-(?:server|stack|sentinel|cluster|repmgr|galera|sharded))*(?:[:@]|$)"
)
"""Brokers and databases: nobody looks for workers in them."""


def connect(setup: SetUp) -> list[Unit]:
    """The units of a set-up. Workloads in which no worker is seen are said in the set-up's notes."""
    used: set[str] = set()
    fill_in(setup)
    build_overlays(setup)
    know_addresses(setup)
    scaling = autoscalers_of(setup.objects)
    units = [
        unit
        for workload in setup.workloads
        for unit in _units_of(workload, list(scaled_by(workload, scaling)), setup, used)
    ]
    setup.notes += _scales_nothing(setup)
    taken = {id(unit.image) for unit in units if unit.image}
    images = [_unit_of_image(image, setup, used) for image in setup.images if id(image) not in taken]
    units += [unit for unit in images if unit is not None]
    known = {id(unit.supervisor) for unit in units if unit.supervisor}
    included = {id(part) for unit in units if unit.supervisor for part in unit.supervisor.included(setup.supervisors)}
    for one in setup.supervisors:
        is_part = any(one in other.included(setup.supervisors) for other in setup.supervisors)
        if id(one) not in known | included and not is_part:
            unit = Unit(one.file.base, one.file.at(), setup, supervisor=one)
            add_programs(unit, ImageFiles(setup, None, used))
            if unit.workers:
                units.append(unit)
    units += _units_of_scripts(setup, used)
    setup.notes += _started_by_nobody(setup, units)
    if not units and not setup.notes:
        setup.notes.append(Note(Place(setup.read[0] if setup.read else "."), "holds no worker that doctor can see"))
    return units


def _started_by_nobody(setup: SetUp, units: list[Unit]) -> Iterator[Note]:
    """Workers of Node.js, and of Python, in programs that no unit is known to run."""
    wholes = [worker.node for unit in units for worker in unit.workers if worker.node is not None]
    run = {part.file.name for one in wholes for part in one.parts}
    for name, program in setup.node.items():
        if name not in run and program.names_a_queue and program.consumes:
            text = (
                "takes messages; what starts it was not seen, and whether it ends them at its stop signal is not judged"
            )
            yield Note(program.file.at(program.makes_worker or 1), text)
    of_python = [worker.python for unit in units for worker in unit.workers if worker.python is not None]
    run = {part.file.name for one in of_python for part in one.parts}
    for name, one in setup.python.items():
        if name not in run and one.names_a_queue and one.takes:
            text = (
                "takes messages; what starts it was not seen, and whether it ends them at its stop signal is not judged"
            )
            yield Note(one.file.at(one.takes), text)


def _scales_nothing(setup: SetUp) -> Iterator[Note]:
    for stray in strays(setup):
        if stray.is_misnamed:
            continue  # D-5i
        one = stray.autoscaler
        meant = f" (is {stray.meant.title} meant?)" if stray.meant else ""
        text = f"{one.title} is not judged: it scales {stray.kind} {stray.name}, which is not in what was handed over"
        yield Note(one.at(one.scaled()), text + meant)


def _units_of(workload: Workload, autoscalers: list[ManifestObject], setup: SetUp, used: set[str]) -> Iterator[Unit]:
    found: list[Unit] = []
    read: list[Unit] = []
    for container in workload.containers:
        if container.is_sidecar or _is_server(container):
            continue
        image = _image_of(container, workload, setup)
        title = workload.title if len(workload.containers) == 1 else f"{workload.title}, container {container.name}"
        unit = Unit(title, container.place, setup, workload, container, image, hook=container.hook)
        unit.autoscalers = autoscalers
        files = ImageFiles(setup, image, used, container.image.value if container.image else "")
        unit.sh_replaces_itself = files.sh_replaces_itself
        unit.start = start_of(container, image)
        follow(unit, files)
        find_hook(unit, files)
        read.append(unit)
        if unit.workers or is_called_worker(unit):
            found.append(unit)
    if any(_is_known(unit) for unit in found):
        found = [unit for unit in found if _is_known(unit)]
    if not found and workload.kind not in ("Job", "CronJob") and not all(map(_is_server, workload.containers)):
        setup.notes.append(
            Note(workload.place, f"{workload.title} is not judged: no worker is seen in it{_hint(read)}")
        )
    yield from found


def _is_server(container: Container) -> bool:
    return _SERVERS.search(container.image.value if container.image else "") is not None


def _hint(read: list[Unit]) -> str:
    """What would tell more of containers in which no worker was seen, or what they run."""
    starts = [" ".join(unit.start.words) for unit in read if unit.start is not None]
    return f"; it runs {shown(starts[0])!r}" if starts else "; hand over its Dockerfile too"


def _is_known(unit: Unit) -> bool:
    return any(worker.program is not None for worker in unit.workers)


def _unit_of_image(image: Image, setup: SetUp, used: set[str]) -> Unit | None:
    unit = Unit(_image_title(image), image.place, setup, image=image)
    unit.start = joined(image.entrypoint, image.cmd)
    files = ImageFiles(setup, image, used)
    unit.sh_replaces_itself = files.sh_replaces_itself
    follow(unit, files)
    return unit if unit.workers else None


def _image_title(image: Image) -> str:
    return image.names[0] if image.names else posixpath.basename(image.place.file)


def _units_of_scripts(setup: SetUp, used: set[str]) -> Iterator[Unit]:
    """Scripts that nothing refers to: of s6, and those that run a known worker."""
    for file in setup.scripts:
        if file.name in used:
            continue
        run = RUN_FILE.search(file.name)
        unit = Unit(f"service {run['name']} of s6" if run else file.base, file.at(), setup)
        command = Command((file.name,), file.at())
        worker = worker_of(command, ImageFiles(setup, None, used))
        if worker.program is not None:
            unit.workers.append(worker)
            yield unit


def _image_of(container: Container, workload: Workload, setup: SetUp) -> Image | None:
    """By name; a Dockerfile has none, so the only one is taken unless it is plainly another's."""
    reference = container.image.value if container.image else ""
    named = [image for image in setup.images if any(_same(name, reference) for name in image.names)]
    if named:
        return named[0]
    files = [image for image in setup.images if not image.is_whole]
    if reference.startswith("build:"):
        context = posixpath.normpath(posixpath.join(posixpath.dirname(workload.place.file), reference[6:]))
        return next(
            (one for one in files if posixpath.normpath(posixpath.dirname(one.place.file) or ".") == context), None
        )
    is_alone = sum(not one.is_sidecar for one in workload.containers) == 1 or container is workload.containers[0]
    if len(files) == 1 and is_alone and not OFFICIAL_BASES.match(reference) and _may_run_workers(workload, setup):
        return files[0]
    return None


def _may_run_workers(workload: Workload, setup: SetUp) -> bool:
    """One Dockerfile is not taken for each of many Deployments."""
    others = [one for one in setup.workloads if one is not workload and not all(map(_is_server, one.containers))]
    return not others or WORKER_NAME.search(workload.name) is not None


def _same(name: str, reference: str) -> bool:
    return bool(name) and (name == reference or name.partition("@")[0] == reference.partition("@")[0])
