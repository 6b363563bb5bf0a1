"""Faults that unrolled programs once had: each test failed before its mend."""
from __future__ import annotations

import subprocess
import sys
from collections import deque
from functools import partial, reduce, update_wrapper, wraps
from operator import add
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import unrolled_rows
from hypothesis import given
from hypothesis import strategies as st
from support import refused

from tinyae import Tensor, functions, grad, models, op, ops, params
from tinyae.backend import freeze
from tinyae.errors import BadName, BadType, BadValue
from tinyae.optim import SGD, Adam
from tinyae.unroll import PASSES, buffers, unroll, unroll_step

CHOICES = [(), ("names",), ("share",), ("deaths",), ("buffers",), PASSES]
X = np.random.default_rng(0).random((40, 50), dtype=np.float32)
FACTOR = 2.0
SCALES = [2.0]


def tensor(*shape, seed=1):
    return Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def bits(x):
    return str(x.dtype), x.shape, x.tobytes()


def check(program, f, inputs, wrt, unused="error"):
    """The program returns the bits of f and grad, -0.0 and nan among them."""
    losses, gradients = program(*inputs)
    result = f(*inputs)
    terms = result if isinstance(result, dict) else {"": result}
    losses = losses if isinstance(losses, dict) else {"": losses}
    assert {name: bits(z) for name, z in losses.items()} == {name: bits(t.data) for name, t in terms.items()}
    expected = grad(reduce(add, terms.values()), list(wrt.values()) if isinstance(wrt, dict) else wrt, unused=unused)
    for got, g in zip(gradients.values() if isinstance(gradients, dict) else gradients, expected, strict=True):
        assert bits(got) == bits(g)


def check_all(f, *inputs, wrt, others=(), **settings):
    for chosen in CHOICES:
        program = unroll(f, *inputs, wrt=wrt, passes=chosen, **settings)
        for given_inputs in (inputs, *others):
            check(program, f, given_inputs, wrt, settings.get("unused", "error"))
    return program


# ---- numbers: what the text says is what f does

W = tensor(4)
NUMBERS = {
    "astype(float)": lambda x: W * (x > 0.5).astype(float).astype(np.float32),
    "astype(dtype=int)": lambda x: W * (10 * x).astype(dtype=int).astype(np.float32),
    "a Tensor's astype(float)": lambda x: (W * x).astype(float).astype(np.float32),
    "np.float32(inf)": lambda x: W * np.maximum(x, np.float32(-np.inf)),
    "np.float64(nan)": lambda x: W * np.where(x > 2, np.float64("nan"), x).astype(np.float32),
    "a dtype of other bytes": lambda x: W * x.astype(np.dtype(">f4")).astype("f4"),
    "ones of integers": lambda x: W[np.argsort(x)[:2] + np.ones_like(np.argsort(x)[:2])],
    "two zeros": lambda x: ops.exp(W * np.concatenate([np.zeros_like(x[:2]), -np.zeros_like(x[2:])])) * x,
    "-0.0 as a base": lambda x: x / ops.power(-0.0, ops.square(W)),
    "one function as a row and as NumPy's": lambda x: ops.maximum(W, 0) + np.maximum(x, 0.5) + np.exp(x) * ops.exp(W),
    "powers of powers": lambda x: (ops.square(W) ** x) ** 2 * ((x > 0.3) > (W.data > 0)).astype(x.dtype),
    "np.power is not **": lambda x: W * np.power(x - x, 0.5) * (x * x) ** 0.5 * ops.exp(W * 0 + x) ** 2,
    "a power of a number of data": lambda x: np.max(x) ** W + x.max() ** 2 * ops.sum(W) ** 2,
    "like= a number": lambda x: W * np.arange(4, like=ops.sum(W).data).astype(np.float32) * x,
    "a ufunc that is not NumPy's": lambda x: W * np.frompyfunc(unrolled_rows.by_value, 1, 1)(x).astype(np.float32),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_numbers_and_functions_are_written_as_they_are(what):
    x, other = (np.array(a, np.float32) for a in ([0.25, 0.75, -0.0, 0.5], [0.9, 0.1, 0.6, 0.95]))
    with np.errstate(all="ignore"):
        check_all(lambda x: ops.sum(NUMBERS[what](x)), x, wrt=[W], others=[[other]], unused="zero")


def test_a_number_is_raised_to_a_power_as_an_array_is():
    for seed in range(30):
        w = Tensor(np.random.default_rng(seed).random(dtype=np.float32))
        program = unroll(lambda x: (w * x) ** 2.5 * x, np.array(X[0, 0]), wrt=[w])  # noqa: B023
        check(program, program.f, [np.array(X[0, 1])], [w])


def test_halves_are_added_up_as_on_the_tape():
    """In float32, and by one product of at most 256 rows."""
    w, b = (Tensor(np.random.default_rng(1).standard_normal(s).astype(np.float16)) for s in ((50, 30), (30,)))
    x = np.random.default_rng(0).random((300, 50)).astype(np.float16)

    def f(x):
        means = ops.mean(ops.square(ops.tanh(x @ w + b)) * 3, axis=1)
        return {i: means[i] for i in range(8)}
    check_all(f, x, wrt=[w, b])


def test_two_equal_losses_and_their_gradient_have_one_exponential():
    w = tensor(50, 30)

    def f(x, y):
        return ops.mean(functions.bce_with_logits(x @ w, y)) + ops.mean(functions.bce_with_logits(x @ w, y)) * 2
    program = unroll(f, X, X[:, :30].copy(), wrt=[w], passes=("share",))
    check(program, f, [X, X[:, :30].copy()], [w])
    assert program.source.count("bce_and_sigmoid(") == 1 and " bce(" not in program.source


@pytest.mark.parametrize("old, new", [(0.0, -0.0), (1, True), (1.0, 1)])
def test_numbers_that_are_equal_are_not_the_same(old, new):
    holder = SimpleNamespace(k=old)

    def f(x, k):
        return ops.sum(W * (2.0 if str(k) == str(old) and str(holder.k) == str(old) else 3.0))
    program = unroll(f, X, old, wrt=[W], sizes="record again")
    check(program, f, [X, new], [W])
    holder.k = new
    check(program, f, [X, old], [W])


# ---- names

@pytest.mark.parametrize("name", ["step", "np", "or_", "_", "two words", "x²", "b1", "zeros_20", "x", "g", "m", "new",
                                  "G_0", "i", "range", "float", "P", "s1", "rate"])
def test_a_row_may_have_any_name(name):
    def forward(x):
        return x * 3.0
    forward.__name__ = name
    row = op(forward, lambda g, z, x: g * 3.0)
    w, v, x = tensor(20, 20), tensor(20, 20), X[:20, :20].copy()
    check_all(lambda x: ops.sum(ops.maximum(ops.tanh(row(w @ x)), 0)), x, wrt=[w])
    one, other = Adam([w]), Adam([v])
    step = unroll_step(lambda x, rng: {"loss": ops.mean(ops.relu(row(v @ x)))}, other)
    for _ in range(2):
        one.step(grad(ops.mean(ops.relu(row(w @ x))), [w]))
        step(x)
    assert bits(w.data) == bits(v.data)


@pytest.mark.parametrize("names", [("σ²", "σ2"), ("ﬁ", "fi"), ("µ", "μ"), ("range", "slice"), ("float", "rng"), (0, 1),
                                   ("", "_"), ("b1", "zeros_20"), ("np", "step"), ("None", "1a")])
def test_parameters_and_losses_may_have_any_names(names, tmp_path):
    """µ is the micro sign here, and μ the Greek letter: in Python's texts, one name."""
    wrt = dict(zip(names, (tensor(20, 20), tensor(20, 20, seed=2)), strict=True))

    def f(x):
        return {name: ops.sum(ops.maximum(ops.tanh(w @ x), 0) * np.maximum(x, -np.inf)) for name, w in wrt.items()}
    program = check_all(f, X[:20, :20].copy(), wrt=wrt)
    assert list(program(X[:20, :20].copy())[1]) == list(names)
    program.save(tmp_path / "step.py")
    subprocess.run([sys.executable, "-I", "step.py"], capture_output=True, check=True, cwd=tmp_path)


def test_losses_may_have_other_names_for_other_inputs():
    def f(x):
        return {"few" if len(x) < 9 else "many": ops.sum(W * x[:, :4])}
    program = unroll(f, X, wrt=[W], sizes="record again")
    check(program, f, [X[:3]], [W])
    check(program, f, [X], [W])


# ---- where an array lies in memory: sums and products of BLAS depend on it

LIES = {
    "a loss of logits in columns": lambda x, w, y: functions.bce_with_logits((w.T @ x.T).T, y),
    "a KL term in columns": lambda x, w, y: functions.gaussian_kl(ops.tanh(w[:40]), (w.T @ x.T).T * 0.1),
    "a view with gaps": lambda x, w, y: x[:, ::2] @ w[::2],
    "a view backward": lambda x, w, y: x[::-1, ::-1] @ w,
    "copies of one row": lambda x, w, y: np.broadcast_to(x[:1], x.shape) @ w,
    "a view of data": lambda x, w, y: (x @ w).data[:, ::2] @ w[:15],
    "a sum over a view": lambda x, w, y: ops.sum(w * (x[:, ::2] - x[:, ::2].mean()).sum()),
    "one product of two equal arrays": lambda x, w, y: ops.square(ops.tanh(x @ w).T @ ops.tanh(x @ w)),
}


@pytest.mark.parametrize("what", LIES)
def test_arrays_lie_in_memory_as_on_the_tape(what):
    wide = np.random.default_rng(3).random((40, 100), dtype=np.float32)
    for seed in range(2):
        w, y = tensor(50, 30, seed=seed), X[:, :30].copy()
        check_all(lambda x, y: ops.sum(ops.square(LIES[what](x, w, y)) * 0.1), X, y, wrt=[w],  # noqa: B023
                  others=[[np.asfortranarray(X), y], [freeze(X.copy()), y], [wide[:, ::2], y], [X[:, ::-1], y]])


def test_a_factor_that_is_one_number_keeps_the_result_in_rows():
    """It lies in rows, the array beside it in columns: NumPy's result lies in rows."""
    w, b = tensor(50, 30), tensor(30)
    check_all(lambda x: ops.sum(3 * ops.tanh((w.T @ x.T).T + b)), X, wrt=[w, b])


def test_a_program_copies_what_the_tape_copies():
    """A view with gaps that can be written into, and no other. Where BLAS takes no such view, the bits depend on it."""
    w = tensor(50, 30)

    def copies(f, x):
        return unroll(f, x, wrt=[w]).source.count("np.copy(")
    assert copies(lambda x: ops.sum(x[:, ::-1] @ w), X) == 1 and copies(lambda x: ops.sum(x.T.T @ w), X) == 0
    assert copies(lambda x: ops.sum(x[:, ::-1] @ w), freeze(X.copy())) == 0
    assert copies(lambda x: ops.sum((x @ w).data[:, ::2] @ w[:15]), X) == 0
    assert copies(lambda x: ops.sum(np.broadcast_to(x[0], x.shape) @ w), X) == 1
    program = unroll(lambda x: ops.sum(x[:, ::-1] @ w), X, wrt=[w])
    program(freeze(X.copy()))
    assert ["np.copy(" in found.text() for found in program.programs.values()] == [True, False]


def test_the_peaks_of_a_view_backward(monkeypatch):
    """With an out=, NumPy 2.0 reduces such a view to other numbers."""
    monkeypatch.setattr(buffers, "SMALL", 0)
    w = tensor(50, 30)
    check_all(lambda x: ops.sum(ops.tanh(x @ w) * (x @ w).data[:, ::-1].max(axis=1, keepdims=True)), X, wrt=[w])


def test_the_bias_of_logits_in_columns():
    w, b = tensor(50, 30), tensor(30)
    check_all(lambda x, y: ops.sum(ops.square(functions.bce_with_logits((w.T @ x.T).T + b, y))), X, X[:, :30].copy(),
              wrt=[w, b])


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_step_leaves_parameters_in_columns_until_they_are_new(make):
    nets = [models.Autoencoder(40, (30,), 20, rng=np.random.default_rng(0)) for _ in range(2)]
    one, other = (make(params(net)) for net in nets)
    step = unroll_step(nets[1], other)
    for i in range(4):
        if i % 2 == 0:
            for p in [p for net in nets for p in params(net).values()]:
                p.data = np.asfortranarray(p.data)
        losses = nets[0].losses(X[:, :40])
        one.step(grad(reduce(add, losses.values()), params(nets[0])))
        found = step(X[:, :40])
        assert {name: bits(t.data) for name, t in losses.items()} == {name: bits(a) for name, a in found.items()}
        for p, q in zip(params(nets[0]).values(), params(nets[1]).values(), strict=True):
            assert bits(p.data) == bits(q.data)


def test_a_frozen_parameter_may_come_to_lie_in_columns():
    w, frozen = tensor(40, 30), tensor(40, 30, seed=2)

    def f(x):
        return ops.sum(ops.square(ops.sum(ops.exp(frozen) * (w[0, 0] * x[0, 0]), axis=1)))
    program = unroll(f, X, wrt=[w], passes=PASSES)
    for array in (frozen.data, np.asfortranarray(frozen.data)):
        frozen.data = array
        check(program, f, [X], [w])


def test_a_gradient_that_is_used_again_stands_in_its_home():
    """It is that of a bias of the batch's shape, and of what is added to it."""
    class Net:
        def __init__(self):
            self.A, self.W = tensor(4, 3), tensor(5, 3, seed=2)

        def losses(self, x, rng=None):
            return {"loss": ops.sum(ops.square(self.A + x @ self.W))}
    nets = [Net(), Net()]
    one, other = (SGD(params(net), lr=1e-3) for net in nets)
    step = unroll_step(nets[1], other)
    for _ in range(3):
        one.step(grad(nets[0].losses(X[:4, :5])["loss"], params(nets[0])))
        step(X[:4, :5])
    for p, q in zip(params(nets[0]).values(), params(nets[1]).values(), strict=True):
        assert bits(p.data) == bits(q.data)


def test_a_large_gradient_that_is_used_again_lives_to_the_end():
    a, w = tensor(200, 100), tensor(50, 100, seed=2)
    x = np.random.default_rng(0).random((200, 50), dtype=np.float32)
    check_all(lambda x: ops.sum(ops.square(a + x @ w)), x, wrt=[a, w])


def test_draws_keep_their_order_whatever_is_used_first():
    w = tensor(4)

    def f(x, rng):
        first, second = rng.random(4, "f4"), rng.random(4, "f4")
        return ops.sum(ops.exp(w * second) + x * first * w)
    program = unroll(f, X[0, :4].copy(), wrt=[w], rng=0)
    value, _ = program(X[0, :4].copy(), rng=np.random.default_rng(3))
    assert bits(value) == bits(f(X[0, :4].copy(), np.random.default_rng(3)).data)


# ---- stale

class Settings:
    beta = 2.0


CONFIG = ModuleType("config")
CONFIG.beta = 2.0


def helper(part):
    return part.k


def scaled(scales):
    def decorate(f):
        @wraps(f)
        def g(*args):
            return f(*args) * scales[0]
        return g
    return decorate


class Method:
    """A decorator that is an object."""

    def __init__(self, f):
        update_wrapper(self, f)

    def __get__(self, part, kind):
        return partial(self.__wrapped__, part)


class Part:
    """What a loss may call, with numbers in all kinds of places."""
    scales = [2.0]                                                      # noqa: RUF012

    def __init__(self):
        self.w, self._k, self.k, self.rate, self.seen = tensor(4), 2.0, 2.0, 2.0, {1}
        self.queue, self.table, self.long = deque([2.0]), np.array([2.0, 1.0]), [2.0] * 300

    def __call__(self, x):
        return self.w * x * self.k

    @property
    def property(self):
        return self._k

    def by_global(self):
        return FACTOR

    def by_property(self, x):
        return ops.sum(self.w * x) * self.property

    def by_getattr(self, x):
        return ops.sum(self.w * x) * getattr(self, "k" + "")

    def by_default(self, x):
        return ops.sum(self.w * x) * getattr(self, "extra", 1.0)

    @Method
    def inner(self, x):
        return ops.sum(self.w * x) * self.rate

    def by_object(self, x):
        return self.inner(x)

    def by_helper(self, x):
        return ops.sum(self.w * x) * helper(self)

    @scaled([1.0])
    def decorated(self, x):
        return ops.sum(self.w * x) * self.k

    def losses(self, x):
        return ops.sum(self(x))


class Child(Part):
    def losses(self, x):
        return super().losses(x) * 1.0


def counted(x):
    return ops.sum(counted.w * x) * counted.k


counted.w, counted.k = tensor(4), 2.0
RATE = 2.0
tripled = op(lambda x: x * RATE, lambda g, z, x: g * RATE)
STALE = {       # part -> (a loss, what changes)
    "a property": lambda p: (p.by_property, lambda: setattr(p, "_k", 3.0)),
    "__call__": lambda p: (p.losses, lambda: setattr(p, "k", 3.0)),
    "super()": lambda p: (p.losses, lambda: setattr(p, "k", 3.0)),
    "a global of a method": lambda p: (lambda x: ops.sum(p.w * x) * p.by_global(),
                                       lambda: globals().update(FACTOR=FACTOR + 1)),
    "a list of a class": lambda p: (lambda x: ops.sum(p.w * x) * p.scales[0],
                                    lambda: p.scales.__setitem__(0, p.scales[0] + 1)),
    "a module": lambda p: (lambda x: ops.sum(p.w * x) * CONFIG.beta,
                           lambda: setattr(CONFIG, "beta", CONFIG.beta + 1)),
    "a class": lambda p: (lambda x: ops.sum(p.w * x) * Settings.beta,
                          lambda: setattr(Settings, "beta", Settings.beta + 1)),
    "an attribute of a function": lambda p: (counted, lambda: setattr(counted, "k", counted.k + 1)),
    "a decorator": lambda p: (scaled(SCALES)(lambda x: ops.sum(p.w * x)), lambda: SCALES.__setitem__(0, SCALES[0] + 1)),
    "a long list": lambda p: (lambda x: ops.sum(p.w * x) * p.long[7], lambda: p.long.__setitem__(7, 3.0)),
    "a set": lambda p: (lambda x: ops.sum(p.w * x) * (3 if 7 in p.seen else 2), lambda: p.seen.add(7)),
    "a deque": lambda p: (lambda x: ops.sum(p.w * x) * p.queue[0], lambda: p.queue.__setitem__(0, 3.0)),
    "a number of an array": lambda p: (lambda x: ops.sum(p.w * x) * p.table[0], lambda: p.table.__setitem__(0, 3.0)),
    "getattr": lambda p: (p.by_getattr, lambda: setattr(p, "k", 3.0)),
    "a new attribute": lambda p: (p.by_default, lambda: setattr(p, "extra", 3.0)),
    "a helper": lambda p: (p.by_helper, lambda: setattr(p, "k", 3.0)),
    "a method that is decorated": lambda p: (p.decorated, lambda: setattr(p, "k", 3.0)),
    "a decorator that is an object": lambda p: (p.by_object, lambda: setattr(p, "rate", 3.0)),
    "a vjp": lambda p: (lambda x: ops.sum(tripled(p.w) * x), lambda: globals().update(RATE=RATE + 1)),
}


@pytest.mark.parametrize("what", STALE)
def test_a_change_is_noticed_wherever_it_is(what):
    part = Child() if what == "super()" else Part()
    f, change = STALE[what](part)
    x, wrt = X[0, :4].copy(), [counted.w if f is counted else part.w]
    strict, patient = (unroll(f, x, wrt=wrt, sizes=sizes) for sizes in ("refuse", "record again"))
    check(strict, f, [x], wrt)
    change()
    with refused(BadValue, "what f uses has changed"):
        strict(x)
    check(patient, f, [x], wrt)


def test_a_model_of_the_library_with_losses_of_its_own():
    class Warm(models.VAE):
        def losses(self, batch, rng):
            return super().losses(batch, rng)
    model = Warm(12, (10,), 3, rng=np.random.default_rng(0))
    program = unroll(model.losses, X[:, :12], wrt=params(model), rng=0, sizes="record again")
    model.beta = 0.25
    value, _ = program(X[:, :12], rng=np.random.default_rng(3))
    assert bits(value["kl"]) == bits(model.losses(X[:, :12], np.random.default_rng(3))["kl"].data)


def test_what_is_not_used_may_change():
    """Buffers, counters and other parameters that hang on an object whose loss does not name them."""
    part = Part()
    part.buffer, part.others = np.zeros(4), tensor(4)

    def f(x):
        return ops.sum(part.w * x)
    program = unroll(f, X[0, :4].copy(), wrt=[part.w])
    part.buffer += 1
    part.others.data = part.others.data * 2
    part.queue.append(3.0)
    check(program, f, [X[0, :4].copy()], [part.w])
    assert "def step(x, w0):" in program.source


def test_a_number_of_a_tensor_that_is_no_parameter_is_refused_or_computed():
    w, scale = tensor(4), Tensor([2.0, 1.0])
    for number in (lambda: scale[0].item(), lambda: float(scale.data[0])):
        with refused(BadType, "leave the recorded program"):
            unroll(lambda x: ops.sum(w * x) * number(), X[0, :4].copy(), wrt=[w])  # noqa: B023
    program = unroll(lambda x: ops.sum(w * x) * scale.data.max(), X[0, :4].copy(), wrt=[w])
    scale.data = np.array([1.0, 5.0], np.float32)
    check(program, program.f, [X[0, :4].copy()], [w])


# ---- refused

def test_what_f_catches_is_refused_all_the_same():
    def f(x):
        try:
            large = bool(x.max() > 0.5)
        except ValueError:
            large = False
        return ops.sum(W * x) * (2.0 if large else 1.0)
    with refused(BadValue, "cannot branch on a value"):
        unroll(f, X[0, :4].copy(), wrt=[W])
    with refused(BadName, "does not have all that an array has", "np.ravel(x)"):
        unroll(lambda x: ops.sum(W * (x.flatten() if hasattr(x, "flatten") else x * 2)), X[0, :4].copy(), wrt=[W])


def test_isinstance_says_what_it_says_of_an_array():
    check_all(lambda x: ops.sum(W * (2 * x if isinstance(x, np.ndarray) else x) * (1 + isinstance(x, Tensor))),
              X[0, :4].copy(), wrt=[W])


@pytest.mark.parametrize("write", [
    lambda x, rng: np.copyto(x, 0), lambda x, rng: np.put(x, 0, 5.0), lambda x, rng: np.cumsum(x, 0, None, x),
    lambda x, rng: np.clip(x, 0, 0, x), lambda x, rng: rng.shuffle(x), lambda x, rng: rng.random(out=x, dtype="f4")])
def test_a_recording_writes_into_no_array_of_the_caller(write):
    x = X[0, :4].copy()
    with refused(BadType, "cannot be written into"):
        unroll(lambda x, rng: (write(x, rng), ops.sum(W * x))[1], x, wrt=[W], rng=0)
    np.testing.assert_array_equal(x, X[0, :4])


@pytest.mark.parametrize("shrink", [np.unique_values, lambda x: x[np.ix_(x > 0.5)], np.roots,
                                    lambda x: np.histogram_bin_edges(x, "auto"), lambda x: np.unique_counts(x)[0]])
def test_shapes_that_depend_on_values_are_refused(shrink):
    with refused(BadValue, "depends on values", __file__):
        unroll(lambda x: ops.sum(W) * np.sum(shrink(x)), X[0, :4].copy(), wrt=[W])


def test_what_has_no_text_is_refused():
    with refused(BadType, "no text for an argument"):
        unroll(lambda x: ops.sum(W * np.apply_along_axis(np.sort, 0, x)), X[0, :4].copy(), wrt=[W])
    with refused(BadType, "array or a number"):
        unroll(lambda x: ops.sum(W * x), X[0, :4].copy(), wrt=[W])([1.0, 2.0, 3.0, 4.0])
    with refused(BadType, "leave the recorded program"):
        unroll(lambda x: ops.sum(W * x) * {}.get(x.argmax(), 1.0), X[0, :4].copy(), wrt=[W])


def test_rows_of_one_name_that_take_turns_are_noticed():
    rows, turns = [op(lambda x: x * 2, lambda g, z, x: g * 2), op(lambda x: x * 3, lambda g, z, x: g * 3)], []

    def f(x):
        turns.append(None)
        return ops.sum(rows[len(turns) % 2](W) * x)
    with refused(BadValue, "something else in every call"):
        unroll(f, X[0, :4].copy(), wrt=[W])


def test_a_loss_that_is_an_input_is_a_copy():
    y = np.ones((), np.float32)
    program = unroll(lambda x, y: {"a": ops.sum(W * x), "b": Tensor(y)}, X[0, :4].copy(), y, wrt=[W])
    value, _ = program(X[0, :4].copy(), y)
    y[...] = 5
    assert value["b"] == 1


# ---- saved programs with rows of the user's

@pytest.mark.parametrize("name", unrolled_rows.FORWARDS)
def test_a_saved_program_has_the_rows_of_the_user(name, tmp_path):
    row, w, x = op(unrolled_rows.FORWARDS[name], lambda g, z, x: g * 2), tensor(3, 4), X[:3, :4].copy()
    for chosen in (("names",), PASSES):
        program = unroll(lambda x: ops.sum(row(w * x) * x), x, wrt=[w], passes=chosen)
        program.save(tmp_path / "step.py")
        space = {"__name__": "step"}
        exec((tmp_path / "step.py").read_text(), space)
        (value,), (gradient,) = space["step"](x, w.data)
        assert bits(value) == bits(program(x)[0]) and bits(gradient) == bits(program(x)[1][0])


def test_a_row_does_not_hide_a_builtin_of_a_saved_program(tmp_path):
    def max(x):
        return x * 3.0
    triple, double = op(max, lambda g, z, x: g), op(unrolled_rows.doubled, lambda g, z, x: g)
    program = unroll(lambda x: ops.sum(double(triple(W)) * x), X[0, :4].copy(), wrt=[W])
    program.save(tmp_path / "step.py")
    space = {"__name__": "step"}
    exec((tmp_path / "step.py").read_text(), space)
    assert bits(space["step"](X[0, :4], W.data)[0][0]) == bits(program(X[0, :4].copy())[0])


def test_a_row_without_a_source_of_its_own_cannot_be_saved(tmp_path):
    row = op(lambda x: x * 2, lambda g, z, x: g * 2)
    with refused(BadType, "can be saved if its rows", "def in place of lambda"):
        unroll(lambda x: ops.sum(row(W) * x), X[0, :4].copy(), wrt=[W]).save(tmp_path / "step.py")


# ---- random programs, whose arrays lie in every order

ROWS = [lambda t: ops.tanh(t), lambda t: t.T, lambda t: 3 * t, lambda t: t * t.data, ops.sigmoid, ops.softplus, ops.abs,
        lambda t: ops.tanh(t) * ops.tanh(t), lambda t: ops.tanh(t).T @ ops.tanh(t), lambda t: t[:, ::-1],
        lambda t: t - ops.mean(t, axis=0), lambda t: t * np.ones_like(t.data), functions.softmax, lambda t: t + t.T,
        lambda t: ops.sum(t, axis=1, keepdims=True) * t, lambda t: ops.exp(ops.tanh(t)) ** 0.5]


@given(st.lists(st.tuples(st.integers(0, len(ROWS) - 1), st.integers(0, 9)), max_size=6), st.integers(0, 2**32 - 1),
       st.sampled_from(CHOICES), st.sampled_from([np.float32, np.float64]))
def test_random_programs_of_arrays_in_rows_and_columns(steps, seed, chosen, dtype):
    rng = np.random.default_rng(seed)
    x, wide = (rng.random((n, 17)).astype(dtype) for n in (17, 34))
    w = Tensor(np.asfortranarray(rng.standard_normal((17, 17)).astype(dtype)))
    optimizers, losses = [], []

    def f(x):
        pool = [x @ w, (w.T @ x).T, w * x]
        for row, i in steps:
            pool.append(ROWS[row](pool[i % len(pool)]))
        return ops.mean(functions.squared_error(ops.tanh(pool[-1]), 1 / (1 + abs(pool[i % len(pool)].data)))
                        if steps else ops.square(pool[0]))
    start = w.data
    program = unroll(f, x, wrt=[w], passes=chosen)
    for y in (x, np.asfortranarray(x), wide[::2], freeze(x.copy())):
        check(program, f, [y], [w])
    for unrolled in (False, True):
        w.data = start
        optimizers.append(Adam([w]))
        step = unroll_step(lambda x, rng: f(x), optimizers[-1])
        for y in (x, wide[::2], x):
            if unrolled:
                step(y)
            else:
                optimizers[-1].step(grad(f(y), [w]))
        losses.append(bits(w.data))
    assert losses[0] == losses[1]
