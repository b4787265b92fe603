"""What KEDA is asked to count: triggers by KEDA's own names, and the credentials that they need.

A transport gives the triggers that count what waits in it and what its workers have in hand; `autoscaling.triggers`
writes others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import OrText, SettingsModel
from ebbtide.settings.models.pod import SecretReference
from ebbtide.settings.values.names import SecretName
from ebbtide.settings.values.units import Count

_LARGEST_PORT = 65535


def _check_port(value: str) -> str:
    if int(value.rpartition(":")[2]) not in range(1, _LARGEST_PORT + 1):
        # The field's own example is the remedy: of RabbitMQ it is another one than of Redis.
        context = {"got": repr(value), "remedy": ""}
        raise PydanticCustomError("address", "has no port between 1 and 65535 (got {got})", context)
    return value


Address = Annotated[
    str,
    Field(
        pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?):[0-9]{1,5}$",
        examples=["redis.brokers:6379"],
    ),
    AfterValidator(_check_port),
]
"""`host:port`, as KEDA's operator in its own namespace reaches it: a Service is called with its namespace. Written as
`redis.brokers.svc:6379`, it may reach that namespace only; `redis.brokers` may be a host outside, and opens the port to
both."""


def as_list(value: object) -> object:
    """One name as a list of one."""
    return [value] if isinstance(value, str) else value


Queue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:{}-]{1,255}$", examples=["githubevents"])]
Queues = Annotated[tuple[Queue, ...], BeforeValidator(as_list), OrText]
"""One name, or a list of several that the same workers empty: their messages are added up."""


class AuthenticationReference(SettingsModel):
    """A TriggerAuthentication that somebody else makes."""

    name: SecretName
    """Its name."""
    kind: Literal["TriggerAuthentication", "ClusterTriggerAuthentication"] = "TriggerAuthentication"
    """Whether it is one of the consumers' namespace, or of the cluster."""


class Trigger(SettingsModel):
    """One of KEDA's triggers, by KEDA's own names."""

    type: str = Field(pattern=r"^[a-z][a-z0-9-]*$", examples=["redis"])
    """Which of KEDA's scalers."""
    name: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", examples=["waiting"])
    """What a formula calls it."""
    metadata: dict[str, str] = {}
    """The scaler's parameters. KEDA takes text only: numbers are written in quotes."""
    secrets: dict[str, SecretReference] = {}
    """Parameters whose values are keys of Secrets: `password: {secret: jobs-broker-v1, key: password}`."""
    authentication: AuthenticationReference | None = None
    """Instead of `secrets`: a TriggerAuthentication that is there already."""
    metric_type: Literal["AverageValue", "Value", "Utilization"] | None = None
    """How the number is held against its target: `AverageValue`, KEDA's default, is a target for each pod. `cpu` and
    `memory` have no default: `Utilization` is a percentage of the request."""
    use_cached_metrics: bool = False
    """Let the HPA have the number of the last poll, instead of asking the source each time."""


class ScalingModifiers(SettingsModel):
    """One number made of several triggers. It takes the place of all of theirs."""

    formula: str = Field(min_length=1, examples=["high + low"])
    """An expression of the triggers' names (https://expr-lang.org)."""
    target: Count = Field(ge=1)
    """The target for it, for each pod."""
    activation_target: Count = Field(default=0, ge=0)
    """Above which it wakes the first pod; strictly above."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What KEDA watches for one consumer."""

    triggers: tuple[Trigger, ...]
    modifiers: ScalingModifiers | None = None
    """None where each trigger is held against a target of its own, and the one that asks for most pods wins."""
    identity: str | None = None
    """The pod identity provider with which KEDA logs in, where it uses no Secret."""
    counts_in_hand: bool = False
    """Whether messages that a worker has in hand are in the number: without them a long message makes its own pod
    superfluous."""
    counts_delayed: bool = False
    """Whether messages that are not due are in the number, or come due without a consumer."""

    @classmethod
    def summed(
        cls, now: Sequence[Trigger], target: int, *, later: Sequence[Trigger] = (), identity: str | None = None
    ) -> Self:
        """Triggers of queues that the same workers empty: the pods needed are those for the sum. Without a formula an
        HPA takes the largest.

        `later` counts what only a running worker brings over when it is due: one such message wakes one pod and keeps
        it, however many there are.
        """
        triggers, modifiers = (*now, *later), None
        if len(triggers) > 1:
            formula = _sum_of(now) + (f" + min({_sum_of(later)}, 1)" if later else "")
            modifiers = ScalingModifiers.model_construct(formula=formula, target=target)
        return cls(triggers, modifiers, identity, counts_in_hand=True, counts_delayed=True)


def _sum_of(triggers: Sequence[Trigger]) -> str:
    return " + ".join(str(trigger.name) for trigger in triggers)


def numbered(name: str, index: int, count: int) -> str:
    """What a formula calls one of several: `stream`, or `stream1` and `stream2`."""
    return name if count == 1 else f"{name}{index + 1}"


def trigger(type: str, name: str, metadata: Mapping[str, object], **secrets: SecretReference | None) -> Trigger:  # noqa: A002
    """A trigger that a transport gives: what is None is left out, and everything else becomes text."""
    texts = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in metadata.items()
        if value is not None
    }
    given = {key: secret for key, secret in secrets.items() if secret is not None}
    # Not validated: building a second validator would cost each start of `ebbtide check`.
    return Trigger.model_construct(type=type, name=name, metadata=texts, secrets=given)
