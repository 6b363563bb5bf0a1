"""Rules 1 to 3 of the engine: any depth, no cycles, un-broadcasting and adding up; and no step waits for the device."""
from __future__ import annotations

import gc
import itertools
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import assert_like, refused

from tinyae import Tensor, functions, grad, op, ops, params, train
from tinyae.errors import BadValue
from tinyae.layers import Dense, Sequential
from tinyae.models import VAE
from tinyae.optim import SGD, Adam
from tinyae.train import loop

# ---- 1. order of birth is a topological order: no recursion, any depth

def deep(device: Any) -> int:
    return 5_000 if device.id == "double" else 50_000       # the double takes ten times as long for an operation


@contextmanager
def few_frames(more: int = 60) -> Iterator[None]:
    """Whatever recurses deeper than `more` calls from here raises RecursionError."""
    depth, frame, limit = 0, sys._getframe(), sys.getrecursionlimit()
    while frame := frame.f_back:
        depth += 1
    sys.setrecursionlimit(depth + more)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def test_depth_is_built_differentiated_and_freed_without_recursion(device):
    x = device.tensor(1.0)
    with few_frames():
        y = x
        for _ in range(deep(device)):
            y = -y
        (g,) = grad(y, [x])
        y.backward()
        alive = weakref.ref(y.data)
        del y
    assert device.host(g) == 1
    assert alive() is None


def test_depth_differentiated_twice(device):
    x = device.tensor(1.0)
    with few_frames():
        y = x
        for _ in range(deep(device) // 10):
            y = y * x
        (g,) = grad(y, [x], create_graph=True)
        (gg,) = grad(g, [x])
        del g, y
    n = deep(device) // 10 + 1
    assert device.host(gg) == pytest.approx(n * (n - 1), rel=1e-3)


def test_width_costs_no_more_than_its_operations(device):
    """2^60 paths, 60 operations."""
    x = device.tensor(1.0, np.float64)
    y = x
    for _ in range(60):
        y = y + y
    assert device.host(grad(y, [x])[0]) == 2.0 ** 60


def test_births_in_any_order_of_use(device):
    """What is used early may be asked for late: order of birth, not of the tape's walk."""
    x = device.tensor(3.0)
    early = x * 2
    late = early * early
    y = late + early * late
    assert device.host(grad(y, [early])[0]) == 2 * 6 + 3 * 6 ** 2


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_vjp_that_nobody_asked_for_is_never_called(device, create_graph):
    called = []
    row = op(lambda x, y: x * y, lambda g, z, x, y: called.append("x") or g * y,
             lambda g, z, x, y: called.append("y") or g * x)
    x, y, elsewhere = device.tensor(2.0), device.tensor(3.0), device.tensor(4.0)
    loss = row(x, y) + row(elsewhere, elsewhere) * x.data
    grad(loss, [y], create_graph=create_graph)
    assert called == ["y"]


# ---- 2. no reference cycles: memory is flat with the garbage collector switched off

@contextmanager
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def resident_bytes() -> int:
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("resident memory is read from /proc, which only Linux has")
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def dense_step(device: Any, rng: np.random.Generator) -> Callable[[], None]:
    """A training step of a small dense net."""
    net = Sequential(Dense(8, 6, activation="tanh", rng=rng, device=device.name),
                     Dense(6, 8, rng=rng, device=device.name))
    x, optimizer = device.array(rng.random((5, 8))), SGD(params(net), lr=0.01)

    def step() -> None:
        loss = ops.mean(functions.bce_with_logits(net(x), x))
        optimizer.step(grad(loss, params(net)))
    return step


def double_backprop_step(device: Any, rng: np.random.Generator) -> Callable[[], None]:
    """A training step whose loss holds a derivative: (d f / d x)^2."""
    layer = Dense(4, 3, activation="tanh", rng=rng, device=device.name)
    x, optimizer = device.tensor(rng.random((5, 4))), SGD(params(layer), lr=0.01)

    def step() -> None:
        h = layer(x)
        (slope,) = grad(ops.sum(h), [x], create_graph=True)
        optimizer.step(grad(ops.sum(h * h) + ops.sum(slope * slope), params(layer)))
    return step


@pytest.mark.parametrize("make", [dense_step, double_backprop_step])
def test_memory_is_flat_with_the_collector_off(device, rng, make):
    step = make(device, rng)
    with collector_off():
        for _ in range(100):
            step()
        objects, memory = len(gc.get_objects()), resident_bytes()
        for _ in range(100 if device.id == "double" else 900):
            step()
        assert len(gc.get_objects()) - objects < 50         # of other threads; a leak would be of one a step
        assert resident_bytes() - memory <= 2 ** 20


@pytest.mark.parametrize("create_graph", [False, True])
def test_results_are_freed_at_once(device, create_graph):
    with collector_off():
        x = device.tensor([1.0, 2.0])
        y = ops.sum(ops.tanh(x * x))
        (g,) = grad(y, [x], create_graph=create_graph)
        alive = [weakref.ref(y.data), weakref.ref(g.data if create_graph else g)]
        del y, g
        assert [ref() for ref in alive] == [None, None]


# ---- 3. un-broadcasting and accumulation happen once, in the engine

SHAPES = [(), (1,), (3,), (2, 1), (1, 3), (2, 3), (4, 1, 3)]


@pytest.mark.parametrize("row", [ops.add, ops.mul])
def test_a_broadcast_argument_gets_the_sum_of_its_copies(device, rng, row):
    for s, t in itertools.product(SHAPES, SHAPES):
        a, b = device.tensor(rng.random(s), np.float64), device.tensor(rng.random(t), np.float64)
        z = row(a, b)
        v = rng.random(z.shape)
        ga, gb = grad(ops.sum(z * device.array(v, np.float64)), [a, b])
        for g, x, other in (ga, a, b), (gb, b, a):
            assert_like(g, x)
            slope = v if row is ops.add else v * device.host(other.data)
            copies = np.broadcast_to(slope, z.shape)
            expected = np.zeros(x.shape)
            for i in np.ndindex(z.shape):           # added up one by one
                j = i[len(i) - x.ndim:]
                expected[tuple(0 if n == 1 else k for k, n in zip(j, x.shape, strict=True))] += copies[i]
            np.testing.assert_allclose(device.host(g), expected, rtol=1e-12, err_msg=f"{s} {t}")


def test_a_row_of_ones_own_need_not_think_of_it(device):
    row = op(lambda x, y: x - y, lambda g, z, x, y: g, lambda g, z, x, y: -g)
    x, b = device.tensor(np.ones((2, 3))), device.tensor(5.0)
    assert device.host(grad(ops.sum(row(x, b)), [b])[0]) == -6


def test_uses_add_up(device):
    a = device.tensor(3.0)
    b = a + a
    c = b + b
    assert [device.host(g) for g in grad(c, [a, b])] == [4, 2]
    assert [device.host(g) for g in grad(c, [a, b])] == [4, 2]      # asking changes nothing
    assert device.host(grad(a * a * a, [a])[0]) == 27


def test_adding_up_writes_into_no_gradient(device):
    """add hands one g to both its arguments; one of them is used again."""
    a, b = device.tensor([1.0, 2.0]), device.tensor([3.0, 4.0])
    ga, gb = grad(ops.sum((a + b) + a * b), [a, b])
    assert device.host(ga).tolist() == [4, 5]
    assert device.host(gb).tolist() == [2, 3]


@given(st.lists(st.tuples(st.sampled_from(["add", "mul", "sub"]), st.integers(0, 99), st.integers(0, 99)), min_size=1,
                max_size=12))
def test_any_graph_against_forward_mode(program):
    """Random programs over three leaves; each derivative is also carried forward, by the product rule, in integers."""
    tensors = [Tensor(np.array(v, np.float64)) for v in (2, 3, -1)]
    values = [(2, [1, 0, 0]), (3, [0, 1, 0]), (-1, [0, 0, 1])]
    for name, i, j in program:
        i, j = i % len(tensors), j % len(tensors)
        (u, du), (v, dv) = values[i], values[j]
        tensors.append(getattr(ops, name)(tensors[i], tensors[j]))
        values.append({"add": (u + v, [a + b for a, b in zip(du, dv, strict=True)]),
                       "sub": (u - v, [a - b for a, b in zip(du, dv, strict=True)]),
                       "mul": (u * v, [a * v + u * b for a, b in zip(du, dv, strict=True)])}[name])
    value, slopes = values[-1]
    assume(all(abs(n) < 2 ** 50 for v, dv in values for n in (v, *dv)))         # exact in float64
    assert tensors[-1].item() == value
    assert list(map(float, grad(tensors[-1], tensors[:3], unused="zero"))) == slopes


def test_uses_of_one_place_add_up(device):
    x, i = device.tensor([1.0, 2.0, 3.0]), device.array([0, 2, 0], np.int64)
    for key in (i, [0, 2, 0], (i,), (None, i)):
        (g,) = grad(ops.sum(x[key] * x[key]), [x])
        assert device.host(g).tolist() == [4, 0, 6]


@pytest.mark.parametrize("wrong", [lambda g, z, x: ops.sum(g), lambda g, z, x: g[:1], lambda g, z, x: 0.0,
                                   lambda g, z, x: None, lambda g, z, x: g.astype(np.float64)])
def test_a_vjp_of_another_shape_or_dtype_is_refused_by_name(device, wrong):
    row = op(lambda x: x * 2, wrong)
    row.__name__ = "twice"
    x = device.tensor(np.ones((2, 3)))
    with refused(BadValue, "vjp 0 of twice is wrong"):
        grad(ops.sum(row(x)), [x])


# ---- nothing waits for the device

@pytest.mark.parametrize("make", [dense_step, double_backprop_step])
def test_a_training_step_never_waits(device, rng, make):
    step = make(device, rng)
    step()
    with device.no_sync():
        step()


def test_a_vaes_step_never_waits(device):
    model = VAE(n_in=4, hidden=[3], latent=2, rng=np.random.default_rng(0), device=device.name)
    x, optimizer, noise = device.array(np.full((2, 4), 0.5)), Adam(params(model)), np.random.default_rng(0)
    with device.no_sync():
        losses = model.losses(x, noise)
        optimizer.step(grad(losses["reconstruction"] + losses["kl"], params(model)))


def test_waits_of_an_epoch_do_not_grow_with_its_steps(double, monkeypatch):
    monkeypatch.setattr(loop, "READ_EVERY", np.inf)

    def waits(images: int) -> int:
        layer = Dense(4, 4, rng=np.random.default_rng(0), device="cuda")
        phase = train.Phase(lambda x, rng: {"loss": ops.mean(functions.squared_error(layer(x), x))}, params(layer),
                            SGD(params(layer)))
        data = np.zeros((images, 4), np.float32)
        with double.counting() as n:
            train.fit([phase], (data, data), epochs=1, batch_size=2, report=None, checkpoint_every=np.inf)
        return n.syncs
    assert waits(8) == waits(64)
