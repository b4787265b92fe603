"""KEDA in the cluster: which version, who installs it, what it may see and reach."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import OrText, SettingsModel
from ebbtide.settings.models.pod import EgressRule, GoogleServiceAccount
from ebbtide.settings.values.names import DnsLabel

# The newest chart of https://kedacore.github.io/charts when this was written; chart and program have one version.
DEFAULT_VERSION = "2.20.2"


class KedaOperator(SettingsModel):
    """KEDA in the cluster. `keda: existing` is short for `{install: false}`."""

    install: bool = True
    """Install it, by its Helm chart. False where somebody else has: it is then only judged."""
    version: str | None = Field(default=None, pattern=r"^2\.[0-9]{1,2}\.[0-9]{1,2}$", examples=[DEFAULT_VERSION])
    """Its version, which is the chart's as well. Default of one that is installed: 2.20.2."""
    namespace: DnsLabel = "keda"
    """Its own namespace."""
    watches: tuple[DnsLabel, ...] = ()
    """Further namespaces in which it scales, beside that of this stack's consumers. It may read Secrets there, and
    nowhere else. They must exist."""
    egress: tuple[EgressRule, ...] = ()
    """Further destinations that its operator may reach: brokers of other stacks. Those of this stack's transports
    follow from their addresses."""
    google_service_account: GoogleServiceAccount | None = None
    """Email of a Google service account that its operator acts as, for triggers with the pod identity `gcp`: Cloud
    Monitoring is read with it."""

    @property
    def installed_version(self) -> str | None:
        """The version in the cluster, as far as it is known."""
        return self.version or (DEFAULT_VERSION if self.install else None)

    @model_validator(mode="after")
    def _nothing_for_others(self) -> Self:
        own = [name for name in ("watches", "egress", "google_service_account") if getattr(self, name)]
        if own and not self.install:
            fields = ", ".join(type(self).model_fields[name].alias or name for name in own)
            context = {"got": fields, "remedy": "remove it, or let this stack install KEDA"}
            raise PydanticCustomError("keda", "configures a KEDA that somebody else installs (got {got})", context)
        return self


def _existing(value: object) -> object:
    return {"install": False} if value == "existing" else value


Keda = Annotated[KedaOperator, BeforeValidator(_existing), OrText]
