"""docs/tour/steps: files that run by themselves and grow into the engine."""
from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tinyae
from tinyae import ops

FOLDER = Path(__file__).parents[1] / "docs" / "tour" / "steps"
STEPS = sorted(FOLDER.glob("*.py"))
PRINTED = {"01_scalar": "d(h * h)/dw = 30.0", "02_tape": "dy/da = 1.07150860718626", "03_arrays": "dL/dW = [[",
           "04_broadcasting": "dL/db = [ 0.8019", "05_check": "a layer: True\ntanh with a wrong vjp: False",
           "06_engine": "a layer, to second order: True\nthe second derivative of t^3: [ 6. 12.]",
           "07_written_out": "the same bits as grad: True"}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_a_step_runs_by_itself(step, tmp_path):
    done = subprocess.run([sys.executable, "-I", "-W", "error", str(step)], capture_output=True, text=True,
                          cwd=tmp_path)
    assert done.returncode == 0 and PRINTED[step.stem] in done.stdout, done.stdout + done.stderr


def test_every_step_stands_in_the_table_and_has_its_chapter():
    table = (FOLDER / "README.md").read_text()
    assert [f"[{step.stem}]({step.name})" in table for step in STEPS] == [True] * 7
    assert [step.name[:2] for step in STEPS] == [page.name[:2] for page in sorted(FOLDER.parent.glob("0[1-7]-*.md"))]


def defined(step: Path) -> set[str]:
    tree = ast.parse(step.read_text())
    return {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets} | {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("before, after", list(pairwise(STEPS)), ids=lambda step: step.stem)
def test_a_step_adds_to_the_one_before(before, after):
    kept = set(before.read_text().splitlines()) & set(after.read_text().splitlines())
    assert defined(before) <= defined(after)
    assert len(kept) > 0.5 * len(set(before.read_text().splitlines()))


# ---- the last step is the engine

LAST = runpy.run_path(str(STEPS[-1]))
ROWS = LAST["ROWS"]
X, Y, W = np.random.default_rng(1).standard_normal((3, 4, 3))
CALLS = {"add": ((X, Y), {}), "sub": ((X, Y), {}), "mul": ((X, Y), {}), "matmul": ((X, W.T.copy()), {}),
         "exp": ((X,), {}), "tanh": ((X,), {}), "square": ((X,), {}), "sum": ((X,), {"axis": 1}),
         "sum_to": ((X,), {"shape": (4, 1)}), "broadcast_to": ((X[:1].copy(),), {"shape": (4, 3)}),
         "reshape": ((X,), {"shape": (2, 6)}), "swapaxes": ((X,), {"axis1": -1, "axis2": -2})}


@pytest.mark.parametrize("name", ROWS)
def test_the_rules_of_the_last_step_are_the_engine_s(name):
    """Forward and every vjp, bit for bit."""
    args, settings = CALLS[name]
    ours, theirs = ROWS[name], getattr(ops, name)
    z = ours.forward(*args, **settings)
    assert np.array_equal(z, theirs.forward(*args, **settings)) and len(ours.vjps) == len(theirs.vjps)
    g = np.random.default_rng(2).standard_normal(z.shape)
    for ours_back, theirs_back in zip(ours.vjps, theirs.vjps, strict=True):
        assert np.array_equal(ours_back(g, z, *args, **settings), theirs_back(g, z, *args, **settings))


@pytest.mark.parametrize("order", [1, 2])
def test_the_gradients_of_the_last_step_are_the_engine_s(order):
    """Bit for bit, on quarters: sums of few binary digits are exact in any order."""
    arrays = [np.round(4 * a) / 4 for a in (X, W.T, W[0, :1] * np.ones(4), Y)]

    def gradients(Tensor, grad, square, sum):
        x, V, b, s = map(Tensor, arrays)
        loss = sum(square(x @ V + b) @ (s * x))
        found = grad(loss, [x, V, b, s], create_graph=order == 2)
        if order == 2:
            found = grad(sum(square(found[2])) + sum(found[0] * s), [x, V, b, s])
        return found

    ours = gradients(LAST["Tensor"], LAST["grad"], LAST["square"], LAST["sum"])
    theirs = gradients(tinyae.Tensor, tinyae.grad, ops.square, ops.sum)
    assert all(np.array_equal(a, b) and a.shape == b.shape for a, b in zip(ours, theirs, strict=True))


def test_the_check_of_the_last_step_tells_right_from_wrong():
    check, op = LAST["gradcheck"], LAST["op"]
    for name in ("add", "mul", "matmul", "exp", "tanh", "square"):
        assert check(ROWS[name], *CALLS[name][0])
    assert not check(op(np.tanh, lambda g, z, x: g * (1 - z)), X)
    first_order_alone = op(np.square, lambda g, z, x: g * 2 * LAST["data_of"](x))
    assert check(first_order_alone, X, order=1) and not check(first_order_alone, X)
