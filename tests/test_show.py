"""show and explain: the tape as a table, and what grad does in words, with the numbers that grad computes."""
from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from support import refused

from tinyae import Tensor, draw, explain, functions, grad, models, op, ops, params, show, unroll
from tinyae.errors import BadType, BadValue
from tinyae.show.story import steps, summed


def small() -> tuple[Tensor, dict[str, Tensor]]:
    """mean((x @ W + b) ** 2), with a bias that is broadcast."""
    W, b = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([0.5, -0.5])
    x = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    return ops.mean(ops.square(x @ W + b)), {"W": W, "b": b}


def test_show_prints_the_tape(capsys: Any):
    y, named = small()
    show(y, named)
    assert capsys.readouterr().out == """\
born  name  made by  from   shape   value
   1  W     leaf            (2, 2)  [[1, 2], [3, 4]]
   2  b     leaf            (2,)    [0.5, -0.5]
   3  z1    matmul   W      (3, 2)
   4  z2    add      z1, b  (3, 2)
   5  z3    square   z2     (3, 2)
   6  z4    mean     z3     ()      13.25
"""


def test_explain_says_where_broadcasting_is_undone_and_why(capsys: Any):
    y, named = small()
    explain(y, named)
    said = capsys.readouterr().out
    assert "The gradient of z4 with respect to W and b, newest Tensor first." in said
    assert "z2 = z1 + b, shape (3, 2)\n" in said
    assert "    to b: g, summed over axis 0 because b (2,) was broadcast to (3, 2): [3.167, 3.5]\n" in said
    assert "    to W: x.mT @ g: [[2, 2.333], [2.667, 3]]\n" in said
    assert [line for line in said.splitlines() if line.startswith("dz4/d")] == [
        "dz4/dW, shape (2, 2): [[2, 2.333], [2.667, 3]]", "dz4/db, shape (2,): [3.167, 3.5]"]


def test_explain_adds_up_the_uses_of_a_tensor(capsys: Any):
    a = Tensor(2.0)
    s = a + a
    explain(s * s + a, {"a": a}, {"s": s})
    said = capsys.readouterr().out
    assert "a has 3 uses, all met now: their parts add up to 17" in said
    assert "s has 2 uses, all met now: their parts add up to 8" in said
    assert said.count("all met now") == 2               # each once, at the last of the uses
    assert "its gradient g is complete (the sum over its 2 uses): 8" in said


@pytest.mark.parametrize("name", ["vae", "sparse", "conv_vae", "contractive", "winner_take_all"])
def test_the_steps_hold_the_gradients_of_grad(name: str):
    """The parts of a Tensor add up to its gradient, which is that of grad, bit for bit."""
    rng = np.random.default_rng(0)
    model = models.MODELS[name](16, (10,), 3, rng=rng)
    y = sum(model.losses(rng.random((4, 16), np.float32), rng).values())
    own = params(model)
    told = {step.t: step for step in steps(y, own, list(own.values()))}
    for w, g in zip(own.values(), grad(y, list(own.values()), unused="zero"), strict=True):
        assert w not in told or (told[w].gradient == g).all()
    for t, step in told.items():
        parts = [part.array for other in told.values() for part in other.parts if part.to is t]
        if t is not y and step.gradient is not None:
            np.testing.assert_allclose(np.sum(parts, axis=0), step.gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape, to, axes", [
    ((8, 3), (3,), (0,)), ((8, 3), (8, 1), (1,)), ((2, 8, 3), (1, 3), (0, 1)), ((4,), (), (0,)), ((8, 3), (8, 3), ())])
def test_summed_names_the_axes(shape: tuple, to: tuple, axes: tuple):
    assert summed(shape, to) == axes
    assert np.ones(shape).sum(axes).size == np.ones(to).size


def test_a_row_without_a_source_is_still_told(capsys: Any):
    half = op(lambda x: x / 2, lambda g, z, x: g / 2)
    x = Tensor([1.0, 2.0])
    explain(ops.sum(half(x)), [x])
    assert "    to x1: the vjp of op: [0.5, 0.5]" in capsys.readouterr().out


def test_settings_and_constants_are_written_as_one_types_them(capsys: Any):
    x = Tensor(np.ones((2, 3, 4)))
    y = ops.sum(ops.mean(ops.reshape(x[:, 1:], shape=(2, 8)) * np.ones((2, 8)), axis=0) ** 2)
    explain(y, {"x": x})
    said = capsys.readouterr().out
    for line in ("x[:, 1:]", "reshape(z1, shape=(2, 8))",
                 "z2 * array(2, 8)", "mean(z3, axis=0)", "z4 ** 2"):
        assert re.search(rf"= {re.escape(line)}, shape", said), line


def test_what_is_long_is_named_by_its_kind():
    x = Tensor(np.ones((3, 4)))
    assert steps(x[list(range(3)) * 9], {"x": x})[-1].made == "x[<list>]"
    assert steps(ops.reshape(x, (12,)), {"x": x})[-1].made == "reshape(x, shape=(12,))"


def test_many_tensors_are_counted_not_listed(capsys: Any):
    xs = [Tensor(float(i)) for i in range(5)]
    for count, words in ((4, "respect to x1, x2, x3 and x4, newest"), (5, "respect to 5 Tensors, newest")):
        explain(sum(xs[:count]), xs[:count])
        assert words in capsys.readouterr().out


def test_a_name_of_ours_gives_way_to_the_readers(capsys: Any):
    z1, x1 = Tensor(1.0), Tensor(2.0)
    show(z1 * Tensor(3.0) + x1, {"z1": z1, "x1": x1})
    names = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert sorted(names) == ["x1", "x2", "z1", "z2", "z3"]


def test_explain_needs_one_number():
    x = Tensor([1.0, 2.0])
    with refused(BadValue, "one element"):
        explain(functions.softmax(x.reshape(1, 2)), [x])


def test_explain_refuses_what_grad_refuses():
    x = Tensor([1.0, 2.0])
    y = ops.sum(x * x)
    with refused(BadValue, "no path from y", "entry 1"):
        explain(y, [x, Tensor([3.0])])
    with refused(BadType, "wrt must be a list"):
        explain(y, x)
    with refused(BadValue, "wrt is empty"):
        explain(y, {})


def test_an_array_has_no_tape():
    for show_it in (show, lambda y: draw(y, "never.svg")):
        with refused(BadType, "needs a Tensor"):
            show_it(np.ones(2))


@pytest.mark.parametrize("key, written", [
    (((0, 0, 1), (1, 1, 2)), "x[(0, 0, 1), (1, 1, 2)]"), (np.eye(3, 4, dtype=bool), "x[array(3, 4)]"),
    ((), "x[()]"), ((0, ...), "x[0, Ellipsis]"), ((slice(None, None, 2), [0, 1]), "x[::2, [0, 1]]"), (-1, "x[-1]")])
def test_a_key_is_written_as_one_types_it(key: Any, written: str):
    x = Tensor(np.ones((3, 4)))
    assert steps(x[key], {"x": x})[-1].made == written


def test_models_and_programs_show_themselves_in_a_notebook():
    model = models.VAE(12, (10,), 3, rng=np.random.default_rng(0))
    assert "decoder.1" in model._repr_html_() and model._repr_html_().startswith("<pre>")
    program = unroll(lambda x: ops.sum(ops.relu(x @ model.mu.W)), np.ones((2, 10), np.float32), wrt=params(model.mu),
                     unused="zero")
    assert "def step(" in program._repr_html_() and "&gt; 0" in program._repr_html_()
