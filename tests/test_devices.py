"""Every row, function, layer and model gives on a GPU what it gives on the CPU, and never waits there."""
from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from tinyae import Tensor, grad, ops, params
from tinyae.backend import to_device, to_host
from tinyae.cases import CASES, Case
from tinyae.models import VAE, Denoising
from tinyae.optim import Adam

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


@pytest.mark.parametrize(("dtype", "steps", "apart"), [(np.float32, 20, 1e-4), (np.float64, 200, 1e-10)])
@pytest.mark.parametrize("make", [VAE, Denoising])
def test_training_goes_the_way_it_goes_on_the_cpu(gpu, make, dtype, steps, apart, seed):
    """With the noise drawn on the host. Rounding differs, and training makes more of it."""
    here, there = (losses_on(where, make, dtype, steps, seed) for where in ("cpu", gpu.name))
    np.testing.assert_allclose(there, here, rtol=apart)
    assert here[-1] != here[0]


def losses_on(where: str, make: type, dtype: type, steps: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    model = make(12, (10,), 3, rng=rng, device=where, dtype=dtype)
    x, own = to_device(rng.random((8, 12)).astype(dtype), where), params(model)
    optimiser, found = Adam(own, lr=1e-2), []
    for _ in range(steps):
        loss = sum(model.losses(x, rng).values())
        optimiser.step(grad(loss, own))
        found.append(loss)
    return [loss.item() for loss in found]
