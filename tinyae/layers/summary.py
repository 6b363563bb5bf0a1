"""layers · summary: output shapes and parameter counts, before any training."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import device_of, to_device
from ..tensor import Tensor
from .parameters import children, params
from .sequential import is_layer


def summary(obj: Any, input_shape: tuple[int, ...]) -> str:
    """A table of obj's layers: name, kind, output shape (without the batch axis) and number of parameters.

    One image of zeros, of shape input_shape, passes through obj (a layer, or a model's `losses`), and each layer
    records the shape of its output.
    """
    own = params(obj)
    x = np.zeros((1, *input_shape), *{p.dtype for p in own.values()})
    x = to_device(x, device_of(next(iter(own.values())).data)) if own else x
    stage = {"": obj}                               # so that obj itself, if it is a layer, can be replaced too
    layers = list(_layers(stage, ""))
    rows: list[tuple[str, str, str, int]] = []
    counted: set[Tensor] = set()
    try:
        for owner, key, name, layer in layers:
            mine = params(layer).values()
            _set(owner, key, _Recorder(layer, name, rows, sum(p.size for p in mine if p not in counted)))
            counted |= set(mine)                    # a shared (tied) weight counts in the first layer that has it
        stage[""](x) if callable(obj) else obj.losses(x, np.random.default_rng(0))
    finally:
        for owner, key, _, layer in layers:
            _set(owner, key, layer)
    total = sum(p.size for p in own.values())
    if rest := total - sum(n for *_, n in rows):
        rows.append(("(others)", "", "", rest))     # parameters that no layer owns
    table = [("layer", "kind", "output", "parameters"), *((a, b, c, f"{n:,}") for a, b, c, n in rows),
             ("total", "", "", f"{total:,}")]
    wide = [max(len(row[i]) for row in table) for i in range(4)]
    return "\n".join(f"{a:{wide[0]}}  {b:{wide[1]}}  {c:{wide[2]}}  {n:>{wide[3]}}" for a, b, c, n in table)


class _Recorder:
    """Replaces a layer during summary: behaves like it, and adds a row to the table at its first call."""

    def __init__(self, layer: Any, name: str, rows: list, owned: int):
        self.layer, self.name, self.rows, self.owned = layer, name, rows, owned

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        y = self.layer(*args, **kwargs)
        if all(name != self.name for name, *_ in self.rows):
            self.rows.append((self.name, type(self.layer).__name__, str(y.shape[1:]), self.owned))
        return y

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)


def _layers(obj: Any, name: str) -> Iterator[tuple[Any, Any, str, Any]]:
    """(owner, key, dotted name, layer) of every layer inside obj that contains no other layers."""
    for key, child in children(obj):
        below = f"{name}.{key}" if name else str(key)
        inner = list(_layers(child, below))
        if inner or not is_layer(child):
            yield from inner
        else:
            yield obj, key, below or type(child).__name__, child


def _set(owner: Any, key: Any, value: Any) -> None:
    if isinstance(owner, list | dict):
        owner[key] = value
    elif not isinstance(owner, tuple):
        setattr(owner, key, value)
