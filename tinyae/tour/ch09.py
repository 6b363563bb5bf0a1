"""tour · ch09: exercises of the chapter on the first autoencoder."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadValue
from ..tensor import Tensor, data_of
from .exercise import Exercise, compare


def spectrum(n: int, sizes: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, d) about a mean far from 0, and its principal directions (d, d), the largest variance first."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, len(sizes))) * sizes @ np.linalg.qr(rng.standard_normal((len(sizes),) * 2))[0]
    return x, np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2]


def degrees(A: np.ndarray, B: np.ndarray) -> float:
    """The largest angle between the planes spanned by the rows of A and B."""
    A, B = (np.linalg.qr(M.T)[0] for M in (A, B))
    return float(np.degrees(np.arccos(min(1.0, np.linalg.svd(A.T @ B, compute_uv=False).min()))))


def unsigned(rows: np.ndarray) -> np.ndarray:
    """Rows whose largest entries are positive."""
    return rows * np.sign(np.take_along_axis(rows, np.abs(rows).argmax(axis=1, keepdims=True), axis=1))


def check_components(answer: Any) -> float:
    """answer(E (d, k), D (k, d), x (n, d)) -> (k, d): the principal directions, each up to its sign."""
    x, P = spectrum(200, [3, 2, 1, 0.3, 0.2], seed=0)
    x, k = x - x.mean(axis=0), 3
    A = np.random.default_rng(1).standard_normal((k, k)) + 2 * np.eye(k)        # any invertible matrix
    E, D = P[:k].T @ A, np.linalg.inv(A) @ P[:k]
    got = np.asarray(data_of(answer(E, D, x)))
    if got.shape != (k, x.shape[1]):
        raise BadValue("components(E, D, x) has a wrong shape", expected=(k, x.shape[1]), got=got.shape,
                       fix="one row of d numbers for each number of the code")
    compare("rows @ rows.T", got @ got.T, np.eye(k),
            "the rows must have length 1 and right angles between them: the basis D has neither")
    if (angle := degrees(got, P[:k])) > 1e-3:
        raise BadValue("the rows span another plane", expected="the plane of D's rows", got=f"{angle:.1f} degrees off",
                       fix="all images that the net can draw are combinations of D's rows")
    return compare("the set of directions, each up to its sign,", unsigned(got), unsigned(P[:k]),
                   "the right plane, but not the directions in which the images vary most: those depend on x too",
                   {"the largest variance comes first": unsigned(P[:k][::-1])})


def check_fit(answer: Any) -> float:
    """answer(x (n, d), k) -> D (k, d), whose rows span PCA's plane to a degree."""
    x, P = spectrum(300, [3.0, 2.5, 2.0, 0.7, 0.5, 0.4], seed=2)
    x = x + 3 * P[5]                                                            # the mean lies off the plane
    got = np.asarray(data_of(answer(x.copy(), 3)))
    if got.shape != (3, 6):
        raise BadValue("fit(x, k) returns the decoder's matrix", expected=(3, 6), got=got.shape, fix="D.data, (k, d)")
    angle = degrees(got, P[:3])
    if not angle < 1:
        uncentred = np.linalg.svd(x, full_matrices=False)[2][:3]
        raise BadValue("D must span PCA's plane", expected="an angle below one degree", got=f"{angle:.1f} degrees",
                       fix="this is the plane through the origin: subtract the mean of x, or give each layer a bias"
                       if degrees(got, uncentred) < 5 else "go on downhill: more steps, or a larger rate")
    return angle / 90


class Spy:
    """A model that copies its input, and keeps it."""

    def __call__(self, x: Any) -> Any:
        self.seen = np.asarray(data_of(x))
        return x


def check_denoising(answer: Any) -> float:
    """answer(model, x, rate, rng) -> one number: the squared error of model(masked x) against x."""
    x, rate, copy = np.random.default_rng(0).uniform(0.5, 1.0, (200, 100)), 0.25, Spy()
    loss = answer(copy, Tensor(x), rate, np.random.default_rng(1))
    seen, off = copy.seen, copy.seen == 0
    if seen.shape != x.shape or abs(off.mean() - rate) > 0.02:
        raise BadValue("masking noise sets a part of the pixels to 0", expected=f"about {rate:.0%} zeros in the input",
                       got=f"{off.mean():.0%} zeros", fix="rng.random(x.shape) >= rate is a mask of the pixels to keep")
    compare("the value of a kept pixel", seen[~off], x[~off] / (1 - rate),
            "a kept pixel is divided by 1 - rate, so that the mean stays",
            {"a kept pixel is divided by 1 - rate: without that, the input's mean falls by the rate": x[~off],
             "divide by the rate of the pixels that stay, 1 - rate": x[~off] / rate})
    right = ((seen - x) ** 2).sum(axis=1).mean()
    error = compare("the loss of a model that copies its input", loss, right,
                    "the squared error is summed over pixels and averaged over images", {
                        "the target is the clean x: a model that copies its input must not score 0": np.zeros(()),
                        "sum over the pixels of an image, and take the mean over images": right / 100})
    loss = answer(copy, Tensor(x), rate, None)
    compare("the input without an rng", copy.seen, x, "no rng means no noise: the model sees x itself", {
        "dropping pixels is an argument too: without an rng, nothing is scaled either": x * (1 - rate)})
    return error


EXERCISES = (
    Exercise(
        "9.1", "components", """\
The net's plane is PCA's, but the rows of $D$ are not the principal components. Recover them. Write
`components(E, D, x)`: from arrays, the trained matrices $E$ (d, k) and $D$ (k, d) and the centred images $x$ (n, d),
compute the $k$ principal components, orthonormal, the largest variance first, each up to its sign. You may not run PCA
on $x$ itself; think of the images that the net draws.""", """\
import numpy as np

def components(E, D, x):
    return D / np.linalg.norm(D, axis=1, keepdims=True)
""", ("x @ E @ D lies in the plane. In the plane, it varies as x does.",
      "PCA of x @ E @ D is the PCA of x, without the directions that the net has dropped."), check_components),
    Exercise(
        "9.2", "fit", """\
Write the whole program yourself. `fit(x, k)` takes images $x$ (n, d), which are not centred, trains a linear
autoencoder on them, and returns the decoder's matrix, an array (k, d). Its rows must span PCA's plane to within one
degree. Use `Tensor`, `grad` and an optimizer, not `np.linalg`.""", """\
import numpy as np
from tinyae import Tensor, grad, ops

def fit(x, k):
    rng = np.random.default_rng(0)
    E = Tensor(rng.standard_normal((x.shape[1], k)))
    D = Tensor(rng.standard_normal((k, x.shape[1])))
    for step in range(100):
        loss = ops.mean(ops.sum(ops.square(x @ E @ D - x), axis=1))
        for w, g in zip([E, D], grad(loss, [E, D])):
            w.data = w.data - 1e-3 * g
    return D.data
""", ("A plane through the origin has to spend one of its directions on the mean.",
      "Adam([E, D], lr=0.01) and some hundred steps; then the same with a smaller rate."), check_fit),
    Exercise(
        "9.3", "denoising_loss", """\
There is a second kind of noise: *masking* sets each pixel to 0 with probability `rate`, and divides the pixels that it
keeps by `1 - rate`, so that the mean of the image stays. Write `denoising_loss(model, x, rate, rng)`: the squared error
of what `model` makes of the masked image, summed over pixels, mean over images. Which image is the target? Without an
rng, nothing is masked.""", """\
from tinyae import ops

def denoising_loss(model, x, rate, rng=None):
    x = x * (rng.random(x.shape) >= rate)
    return ops.mean(ops.sum(ops.square(model(x) - x), axis=1))
""", ("Give the masked image a name of its own.",
      "On average a pixel is kept with probability 1 - rate: (1 - rate) * x / (1 - rate) = x.",
      "if rng is None, the masked image is x itself."), check_denoising),
)
