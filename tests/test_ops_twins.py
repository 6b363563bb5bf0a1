"""Clever rows and functions beside their plain twins, and at the ends of the number line."""
from __future__ import annotations

from math import inf

import numpy as np
import pytest

from tinyae import Tensor, functions, fused, grad, ops

X = np.linspace(-5, 5, 101).reshape(1, -1)
T = np.linspace(0, 1, 101).reshape(1, -1)
FAR = 1000.0 * (np.arange(101) % 3 - 1)


def two(x):
    """Columns of two."""
    return ops.concatenate(x, 3 * ops.sin(x), axis=0)


def log_mean_sigmoids(x):
    return ops.stack(*[functions.logsumexp(-ops.softplus(sign * x), axis=0) - np.log(len(x)) for sign in (-1, 1)])


# the clever one, its plain twin
TWINS = {
    "sigmoid": (ops.sigmoid, lambda x: 1 / (1 + ops.exp(-x))),
    "softplus": (ops.softplus, lambda x: ops.log(1 + ops.exp(x))),
    "tanh": (ops.tanh, lambda x: (ops.exp(2 * x) - 1) / (ops.exp(2 * x) + 1)),
    "relu": (ops.relu, lambda x: ops.where(x > 0, x, 0.0)),
    "leaky_relu": (lambda x: ops.leaky_relu(x, slope=0.2), lambda x: ops.where(x > 0, x, 0.2 * x)),
    "elu": (lambda x: ops.elu(x, alpha=0.7), lambda x: ops.where(x > 0, x, 0.7 * (ops.exp(x) - 1))),
    "clip": (lambda x: ops.clip(x, low=-1.03, high=2.03), lambda x: ops.minimum(ops.maximum(x, -1.03), 2.03)),
    "abs": (ops.abs, lambda x: ops.where(x > 0, x, -x)),
    "square": (ops.square, lambda x: x * x),
    "power": (lambda x: x ** 3, lambda x: x * x * x),
    "expm1": (ops.expm1, lambda x: ops.exp(x) - 1),
    "log1p": (lambda x: ops.log1p(x * x), lambda x: ops.log(1 + x * x)),
    "mean": (lambda x: ops.mean(x, axis=1), lambda x: ops.sum(x, axis=1) / 101),
    "var": (lambda x: functions.var(x, axis=1), lambda x: ops.mean(x * x, axis=1) - ops.mean(x, axis=1) ** 2),
    "elu, steep": (lambda x: ops.elu(x, alpha=1.7), lambda x: ops.where(x > 0, x, 1.7 * (ops.exp(x) - 1))),
    "sse": (lambda x: fused.sse(x, T), lambda x: ops.sum(ops.square(x - T), axis=1)),
    "kl": (lambda x: fused.kl(x, 0.3 * x), lambda x: 0.5 * ops.sum(ops.exp(0.3 * x) + x * x - 1 - 0.3 * x, axis=1)),
    "squared_norm": (fused.squared_norm, lambda x: ops.sum(x * x)),
    "bce": (lambda x: fused.bce(x, T),
            lambda x: -ops.sum(T * ops.log(ops.sigmoid(x)) + (1 - T) * ops.log(ops.sigmoid(-x)), axis=1)),
    "log_mean_sigmoids": (lambda x: fused.log_mean_sigmoids(two(x)), lambda x: log_mean_sigmoids(two(x))),
    "log_mean_sigmoids, far": (lambda x: fused.log_mean_sigmoids(two(x) + FAR),
                               lambda x: log_mean_sigmoids(two(x) + FAR)),
    "logsumexp": (functions.logsumexp, lambda x: ops.log(ops.sum(ops.exp(x), axis=-1))),
    "softmax": (functions.softmax, lambda x: ops.exp(x) / ops.sum(ops.exp(x), axis=-1, keepdims=True)),
    "log_softmax": (functions.log_softmax, lambda x: ops.log(functions.softmax(x))),
    "gaussian_kl": (lambda x: functions.gaussian_kl(x, 0.3 * x, ops.sin(x), 0.2 * x),
                    lambda x: 0.5 * ops.sum(ops.exp(0.1 * x) - 1 - 0.1 * x
                                            + (x - ops.sin(x)) ** 2 / ops.exp(0.2 * x), axis=1)),
}


def derivatives(f, x):
    """f, its gradient and the gradient of that, all weighted."""
    x = Tensor(x)
    y = f(x)
    (g,) = grad(ops.sum(y * np.cos(np.arange(y.size)).reshape(y.shape)), [x], create_graph=True)
    return y.data, g.data, grad(ops.sum(g * np.sin(np.arange(x.size)).reshape(x.shape)), [x], unused="zero")[0]


@pytest.mark.parametrize("name", TWINS)
def test_like_its_plain_twin(name):
    clever, plain = TWINS[name]
    x = X + 0.01                                                  # off the kinks
    for a, b in zip(derivatives(clever, x), derivatives(plain, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


# a row -> its values and gradients at -1e4 and 1e4
ENDS = {
    "sigmoid": (ops.sigmoid, (0, 1), (0, 0)), "softplus": (ops.softplus, (0, 1e4), (0, 1)),
    "tanh": (ops.tanh, (-1, 1), (0, 0)), "relu": (ops.relu, (0, 1e4), (0, 1)), "elu": (ops.elu, (-1, 1e4), (0, 1)),
    "leaky_relu": (ops.leaky_relu, (-100, 1e4), (0.01, 1)), "square": (ops.square, (1e8, 1e8), (-2e4, 2e4)),
    "abs": (ops.abs, (1e4, 1e4), (-1, 1)),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_the_ends_of_the_number_line(name, dtype):
    row, values, slopes = ENDS[name]
    x = Tensor(np.array([-1e4, 1e4], dtype))
    y = row(x)
    least = 2 * float(np.finfo(dtype).tiny)                 # a tail may end in the smallest normal number
    np.testing.assert_allclose(y.data, values, rtol=1e-6, atol=least)
    np.testing.assert_allclose(grad(ops.sum(y), [x])[0], slopes, rtol=1e-6, atol=least)
    (g,) = grad(ops.sum(y), [x], create_graph=True)
    assert np.isfinite(grad(ops.sum(g), [x], unused="zero")[0]).all()


def bce(logits):
    return functions.bce_with_logits(logits, np.float32([[0, 1, 0.5], [1, 0, 0.5]]))


@pytest.mark.parametrize("f", [bce, functions.softmax, functions.log_softmax, functions.logsumexp])
def test_losses_are_finite_at_logits_of_ten_thousand(f):
    x = Tensor(np.float32([[1e4, -1e4, 1e4], [-1e4, 1e4, 0]]))
    y = f(x)
    (g,) = grad(ops.sum(y), [x], create_graph=True)
    (h,) = grad(ops.sum(g * g), [x], unused="zero")
    assert np.isfinite(y.data).all() and np.isfinite(g.data).all() and np.isfinite(h).all()


def test_tails_keep_their_precision():
    """Where 1 - sigmoid(x) or log(1 + e^x) lose every digit in float32."""
    x = np.float32([-80, -30, 30, 80])
    exact = np.float64(x)
    np.testing.assert_allclose(ops.sigmoid(x), 1 / (1 + np.exp(-exact)), rtol=1e-6)
    np.testing.assert_allclose(ops.softplus(x), np.logaddexp(0, exact), rtol=1e-6)
    np.testing.assert_allclose(ops.elu(np.float32([-1e-6])), np.expm1([-1e-6]), rtol=1e-6)


def test_infinite_logits_have_a_softmax():
    """Masked entries of -inf have probability 0 and no gradient."""
    x = Tensor(np.array([0.0, -inf, 1.0]))
    p = functions.softmax(x)
    assert p.numpy()[1] == 0 and np.isclose(p.numpy().sum(), 1)
    assert grad(functions.logsumexp(x), [x])[0][1] == 0
