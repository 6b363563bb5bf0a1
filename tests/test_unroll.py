"""Unrolled programs: the bits of f and grad, and never stale."""
from __future__ import annotations

import ast
import gc
import itertools
import math
import pickle
import random
import re
import subprocess
import sys
import threading
import time
import tracemalloc
from functools import partial, reduce
from operator import add
from pathlib import Path
from types import SimpleNamespace

import cupy_double
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import refused
from test_ops_programs import run, steps

from tinyae import Tensor, functions, grad, models, op, ops, params
from tinyae.backend import freeze, normal, uniform
from tinyae.errors import BadType, BadValue, Refusal
from tinyae.optim import Adam
from tinyae.unroll import buffers, cublas
from tinyae.unroll.passes import PASSES
from tinyae.unroll.program import unroll
from tinyae.unroll.recorded import Recorded

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))
import libraries.tinyae  # noqa: E402
import workloads  # noqa: E402

N, D = 4, 3


def same(program, f, inputs, wrt, rng=None):
    """The program returns what f and grad return now, bit for bit; rng: a seed."""
    def draws():
        return {} if rng is None else {"rng": np.random.default_rng(rng)}
    value, gradients = program(*inputs, **draws())
    result = f(*inputs, **draws())
    terms = result if isinstance(result, dict) else {"": result}
    for got, t in zip(value.values() if isinstance(value, dict) else [value], terms.values(), strict=True):
        assert got == t.data and got.dtype == t.dtype
    expected = grad(reduce(add, terms.values()), wrt)
    if isinstance(wrt, dict):
        assert list(gradients) == list(wrt)
        gradients, expected = gradients.values(), expected.values()
    for got, g in zip(gradients, expected, strict=True):
        assert type(got) is np.ndarray and not got.flags.writeable and got.dtype == g.dtype
        np.testing.assert_array_equal(got, g, strict=True)


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_every_workload(name):
    w = workloads.WORKLOADS[name].sized(3)
    x, target = (freeze(a.reshape(w.batch, -1)) for a in workloads.batch(w))
    net = libraries.tinyae.model(w, target, rng=np.random.default_rng(0))
    wrt, rng = params(net), 7 if w.latent else None
    program = unroll(net.losses, x, wrt=wrt, rng=rng, constants={"target": target})
    same(program, net.losses, [x], wrt, rng)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_model_of_the_registry(name):
    """All of them: the walk of a GSN draws its pixels, and draws are lines."""
    x = np.random.default_rng(1).random((8, 12), dtype=np.float32)
    model = models.MODELS[name](12, (10,), 3, rng=np.random.default_rng(0))
    players = model.players() if hasattr(model, "players") else {"": (model.losses, params(model))}
    for losses, wrt in players.values():
        for chosen in (("names",), PASSES):
            program = unroll(losses, x, wrt=wrt, rng=3, passes=chosen)
            first = program(x, rng=np.random.default_rng(3))
            kept = [a.copy() for part in first for a in part.values()]
            for rng in (3, 4):
                same(program, losses, [x], wrt, rng)
                same(program, losses, [x[::-1]], wrt, rng)
                same(program, losses, [np.asfortranarray(x)], wrt, rng)
            for a, b in zip(kept, [a for part in first for a in part.values()], strict=True):
                np.testing.assert_array_equal(a, b)                     # a call's results are nobody's buffers


@given(steps, st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]),
       st.sampled_from([("names",), ("buffers",), PASSES]))
def test_random_programs(program, seed, dtype, chosen):
    """Every array has a place of its own in "buffers", however small, so that each is written into."""
    rng = np.random.default_rng(seed)
    inputs = [Tensor(rng.standard_normal((3, 3)).astype(dtype)) for _ in range(2)]
    v = rng.standard_normal((3, 3)).astype(dtype)

    def f(v):
        return ops.sum(run(program, *inputs) * v)
    used = [w for w, g in zip(inputs, grad(f(v), inputs, unused="zero"), strict=True) if np.any(g)]
    if used:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(buffers, "SMALL", 0)
            unrolled = unroll(f, v, wrt=inputs, constants="any", unused="zero", passes=chosen)
        for _ in range(2):
            for t in inputs:
                t.data = rng.standard_normal((3, 3)).astype(dtype)
            value, gradients = unrolled(v)
            assert value == f(v).data
            for a, b in zip(gradients, grad(f(v), inputs, unused="zero"), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", [lambda w: ops.sum(np.abs(w.data) * w + ops.abs(w)),
                                  lambda w: ops.sum(ops.abs(w) + np.abs(w.data) * w)], ids=["ufunc, row", "row, ufunc"])
def test_a_row_and_the_ufunc_of_its_forward_in_one_program(loss):
    """The text calls both by one name, np.absolute."""
    w = Tensor(np.array([0.3, -2.0]))
    same(unroll(lambda: loss(w), wrt=[w]), lambda: loss(w), [], [w])


def test_second_order():
    """A loss that contains a gradient: its tape is as good as any other."""
    x = np.random.default_rng(0).random((N, D), dtype=np.float32)
    w = Tensor(np.random.default_rng(1).standard_normal((D, D)).astype(np.float32))

    def f(x):
        x = Tensor(x)
        (g,) = grad(ops.sum(ops.tanh(x @ w)), [x], create_graph=True)
        return ops.sum(g * g)
    same(unroll(f, x, wrt=[w]), f, [x + np.float32(1)], [w])


# ---- never stale: each of these is right, or refused

FACTOR = 2.0


class Inner:
    """A part of a net, with a number of its own."""

    def __init__(self, k=2.0):
        self.k = k

    def __call__(self, h):
        return h * self.k


class Net:
    """A loss with everything that could go wrong."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.w = Tensor(rng.standard_normal((D, D)).astype(np.float32))
        self.x = rng.random((N, D), dtype=np.float32)
        self.other = rng.random((N, D), dtype=np.float32)
        self.frozen = Tensor(rng.random((D,), dtype=np.float32))
        self.warm = Tensor(rng.random((D,), dtype=np.float32))
        self.before = ops.exp(self.frozen)
        self.rng, self.counter = np.random.default_rng(0), itertools.count()
        self.k, self.inner, self.numbers, self.named = 2.0, Inner(), [1.0, 2.0], {"k": 3.0}

    def scaled(self, x):
        return self.h(x) * self.k

    def h(self, x):
        return ops.tanh(x @ self.w)


@pytest.fixture
def net():
    return Net()


def sum_of(t):
    return ops.sum(t * t)


RIGHT = {       # what f computes besides, from x and h = tanh(x @ w), that follows the values
    "a comparison": lambda net, x, h: h * (h > 0.1),
    "a mask made with data": lambda net, x, h: h * (h.data > x).astype(h.dtype),
    "a peak": lambda net, x, h: h / (1 + h.data.max(axis=0)),
    "a number of data": lambda net, x, h: h / (1 + np.max(np.abs(h.data))),
    "where": lambda net, x, h: ops.where((h > 0) & ~(x > 0.5), h, -h),
    "winners": lambda net, x, h: h * models.winner_take_all.winners(h.data, 0.5).astype(h.dtype),
    "places": lambda net, x, h: h * (np.arange(D, like=x) == h.data.argmax(axis=1)[:, None]).astype(h.dtype),
    "an index that is computed": lambda net, x, h: h[np.arange(N, like=x), h.data.argmin(axis=1)],
    "sorting": lambda net, x, h: h * np.sort(h.data, axis=0)[-2],
    "a softmax": lambda net, x, h: functions.softmax(h),
    "a frozen parameter": lambda net, x, h: h * net.frozen,
    "a frozen parameter first": lambda net, x, h: ops.exp(x * net.frozen) * h,
    "a Tensor computed without the inputs": lambda net, x, h: h * ops.exp(net.frozen),
    "a leaf made of data": lambda net, x, h: h * Tensor(h.data + x),
    "a batch that is changed first": lambda net, x, h: h * ((x - x.mean(axis=0)) / (x.std(axis=0) + 1)),
    "kinks": lambda net, x, h: abs(h) + ops.maximum(h, x) + ops.clip(h, -0.1, 0.2) + ops.max(h, axis=0),
    "the number of images": lambda net, x, h: h * len(x),
    "a number of the shape": lambda net, x, h: h * (x.shape[1] / x.size),
    "the dtype": lambda net, x, h: h * float(np.finfo(x.dtype).eps),
    "a loop over the images": lambda net, x, h: reduce(add, (h[i] * float(i) for i in range(len(x)))),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_depends_on_values_is_computed_anew(what, net):
    def f(x):
        return sum_of(RIGHT[what](net, x, net.h(x)))
    program = unroll(f, net.x, wrt=[net.w])
    same(program, f, [net.x], [net.w])
    same(program, f, [net.other[::-1] - np.float32(0.5)], [net.w])
    net.w.data = np.random.default_rng(5).standard_normal((D, D)).astype(np.float32)
    net.frozen.data = net.frozen.data * 2
    same(program, f, [net.other], [net.w])


NOISY = {
    "normal": lambda net, x, h, rng: h + normal(rng, like=h),
    "uniform": lambda net, x, h, rng: h * (uniform(rng, like=x) < 0.5).astype(x.dtype),
    "dropout": lambda net, x, h, rng: functions.dropout(h, 0.5, rng),
    "a draw of its own": lambda net, x, h, rng: h * rng.normal(size=(N, 1)).astype(np.float32),
    "a shuffle": lambda net, x, h, rng: h[rng.permutation(N)] * x,
    "one number": lambda net, x, h, rng: h * rng.random(1, dtype=np.float32),
    "a draw that is not used": lambda net, x, h, rng: (rng.random(5), functions.gaussian_noise(h, 0.5, rng))[1],
}


@pytest.mark.parametrize("what", NOISY)
def test_draws_are_drawn_anew(what, net):
    def f(x, rng):
        return sum_of(NOISY[what](net, x, net.h(x), rng))
    given = np.random.default_rng(0)
    program = unroll(f, net.x, wrt=[net.w], rng=given)
    assert given.random() == np.random.default_rng(0).random()          # a recording draws nothing
    for seed in (0, 1, 2):
        same(program, f, [net.x], [net.w], seed)
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    f(net.x, rng=one)
    program(net.x, rng=other)
    assert one.random() == other.random()


REFUSED = {     # and the word that says why
    "a captured array": (lambda net, x, h: h * net.other, "mul uses comes from outside"),
    "a captured mask": (lambda net, x, h: ops.where(net.other > 0.5, h, x), "where uses comes from outside"),
    "a captured index": (lambda net, x, h: h[np.array([0, 1])], "index uses comes from outside"),
    "a captured array under NumPy": (lambda net, x, h: h * np.exp(x + net.other), "add uses comes from outside"),
    "a captured array in a comparison": (lambda net, x, h: h * (h > net.other), "greater uses comes from outside"),
    "a Tensor computed before": (lambda net, x, h: h * net.before, "mul uses comes from outside"),
    "an item of a frozen parameter": (lambda net, x, h: h * net.frozen * net.frozen.data.max().item(), "leave the"),
    "a new array": (lambda net, x, h: h * np.ones((N, D), np.float32), "mul uses comes from outside"),
    "a list": (lambda net, x, h: h * Tensor([1.0, 2.0, 3.0]), "mul uses comes from outside"),
    "a branch": (lambda net, x, h: h if h.data.max() > 0 else -h, "cannot branch on a value"),
    "a branch on a Tensor": (lambda net, x, h: h if ops.sum(h) > 0 else -h, "cannot branch on a value"),
    "a loop until": (lambda net, x, h: [h := h * 0.5 for _ in iter(lambda: bool(ops.max(h) < 0.1), True)][-1],
                     "cannot branch on a value"),
    "Python's max": (lambda net, x, h: h * max(x[0, 0], x[0, 1]), "cannot branch on a value"),
    "a number": (lambda net, x, h: h * float(np.max(x)), "leave the recorded program"),
    "an item": (lambda net, x, h: h * ops.sum(h).item(), "leave the recorded program"),
    "an item of data": (lambda net, x, h: h * h.data.sum().item(), "leave the recorded program"),
    "t.numpy()": (lambda net, x, h: h * h.numpy(), "leave the recorded program"),
    "np.asarray": (lambda net, x, h: h * np.asarray(h.data), "leave the recorded program"),
    "np.array of parts": (lambda net, x, h: h * np.array([x[0, 0], 1.0]), "leave the recorded program"),
    "a list of numbers": (lambda net, x, h: h * x.tolist(), "leave the recorded program"),
    "places by truth": (lambda net, x, h: ops.mean(h[x > 0.5]), "depends on values"),
    "nonzero": (lambda net, x, h: h[np.nonzero(x[:, 0])[0]], "depends on values"),
    "unique": (lambda net, x, h: ops.sum(h) * np.unique(x)[0], "depends on values"),
    "writing": (lambda net, x, h: x.__setitem__(0, 1.0) or h, "cannot be written into"),
    "x += y": (lambda net, x, h: h * x.__iadd__(1), "cannot be written into"),
    "out=": (lambda net, x, h: h * np.exp(x, out=x), "cannot be written into"),
    "writing from outside": (lambda net, x, h: h * np.add(net.other, x, out=net.other), "cannot be written into"),
    "another rng": (lambda net, x, h: h + normal(net.rng, like=h), "uses comes from outside"),
    "a number of another rng": (lambda net, x, h: h * net.rng.random(), "something else in every call"),
    "a random number of Python": (lambda net, x, h: h * random.random(), "something else in every call"),
    "a clock": (lambda net, x, h: h * time.perf_counter(), "something else in every call"),
    "a counter": (lambda net, x, h: h * next(net.counter), "something else in every call"),
    "a branch on another rng": (lambda net, x, h: h if next(net.counter) % 2 else -h, "something else in every call"),
    "parameters by turns": (lambda net, x, h: h * (net.frozen if next(net.counter) % 2 else net.warm),
                            "something else in every call"),
    "what the last call computed": (lambda net, x, h: [h * net.numbers[-1], net.numbers.append(h)][0],
                                    "something else in every call"),
    "int": (lambda net, x, h: h * int(x[0, 0]), "leave the recorded program"),
    "round": (lambda net, x, h: h * round(float(h.data[0, 0]), 2), "leave the recorded program"),
    "math.exp": (lambda net, x, h: h * math.exp(x[0, 0]), "leave the recorded program"),
    "a number as an index": (lambda net, x, h: h * [1.0, 2.0][np.argmax(x[0])], "leave the recorded program"),
    "a formatted number": (lambda net, x, h: h * float(f"{x[0, 0]:.2f}"), "leave the recorded program"),
    "a pickle": (lambda net, x, h: h * pickle.loads(pickle.dumps(x)), "leave the recorded program"),
    "NumPy's rng": (lambda net, x, h: h * np.random.random((N, D)).astype(np.float32), "comes from outside"),
    "a parameter that f sets": (lambda net, x, h: setattr(net.w, "data", net.w.data * 2) or h, "changed after it was"),
    "no loss": (lambda net, x, h: h.data, "returns a loss"),
    "several losses": (lambda net, x, h: h, "one number"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_be_stale_is_refused(what, net):
    f, word = REFUSED[what]
    before = net.w.data

    def loss(x):
        z = f(net, x, net.h(x))
        return sum_of(z) if isinstance(z, Tensor) and what != "several losses" else z
    with pytest.raises(Refusal, match=word) as caught:
        unroll(loss, net.x, wrt=[net.w])
    assert all(part in str(caught.value) for part in ("expected: ", "got: ", "fix: "))
    assert net.w.data is before                                         # and nothing has changed


# What f uses besides its inputs, and how it changes after the recording.
CHANGES = {
    "a number of the net": (lambda net, x: net.scaled(x), lambda net: setattr(net, "k", 3.0)),
    "a number that decides": (lambda net, x: net.h(x) if net.k < 3 else -net.h(x), lambda net: setattr(net, "k", 3.0)),
    "a number of a part": (lambda net, x: net.inner(net.h(x)), lambda net: setattr(net.inner, "k", 3.0)),
    "a part": (lambda net, x: net.inner(net.h(x)), lambda net: setattr(net, "inner", Inner(5.0))),
    "a number in a list": (lambda net, x: net.h(x) * net.numbers[1], lambda net: net.numbers.__setitem__(1, 5.0)),
    "a list": (lambda net, x: net.h(x) * sum(net.numbers), lambda net: setattr(net, "numbers", [4.0])),
    "a list that grows": (lambda net, x: net.h(x) * sum(net.numbers), lambda net: net.numbers.append(7.0)),
    "a number in a dict": (lambda net, x: net.h(x) * net.named["k"], lambda net: net.named.update(k=5.0)),
    "a global": (lambda net, x: net.h(x) * FACTOR, lambda net: globals().update(FACTOR=FACTOR + 1)),
    "a frozen Tensor": (lambda net, x: net.h(x) * net.frozen, lambda net: setattr(net, "frozen", Tensor([1., 2., 3.]))),
    "a function": (lambda net, x: net.function(net.h(x)), lambda net: setattr(net, "function", ops.sin)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_has_changed_is_noticed(what, net):
    compute, change = CHANGES[what]
    net.function = ops.tanh

    def f(x):
        return sum_of(compute(net, x))
    strict, patient = (unroll(f, net.x, wrt=[net.w], sizes=sizes) for sizes in ("refuse", "record again"))
    for program in (strict, patient):
        same(program, f, [net.other], [net.w])
    before = patient.source
    change(net)
    with refused(BadValue, "what f uses has changed", 'sizes="record again"'):
        strict(net.other)
    for _ in range(2):
        same(patient, f, [net.other], [net.w])
    assert patient.source != before or what in ("a frozen Tensor", "a list that grows")


def test_defaults_and_enclosing_variables_are_watched(net):
    k = 2.0

    def f(x, scale=3.0, *, shift=1.0):
        return sum_of(net.h(x) * k * scale + shift)
    program = unroll(f, net.x, wrt=[net.w], sizes="record again")
    same(program, f, [net.x], [net.w])
    k = 5.0
    same(program, f, [net.x], [net.w])
    f.__defaults__ = (7.0,)
    same(program, f, [net.x], [net.w])
    f.__kwdefaults__["shift"] = 11.0
    same(program, f, [net.x], [net.w])
    assert len(program.programs) == 1


def test_a_number_that_is_set_to_itself_changes_nothing(net):
    def f(x):
        return sum_of(net.scaled(x))
    program = unroll(f, net.x, wrt=[net.w])
    net.k = float("2.0")
    same(program, f, [net.other], [net.w])


def test_a_partial_function_and_an_object_are_watched(net):
    class Loss:
        k = 1.0                                                         # an attribute of the class,
        __slots__ = ("__dict__", "shift")                               # and one in a slot

        def __call__(self, x):
            return sum_of(net.h(x) * self.k + self.shift)
    loss = Loss()
    loss.shift = 1.0
    program = unroll(loss, net.x, wrt=[net.w], sizes="record again")
    for name, value in (("k", 2.0), ("k", 3.0), ("shift", 4.0)):
        setattr(loss, name, value)
        same(program, loss, [net.x], [net.w])
    scales = [2.0]
    f = partial(lambda scales, x: sum_of(net.h(x) * scales[0]), scales)
    program = unroll(f, net.x, wrt=[net.w], sizes="record again")
    scales[0] = 3.0
    same(program, f, [net.x], [net.w])


def test_a_parameter_that_was_replaced_is_refused(net):
    def f(x):
        return sum_of(net.h(x))
    program = unroll(f, net.x, wrt=[net.w])
    net.w = Tensor(net.w.data * 2)
    with refused(BadValue, "what f uses has changed", "w was Tensor"):
        program(net.x)


# ---- several threads

def in_threads(*calls):
    """What each call returns or raises, all started together."""
    results, start = [None] * len(calls), threading.Barrier(len(calls))

    def run(i, call):
        start.wait()
        try:
            results[i] = call()
        except Exception as error:
            results[i] = error
    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_record_one_after_the_other():
    nets = [Net() for _ in range(4)]

    def loss(net, x):
        time.sleep(0.005)                                               # meanwhile the others run
        return sum_of(net.h(x) * ops.exp(x))
    programs = in_threads(*[lambda net=net: unroll(partial(loss, net), net.x, wrt=[net.w]) for net in nets])
    for net, program in zip(nets, programs, strict=True):
        same(program, partial(loss, net), [net.other], [net.w])
    assert ops.exp.forward is np.exp                                    # rows are what they were


def test_a_tensor_that_another_thread_records_is_refused(net):
    recording, done = threading.Event(), threading.Event()

    def f(x):
        recording.set()
        assert done.wait(10)
        return sum_of(net.h(x))

    def meanwhile():
        assert recording.wait(10)
        try:
            other = Net()
            value = sum_of(other.h(other.x)).item()                     # other Tensors are free
            assert grad(sum_of(other.h(other.x)), [other.w])[0].shape == (D, D) and value > 0
            with refused(BadValue, "another thread is recording"):
                net.h(net.x)
            with refused(BadValue, "another thread is recording"):
                other.w + net.w
            with refused(BadValue, "another thread is recording"):
                Adam([net.w]).step([other.w.data])
        finally:
            done.set()
        return "as it should be"
    program, what = in_threads(lambda: unroll(f, net.x, wrt=[net.w]), meanwhile)
    assert what == "as it should be"
    same(program, f, [net.other], [net.w])


def test_threads_may_share_a_program():
    """Though its buffers are the same in every call, and other threads run while this one waits in a row."""
    w = Tensor(np.ones((30, 20), np.float32))
    waits = op(lambda x: time.sleep(0.01) or -x, lambda g, z, x: -g)

    def f(x):
        h = ops.tanh(x @ w)
        return ops.sum(h * waits(h))
    inputs = [np.random.default_rng(i).random((20, 30), dtype=np.float32) for i in range(4)]
    program = unroll(f, inputs[0], wrt=[w], passes=PASSES)
    for (value, (g,)), x in zip(in_threads(*[partial(program, x) for x in inputs]), inputs, strict=True):
        assert value == program(x)[0]
        np.testing.assert_array_equal(g, program(x)[1][0])


def test_a_program_within_a_recording(net):
    """f may not run a program of its own: a program takes plain arrays."""
    inner = unroll(lambda x: sum_of(net.h(x)), net.x, wrt=[net.w])
    with refused(BadType, "an input of a program must be an array"):
        unroll(lambda x: sum_of(net.h(x)) * inner(x)[0], net.x, wrt=[net.w])


def test_a_draw_that_is_a_python_number_is_refused(net):
    with refused(BadType, "rng.random without a size"):
        unroll(lambda x, rng: sum_of(net.h(x) * rng.random()), net.x, wrt=[net.w], rng=1)


def test_a_parameter_that_f_sets_first_is_refused_too(net):
    def f(x):
        net.w.data = net.w.data * 2
        return sum_of(net.h(x))
    with refused(BadValue, "f changes a parameter"):
        unroll(f, net.x, wrt=[net.w])


def test_thirty_ways_to_be_stale():
    assert len(RIGHT) + len(NOISY) + len(REFUSED) + len(CHANGES) >= 75


def test_other_inputs_are_refused_or_recorded_again(net):
    def f(x):
        return sum_of(net.h(x))
    program = unroll(f, net.x, wrt=[net.w])
    for other in (net.x[:2], net.x.astype(np.float64), net.x.reshape(1, N, D), np.float32(1)):
        with refused(BadValue, "recorded for other inputs", "(4, 3) float32", 'sizes="record again"'):
            program(other)
    with refused(BadType, "array or a number", "x.data"):
        program(Tensor(net.x))
    program = unroll(f, net.x, wrt=[net.w], sizes="record again")
    for other in (net.x, net.x[:2], net.x[:1], net.x):
        same(program, f, [other], [net.w])
    assert len(program.programs) == 3


def test_a_number_among_the_inputs_belongs_to_the_recording(net):
    def f(x, k):
        return sum_of(net.h(x)) * k
    program = unroll(f, net.x, 2.0, wrt=[net.w])
    same(program, f, [net.x, 2.0], [net.w])
    for other in (3.0, 2, True):
        with refused(BadValue, "recorded for other inputs"):
            program(net.x, other)


def test_a_subclass_of_arrays_is_used_as_f_uses_it(net):
    def f(x):
        return sum_of(net.h(x))
    program = unroll(f, net.x, wrt=[net.w])
    np.testing.assert_array_equal(program(np.ma.masked_array(net.x, net.x > 0.5))[1][0], program(net.x)[1][0])


def test_an_rng_is_given_where_one_was_recorded(net):
    def f(x, rng=None):
        return sum_of(functions.dropout(net.h(x), 0.5, rng))
    with refused(BadValue, "takes an rng", "got:      rng=Generator"):
        unroll(f, net.x, wrt=[net.w])(net.x, rng=np.random.default_rng(0))
    with refused(BadValue, "takes an rng", "got:      rng=None"):
        unroll(f, net.x, wrt=[net.w], rng=1)(net.x)


def test_inputs_constants_and_parameters_are_read_in_every_call(net):
    def f(x):
        return sum_of(net.h(x) * net.other + net.frozen)
    program = unroll(f, net.x, wrt=[net.w], constants={"other": net.other, "frozen": net.frozen})
    same(program, f, [net.x], [net.w])
    net.x[0] = 5                                                        # in place
    same(program, f, [net.x], [net.w])
    net.other[1] = 7
    same(program, f, [net.x], [net.w])
    net.frozen.data = net.frozen.data * 2
    Adam([net.w]).step([net.w.data])
    same(program, f, [net.x], [net.w])


def test_a_constant_mask_may_choose_places_if_it_cannot_change(net):
    mask = np.array([True, False, True, True])

    def f(x):
        return ops.mean(net.h(x)[mask])
    with refused(BadValue, "depends on values", "read-only"):
        unroll(f, net.x, wrt=[net.w], constants={"mask": mask})
    freeze(mask)
    same(unroll(f, net.x, wrt=[net.w], constants={"mask": mask}), f, [net.other], [net.w])


def test_targets_and_labels_are_checked_in_every_call(net):
    labels = np.array([0, 2, 1, 0])

    def classes(x, labels):
        return ops.mean(functions.cross_entropy(net.h(x), labels))

    def pixels(x):
        return ops.mean(functions.bce_with_logits(net.h(x), x))
    same(program := unroll(classes, net.x, labels, wrt=[net.w]), classes, [net.x, labels[::-1]], [net.w])
    with refused(BadValue, "every label must be a class"):
        program(net.x, labels + 1)
    same(program := unroll(pixels, net.x, wrt=[net.w]), pixels, [net.other], [net.w])
    with refused(BadValue, "probabilities as targets"):
        program(net.x + np.float32(1))


def test_unused_parameters_as_in_grad(net):
    def f(x):
        return sum_of(net.h(x))
    with refused(BadValue, "no path from y"):
        unroll(f, net.x, wrt=[net.w, net.frozen])
    _, (_, g) = unroll(f, net.x, wrt=[net.w, net.frozen], unused="zero")(net.x)
    np.testing.assert_array_equal(g, np.zeros(D, np.float32), strict=True)


def test_two_functions_of_one_name_stay_two(net):
    one, two = (op(lambda x, k=k: x * k, lambda g, z, x, k=k: g * k) for k in (2.0, 3.0))

    def add(x):
        return x - 1

    minus = op(add, lambda g, z, x: g)                                  # called add, and is none

    def f(x):
        return sum_of(minus(two(one(net.h(x)))))
    program = unroll(f, net.x, wrt=[net.w])
    same(program, f, [net.other], [net.w])


def test_names_do_not_meet():
    """Of inputs, parameters, losses and functions."""
    wrt = {"affine": Tensor(np.ones((D, D), np.float32)), "sum": Tensor(np.ones(D, np.float32)),
           "x": Tensor(np.ones(D, np.float32)), "if": Tensor(np.ones(D, np.float32))}

    def f(x):
        y = ops.tanh(x @ wrt["affine"] + wrt["sum"] + wrt["x"]) * wrt["if"]
        return {"mean": ops.mean(y), "tanh": ops.sum(y)}
    x = np.random.default_rng(0).random((N, D), dtype=np.float32)
    same(unroll(f, x, wrt=wrt), f, [x], wrt)


def test_a_constant_may_have_the_name_of_an_input_or_a_parameter(net):
    def f(x):
        return sum_of(net.h(x) * net.other)
    for name in ("x", "w"):
        program = unroll(f, net.x, wrt={"w": net.w}, constants={name: net.other})
        same(program, f, [net.other + np.float32(1)], {"w": net.w})


def test_a_parameter_may_be_listed_twice(net):
    def f(x):
        return sum_of(net.h(x))
    same(unroll(f, net.x, wrt=[net.w, net.w]), f, [net.other], [net.w, net.w])
    assert type(net.w.data) is np.ndarray


def test_what_cannot_be_wrt_or_a_constant_is_refused(net):
    with refused(BadValue, "only a leaf can be a parameter of a program"):
        unroll(lambda x: sum_of(net.before * net.h(x)), net.x, wrt=[net.before])
    with refused(BadType, "constants must be arrays or leaf Tensors"):
        unroll(lambda x: sum_of(net.h(x)), net.x, wrt=[net.w], constants={"k": 2.0})
    with refused(BadValue, 'sizes="record again"'):
        unroll(lambda x: sum_of(net.h(x)), net.x, wrt=[net.w], sizes="any")


# ---- the text

def autoencoder():
    """784-20-784 and a batch of 128 images."""
    x = np.random.default_rng(0).random((128, 784), dtype=np.float32)
    return models.Autoencoder(784, (), 20, rng=np.random.default_rng(0)), x


def test_a_program_fits_one_screen():
    model, x = autoencoder()
    lines = str(unroll(model.losses, x, wrt=params(model))).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert lines[0] == "def step(batch, encoder_0_W, encoder_0_b, decoder_0_W, decoder_0_b):"
    assert any(line.endswith("# (128, 20)      affine: dL/dx = g @ W.mT") for line in lines)


def test_the_readme_shows_ten_lines_of_it():
    model, x = autoencoder()
    shown, = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert shown in str(unroll(model.losses, x, wrt=params(model)))
    assert len(shown.splitlines()) == 10


@pytest.mark.parametrize("chosen", [("names",), PASSES])
@pytest.mark.parametrize("name", models.MODELS)
def test_a_saved_program_needs_nothing_but_numpy(name, chosen, tmp_path):
    """Its bits are those of the program, in an interpreter that cannot import tinyae."""
    x = np.random.default_rng(1).random((8, 12), dtype=np.float32)
    model = models.MODELS[name](12, (10,), 3, rng=np.random.default_rng(0))
    losses, wrt = [*model.players().values()][-1] if hasattr(model, "players") else (model.losses, params(model))
    program = unroll(losses, x, wrt=wrt, rng=3, passes=chosen)
    program.save(tmp_path / "step.py")
    text = (tmp_path / "step.py").read_text()
    assert {alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names
            } == {"numpy"} and "tinyae." not in text
    space: dict = {"__name__": "step"}
    exec(text, space)
    inner = next(iter(program.programs.values()))
    data = [*inner.constants, *(t.data for t in inner.tensors)]
    values, gradients = space["step"](x, np.random.default_rng(5), *data)
    value, expected = program(x, rng=np.random.default_rng(5))
    for a, b in zip([*values, *gradients], [*value.values(), *expected.values()], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_saved_program_runs_by_itself(tmp_path):
    model, x = autoencoder()
    unroll(model.losses, x, wrt=params(model)).save(tmp_path / "step.py")
    said = subprocess.run([sys.executable, "-I", "-W", "error", "step.py"], capture_output=True, text=True, check=True,
                          cwd=tmp_path).stdout
    assert said.startswith("values: ") and "gradient of shape (784, 20) and norm " in said


# ---- on a GPU

@pytest.mark.parametrize("name", ["vae", "contractive", "conv_autoencoder", "winner_take_all"])
def test_a_program_runs_where_its_parameters_are(name, gpu):
    x = np.random.default_rng(1).random((8, 12), dtype=np.float32)
    model = models.MODELS[name](12, (10,), 3, rng=np.random.default_rng(0), device="cuda")
    wrt = params(model)
    program = unroll(model.losses, gpu.array(x), wrt=wrt, rng=3)
    with gpu.no_sync():
        value, gradients = program(gpu.array(x), rng=np.random.default_rng(3))
    terms = model.losses(gpu.array(x), np.random.default_rng(3))
    for name, t in terms.items():
        np.testing.assert_allclose(gpu.host(value[name]), gpu.host(t.data), rtol=1e-5)
    for name, g in grad(reduce(add, terms.values()), wrt).items():
        assert type(gradients[name]) is type(g)
        np.testing.assert_allclose(gpu.host(gradients[name]), gpu.host(g), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_every_workload_on_a_gpu(name, gpu):
    w = workloads.WORKLOADS[name].sized(3)
    x, target = (gpu.array(a.reshape(w.batch, -1)) for a in workloads.batch(w))
    net = libraries.tinyae.model(w, target, rng=np.random.default_rng(0), device="cuda")
    wrt, rng = params(net), (lambda: np.random.default_rng(7)) if w.latent else (lambda: None)
    program = unroll(net.losses, x, wrt=wrt, rng=rng(), constants={"target": target}, passes=PASSES)
    value, gradients = program(x, rng=rng())
    terms = net.losses(x, rng())
    for term, t in terms.items():
        np.testing.assert_allclose(gpu.host(value[term]), gpu.host(t.data), rtol=1e-5)
    for p, g in grad(reduce(add, terms.values()), wrt).items():
        np.testing.assert_allclose(gpu.host(gradients[p]), gpu.host(g), rtol=1e-3, atol=1e-5 * abs(gpu.host(g)).max())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.integers(0, 2**32 - 1))
def test_random_programs_on_a_gpu(gpu, program, seed):
    rng = np.random.default_rng(seed)
    inputs = [gpu.tensor(rng.standard_normal((3, 3))) for _ in range(2)]
    v = gpu.array(rng.standard_normal((3, 3)))

    def f(v):
        return ops.sum(run(program, *inputs) * v)
    used = [w for w, g in zip(inputs, grad(f(v), inputs, unused="zero"), strict=True) if np.any(gpu.host(g))]
    if used:
        unrolled = unroll(f, v, wrt=inputs, constants="any", unused="zero", passes=PASSES)
        for t in inputs:
            t.data = gpu.array(rng.standard_normal((3, 3)))
        value, gradients = unrolled(v)
        for a, b in zip([value, *gradients], [f(v).data, *grad(f(v), inputs, unused="zero")], strict=True):
            np.testing.assert_allclose(gpu.host(a), gpu.host(b), rtol=1e-5, atol=1e-6)


# ---- as a CUDA graph

@pytest.fixture
def there(gpu, monkeypatch):
    """The device; on the double, whose products a capture takes from a stand-in for cuBLAS."""
    if gpu.id == "double":
        monkeypatch.setattr(cublas.Blas, "one", lambda: SimpleNamespace(matmul=cupy_double.product, use=lambda s: None))
    return gpu


@pytest.mark.parametrize("name", ["autoencoder", "vae", "contractive", "sparse", "conv_vae", "gsn"])
def test_a_captured_program_is_the_program(name, there):
    x = [there.array(np.random.default_rng(i).random((8, 12))) for i in range(3)]
    model = models.MODELS[name](12, (10,), 3, rng=np.random.default_rng(0), device="cuda")
    wrt, optimizer = params(model), Adam(params(model), lr=1e-2)
    program = unroll(model.losses, x[0], wrt=wrt, rng=0)
    captured = program.capture(x[0], rng=np.random.default_rng(3))
    other = np.random.default_rng(3)
    for (draw, *_), drawn in zip(captured.how, captured.draws, strict=True):
        draw(other, drawn)                                              # for the run that compiles
    for batch in x:
        (value, gradients), (right, expected) = captured(batch), program(batch, rng=other)
        for term in right:
            np.testing.assert_allclose(there.host(value[term]), there.host(right[term]), rtol=1e-5)
        for p, g in expected.items():
            np.testing.assert_allclose(there.host(gradients[p]), there.host(g), rtol=1e-4, atol=1e-5)
        optimizer.step(gradients)                                       # new data, at another address
    assert (captured.outside != []) == (name in ("vae", "contractive", "conv_vae", "gsn"))


def test_a_captured_program_asks_for_one_launch(there):
    """Between begin and end nothing is uploaded, waited for or taken from the pool of others: the double refuses it."""
    model = models.VAE(12, (10,), 3, rng=np.random.default_rng(0), device="cuda")
    x, rng = there.array(np.random.default_rng(1).random((8, 12))), there.xp.random.default_rng(0)
    captured = unroll(model.losses, x, wrt=params(model), rng=rng).capture(x, rng=rng)
    assert captured.outside == ["rng.normal (8, 3)"]
    captured(x)
    with refused(BadValue, "a program takes an rng"):
        captured.program.capture(x)
    if there.id == "double":
        with cupy_double.counting() as counts, cupy_double.no_sync():
            captured(x)
        assert (counts.launches, counts.syncs, counts.uploads) == (4, 0, 0)     # x, the draw, its copy; the graph
    value, _ = captured(x)
    assert value["kl"] is captured(x)[0]["kl"]                          # the graph's own arrays


def test_what_a_graph_cannot_record_is_named(there):
    model, x = autoencoder()
    with refused(BadValue, "capture records a CUDA graph", "parameters on the CPU"):
        unroll(model.losses, x, wrt=params(model)).capture(x)
    w, y = there.tensor(np.ones((3, 3))), there.array(np.ones((2, 3)))
    k = [1.0]

    def waits(x):
        return ops.mean(uploads(x @ w) * k[0])
    uploads = op(lambda x: x + (x if type(x) is np.ndarray else there.array(there.host(x))), lambda g, z, x: g)
    uploads.__name__ = "uploads"
    with refused(BadValue, "capture cannot record: loss = np.mean(uploads(", "the program as it is"):
        unroll(waits, y, wrt=[w]).capture(y)

    def f(x):
        return ops.mean(ops.exp(x @ w) * k[0])
    captured = unroll(f, y, wrt=[w]).capture(y)
    with refused(BadValue, "repeats what it was captured with", "(1, 3) float32"):
        captured(y[:1])
    k[0] = 2.0
    with refused(BadValue, "repeats what it was captured with", "0 was 1.0, and is 2.0"):
        captured(y)


# ---- passes

def sizes_and_seed(name):
    w = workloads.WORKLOADS[name]
    x, target = (freeze(a.reshape(w.batch, -1)) for a in workloads.batch(w))
    net = libraries.tinyae.model(w, target, rng=np.random.default_rng(0))
    return net, x, {"wrt": params(net), "rng": 7 if w.latent else None, "constants": {"target": target}}


@pytest.mark.parametrize("chosen", [(), ("names",), ("share",), ("deaths",), ("names", "deaths"), ("buffers",),
                                    ("share", "buffers"), PASSES])
@pytest.mark.parametrize("name", ["W2", "W4", "W5", "W8"])
def test_a_pass_changes_no_bit(name, chosen):
    net, x, settings = sizes_and_seed(name)
    program = unroll(net.losses, x, **settings, passes=chosen)
    same(program, net.losses, [x], settings["wrt"], settings["rng"])


def test_an_array_in_columns_stays_in_columns():
    """A buffer lies in rows. BLAS may add in another order over an array that lies in columns."""
    w = Tensor(np.ones((30, 20), np.float32))
    x = np.random.default_rng(0).random((20, 30), dtype=np.float32)

    def f(x):
        return ops.sum(ops.tanh(np.exp(np.sin(x)) @ w))
    program = unroll(f, x, wrt=[w], passes=PASSES)
    assert "z1 = np.sin(x, out=b1)" in program.source
    turned = unroll(f, np.asfortranarray(x), wrt=[w], passes=PASSES)
    assert "z1 = np.sin(x)" in turned.source and "z2 = np.exp(z1)" in turned.source
    same(program, f, [np.asfortranarray(x)], [w])
    assert len(program.programs) == 2


def test_passes_are_shown_one_by_one(net):
    model, x = autoencoder()
    program = unroll(model.losses, x, wrt=params(model))
    texts = program.passes
    assert list(texts) == ["recorded", *PASSES] and len({*texts.values()}) == len(PASSES)
    assert texts["blocks"] == texts["buffers"]                          # the last is for an optimizer's step
    assert texts["names"] == program.source and len(texts["recorded"].splitlines()) > len(program.source.splitlines())
    assert "np.ones_like" in texts["recorded"] and "np.ones_like" not in texts["names"]
    assert "bce_and_sigmoid" in texts["share"] and "bce_and_sigmoid" not in texts["names"]
    assert "out=b1)" in texts["buffers"] and "= np.exp(" in texts["buffers"] and "np.empty" not in texts["deaths"]
    assert "    del " in texts["deaths"] and "    del " not in texts["share"]
    with refused(BadValue, "unknown pass", "names, share, deaths, buffers, blocks"):
        unroll(model.losses, x, wrt=params(model), passes=("fast",))


@pytest.mark.parametrize("chosen", [("names", "deaths"), PASSES])
@pytest.mark.parametrize("name", ["W1", "W3", "W5", "W6"])
def test_the_peak_of_memory_is_at_most_the_tape_s(name, chosen):
    """Of a call and of the buffers that it finds. With them it makes nothing new but what it returns."""
    net, x, settings = sizes_and_seed(name)

    def rng():
        return {} if settings["rng"] is None else {"rng": np.random.default_rng(0)}

    def on_the_tape():
        return grad(reduce(add, net.losses(x, **rng()).values()), settings["wrt"])
    on_the_tape()
    unroll(net.losses, x, **settings, passes=chosen)(x, **rng())        # caches are filled
    tracemalloc.start()
    on_the_tape()
    taped = tracemalloc.get_traced_memory()[1]
    before = tracemalloc.get_traced_memory()[0]
    program = unroll(net.losses, x, **settings, passes=chosen)
    gc.collect()
    found = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    _, gradients = program(x, **rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - before <= 1.01 * taped
    if chosen == PASSES:
        assert peak - found <= sum(g.nbytes for g in gradients.values()) + 30_000


def test_a_recording_leaves_nothing_behind(net):
    """No array of a recording outlives it, also without the garbage collector."""
    def f(x):
        return sum_of(net.h(x))
    unroll(f, net.x, wrt=[net.w])                                       # caches are filled
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(x, Recorded) for x in gc.get_objects())
        program = unroll(f, net.x, wrt=[net.w], rng=None)
        assert sum(isinstance(x, Recorded) for x in gc.get_objects()) == before
    finally:
        gc.enable()
    same(program, f, [net.other], [net.w])
