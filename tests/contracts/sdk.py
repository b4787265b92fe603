"""What Pulumi's SDKs say that a resource has: every input of its class, with its type."""

from __future__ import annotations

import functools
import importlib
import inspect
import typing
import warnings
from collections.abc import Iterator
from typing import Any

import pulumi
from pulumi import _types


@functools.cache
def sdk_class(token: str) -> type:
    """`gcp:container/nodePool:NodePool` -> pulumi_gcp.container.NodePool, by the token that the class registers."""
    package, module, name = token.split(":")
    path = (
        module.partition("/")[0].replace("index", "")
        if package != "kubernetes"
        # rbac.authorization.k8s.io/v1 -> rbac.v1
        else f"{module.partition('/')[0].partition('.')[0]}.{module.partition('/')[2]}"
    )
    with warnings.catch_warnings():
        # The SDK warns about its own deprecated classes when they are imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = getattr(importlib.import_module(f"pulumi_{package}.{path}".rstrip(".")), name)
    # Its source would say the same, and to find that takes a second for the largest.
    assert token in found._internal_init.__code__.co_consts, f"{found} registers another token than {token}"
    return found


def arguments_class(resource_class: type) -> type:
    """The `...Args` class beside a resource's class, with a property for every input."""
    return getattr(
        importlib.import_module(resource_class.__module__.rpartition(".")[0]), f"{resource_class.__name__}Args"
    )


@functools.cache
def inputs_of(arguments: type) -> dict[str, Any]:
    """Every input by the provider's name, with its type."""
    hints = {}
    module = vars(importlib.import_module(arguments.__module__))
    names = {**module, "Output": pulumi.Output, "T": typing.TypeVar("T")}
    for python_name, name in _types.input_type_py_to_pulumi_names(arguments).items():
        getter = inspect.getattr_static(arguments, python_name).fget
        hints[name] = typing.get_type_hints(inspect.unwrap(getter), names)["return"]
    return hints


def members(hint: Any) -> Iterator[Any]:
    """The plain types in a hint, without Input, Optional, Awaitable and Output."""
    origin = typing.get_origin(hint)
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        for member in typing.get_args(hint):
            yield from members(member)
    elif origin is not None and any(word in str(origin) for word in ("Output", "Awaitable")):
        return
    elif hint is not type(None):
        yield hint
