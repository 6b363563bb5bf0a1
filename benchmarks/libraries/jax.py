"""JAX: the whole step, Adam included, in one jit with donated state."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import losses
import workloads
from jax import lax
from jax import numpy as jnp


class Ops(losses.Ops):
    matmul, exp, log, log1p, abs, sum, reshape = map(staticmethod, (
        jnp.matmul, jnp.exp, jnp.log, jnp.log1p, jnp.abs, jnp.sum, jnp.reshape))
    relu, elu, sigmoid, leaky_relu = map(staticmethod, (
        jax.nn.relu, jax.nn.elu, jax.nn.sigmoid, jax.nn.leaky_relu))

    def maximum(self, x: Any) -> Any:
        return jnp.maximum(x, 0)

    def mean(self, x: Any) -> Any:
        return x.mean(0)

    def conv(self, x: Any, W: Any, b: Any) -> Any:
        return b + lax.conv_general_dilated(x, W, (2, 2), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def conv_transpose(self, x: Any, W: Any, b: Any) -> Any:    # zeros between the pixels, the kernel flipped
        return b + lax.conv_general_dilated(x, W[::-1, ::-1], (1, 1), [(1, 2)] * 2, lhs_dilation=(2, 2),
                                            dimension_numbers=("NHWC", "HWOI", "NHWC"))


def build(w: workloads.Workload) -> Callable[[], Any]:
    ops, noise, (b1, b2) = Ops(), workloads.noise(w), w.betas
    x, target = map(jnp.asarray, workloads.batch(w))
    p = {name: jnp.asarray(a) for name, a in workloads.weights(w).items()}
    zeros = [{name: jnp.zeros_like(a) for name, a in p.items()} for _ in range(2)]
    state = [p, *zeros, jnp.zeros(())]

    def train(p: Any, m: Any, v: Any, t: Any, x: Any, target: Any, e: Any) -> Any:
        loss, g = jax.value_and_grad(lambda p: losses.loss(w, ops, p, x, target, e))(p)
        t = t + 1
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
        c1, c2 = 1 - b1 ** t, 1 - b2 ** t
        p = jax.tree.map(lambda p, m, v: p - w.lr * (m / c1) / (jnp.sqrt(v / c2) + w.eps), p, m, v)
        return (p, m, v, t), loss

    jitted = jax.jit(train, donate_argnums=(0, 1, 2, 3))

    def step() -> Any:
        new, loss = jitted(*state, x, target, next(noise))
        state[:] = jax.block_until_ready(new)
        return loss
    return step


def chain(n: int) -> Callable[[], Any]:
    """Without jit, which would add up the constants at compile time."""
    x, one = jnp.ones(1), jnp.ones(1)

    def add(x: Any) -> Any:
        for _ in range(n):
            x = x + one
        return x[0]
    gradient = jax.grad(add)
    return lambda: gradient(x).block_until_ready()
