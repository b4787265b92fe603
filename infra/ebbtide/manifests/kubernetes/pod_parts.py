"""What a pod has beside its workers, as manifests: files, volumes, sidecars, and what runs before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ebbtide.manifests.kubernetes.image import image_pull_policy
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.manifests.kubernetes.security_context import container_security
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.pod import Environment, SecretEnvironment
from ebbtide.settings.models.pod_parts import ContainerPart, EnvironmentSource, FilesFrom, VolumeSettings
from ebbtide.settings.values.units import format_cpu, format_memory

# Beside the workers nothing writes to the node's disk by itself; a part that does names a directory for it.
_EPHEMERAL_STORAGE_REQUEST = "100Mi"
_STARTUP_PERIOD_SECONDS = 2
_WRITABLE = "writable"


def build_part_volumes(consumer: ConsumerSettings) -> list[Manifest]:
    """Every volume of the pod that the image does not need itself."""
    pod = consumer.pod
    own = [
        *(_files_volume(f"files-{at}", files) for at, files in enumerate(pod.files)),
        *(_volume(f"volume-{at}", volume) for at, volume in enumerate(pod.volumes)),
    ]
    return [*own, *(volume for name, part in pod.parts.items() for volume in _volumes_of(name, part, consumer))]


def build_part_mounts(consumer: ConsumerSettings) -> list[Manifest]:
    """Where the workers see those that are theirs."""
    pod = consumer.pod
    files = [{"name": f"files-{at}", "mountPath": files.path, "readOnly": True} for at, files in enumerate(pod.files)]
    volumes = [
        {"name": f"volume-{at}", "mountPath": volume.path, **({"readOnly": True} if volume.read_only else {})}
        for at, volume in enumerate(pod.volumes)
    ]
    return [*files, *volumes]


def build_parts(consumer: ConsumerSettings) -> list[Manifest]:
    """The pod's `initContainers`: its sidecars first, since what runs before the workers may need them."""
    return [_container(name, part, consumer) for name, part in consumer.pod.parts.items()]


def environment_from(sources: Sequence[EnvironmentSource]) -> list[Manifest]:
    """`envFrom` of a container."""
    return [
        {
            **({"prefix": source.prefix} if source.prefix else {}),
            **(
                {"secretRef": {"name": source.secret}}
                if source.secret is not None
                else {"configMapRef": {"name": source.config_map}}
            ),
        }
        for source in sources
    ]


def environment(plain: Environment, secret: SecretEnvironment) -> list[Manifest]:
    """`env` of a container: secrets, then plain values, each by name.

    By name, because the engine hands mappings over in another order than the file. Secrets come first because
    `$(NAME)` in a value is replaced only by a variable that stands before it.
    """
    from_secrets = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": reference.secret, "key": reference.key}}}
        for name, reference in sorted(secret.items())
    ]
    return [*from_secrets, *({"name": name, "value": value} for name, value in sorted(plain.items()))]


def _container(name: str, part: ContainerPart, consumer: ConsumerSettings) -> Manifest:
    image = part.image or consumer.image
    variables = environment(part.environment, part.secret_environment)
    listed = {
        "command": list(part.command),
        "args": list(part.arguments),
        "env": variables,
        "envFrom": environment_from(part.environment_from),
        "volumeMounts": list(_mounts_of(name, part, consumer)),
    }
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": image_pull_policy(image),
        **{key: value for key, value in listed.items() if value},
        **_as_sidecar(part),
        "resources": {
            "requests": {
                "cpu": format_cpu(part.resources.cpu),
                "memory": format_memory(part.resources.memory),
                "ephemeral-storage": _EPHEMERAL_STORAGE_REQUEST,
            },
            "limits": {"memory": format_memory(part.resources.memory)},
        },
        "securityContext": container_security(consumer.user_id),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _as_sidecar(part: ContainerPart) -> Manifest:
    if not part.stays:
        return {}
    # What makes an init container one that is ended after the last other container, and restarted until then.
    always: Manifest = {"restartPolicy": "Always"}
    started = part.waits_for
    if started is None:
        return always
    look = {"tcpSocket": {"port": started.port}}
    if started.path is not None:
        look = {"httpGet": {"port": started.port, "path": started.path}}  # type: ignore[dict-item]
    failures = -(-started.within // _STARTUP_PERIOD_SECONDS)
    return {**always, "startupProbe": {**look, "periodSeconds": _STARTUP_PERIOD_SECONDS, "failureThreshold": failures}}


def _volumes_of(name: str, part: ContainerPart, consumer: ConsumerSettings) -> Iterator[Manifest]:
    for at, files in enumerate(part.files):
        yield _files_volume(f"{name}-files-{at}", files)
    for volume, path in _directories(name, part, consumer):
        if path not in consumer.writable_directories:
            yield {"name": volume, "emptyDir": {}}


def _mounts_of(name: str, part: ContainerPart, consumer: ConsumerSettings) -> Iterator[Manifest]:
    for at, files in enumerate(part.files):
        yield {"name": f"{name}-files-{at}", "mountPath": files.path, "readOnly": True}
    for volume, path in _directories(name, part, consumer):
        yield {"name": volume, "mountPath": path}


def _directories(name: str, part: ContainerPart, consumer: ConsumerSettings) -> Iterator[tuple[str, str]]:
    """The volumes that a part may write to. One that the workers have too is theirs: a proxy's socket for example."""
    for at, path in enumerate(part.writable_directories):
        if path in consumer.writable_directories:
            yield f"{_WRITABLE}-{consumer.writable_directories.index(path)}", path
        else:
            yield f"{name}-{_WRITABLE}-{at}", path


def _files_volume(name: str, files: FilesFrom) -> Manifest:
    items = {"items": [{"key": key, "path": key} for key in files.keys]} if files.keys else {}
    if files.secret is not None:
        return {"name": name, "secret": {"secretName": files.secret, **items}}
    return {"name": name, "configMap": {"name": files.config_map, **items}}


def _volume(name: str, volume: VolumeSettings) -> Manifest:
    if volume.persistent_volume_claim is not None:
        source = {"claimName": volume.persistent_volume_claim}
        return {"name": name, "persistentVolumeClaim": {**source, **({"readOnly": True} if volume.read_only else {})}}
    assert volume.csi is not None  # noqa: S101 - the model asks for one of both
    attributes = {"volumeAttributes": dict(volume.csi.attributes)} if volume.csi.attributes else {}
    read_only = {"readOnly": True} if volume.read_only else {}
    return {"name": name, "csi": {"driver": volume.csi.driver, **read_only, **attributes}}
