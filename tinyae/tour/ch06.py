"""tour · ch06: exercises of the chapter on the real engine's file."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..check.gradcheck import WrongGradient
from ..errors import BadValue
from ..tensor import Tensor, data_of, tape
from .exercise import Exercise, check_row


def names(tensors: Any, known: dict[str, Tensor]) -> str:
    return ", ".join(name for name, t in known.items() if t in set(tensors)) or "none"


def check_live(answer: Any) -> str:
    """answer(y, wrt) -> the Tensors of y's past that depend on wrt."""
    x, w, b, v = (Tensor(float(i)) for i in range(1, 5))
    p = x * w
    h = p + b
    q = v * x
    y = h * h + q
    unrelated = w * w
    known = {"x": x, "w": w, "b": b, "v": v, "p": p, "h": h, "q": q, "h * h": y.args[0], "y": y, "unrelated": unrelated}
    for wrt in ([w], [b], [v, b], [y], [x]):
        got, want = answer(y, wrt), set(wrt)
        for t in tape(y):
            if not want.isdisjoint(t.parents):
                want.add(t)
        if not isinstance(got, set | frozenset) or got != want:
            listed = names(got, known) if isinstance(got, set | frozenset | list | tuple) else repr(got)[:80]
            fix = "go through the tape oldest first: a Tensor is live if it is in wrt or has a live parent"
            if isinstance(got, list | tuple) and set(got) == want:
                fix = "the right Tensors: return them as a set"
            elif isinstance(got, set | frozenset):
                fix = ("newest first, a Tensor is asked before its parents have been: go oldest first" if got < want
                       else "what does not depend on an entry of wrt is not live" if got > want else fix)
            raise BadValue(f"live(y, [{names(wrt, known)}]) of y = h * h + q, with p = x * w, h = p + b, q = v * x",
                           expected=f"a set of {names(want, known)}", got=listed, fix=fix)
    return ""


def broadcast_arguments(y: Tensor) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    grads: dict[Tensor, Any] = {y: np.ones_like(y.data)}
    for t in reversed(tape(y)):
        for i, a in enumerate(t.args):
            if isinstance(a, Tensor):
                ga = t.op.vjps[i](grads[t], t.data, *map(data_of, t.args), **t.settings)
                if ga.shape != a.shape:
                    found.append((t.op.__name__, i))
                    ga = ops.sum_to(ga, a.shape)
                grads[a] = grads[a] + ga if a in grads else ga
    return found


def check_undone(answer: Any) -> str:
    """answer(y) -> [(row's name, i)], newest first, where the gradient of argument i is summed over copies."""
    rng = np.random.default_rng(0)
    x, W, b, scale = (Tensor(rng.standard_normal(shape)) for shape in ((4, 3), (3, 2), (2,), ()))
    stack = Tensor(rng.standard_normal((5, 4, 3)))
    for what, y in (("sum(x @ W + b)", ops.sum(x @ W + b)), ("sum(x @ W)", ops.sum(x @ W)),
                    ("sum(s * tanh(x @ W + b))", ops.sum(scale * ops.tanh(x @ W + b))),
                    ("sum((stack @ W) / (b * b))", ops.sum((stack @ W) / (b * b)))):
        got, want = answer(y), broadcast_arguments(y)
        if not isinstance(got, list) or [tuple(pair) for pair in got] != want:
            by_result = [(t.op.__name__, i) for t in reversed(tape(y)) if t.op for i, a in enumerate(t.args)
                         if isinstance(a, Tensor) and a.shape != t.shape]
            raise BadValue(f"undone(y) of y = {what}", expected=repr(want), got=repr(got)[:120], fix=(
                "newest first: append while walking back" if got == want[::-1] else
                "compare a's shape with that of its vjp's answer, not with the result's: a sum has another shape, too"
                if got == by_result else "where ga.shape is not a.shape, note it, and replace ga by its sum over the "
                "copies, ops.sum_to(ga, a.shape), before adding it to grads"))
    return ""


def check_affine(answer: Any) -> float:
    """answer: the row x @ W + b."""
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    worst = 0.0
    for shape in ((4, 2), (2,), (1, 2)):
        b = rng.standard_normal(shape)
        try:
            worst = max(worst, check_row("affine", answer, lambda x, W, b: x @ W + b, x, W, b))
        except WrongGradient as error:
            if not error.what.startswith("vjp") or "read-only" in str(error.got):
                raise
            raise WrongGradient(error.what, expected=error.expected, got=error.got, fix=(
                "for b return g as it is: the engine sums over the copies, whatever the shape of b"
                if "vjp 2" in error.what else "the shapes tell: dL/dx is (n, k), dL/dW is (k, m), from g (n, m)"
                )) from error
    return worst


EXERCISES = (
    Exercise(
        "6.1", "live", """\
Write the first part of grad: `live(y, wrt)` returns the set of the entries of the list wrt and of all Tensors on the
tape of y that depend on one of them. Use `tensor.tape(y)`. (Keep Tensors in sets or dicts, which find them by identity;
`t in some_list` would compare values.)""", """\
def live(y, wrt):
    return set(tensor.tape(y))
""", ("It stands in the chapter, in four lines.", "t.parents lists the Tensors that t was made of."), check_live),
    Exercise(
        "6.2", "undone", """\
Make grad tell where it undoes broadcasting. `undone(y)` walks from y, of one element, to all leaves, and returns a
list of pairs `(t.op.__name__, i)`, newest first: argument i of the row that made t was broadcast. The starter is grad
without the undoing.""", """\
def undone(y):
    found, grads = [], {y: np.ones_like(y.data)}
    for t in reversed(tensor.tape(y)):
        if t.op is not None:
            args = [a.data if isinstance(a, Tensor) else a for a in t.args]
            for i, a in enumerate(t.args):
                if isinstance(a, Tensor):
                    ga = t.op.vjps[i](grads[t], t.data, *args, **t.settings)
                    grads[a] = grads[a] + ga if a in grads else ga
    return found
""", ("Three lines are missing, behind the call of the vjp.",
      "if ga.shape != a.shape: append (t.op.__name__, i) to found, and sum ga.",
      "ops.sum_to(ga, a.shape) is the sum."), check_undone),
    Exercise(
        "6.3", "affine", """\
Write the row of a whole layer: `affine`, with z = x @ W + b for x (n, k), W (k, m) and a bias b that NumPy broadcasts
to (n, m). It needs three vjps. Leave to the engine what is the engine's.""", """\
affine = op(lambda x, W, b: x @ W + b,
            lambda g, z, x, W, b: g * W,
            lambda g, z, x, W, b: g * x,
            lambda g, z, x, W, b: g)
""", ("Chapter 3 has derived the vjps of a matrix product. The sum does not change them.",
      "The vjp of b is that of add: g. Its shape is (n, m), and the engine sees that b's is another."), check_affine),
)
