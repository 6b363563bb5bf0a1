"""tour · ch12: exercises of the chapter on convolution."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..check.gradcheck import gradcheck
from ..errors import BadValue
from ..tensor import data_of
from .exercise import Exercise, compare


def check_adjoint(answer: Any) -> float:
    """answer(A, B, n, m) -> bool: whether <A x, y> = <x, B y> for the linear A: (n,) -> (m,) and B: (m,) -> (n,)."""
    M = np.random.default_rng(0).standard_normal((6, 8))
    shift = np.roll(np.eye(8), 1, axis=0)
    pairs = [
        (True, M, M.T, "M and its transpose"),
        (False, M, -M.T, "a wrong sign"),
        (False, shift, shift, "a shift, and the same shift once more: columns of both add up to 1, so vectors of ones "
         "cannot tell them from adjoints"),
        (False, M, M.T[::-1], "the transpose upside down, as a flipped kernel makes it"),
        (False, 1e-9 * M, -1e-9 * M.T, "a wrong sign in numbers of 1e-9: divide the difference by their size"),
        (True, 1e9 * M, 1e9 * M.T, "numbers of 1e9, of which the last digits differ: divide the difference by their "
         "size"),
    ]
    for right, A, B, name in pairs:
        got = answer(lambda x, A=A: A @ x, lambda y, B=B: B @ y, A.shape[1], A.shape[0])
        if bool(got) != right:
            raise BadValue(f"adjoint(A, B, n, m) for {name.split(':')[0].split(',')[0]}", expected=right, got=got,
                           fix=name if ":" in name else "compare <A x, y> with <x, B y> for random x (n,) and y (m,)")
    return 0.0


def convolved(x: np.ndarray, W: np.ndarray, stride: int, padding: int) -> np.ndarray:
    x = np.pad(x, padding)
    places = (len(x) - len(W)) // stride + 1
    return np.array([x[stride * u:stride * u + len(W)] @ W for u in range(places)])


def check_transposed(answer: Any) -> float:
    """answer(y, W, n, stride, padding) -> (n,): the adjoint of the convolution of n numbers by W."""
    rng, worst = np.random.default_rng(0), 0.0
    for n, a, stride, padding in ((9, 3, 1, 0), (9, 3, 2, 0), (9, 3, 1, 1), (9, 3, 2, 1), (8, 3, 2, 1), (10, 4, 3, 2)):
        W = rng.standard_normal(a)
        C = np.stack([convolved(e, W, stride, padding) for e in np.eye(n)], axis=1)         # (places, n)
        y = rng.standard_normal(len(C))
        what = f"transposed(y, W, n={n}, stride={stride}, padding={padding})"
        got = np.asarray(data_of(answer(y, W, n, stride, padding)))
        if got.shape != (n,):
            raise BadValue(f"{what} has the wrong size", expected=(n,), got=got.shape,
                           fix="the convolution forgets a remainder, so the size must come from n, not from len(y)")
        flipped = np.stack([convolved(e, W[::-1], stride, padding) for e in np.eye(n)], axis=1)
        worst = max(worst, compare(what, got, y @ C, "x[stride * u + i - padding] += W[i] * y[u], inside of x only",
                                   {"the kernel is flipped: tap i belongs to x[... + i], as in conv": y @ flipped}))
    return worst


def check_pool(answer: Any) -> float:
    """answer(x (n,)) -> (n / 2,): the means of pairs, a row whose vjp is made of rows."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(8)
    if not hasattr(answer, "vjps"):
        raise BadValue("pool must be a row", expected="pool = op(forward, vjp)", got=type(answer).__name__,
                       fix="pool = op(lambda x: ..., lambda g, z, x: ...)")
    worst = compare("pool(x)", answer(x), x.reshape(-1, 2).mean(axis=1), "the mean of x_0 and x_1, of x_2 and x_3, ...")
    v = rng.standard_normal(4)
    worst = max(worst, compare(
        "the vjp of pool", answer.vjps[0](v, answer(x), x), np.repeat(v, 2) / 2,
        "each x_i has the share 1/2 in the mean of its pair, so it gets half of the pair's g", {
            "the half is missing: this is the adjoint of the sums of pairs": np.repeat(v, 2),
            "g_u belongs to x_2u and x_2u+1, which are neighbours: repeat, do not tile": np.tile(v, 2) / 2}))
    return max(worst, gradcheck(answer, x))


EXERCISES = (
    Exercise(
        "12.1", "adjoint", """\
Turn the identity into a test. `adjoint(A, B, n, m)` takes two linear functions, $A$ from (n,) to (m,) and $B$ from (m,)
to (n,), and returns whether they are adjoint. It must not be fooled, neither by a $B$ that is merely similar nor by
numbers that are very small or very large.""", """\
import numpy as np

def adjoint(A, B, n, m):
    x, y = np.ones(n), np.ones(m)
    return abs(A(x) @ y - x @ B(y)) < 1e-6
""", ("Ones weigh everything alike. Remember what fooled the ten-line check of chapter 5.",
      "Divide the difference by the size of what you compare: |A(x)| |y|, for example."), check_adjoint),
    Exercise(
        "12.2", "transposed", """\
Give the transposed convolution its two settings. The convolution of $n$ numbers pads them with `padding` zeros on each
side, and moves the kernel by `stride`. Write `transposed(y, W, n, stride, padding)`: y (m,), W (a,) -> (n,), its
adjoint. Your test from 12.1 can find your mistakes.""", """\
import numpy as np

def transposed(y, W, n, stride, padding):
    x = np.zeros(stride * (len(y) - 1) + len(W))
    for i in range(len(W)):
        x[i:i + stride * len(y):stride] += y * W[i]
    return x[padding:len(x) - padding]
""", ("How large is the padded signal? It is n + 2 padding, whatever len(y) is.",
      "The last pixels may be reached by no tap: they stay 0."), check_transposed),
    Exercise(
        "12.3", "pool", """\
Another linear function of signals: *average pooling* replaces each pair of neighbours by their mean, (n,) -> (n/2,).
Write it as a row, `pool = op(forward, vjp)`. The vjp is its adjoint. Let the vjp be made of rows, so that it can be
differentiated again.""", """\
import numpy as np
from tinyae import op, ops

pool = op(lambda x: x.reshape(-1, 2).mean(axis=1),
          lambda g, z, x: np.repeat(g, 2))
""", ("Write the matrix of pool for n = 4, and transpose it.",
      "np.repeat is no row. g as a column (n/2, 1), broadcast to (n/2, 2), reshaped to (n,) is the same.",
      "ops.broadcast_to(ops.reshape(g, (-1, 1)), (len(z), 2))"), check_pool),
)
