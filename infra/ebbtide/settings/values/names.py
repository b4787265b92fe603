"""Names that Kubernetes and Google Cloud accept, with the source of each limit."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from ebbtide.settings.values.image_contract import CONSUMER_NAME, HOSTNAME, VARIABLE_PREFIX

CONTAINER_NAME = "consumer"
"""Of a consumer's pod: the one with the workers."""
SELECTING_LABELS = tuple(f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "managed-by"))
"""Labels that ebbtide sets, and by which objects and policies find its pods."""
OWN_LABELS = (*SELECTING_LABELS, "app.kubernetes.io/part-of")
"""All that ebbtide sets."""
# RFC 1123 label: the limit of namespaces, label values and a pod's hostname.
DNS_LABEL_MAX_LENGTH = 63
# An instance id of Memorystore ends at 63 characters and one of Cloud SQL at 98 with its project; the names of a
# broker's secrets are its own and up to 20 characters more.
BROKER_NAME_MAX_LENGTH = 40
# A Deployment's pod is `<name>-<10 characters>-<5 characters>`, and HOSTNAME is that name cut to 63. Workers
# name themselves after HOSTNAME: two pods cut to one hostname would share a Redis consumer name, which
# measured as a livelock (1,234 duplicate handlings of 1,500 messages).
CONSUMER_NAME_MAX_LENGTH = DNS_LABEL_MAX_LENGTH - 16
# RFC 1123 subdomain: the names of Secrets.
SUBDOMAIN_MAX_LENGTH = 253
# Google Cloud service account ids: 6 to 30 characters.
SERVICE_ACCOUNT_ID_MAX_LENGTH = 30

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_DNS_LABEL.pattern}(\.{_DNS_LABEL.pattern})*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
# A key's optional prefix is a DNS subdomain of at most 253 characters.
_QUALIFIED_NAME = re.compile(
    r"((?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def name_error(what: str, got: str, remedy: str) -> PydanticCustomError:
    """A refusal of a name, with what to write instead."""
    return PydanticCustomError("name", "{what} (got {got})", {"what": what, "got": repr(got), "remedy": remedy})


def _check_dns_label(value: str, whose: str = "a Kubernetes name", most: int = DNS_LABEL_MAX_LENGTH) -> str:
    if not _DNS_LABEL.fullmatch(value) or len(value) > most:
        likely = re.sub(r"[^a-z0-9]+", "-", value.lower())[:most].strip("-") or "github-events"
        raise name_error(
            f"is not {whose} (lowercase letters, digits and '-', at most {most} characters)",
            value,
            f"write for example {likely}",
        )
    return value


def _check_broker_name(value: str) -> str:
    return _check_dns_label(value, "a broker's name", BROKER_NAME_MAX_LENGTH)


def _check_consumer_name(value: str) -> str:
    _check_dns_label(value)
    if len(value) > CONSUMER_NAME_MAX_LENGTH:
        raise name_error(
            f"has {len(value)} characters, and beyond {CONSUMER_NAME_MAX_LENGTH} two pods could be cut to the same "
            "hostname and so share a broker consumer name",
            value,
            f"shorten it to {CONSUMER_NAME_MAX_LENGTH} characters",
        )
    return value


def variable_problem(name: str) -> str:
    """Why no variable of a consumer may have this name; empty where one may."""
    try:
        _check_environment_name(name)
    except PydanticCustomError as error:
        return str((error.context or {})["what"])
    return ""


def is_object_name(text: str) -> bool:
    """Whether a Secret or a ConfigMap may be called so."""
    return _SUBDOMAIN.fullmatch(text) is not None and len(text) <= SUBDOMAIN_MAX_LENGTH


def is_secret_key(text: str) -> bool:
    """Whether a Secret may have this key."""
    return _SECRET_KEY.fullmatch(text) is not None and text != "." and not text.startswith("..")


def is_label_value(text: str) -> bool:
    """Whether a label may have this value."""
    return _LABEL_VALUE.fullmatch(text) is not None and len(text) <= DNS_LABEL_MAX_LENGTH


def is_qualified_name(text: str) -> bool:
    """Whether a label or an annotation may have this key."""
    return _QUALIFIED_NAME.fullmatch(text) is not None


def _check_label_value(value: str) -> str:
    if not is_label_value(value):
        raise name_error("is not a label value", value, "use at most 63 letters, digits, '-', '_' and '.'")
    return value


def _check_qualified_name(value: str) -> str:
    if not is_qualified_name(value):
        raise name_error("is not a label or annotation key", value, "write for example team or example.com/team")
    return value


def _check_environment_name(value: str) -> str:
    if not _ENVIRONMENT_NAME.fullmatch(value):
        raise name_error("is not an environment variable's name", value, "write for example MESSENGER_TRANSPORT_DSN")
    if value == HOSTNAME:
        # Workers name themselves at the broker after it: a real Redis gave one message to two pods of one name.
        raise name_error(
            "is the pod's own name, and one for all pods would make all workers one consumer of the broker",
            value,
            "remove it, or give your variable another name",
        )
    if value.startswith(VARIABLE_PREFIX) or value == CONSUMER_NAME:
        raise name_error(
            "is set by ebbtide from the settings, and two places would disagree",
            value,
            "change the setting it comes from",
        )
    return value


def _check_secret_key(value: str) -> str:
    # IsConfigMapKey in the API server.
    if not is_secret_key(value):
        raise name_error("is not a key of a Secret", value, "use letters, digits, '-', '_' and '.', not '..' in front")
    return value


def _check_subdomain(value: str) -> str:
    if not is_object_name(value):
        raise name_error(
            "is not a Kubernetes name (lowercase letters, digits, '-' and '.', at most 253 characters)",
            value,
            "write for example githubevents-broker-v1",
        )
    return value


def _check_path_segment(value: str) -> str:
    # IsValidPathSegmentName in the API server: the HPA's controller puts the name into a URL.
    if value in {".", ".."} or "/" in value or "%" in value:
        raise name_error("cannot be part of a URL's path", value, "write it without '/' and '%'")
    return value


def _check_csi_driver(value: str) -> str:
    # ValidateCSIDriverName in the API server: a subdomain in either case, no longer than a label.
    if not is_object_name(value.lower()) or len(value) > DNS_LABEL_MAX_LENGTH:
        raise name_error(
            "is not a CSI driver's name (letters, digits, '-' and '.', at most 63 characters)",
            value,
            "write for example gcsfuse.csi.storage.gke.io",
        )
    return value


def _check_api_version(value: str) -> str:
    # ParseGroupVersion in the API server takes more; no group and no version has another form.
    group, slash, version = value.rpartition("/")
    if (slash and not is_object_name(group)) or not _DNS_LABEL.fullmatch(version):
        raise name_error(
            "is not an API version (VERSION, or GROUP/VERSION)", value, "write for example networking.k8s.io/v1"
        )
    return value


DnsLabel = Annotated[str, AfterValidator(_check_dns_label)]
ConsumerName = Annotated[str, AfterValidator(_check_consumer_name)]
BrokerName = Annotated[str, AfterValidator(_check_broker_name)]
LabelValue = Annotated[str, AfterValidator(_check_label_value)]
QualifiedName = Annotated[str, AfterValidator(_check_qualified_name)]
EnvironmentName = Annotated[str, AfterValidator(_check_environment_name)]
SecretKey = Annotated[str, AfterValidator(_check_secret_key)]
SecretName = Annotated[str, AfterValidator(_check_subdomain)]
PathSegment = Annotated[str, AfterValidator(_check_path_segment)]
CsiDriverName = Annotated[str, AfterValidator(_check_csi_driver)]
ApiVersion = Annotated[str, AfterValidator(_check_api_version)]


def shorten(name: str, max_length: int) -> str:
    """`name` cut to `max_length`, with six characters of its hash so that two long names stay two names."""
    if len(name) <= max_length:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: max_length - 7].rstrip('-')}-{digest}"
