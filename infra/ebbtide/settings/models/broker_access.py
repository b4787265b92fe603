"""What a transport is told of the broker of its stack, so that nobody writes it twice."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.pod import SecretReference


class BrokerAccess(SettingsModel):
    """Where the broker is and how to log in, as KEDA is told it."""

    says: tuple[str, ...]
    """Which fields of the transport it takes the place of."""
    address: str | None = None
    """Host and port, where they are known before anything is made."""
    parameters: dict[str, SecretReference] = {}
    """Parameters of KEDA's trigger by its own names, whose values are keys of the broker's Secret."""
    tls: bool = False
    """Whether the connection is encrypted."""


def _never_written(value: object) -> object:
    if value is None or isinstance(value, BrokerAccess):
        return value
    context = {"remedy": "remove it, and write broker: for the stack"}
    raise PydanticCustomError("access", "is told by the stack's broker, and never written", context)


ToldAccess = Annotated[BrokerAccess | None, BeforeValidator(_never_written)]
