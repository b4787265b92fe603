"""What a pod may have beside its workers: variables and files from elsewhere, volumes, sidecars, what runs before."""

import re
from posixpath import normpath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import SettingsModel, repeated
from ebbtide.settings.models.pod import Environment, Port, SecretEnvironment
from ebbtide.settings.values.image import ImageReference
from ebbtide.settings.values.image_contract import PROGRAMS_DIRECTORY, STATE_DIRECTORY, VARIABLE_PREFIX
from ebbtide.settings.values.names import CONTAINER_NAME, CsiDriverName, DnsLabel, SecretKey, SecretName
from ebbtide.settings.values.units import MemoryBytes, Millicores, Seconds

# A volume over one of these, or over what holds them, leaves a container without a shell, PHP or certificates.
_SYSTEM_DIRECTORIES = tuple(
    f"/{directory}"
    for directory in (
        "bin", "boot", "dev", "etc/alternatives", "etc/php", "etc/ssl", "lib", "lib64", "proc", "sbin", "sys",
        "usr/bin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/etc", "usr/local/lib", "usr/local/sbin",
        "usr/sbin", "usr/share",
    )
)  # fmt: skip
# What the drain stands on, and what every container has.
_OWN_DIRECTORIES = (STATE_DIRECTORY, PROGRAMS_DIRECTORY, "/tmp")  # noqa: S108 - a path in the container
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+/?")


def _overlap(one: str, other: str) -> bool:
    """Whether one of two directories is, or holds, the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def check_directories(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The directories in one spelling each. Refuses what is no plain path, and what hides the system."""
    wrong = [path for path in paths if not _PATH.fullmatch(path) or ".." in path.split("/")]
    if wrong:
        context = {"got": ", ".join(map(repr, wrong)), "remedy": "write for example /app/var"}
        raise PydanticCustomError("directory", "must be plain absolute paths (got {got})", context)
    system = [path for path in paths if hides_the_system(path)]
    if system:
        context = {"got": ", ".join(map(repr, system)), "remedy": "name the application's own, such as /app/var"}
        raise PydanticCustomError("directory", "would hide programs of the system (got {got})", context)
    return tuple(map(normpath, paths))


def hides_the_system(path: str) -> bool:
    """Whether a volume there hides programs of the system, however the path is written."""
    return any(_overlap(normpath(path).rstrip("/"), one) for one in _SYSTEM_DIRECTORIES)


def _check_mount(path: str) -> str:
    (path,) = check_directories((path,))
    if any(_overlap(path, one) for one in _OWN_DIRECTORIES):
        context = {"got": repr(path), "remedy": "choose another; the image has its own there"}
        raise PydanticCustomError("path", "would lie over what the image's drain stands on (got {got})", context)
    return path


MountPath = Annotated[str, AfterValidator(_check_mount), Field(examples=["/etc/app/tls"])]


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = repeated(names)
    if twice:
        # The API server tells entries of this list apart by their names.
        context = {"got": ", ".join(twice), "remedy": "name each once"}
        raise PydanticCustomError("repeated", "name one Secret twice (got {got})", context)
    return names


def _exactly_one(model: SettingsModel, *names: str) -> None:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        fields = [type(model).model_fields[name].alias or name for name in names]
        context = {
            "fields": ", ".join(fields),
            "got": ", ".join(given) or "none",
            "remedy": f"keep one, such as {fields[0]}",
        }
        raise PydanticCustomError("exactly_one", "needs exactly one of {fields} (got {got})", context)


class EnvironmentSource(SettingsModel):
    """A Secret or ConfigMap, each of whose keys becomes a variable (`envFrom`). A variable that is also written by
    itself, or is the image's own, keeps that value."""

    secret: SecretName | None = None
    """The Secret's name. Put a version into it: a new name is what rolls the pods."""
    config_map: SecretName | None = None
    """The ConfigMap's name, with a version as well."""
    prefix: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", examples=["APP_"])
    """What stands before each key."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self, "secret", "config_map")
        if self.prefix.startswith(VARIABLE_PREFIX):
            context = {"got": repr(self.prefix), "remedy": "choose another"}
            raise PydanticCustomError("prefix", "is the image's own (got {got})", context)
        return self


class FilesFrom(SettingsModel):
    """A Secret or ConfigMap as files, read-only. They change when it does, and no pod restarts for it."""

    path: MountPath
    """The directory in which its keys are files."""
    secret: SecretName | None = None
    """The Secret's name."""
    config_map: SecretName | None = None
    """The ConfigMap's name."""
    keys: tuple[SecretKey, ...] = ()
    """Only these keys. All by default."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self, "secret", "config_map")
        return self


class CsiSource(SettingsModel):
    """A volume that a driver of the cluster makes for the pod, for example a bucket."""

    driver: CsiDriverName
    """Its name, for example `gcsfuse.csi.storage.gke.io`."""
    attributes: dict[str, str] = {}
    """What the driver is told."""


class VolumeSettings(SettingsModel):
    """A further volume of the workers. An empty one is `writableDirectories`."""

    path: MountPath
    """Where the workers see it."""
    persistent_volume_claim: SecretName | None = None
    """A claim that exists. One that only one node may write (`ReadWriteOnce`) keeps a second pod from starting."""
    csi: CsiSource | None = None
    """A driver's own."""
    read_only: bool = False
    """Whether the workers may not write."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self, "persistent_volume_claim", "csi")
        return self


class PartResources(SettingsModel):
    """What a container beside the workers is given."""

    cpu: Millicores = 50
    """CPU that is set aside."""
    memory: MemoryBytes = 64 * 1024**2
    """Memory that is set aside, and above which it is killed."""


class StartedWhen(SettingsModel):
    """When a sidecar counts as started. What comes after it, the workers included, waits for that."""

    port: Port
    """A port that it listens on."""
    path: str | None = Field(default=None, pattern=r"^/\S*$", examples=["/startup"])
    """A page there that must answer with success (HTTP); without one a connection is enough."""
    within: Seconds = Field(default=60, ge=1, le=3600)
    """After that long it is started again."""


class ContainerPart(SettingsModel):
    """A container beside the workers. It has their user, a read-only root and no rights."""

    image: ImageReference | None = None
    """Its image. Default: the consumer's own."""
    command: tuple[str, ...] = ()
    """Its program and arguments; the image's own by default."""
    arguments: tuple[str, ...] = ()
    """What the image's own program is given."""
    environment: Environment = {}
    """Variables."""
    secret_environment: SecretEnvironment = {}
    """Variables whose values are keys of Secrets."""
    environment_from: tuple[EnvironmentSource, ...] = ()
    """Secrets and ConfigMaps, each of whose keys becomes a variable."""
    files: tuple[FilesFrom, ...] = ()
    """Secrets and ConfigMaps as files."""
    writable_directories: Annotated[tuple[str, ...], AfterValidator(check_directories)] = ()
    """Empty directories that it may write to. One that the workers have under the same path is shared with them."""
    resources: PartResources = PartResources.model_construct()
    """CPU and memory."""

    @property
    def stays(self) -> bool:
        """Whether it runs as long as the workers do."""
        return False

    @property
    def waits_for(self) -> StartedWhen | None:
        """What must be seen of it before the next container starts; None where its start, or its end, is enough."""
        return None


class Sidecar(ContainerPart):
    """A container that is there as long as the workers are: started before them, ended after the last one (a native
    sidecar: Kubernetes 1.29). A plain second container would be ended while workers still finish their messages."""

    image: ImageReference
    """Its image."""
    started: StartedWhen | None = None
    """When it counts as started. Without it the workers do not wait."""

    @property
    def stays(self) -> bool:
        """It does."""
        return True

    @property
    def waits_for(self) -> StartedWhen | None:
        """As it is set."""
        return self.started


class InitContainer(ContainerPart):
    """A container that runs to its end before the workers start, in every pod: it must bear to run often."""


PartName = Annotated[DnsLabel, Field(max_length=40)]


class PodSettings(SettingsModel):
    """What a consumer's pod has beside its workers."""

    image_pull_secrets: Annotated[tuple[SecretName, ...], AfterValidator(_each_once)] = ()
    """Secrets with which images are pulled, where the nodes may not read the registry themselves."""
    environment_from: tuple[EnvironmentSource, ...] = ()
    """Secrets and ConfigMaps, each of whose keys becomes a variable of the workers (`envFrom`)."""
    files: tuple[FilesFrom, ...] = ()
    """Secrets and ConfigMaps as files of the workers."""
    volumes: tuple[VolumeSettings, ...] = ()
    """Further volumes of the workers."""
    sidecars: Annotated[dict[PartName, Sidecar], Field(max_length=10)] = {}
    """Containers that are there as long as the workers are, by name: a database proxy for example."""
    init_containers: Annotated[dict[PartName, InitContainer], Field(max_length=10)] = {}
    """Containers that run before the workers, by name, in this order."""
    priority_class: SecretName | None = None
    """A PriorityClass that exists: whose pods go first when a node is full."""
    patch: dict[str, Any] = {}
    """What no setting says, as a strategic merge patch of the Deployment, laid over it last. Refused where it would
    touch what the drain stands on (M-04). What it touches is not judged by previews."""

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        taken = [
            name for name in (CONTAINER_NAME, *self.sidecars) if name in self.init_containers or name == CONTAINER_NAME
        ]
        twice = [name for name in taken if name != CONTAINER_NAME or CONTAINER_NAME in self.parts]
        if twice:
            context = {"got": ", ".join(twice), "remedy": "give each container a name of its own"}
            raise PydanticCustomError("name", "names two containers alike (got {got})", context)
        return self

    @property
    def parts(self) -> dict[str, ContainerPart]:
        """Every container beside the workers, in the order of starting: sidecars first, since others may need them."""
        return {**self.sidecars, **self.init_containers}

    @property
    def sidecar_cpu_millicores(self) -> int:
        """What the sidecars add to the pod's CPU request."""
        return sum(sidecar.resources.cpu for sidecar in self.sidecars.values())

    @property
    def sidecar_memory_bytes(self) -> int:
        """What the sidecars add to the pod's memory."""
        return sum(sidecar.resources.memory for sidecar in self.sidecars.values())
