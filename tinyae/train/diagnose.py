"""diagnose: where numbers went wrong, read from the tape."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..backend import Array, to_host
from ..tensor import Tensor, grad, tape

EXPLODED = 100.0    # |weight|. Initial weights are below 1, and sane training moves them little
IN_USE = 0.01       # nats of a latent, averaged over images
COLLAPSED = 0.1     # nats of all latents together


def find_nonfinite(loss: Tensor) -> Tensor | None:
    """The oldest Tensor among those that loss was made of that holds a nan or an infinity; None if all are finite.

    Its parents are finite, so its op (t.op.__name__; None for a leaf) produced the first bad value.
    """
    return next((t for t in tape(loss) if not _finite(t.data)), None)


def find_nonfinite_gradient(loss: Tensor) -> Tensor | None:
    """The newest Tensor of loss's tape whose gradient is not finite: the first that the backward pass meets."""
    newest_first = tape(loss)[::-1]
    gradients = grad(loss, newest_first, unused="zero")
    return next((t for t, g in zip(newest_first, gradients, strict=True) if not _finite(g)), None)


def first_bad(terms: dict[str, Tensor], total: Tensor, gradients: dict[str, Array]) -> str | None:
    """What is not finite in a step, in words: a loss term and the op behind it, or a gradient; None if all is well."""
    for name, term in terms.items():
        if not _finite(term.data):
            return f"the term {name!r} is {float(term)}; the first bad value is {_made(find_nonfinite(term))}"
    for name, g in gradients.items():
        if not _finite(g):
            return (f"the loss is finite, the gradient of {name} is not; "
                    f"the first bad gradient is that of {_made(find_nonfinite_gradient(total))}")
    return None


def _made(t: Tensor | None) -> str:
    if t is None:
        return "not on the tape"
    return f"in {'the result of ' + t.op.__name__ if t.op else 'a leaf (a parameter or input)'}, shape {t.shape}"


def relu_peaks(loss: Tensor, params: dict[str, Tensor]) -> dict[str, Array]:
    """For each relu on the tape: the largest value of every unit (last axis) over the batch, by the layer's name."""
    names = {id(p): name for name, p in params.items()}
    peaks: dict[str, Array] = {}
    for t in tape(loss):
        if t.op is not None and t.op.__name__ == "relu" and t.ndim > 1:
            layer = next((names[id(p)] for p in _back(t) if id(p) in names), "relu")
            peaks[layer.rpartition(".")[0] or layer] = t.data.max(axis=tuple(range(t.ndim - 1)))
    return peaks


def _back(t: Tensor) -> Iterator[Tensor]:
    """What t was made of, nearest first."""
    found = {t: None}
    todo = [t]
    for t in todo:
        yield t
        new = [p for p in t.parents if p not in found]
        found |= dict.fromkeys(new)
        todo += new


def troubles(peaks: dict[str, Array], params: dict[str, Tensor]) -> list[str]:
    """Dead relu units (zero for every test image) and exploded weights, in words."""
    dead = {layer: int((to_host(peak) <= 0).sum()) for layer, peak in peaks.items()}
    largest = {name: float(abs(p.data).max()) for name, p in params.items()}
    found = {"dead relu": [f"{layer} {n}/{peaks[layer].size}" for layer, n in dead.items() if n],
             "exploding weights": [f"{name} up to {value:.3g}" for name, value in largest.items() if value > EXPLODED]}
    return [f"{trouble}: {', '.join(places)}" for trouble, places in found.items() if places]


def latents_in_use(mu: Array, log_var: Array) -> str:
    """How many latents carry more than IN_USE nats about an image, in words, and whether the posterior has collapsed.

    mu, log_var (n, k) of q(z|x) = N(mu, e^log_var); their KL to N(0, 1) is averaged over n (Burda et al. 2016).
    """
    kl = to_host((0.5 * (mu * mu + np.exp(log_var) - 1 - log_var)).mean(axis=0))        # (k,)
    used = f"{int((kl > IN_USE).sum())}/{kl.size} latents in use"
    collapsed = f" · the posterior has collapsed: KL {kl.sum():.3f} nats, so codes say nothing about their images"
    return used + (collapsed if kl.sum() < COLLAPSED else "")


def _finite(x: Array) -> bool:
    return bool(np.isfinite(x).all())
