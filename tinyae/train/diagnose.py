"""train · diagnose: finds the op that made the first nan or infinity, and units that have stopped learning."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..backend import Array, to_host
from ..tensor import Tensor, grad, tape

EXPLODED = 100.0    # |weight|. Initial weights are below 1, and training that works moves them little
IN_USE = 0.01       # nats of one latent, averaged over images
COLLAPSED = 0.1     # nats of all latents together

Examine = Callable[[dict[str, Tensor], Tensor, dict[str, Array]], None]


class NonFinite(ArithmeticError):
    """A loss, gradient or parameter is nan or infinite."""


def find_nonfinite(loss: Tensor) -> Tensor | None:
    """The oldest Tensor on loss's tape that holds a nan or an infinity; None if all are finite.

    Its parents are finite, so its op (t.op.__name__; None for a leaf) made the first bad value.
    """
    return next((t for t in tape(loss) if not _finite(t.data)), None)


def find_nonfinite_gradient(loss: Tensor) -> Tensor | None:
    """The newest Tensor of loss's tape whose gradient is not finite: the first that the backward pass meets."""
    newest_first = tape(loss)[::-1]
    gradients = grad(loss, newest_first, unused="zero")
    return next((t for t, g in zip(newest_first, gradients, strict=True) if not _finite(g)), None)


def examine(terms: dict[str, Tensor], total: Tensor, gradients: dict[str, Array]) -> None:
    """NonFinite, if a loss term (it names the term and the op) or else a gradient of the step is not finite."""
    for name, term in terms.items():
        if not _finite(term.data):
            raise NonFinite(f"the term {name!r} is {term.item()}; "
                            f"the first bad value is {_origin(find_nonfinite(term))}")
    for name, g in gradients.items():
        if not _finite(g):
            raise NonFinite(f"the loss is finite, the gradient of {name} is not; "
                            f"the first bad gradient is that of {_origin(find_nonfinite_gradient(total))}")


def _origin(t: Tensor | None) -> str:
    if t is None:
        return "not on the tape"
    return f"in {'the result of ' + t.op.__name__ if t.op else 'a leaf (a parameter or input)'}, shape {t.shape}"


def relu_peaks(loss: Tensor, params: dict[str, Tensor]) -> dict[str, Array]:
    """The largest value over the batch of each unit (last axis) of each relu on the tape: layer -> (units,)."""
    names = {id(p): name for name, p in params.items()}
    peaks: dict[str, Array] = {}
    for t in tape(loss):
        if t.op is not None and t.op.__name__ == "relu" and t.ndim > 1:
            layer = next((names[id(p)] for p in _ancestors(t) if id(p) in names), "relu")
            layer, peak = layer.rpartition(".")[0] or layer, t.data.max(axis=tuple(range(t.ndim - 1)))
            peaks[layer] = np.maximum(peaks.get(layer, peak), peak)     # a layer may be applied several times
    return peaks


def _ancestors(t: Tensor) -> Iterator[Tensor]:
    """t, its parents, their parents, ...: nearest first."""
    found = {t: None}
    todo = [t]
    for t in todo:
        yield t
        new = [p for p in t.parents if p not in found]
        found |= dict.fromkeys(new)
        todo += new


def troubles(peaks: dict[str, Array], params: dict[str, Tensor]) -> list[str]:
    """Sentences about dead relu units (zero for every test image) and exploded weights."""
    dead = {layer: int((to_host(peak) <= 0).sum()) for layer, peak in peaks.items()}
    largest = {name: float(abs(p.data).max()) for name, p in params.items()}
    found = {"dead relu": [f"{layer} {n}/{peaks[layer].size}" for layer, n in dead.items() if n],
             "exploding weights": [f"{name} up to {value:.3g}" for name, value in largest.items() if value > EXPLODED]}
    return [f"{trouble}: {', '.join(places)}" for trouble, places in found.items() if places]


def latents_in_use(mu: Array, log_var: Array) -> str:
    """mu, log_var (n, k) of q(z|x) = N(mu, e^log_var) -> "3/20 latents in use", and whether the posterior collapsed.

    A latent is in use if its KL to N(0, 1), averaged over n, exceeds IN_USE nats (cf. Burda et al. 2016, section 5).
    """
    kl = to_host((0.5 * (mu * mu + np.exp(log_var) - 1 - log_var)).mean(axis=0))        # (k,)
    used = f"{int((kl > IN_USE).sum())}/{kl.size} latents in use"
    collapsed = f" · the posterior has collapsed: KL {kl.sum():.3f} nats, so codes say nothing about their images"
    return used + (collapsed if kl.sum() < COLLAPSED else "")


def _finite(x: Array) -> bool:
    return bool(np.isfinite(x).all())
