"""Parameters in the order of their hashes

DeZero's layers keep the names of their parameters in a set. Python salts the hashes of strings anew in every
process, so a set of names has another order in every run. Everything that goes by position then meets other
parameters: a seed that is used up parameter by parameter, a list of gradients, an optimizer's state in a file.
"""
from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import tinyae
from tinyae import layers
from tinyae.layers import dense_stack
from tinyae.tensor import Tensor

from ..workshop import replace

SOURCES = {
    "DeZero, dezero/layers.py, class Layer":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/blob/master/dezero/layers.py",
}

in_order = layers.params


def wrong(obj: object) -> dict[str, Tensor]:
    named = in_order(obj)
    return {name: named[name] for name in set(named)}


def right(obj: object) -> dict[str, Tensor]:
    named = in_order(obj)
    return {name: named[name] for name in named}            # a dict keeps the order of definition


def outcome() -> str:
    program = [sys.executable, "-S", "-c", "print(list({'W', 'b'}))"]
    orders = {subprocess.run(program, env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True,
                             check=True).stdout for seed in range(8)}
    return f"`list({{'W', 'b'}})` in eight processes, PYTHONHASHSEED 0 to 7: {len(orders)} different orders."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, layers.params, wrong)


def test_parameters_come_in_the_order_of_definition() -> None:
    net = dense_stack([2] * 9, "tanh", rng=np.random.default_rng(0))
    assert list(tinyae.params(net)) == [f"{i}.{name}" for i in range(8) for name in ("W", "b")]
