"""layers · parameters: the Tensors that an object owns, by name."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import device, to_device
from ..tensor import Tensor


def params(obj: Any) -> dict[str, Tensor]:
    """Every leaf Tensor that obj owns, by dotted name, in order of definition. A shared (tied) Tensor is listed once,
    under its first name.

    obj may be a Tensor, a list, a dict, or any object with attributes. The order never depends on hashes.
    """
    names: dict[Tensor, str] = {}
    for name, tensor in _leaves(obj, "", ()):
        names.setdefault(tensor, name)
    return {name: tensor for tensor, name in names.items()}


def parameter(array: np.ndarray, where: str, dtype: Any) -> Tensor:
    """A host array as a Tensor of this dtype, on the device called `where`."""
    return Tensor(to_device(array.astype(dtype), device(where)))


def children(obj: Any) -> list[tuple[Any, Any]]:
    """(key, value) of everything that obj holds: the entries of a list or dict, the attributes of an object."""
    if isinstance(obj, list | tuple):
        return list(enumerate(obj))
    if isinstance(obj, dict):
        return list(obj.items())
    own = not isinstance(obj, type) and not hasattr(obj, "__code__")     # classes and functions own no parameters
    return list(getattr(obj, "__dict__", {}).items()) if own else []


def _leaves(obj: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    """(dotted name, Tensor) of every leaf below obj; above: the ids of the objects on the path to it."""
    if isinstance(obj, Tensor):
        if obj.op is None:
            yield name or "tensor", obj
    elif id(obj) not in above:                      # an object may refer back to its owner
        for key, child in children(obj):
            yield from _leaves(child, f"{name}.{key}" if name else str(key), (*above, id(obj)))
