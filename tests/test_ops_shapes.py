"""Every row at shapes, layouts and magnitudes that nobody thought of: Hypothesis thinks of them."""
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinyae import Tensor, fused, grad, gradcheck, ops
from tinyae.check.cases import CASES, between, distinct, fraction, nonzero, normal, positive
from tinyae.tensor import data_of

ROWS = ops.ROWS | fused.ROWS
FEWER = settings(max_examples=max(settings().max_examples // 3, 5))       # a check to second order takes its time

ONE = {"neg", "abs", "sqrt", "square", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus",
       "relu", "leaky_relu", "elu", "clip", "cast"}
TWO = {"add", "sub", "mul", "div", "power", "maximum", "minimum", "where"}
REDUCTIONS = {"sum", "mean", "max", "min"}
DRAWS = {"div": [normal, nonzero], "power": [positive, normal], "bce": [normal, fraction],
         "maximum": [distinct, between], "minimum": [distinct, between],
         **{name: [positive] for name in ("sqrt", "log", "log1p")},
         **{name: [distinct] for name in ("abs", "softplus", "relu", "leaky_relu", "elu", "clip", "max", "min")}}
SETTINGS = {"clip": {"low": -0.6, "high": 0.9}, "leaky_relu": {"slope": 0.2}, "elu": {"alpha": 0.7}}

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
full_shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3)


@st.composite
def calls(draw, name):
    """A function of arrays by this row, and the shapes of its arguments."""
    row, given_settings = ROWS[name], SETTINGS.get(name, {})
    if name in ONE:
        if name == "cast":
            return lambda x: ops.cast(ops.cast(x, dtype=np.float64), dtype=x.dtype), [draw(shapes)]
        return lambda x: row(x, **given_settings), [draw(shapes)]
    if name in TWO:
        both = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3))
        if name == "where":
            mask = np.array(np.arange(np.prod(both.result_shape, dtype=int)).reshape(both.result_shape) % 2 == 0)
            return lambda x, y: ops.where(mask, x, y), list(both.input_shapes)
        return row, list(both.input_shapes)
    if name in REDUCTIONS:
        shape = draw(full_shapes if name != "sum" else shapes)
        axes = range(len(shape))
        some = [st.sampled_from([*axes, *(-1 - a for a in axes)]), st.permutations(axes).map(lambda p: tuple(p[1:]))]
        axis, keepdims = draw(st.one_of(st.none(), st.just(()), *(some if shape else []))), draw(st.booleans())
        return lambda x: row(x, axis=axis, keepdims=keepdims), [shape]
    if name in ("sse", "bce", "kl"):
        return row, [draw(full_shapes)] * 2
    if name == "squared_norm":
        return row, [draw(shapes)]
    if name == "log_mean_sigmoids":
        return row, [draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=4))]
    if name == "matmul":
        batch = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3)).input_shapes
        n, k, m = (draw(st.integers(0, 3)) for _ in range(3))
        return row, [batch[0] + (n, k), batch[1] + (k, m)]
    return draw(movements(name, row))


@st.composite
def smaller(draw, shape):
    """A shape that broadcasts to this one."""
    return tuple(draw(st.sampled_from([1, n])) for n in shape)[draw(st.integers(0, len(shape))):]


@st.composite
def movements(draw, name, row):
    """The same, for the rows that move numbers, and those without a strategy of their own."""
    shape = draw(full_shapes)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    if name == "broadcast_to":
        return lambda x: row(x, shape=shape), [draw(smaller(shape))]
    if name == "sum_to":
        small = draw(smaller(shape))
        return lambda x: row(x, shape=small), [shape]
    if name in ("index", "put"):
        key = draw(st.one_of(hnp.basic_indices(shape, allow_newaxis=True), hnp.arrays(bool, shape[:1]),
                             hnp.integer_array_indices(shape), st.lists(st.integers(0, shape[0] - 1), min_size=1)))
        into = np.zeros(shape)[key].shape
        if name == "index":
            return lambda x: row(x, key=key), [shape]
        return lambda g: row(g, key=key, shape=shape), [into]
    if name in ("pad", "crop"):
        width = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape)
        grown = tuple(n + a + b for n, (a, b) in zip(shape, width, strict=True))
        return lambda x: row(x, width=width), [shape if name == "pad" else grown]
    if name == "reshape":
        flat = int(np.prod(shape))
        to = draw(st.sampled_from([(flat,), (-1, 1), (1, flat), shape[::-1], (*shape, 1)]))
        return lambda x: row(x, shape=to), [shape]
    if name == "transpose":
        axes = draw(st.one_of(st.none(), st.permutations(range(len(shape))).map(tuple)))
        return lambda x: row(x, axes=axes), [shape]
    if name == "swapaxes":
        other = draw(st.integers(-len(shape), len(shape) - 1))
        return lambda x: row(x, axis1=axis, axis2=other), [shape]
    if name == "concatenate":
        lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
        at = axis % len(shape)
        return lambda *xs: row(*xs, axis=axis), [shape[:at] + (n,) + shape[at + 1:] for n in lengths]
    if name == "stack":
        return lambda *xs: row(*xs, axis=axis), [shape] * draw(st.integers(1, 3))
    case = draw(st.sampled_from(CASES[name]))                   # a new row: the shapes that the table has
    return case.f, [x.shape for x in case.args(np.random.default_rng(0))]


@pytest.mark.parametrize("name", ROWS)
def test_gradients_to_second_order_at_any_shape(name):
    @FEWER
    @given(st.data(), st.integers(0, 2**32 - 1))
    def check(data, seed):
        f, its_shapes = data.draw(calls(name))
        rng, draws = np.random.default_rng(seed), DRAWS.get(name, [normal])
        gradcheck(f, *(draws[min(i, len(draws) - 1)](rng, shape) for i, shape in enumerate(its_shapes)), seed=seed)
    check()


LAYOUTS = {
    "C": lambda x: x, "Fortran": lambda x: np.array(x, order="F"), "backwards": lambda x: np.flip(np.flip(x).copy()),
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "transposed": lambda x: x.T.copy().T, "read-only": lambda x: np.broadcast_to(x.copy(), x.shape)}

# mostly ordinary numbers; also zeros of both signs, subnormal and very large ones
numbers = st.one_of(st.floats(-4, 4, width=32), st.sampled_from([0.0, -0.0, 1e-40, 1e-30, -1e30, 3e38, -1e4, 1e4]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ROWS)
def test_any_layout_and_magnitude(name, dtype):
    """Values, gradients and second gradients do not depend on the layout; arrays and Tensors agree bit for bit."""
    @given(st.data())
    def check(data):
        f, its_shapes = data.draw(calls(name))
        arrays = [data.draw(hnp.arrays(np.float64, shape, elements=numbers)).astype(dtype) for shape in its_shapes]
        laid_out = [data.draw(st.sampled_from(list(LAYOUTS.values())))(x) for x in arrays]
        with np.errstate(all="ignore"):
            plain, other = everything(f, arrays), everything(f, laid_out)
        eps = float(np.finfo(dtype).eps)
        # Another layout adds up in another order, so a sum is known as well as the largest of its terms.
        largest = math.prod(float(np.max(np.abs(x), initial=1)) for x in arrays)
        for a, b in zip(plain, other, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype == dtype
            if largest > float(np.finfo(dtype).max) / 1000:             # a sum overflows in one order, in another not
                known = np.isfinite(a) & np.isfinite(b)
                a, b = a[known], b[known]
            np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=100 * eps, atol=100 * eps * largest)
    check()


def everything(f, arrays):
    """The value, the gradients and the gradients of their sum, with random weights."""
    tensors = [Tensor(x) for x in arrays]
    y = f(*tensors)
    v = np.random.default_rng(0).standard_normal(y.shape).astype(y.dtype)
    loss = ops.sum(y * v)
    bare, traced = (grad(loss, tensors, create_graph=create, unused="zero") for create in (False, True))
    for a, b in zip(bare, traced, strict=True):
        np.testing.assert_array_equal(a, data_of(b))
    again = ops.stack(*(ops.sum(g * g) for g in traced))
    return [y.data, *bare, *grad(ops.sum(again), tensors, unused="zero")]
