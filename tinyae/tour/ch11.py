"""tour · ch11: exercises of the chapter on gradients of gradients."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..check.gradcheck import gradcheck
from ..errors import BadType
from ..tensor import data_of
from .exercise import Exercise, compare


def quartic(A: np.ndarray) -> Any:
    """f(x) = |A x|^4 / 4 for x (d,): a function with a full Hessian."""
    return lambda x: 0.25 * ops.square(ops.sum(ops.square(ops.reshape(x, (1, -1)) @ A.T)))


def check_laplacian(answer: Any) -> float:
    """answer(f, x (d,)) -> the trace of f's Hessian at x."""
    rng = np.random.default_rng(0)
    A, x = rng.standard_normal((4, 3)), rng.standard_normal(3)
    B = A.T @ A                                             # f = (x B x)^2 / 4, so H = (x B x) B + 2 (B x)(B x)^T
    H = (x @ B @ x) * B + 2 * np.outer(B @ x, B @ x)
    got = answer(quartic(A), x)
    return compare("laplacian(f, x)", np.asarray(data_of(got)).reshape(()), np.trace(H),
                   "sum_i e_i . (H e_i), e_i the i-th unit vector: one Hessian-vector product for each i", {
                       "differentiating the sum of the gradient adds up all entries of H, not only its diagonal":
                           H.sum(),
                       "this is the sum of the gradient: differentiate once more": (x @ B @ x) * (B @ x).sum(),
                       "squares of second derivatives: that is the norm of H": np.square(H).sum()})


def check_penalty(answer: Any) -> float:
    """answer(h (n, k), W (d, k)) -> (n,): ||dh/dx||_F^2 for h = tanh(x @ W + b)."""
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((4, 5)), rng.standard_normal((5, 3))
    h = np.tanh(x @ W)
    slope, squares = 1 - h ** 2, (W ** 2).sum(axis=0)
    right = (slope ** 2 * squares).sum(axis=1)
    worst = compare("penalty(h, W)", answer(h, W), right,
                    "dh_j/dx_i is the slope of tanh, times W_ij: add up its squares", {
        "a parenthesis: square the weights before they are added up, or opposite signs cancel":
            (slope ** 2 * W.sum(axis=0) ** 2).sum(axis=1),
        "h (1 - h) is the slope of the sigmoid; that of tanh is 1 - h^2": ((h * (1 - h)) ** 2 * squares).sum(axis=1),
        "the slope is squared as well: the norm adds up squares of derivatives": (slope * squares).sum(axis=1),
        "an integer division: // rounds down to whole numbers": right // 1,
        "the sum of squares, without the root": np.sqrt(right),
        "the sum, not the mean": right / 3})
    return max(worst, gradcheck(lambda x, W: answer(ops.tanh(x @ W), W), x, W))


def check_jvp(answer: Any) -> float:
    """answer(f, x, v) -> J v, for f: (d,) -> (m,)."""
    rng = np.random.default_rng(0)
    A, x, v = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)

    def f(x: Any) -> Any:
        return ops.reshape(ops.tanh(ops.reshape(x, (1, 3)) @ A), (3,))

    J = (1 - np.tanh(x @ A) ** 2)[:, None] * A.T
    got = data_of(answer(f, x, v))
    if not isinstance(got, np.ndarray):
        raise BadType("jvp(f, x, v) returns an array", expected="J v, of the shape of f(x)", got=type(got).__name__,
                      fix="grad(...) returns a list of one array: take [0]")
    return compare("jvp(f, x, v)", got, J @ v, "differentiate <u J, v> by u: it is linear in u, so u may be anything",
                   {"this is v J, one backward pass: J v needs another one, by u": v @ J})


EXERCISES = (
    Exercise(
        "11.1", "laplacian", """\
The *Laplacian* of a function of $d$ numbers is the trace of its Hessian, $\\sum_i \\partial^2 f / \\partial x_i^2$.
Write `laplacian(f, x)` for a function `f` of a Tensor (d,) and an array $x$ (d,). It must be right for functions whose
second derivatives mix the $x_i$.""", """\
from tinyae import Tensor, grad, ops

def laplacian(f, x):
    x = Tensor(x)
    (g,) = grad(f(x), [x], create_graph=True)
    (h,) = grad(ops.sum(g), [x])
    return h.sum()
""", ("What does the starter compute for f(x) = x_0 x_1, whose Laplacian is 0?",
      "It adds up all entries of the Hessian. With v = e_i, H v is one column: which of its entries do you want?"),
        check_laplacian),
    Exercise(
        "11.2", "penalty", """\
Derive the closed form of the contractive penalty for an encoder with tanh instead of a sigmoid,
$h = \\tanh(x W + b)$. Write `penalty(h, W)`: h (n, k), W (d, k) -> (n,).""", """\
from tinyae import ops

def penalty(h, W):
    return ops.sum(ops.square(h * (1 - h)) * ops.square(ops.sum(W, axis=0)), axis=1)
""", ("tanh' = 1 - tanh^2.", "The starter has two mistakes. Try W with the rows (4,) and (-4,)."), check_penalty),
    Exercise(
        "11.3", "jvp", """\
The gradient of $\\langle u, f(x) \\rangle$ by $x$ is $u^T J$, a row vector times the Jacobian. There is a trick for the
other side, $J v$. Regard $u^T J$ as a function of $u$. It is linear, so the derivative of $\\langle u^T J, v \\rangle$
by $u$ is $J v$, whatever $u$ is. Write `jvp(f, x, v)` for a function `f` from (d,) to (m,), and arrays $x$ and $v$
(d,).""", """\
from tinyae import Tensor, grad, ops

def jvp(f, x, v):
    x = Tensor(x)
    return grad(ops.sum(f(x) * v), [x])[0]
""", ("u must be a Tensor, because the second call of grad differentiates by it.",
      "The first call of grad needs create_graph=True: its result must remember u.",
      "u = Tensor(np.zeros(m)) will do: the function is linear in u."), check_jvp),
)
