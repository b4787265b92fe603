"""A Kubernetes namespace of consumers: of all of a stack, or of one by itself."""

from typing import Annotated

from pydantic import BeforeValidator

from ebbtide.settings.models.base import OrText, SettingsModel
from ebbtide.settings.values.names import DnsLabel


class NamespaceSettings(SettingsModel):
    """The Kubernetes namespace of consumers; a name alone means one that the stack makes, or over
    shared defaults of it only another name."""

    name: DnsLabel = "consumers"
    """Its name."""
    create: bool = True
    """Make it, with Pod Security `restricted`. False where somebody else does: then nothing of it is touched. With true
    one that is there already gets the same labels, since no file can tell; a review of the change says so. It is never
    deleted, because others may have put something there."""


def _named_namespace(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Namespace = Annotated[NamespaceSettings, BeforeValidator(_named_namespace), OrText]
