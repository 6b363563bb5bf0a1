"""tour · ch08: exercises of the chapter on layers, losses and Adam."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..check.gradcheck import gradcheck
from ..errors import BadValue
from ..layers import params
from ..tensor import Tensor, grad
from .exercise import Exercise, compare


class Dense:
    def __init__(self, W: np.ndarray, b: np.ndarray):
        self.W, self.b = Tensor(W), Tensor(b)

    def __call__(self, x: Any) -> Any:
        return x @ self.W + self.b


def check_tied(answer: Any) -> float:
    """answer(dense) -> a layer y (n, k) -> y @ dense.W.T + c (n, d)."""
    rng = np.random.default_rng(0)
    W, x, y = rng.standard_normal((5, 3)), rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    dense = Dense(W, np.zeros(3))
    tied = answer(dense)
    worst = compare("Tied(dense)(y)", tied(y), y @ W.T, "y @ dense.W.T + c, with c of d zeros: one for each input of "
                    "the Dense layer")
    own = params([dense, tied])
    if len(own) != 3:
        raise BadValue("two layers with one matrix have three parameters", expected="W, b and c", got=", ".join(own),
                       fix="keep the Tensor dense.W itself: a Tensor made from its array is a copy, trained on its own"
                       if len(own) > 3 else "c must be a Tensor, kept as an attribute")
    loss = ops.sum(ops.square(tied(dense(x)) - x))
    g = grad(loss, [dense.W])[0]
    encode, decode = Tensor(W), Tensor(W)                       # the same numbers, as two matrices
    first, second = grad(ops.sum(ops.square(x @ encode @ decode.T - x)), [encode, decode])
    worst = max(worst, compare("dL/dW", g, first + second, "W is used twice, so its gradient is the sum of two parts",
                               {"the decoder's part is missing: do not take W.data in __call__": first,
                                "the encoder's part is missing": second}))
    dense.W.data = 2 * W
    return max(worst, compare("the layer after a step has changed W", tied(y), 2 * y @ W.T,
                              "write dense.W.T in __call__: in __init__ it is computed once, from the first W"))


def check_cross_entropy(answer: Any) -> float:
    """answer(logits (n, k), labels (n,)) -> (n,): -log softmax(logits)[label]."""
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((4, 5)), np.array([0, 3, 3, 1])
    right = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[np.arange(4), labels]
    worst = compare("cross_entropy(logits, labels)", answer(logits, labels), right,
                    "log of the sum of e^l over axis 1, minus the logit of the label: one number per image", {
                        "the sign: a probability below 1 has a negative logarithm": -right,
                        "sum over the classes, do not average": right - np.log(5),
                        "subtract the logit of the label": right + logits[np.arange(4), labels]})
    large = np.array([[1000.0, 0.0, -1000.0], [800.0, 801.0, 0.0]])
    with np.errstate(all="ignore"):
        t = Tensor(large)
        loss = answer(t, np.array([2, 0]))
        worst = max(worst, compare(
            "the loss of logits of 1000", loss, [2000, np.log1p(np.e)],
            "e^1000 overflows, and the log of a probability that rounds to 0 is lost. Subtract the largest logit of "
            "each row first: it cancels in the formula"))
        (g,) = grad(ops.sum(loss), [t])
    p = 1 / (1 + np.e)
    worst = max(worst, compare("its gradient", g, [[1, 0, -1], [p - 1, 1 - p, 0]],
                               "the gradient is softmax minus the one-hot label, at any logit: is a clip in the way?"))
    return max(worst, gradcheck(lambda logits: answer(logits, labels), logits))


def check_corrected(answer: Any) -> float:
    """answer(t, lr, eps, b1, b2) -> (rate, eps_hat) with rate m / (sqrt(v) + eps_hat) = Adam's step."""
    worst = 0.0
    for t, eps in ((1, 1e-8), (1, 0.1), (7, 0.1), (1000, 1e-3)):
        lr, b1, b2 = 0.02, 0.9, 0.999
        c1, c2 = 1 - b1 ** t, np.sqrt(1 - b2 ** t)
        got = answer(t, lr, eps, b1, b2)
        worst = max(worst, compare(
            f"(rate, eps_hat) at t={t}, eps={eps}", np.array(got, np.float64), np.array([lr * c2 / c1, eps * c2]),
            "multiply numerator and denominator of Adam's fraction by sqrt(1 - b2^t)", {
                "eps is multiplied too: in sqrt(v) + eps_hat it stands beside sqrt(v), not beside sqrt(v_hat)":
                    np.array([lr * c2 / c1, eps]),
                "no bias correction: m and v start at 0, and the first steps become three times too long":
                    np.array([lr, eps]),
                "the rate climbs: the minus sign belongs to the update, p - rate * ...":
                    np.array([-lr * c2 / c1, eps * c2]),
                "the square root: v is corrected by 1 - b2^t, sqrt(v) by its root":
                    np.array([lr * c2 ** 2 / c1, eps * c2 ** 2])}))
    return worst


EXERCISES = (
    Exercise(
        "8.1", "Tied", """\
An autoencoder may decode with the matrix that it encodes with, transposed. Write the layer `Tied(dense)`: it takes
$y$ (n, k) to $y W^T + c$ (n, d), where $W$ (d, k) is the matrix of `dense` and $c$ is a bias of its own, zeros at
first. There must be one matrix, which learns from both of its uses (exercise 7.1 derived its gradient by hand), so that
`params([dense, Tied(dense)])` finds three Tensors.""", """\
import numpy as np
from tinyae import Tensor

class Tied:
    def __init__(self, dense):
        self.W = Tensor(dense.W.data.T)
        self.c = Tensor(np.zeros(dense.W.shape[0]))
    def __call__(self, y):
        return y @ self.W + self.c
""", ("The starter draws the right images at first. Look at params([dense, Tied(dense)]).",
      "An attribute does not copy: after self.dense = dense, both names mean one object.",
      "W.T is a row and has a gradient. Where must it be computed, so that it follows W?"), check_tied),
    Exercise(
        "8.2", "cross_entropy", """\
A net with $k$ outputs bets on one of $k$ classes: the probability of class $i$ is $e^{l_i} / \\sum_j e^{l_j}$. Write
its loss, `cross_entropy(logits, labels)`: logits (n, k), integer labels (n,) -> (n,), in nats. Simplify
$-\\log p$ on paper first, as for `bce`. Loss and gradient must be right for logits of
1000, too, although $e^{1000}$ overflows.""", """\
import numpy as np
from tinyae import ops

def cross_entropy(logits, labels):
    e = ops.exp(logits)
    p = e / ops.sum(e, axis=1, keepdims=True)
    return -ops.log(p)[np.arange(len(labels)), labels]
""", ("log(a / b) = log a - log b, and log e^l = l: only one logarithm is left.",
      "Add a constant to all logits of a row: the probabilities stay. Which constant keeps e^l from overflowing?",
      "ops.max(logits, axis=1, keepdims=True) is the largest logit of each row."), check_cross_entropy),
    Exercise(
        "8.3", "corrected", """\
Adam's step divides two arrays by numbers, $m / (1 - \\beta_1^t)$ and $v / (1 - \\beta_2^t)$. The paper (end of
section 2) saves these divisions of arrays: the step is also $\\eta_t\\, m / (\\sqrt{v} + \\hat\\epsilon)$, with numbers
$\\eta_t$ and $\\hat\\epsilon$ that depend on $t$. Write `corrected(t, lr, eps, b1, b2)`, which returns the pair
$(\\eta_t, \\hat\\epsilon)$ that gives exactly the same step.""", """\
def corrected(t, lr, eps, b1, b2):
    return lr * (1 - b2 ** t) ** 0.5 / (1 - b1 ** t), eps
""", ("Write the step with one fraction bar, and look for sqrt(v) alone in the denominator.",
      "sqrt(v / c) + eps = (sqrt(v) + eps sqrt(c)) / sqrt(c)."), check_corrected),
)
