"""Every row, function, layer and model gives on a GPU what it gives on the CPU, and never waits there."""
from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from tinyae import Tensor, grad, ops
from tinyae.backend import to_device, to_host
from tinyae.cases import CASES, Case

WAITS = {"index", "put"}        # with a mask as key: its count of True is the shape of the result


@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "create_graph"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_the_cpu(gpu, name, create_graph, seed):
    for i, case in enumerate(CASES[name]):
        expected = gradients(case, seed, "cpu", create_graph=False)
        with nullcontext() if name in WAITS else gpu.no_sync():
            found = gradients(case, seed, gpu.name, create_graph)
        for g, e in zip(map(to_host, found), expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-5, atol=1e-5, strict=True, err_msg=f"{name}, case {i}")


def gradients(case: Case, seed: int, where: str, create_graph: bool) -> list:
    """d sum(v * f(*arrays)) / d arrays, for random arrays and a random v, in float32."""
    rng = np.random.default_rng(seed)
    tensors = [Tensor(to_device(x.astype(np.float32), where)) for x in case.args(rng)]
    z = case.f(*tensors)
    v = to_device(rng.standard_normal(z.shape).astype(np.float32), where)
    found = grad(ops.sum(z * v), tensors, create_graph=create_graph, unused="zero")
    return [g.data for g in found] if create_graph else found
