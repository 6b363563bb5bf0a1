"""Every row, function, layer and model gives on a GPU what it gives on the CPU, and never waits there."""
from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from tinyae import Tensor, grad, ops, params
from tinyae.backend import to_device, to_host
from tinyae.check.cases import CASES, Case
from tinyae.models import VAE, Denoising
from tinyae.optim import SGD, Adam

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
    optimizer, found = Adam(own, lr=1e-2), []
    for _ in range(steps):
        loss = sum(model.losses(x, rng).values())
        optimizer.step(grad(loss, own))
        found.append(loss)
    return [loss.item() for loss in found]


@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9, l2=0.1), lambda p: Adam(p, lr=0.1),
                                  lambda p: Adam(p, lr=0.1, betas=(0.5, 0.9), weight_decay=0.2, l2=0.1)],
                         ids=["sgd", "adam", "decays"])
def test_an_optimizer_moves_as_on_the_cpu(gpu, make, rng):
    """Ten parameters, whose rate changes on the way, and one of which is set by hand and moved by another optimizer."""
    gradients = [[rng.standard_normal(shape) for shape in [(3, 4), (4,), ()] * 3 + [(2,)]] for _ in range(6)]
    found = []
    for where in ("cpu", gpu.name):
        tensors = [Tensor(to_device(np.ones_like(g), where)) for g in gradients[0]]
        optimizer, other = make(tensors), make(tensors[:2])
        for step, gs in enumerate(gradients):
            gs = [to_device(np.asarray(g), where) for g in gs]
            if step == 2:
                other.step(gs[:2])
            else:
                optimizer.step(gs)
            if step == 3:
                tensors[0].data, optimizer.lr = tensors[0].data * 2, 0.05
        found.append([to_host(t.data) for t in tensors])
    for here, there in zip(*found, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-10, strict=True)
