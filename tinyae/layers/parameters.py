"""7 of 9 · layers · parameters: what an object owns, by name."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..backend import device, device_of, to_device
from ..errors import BadValue
from ..refusals import describe
from ..tensor import Tensor


def params(obj: Any) -> dict[str, Tensor]:
    """Every leaf Tensor that obj owns, by dotted name, in order of definition; a shared (tied) one once, by its first.

    obj may be a Tensor, a list, a dict, or any object with attributes. The order never depends on hashes.
    """
    names: dict[Tensor, str] = {}
    for name, tensor in _walk(obj, "", ()):
        names.setdefault(tensor, name)
    return {name: tensor for tensor, name in names.items()}


def load_params(obj: Any, arrays: Mapping[str, Any]) -> None:
    """Give obj's parameters the arrays of the same names (np.load("weights.npz")): all of them, or none and a refusal.

    The way back is {name: p.numpy() for name, p in params(obj).items()}.
    """
    own = params(obj)
    if set(arrays) != set(own):
        raise BadValue("these arrays are of another object", expected=", ".join(own), got=", ".join(arrays),
                       fix="build the object with the settings that the arrays were made with")
    for name, p in own.items():
        if describe(arrays[name]) != describe(p.numpy()):
            raise BadValue(f"array {name} does not fit", expected=describe(p.numpy()), got=describe(arrays[name]),
                           fix="build the object with the settings that the arrays were made with; float64 does not "
                               "become float32 by itself: a.astype(np.float32)")
    for name, p in own.items():
        p.data = to_device(np.array(arrays[name]), device_of(p.data))


def parameter(array: np.ndarray, where: str, dtype: Any) -> Tensor:
    """An array drawn on the host, as a Tensor on the device called `where`."""
    return Tensor(to_device(array.astype(dtype), device(where)))


def _walk(obj: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(obj, Tensor):
        if obj.op is None:
            yield name or "tensor", obj
    elif id(obj) not in above:                      # an object may point back at its owner
        for key, child in children(obj):
            yield from _walk(child, f"{name}.{key}" if name else str(key), (*above, id(obj)))


def children(obj: Any) -> list[tuple[Any, Any]]:
    """(key, value) of everything that obj holds: a list's, a dict's or an object's."""
    if isinstance(obj, list | tuple):
        return list(enumerate(obj))
    if isinstance(obj, dict):
        return list(obj.items())
    own = not isinstance(obj, type) and not hasattr(obj, "__code__")     # classes and functions own no parameters
    return list(getattr(obj, "__dict__", {}).items()) if own else []
