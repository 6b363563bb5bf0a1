"""tour · ch13: the exam."""
from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .. import ops
from ..check.gradcheck import gradcheck
from ..errors import BadValue
from ..layers import params
from ..optim import Adam
from ..tensor import Tensor, data_of, grad
from .exercise import Exercise, compare


class OnGpu(np.lib.mixins.NDArrayOperatorsMixin):
    """A number on a GPU that is not there: it counts how often the host waits for its value."""
    waits = 0

    def __init__(self, value: float):
        self.value = value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any) -> Any:
        return OnGpu(float(getattr(ufunc, method)(*(a.value if isinstance(a, OnGpu) else a for a in args))))

    def __float__(self) -> float:
        OnGpu.waits += 1
        return self.value

    item = __float__


def check_mean(answer: Any) -> float:
    """answer(losses) -> their mean as a float, with a single wait."""
    values = np.random.default_rng(0).uniform(50, 60, 40)
    before = OnGpu.waits
    got = answer([OnGpu(float(value)) for value in values])
    waits = OnGpu.waits - before
    if not isinstance(got, float):
        raise BadValue("mean_of(losses) returns a Python number", expected="a float", got=type(got).__name__,
                       fix="float(x) brings a number to the host")
    error = compare("mean_of(losses)", np.array(got), values.mean(), "the sum of the losses, divided by their number")
    if waits != 1:
        raise BadValue("the host must wait once", expected="1 wait for 40 losses", got=f"{waits} waits",
                       fix="add and divide on the GPU; call float once, on the result")
    return error


# letter -> the lines that may be named, the cause, and why
EXHIBITS = {
    "A": ({7, 8, 9}, "order", "walk goes on to a before all Tensors that use a have added their part"),
    "B": ({2, 3}, "target", "x becomes noisy, or where the noisy x is the target"),
    "C": ({6}, "bias correction", "m and v, which start at 0, are used without a division by 1 - beta^t"),
    "D": ({3}, "shared array", "g += writes into an array that another parameter's gradient may be"),
    "E": ({4, 6}, "wrong variable", "the divergence is one of pixels; the KL term is that of the code, from mu and "
                                    "log_var"),
}
CAUSES = ("bias correction", "broadcast", "cut path", "order", "overflow", "shared array", "sum or mean", "target",
          "variance", "wrong variable")


def check_exam(answer: Any) -> str:
    """answer: {"A": (line, cause), ...} for the five listings."""
    if not isinstance(answer, dict) or sorted(answer) != sorted(EXHIBITS):
        raise BadValue("the answer names five listings", expected='{"A": (line, cause), ..., "E": (line, cause)}',
                       got=repr(answer)[:60], fix="one entry for each letter from A to E")
    for letter, (line, cause) in answer.items():
        lines, right, why = EXHIBITS[letter]
        if cause not in CAUSES:
            raise BadValue(f"listing {letter}: unknown cause", expected=", ".join(CAUSES), got=repr(cause),
                           fix="copy the cause from the list")
        if cause != right:
            raise BadValue(f"listing {letter}: not that cause", expected="what makes its numbers wrong", got=cause,
                           fix="compute a small example by hand, with this code and with your own")
        if line not in lines:
            raise BadValue(f"listing {letter}: the cause is right, the line is not", expected=f"the line where {why}",
                           got=f"line {line}", fix="count from the def, which is line 1; blank lines count")
    return ""


def ring(n: int, seed: int) -> np.ndarray:
    """Images (n, 24): a bump on a circle of 24 pixels, at a random place. They differ in one number, on a curve."""
    place = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, 1))
    return np.exp(6 * (np.cos(np.arange(24) * 2 * np.pi / 24 - place) - 1))


def check_own(answer: Any) -> str:
    """answer(d, k, rng) -> an autoencoder with encode, decode and loss, which trains to less than PCA's error."""
    k, model = 2, answer(24, 2, np.random.default_rng(0))
    own = params(model)
    if not own:
        raise BadValue("the autoencoder has no parameters", expected="leaf Tensors in its attributes", got="none",
                       fix="self.W = Tensor(rng.standard_normal((d, k)) / d ** 0.5)")
    dtype = next(iter(own.values())).dtype
    x, test = ring(500, 0).astype(dtype), ring(200, 1).astype(dtype)
    for what, got, shape in (("encode(x)", model.encode(x), (500, k)),
                             ("decode(z)", model.decode(np.zeros((7, k), dtype)), (7, 24))):
        if got.shape != shape:
            raise BadValue(f"{what} has a wrong shape", expected=shape, got=got.shape,
                           fix="the code has k numbers, and each code decodes to d pixels")

    def loss(*tensors: Tensor) -> Tensor:
        same = copy.deepcopy(model, {id(p): t for p, t in zip(own.values(), tensors, strict=True)})
        return same.loss(ring(3, 2), np.random.default_rng(0))

    worst = gradcheck(loss, *own.values(), order=1)
    optimizer, rng = Adam(own, lr=0.01), np.random.default_rng(0)
    for _ in range(1000):
        optimizer.step(grad(model.loss(x[rng.integers(0, 500, 50)], rng), own))
    mean = x.mean(axis=0)
    P = np.linalg.svd(x - mean, full_matrices=False)[2][:k]
    pca = error_of(mean + (test - mean) @ P.T @ P, test)
    drawn = data_of(model.decode(model.encode(test)))
    if not error_of(drawn, test) < 0.95 * pca:
        between = data_of(model.decode(model.encode((test[:100] + test[100:]) / 2)))
        raise BadValue("a trained autoencoder must beat PCA", expected=f"an error below {pca:.2f} on test images",
                       got=f"{error_of(drawn, test):.2f} after 1000 steps",
                       fix="decode returns logits: pass them through ops.sigmoid"
                       if error_of(data_of(ops.sigmoid(drawn)), test) < 0.95 * pca else
                       "a net without bends finds PCA's plane at best: put an activation between two layers of a half"
                       if np.abs(between - (drawn[:100] + drawn[100:]) / 2).max() < 1e-4 else
                       "does the loss compare decode(encode(x)) with x? does the code survive (chapter 10)?")
    return f"gradient to {worst:.1g}; test error {error_of(drawn, test):.2f}, PCA {pca:.2f}"


def error_of(y: np.ndarray, x: np.ndarray) -> float:
    return float(np.square(y - x).sum(axis=1).mean())


EXERCISES = (
    Exercise(
        "13.1", "mean_of", """\
A loop has kept the loss of each of its steps, numbers on the GPU, in a list. Write `mean_of(losses)`, which returns
their mean as a Python float. The host may wait once.""", """\
def mean_of(losses):
    return sum(float(loss) for loss in losses) / len(losses)
""", ("float(loss) waits. How many times does the starter call it?",
      "A sum of numbers on the GPU is a number on the GPU."), check_mean),
    Exercise(
        "13.2", "answers", """\
Each of the five listings A to E of this chapter runs without an error and is wrong. In the dictionary `answers`, name
for each the line, counted from its `def`, which is line 1 (blank lines count), and the cause, one of: bias correction,
broadcast, cut path, order, overflow, shared array, sum or mean, target, variance, wrong variable. Where a wrong number
is made on one line and used on another, either is right.""", """\
answers = {
    "A": (1, "overflow"),
    "B": (1, "overflow"),
    "C": (1, "overflow"),
    "D": (1, "overflow"),
    "E": (1, "overflow"),
}
""", ("A: chapter 2. Try b = a + a, c = b + b.",
      "B: chapter 9. What is x in the last line?",
      "C: chapter 8. How large is the first step?",
      "D: in chapter 3, gradients are values. Which two parameters can have one gradient array? Think of x + b.",
      "E: chapter 10. Of which distribution is the KL divergence?"), check_exam),
    Exercise(
        "13.3", "Mine", """\
Write an autoencoder of your own. `Mine(d, k, rng)` makes it for images of $d$ pixels and codes of $k$ numbers.
`encode(x)` takes images (n, d) to codes (n, k), `decode(z)` takes codes to images (n, d), and `loss(x, rng)` returns a
Tensor of one element; use `rng`, a NumPy Generator, if your loss is random. The checker compares the derivative of the
loss by every parameter with differences. Then it trains your net with 1000 steps of Adam at a rate of 0.01, on images
of a bump somewhere on a circle of 24 pixels. On test images, the squared error of `decode(encode(x))` must be below
that of PCA with as many numbers.""", """\
import numpy as np
from tinyae import Tensor, ops

class Mine:
    def __init__(self, d, k, rng):
        self.E = Tensor(rng.standard_normal((d, k)) / d ** 0.5)
        self.D = Tensor(rng.standard_normal((k, d)) / k ** 0.5)
    def encode(self, x):
        return x @ self.E
    def decode(self, z):
        return z @ self.D
    def loss(self, x, rng):
        return ops.mean(ops.sum(ops.square(self.decode(self.encode(x)) - x), axis=1))
""", ("The starter is linear. What is the best that it can do?",
      "Two layers in each half, and a bend between them: ops.tanh(x @ A + a) @ B + b.",
      "One tape has one dtype: make all of it float64, with Dense(..., dtype=np.float64) for the library's layers.",
      "If an error stays, print the loss during 1000 steps of your own, and check each piece with gradcheck."),
        check_own),
)
