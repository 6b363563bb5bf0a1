"""Random programs over the rows: whatever is composed of right rows has a right gradient."""
from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinyae import Tensor, functions, grad, gradcheck, ops
from tinyae.tensor import data_of

# Smooth everywhere, and tame: no program leaves the range where differences can be trusted. No tanh saturates, and no
# sum is a constant, as that of a softmax would be alone: differences of rounding errors settle on nothing.
UNARY = [ops.tanh, ops.sin, ops.cos, ops.sigmoid, ops.neg,
         lambda x: ops.exp(ops.tanh(x)), lambda x: ops.square(ops.sin(x)), lambda x: ops.log(1.5 + ops.sin(x)),
         lambda x: ops.sqrt(1.5 + ops.cos(x)), lambda x: 2 ** ops.tanh(x), lambda x: ops.expm1(ops.sin(x)),
         lambda x: ops.log1p(ops.square(x)), lambda x: (1.5 + ops.sin(x)) ** -1.5, lambda x: ops.softplus(ops.sin(x)),
         lambda x: functions.softmax(x, axis=0), lambda x: functions.var(x, axis=0, keepdims=True) + x,
         lambda x: x - ops.mean(x, axis=1, keepdims=True), lambda x: ops.sum(x, axis=0) / 3 + x[0],
         lambda x: x[::-1], lambda x: x[[0, 2, 0]], lambda x: x.T,
         lambda x: ops.reshape(ops.transpose(x), shape=(3, 3)),
         lambda x: ops.crop(ops.pad(x, width=((1, 0), (0, 2))), width=((0, 1), (1, 1)))]
BINARY = [ops.add, ops.sub, ops.mul, lambda x, y: x / (1.5 + ops.sin(y)), lambda x, y: ops.tanh(x @ y / 3),
          lambda x, y: (1.5 + ops.cos(x)) ** ops.tanh(y), lambda x, y: ops.concatenate(x, y)[1:4],
          lambda x, y: ops.where(np.arange(3, like=data_of(x)) > 1, x, y),
          lambda x, y: ops.mean(ops.stack(x, y, x), axis=0)]

steps = st.lists(st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 99), st.integers(0, 99)),
                 min_size=1, max_size=8)


def run(program, *inputs):
    """Each step takes any earlier values, all (3, 3) once broadcast, so values are shared as well as chained."""
    values = list(inputs)
    for row, i, j in program:
        x, y = values[i % len(values)], values[j % len(values)]
        z = UNARY[row](x) if row < len(UNARY) else BINARY[row - len(UNARY)](x, y)
        values.append(ops.broadcast_to(z, shape=(3, 3)))
    return values[-1]


@given(steps, st.integers(0, 2**32 - 1))
def test_to_second_order(program, seed):
    rng = np.random.default_rng(seed)
    gradcheck(lambda *xs: run(program, *xs), rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), seed=seed)


@given(steps, st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_arrays_and_tensors_agree_bit_for_bit_to_third_order(program, seed, dtype):
    rng = np.random.default_rng(seed)
    inputs = [Tensor(rng.standard_normal((3, 3)).astype(dtype)) for _ in range(2)]
    y = ops.sum(run(program, *inputs) * rng.standard_normal((3, 3)).astype(dtype))
    for _ in range(3):
        bare = grad(y, inputs, unused="zero")
        traced = grad(y, inputs, create_graph=True, unused="zero")
        for a, b in zip(bare, traced, strict=True):
            assert a.dtype == dtype
            np.testing.assert_array_equal(a, b.data)
        y = ops.sum(traced[0] * traced[0]) + ops.sum(ops.sin(traced[1]))
