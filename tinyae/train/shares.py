"""train · shares: which rows of a batch, and of its noise, belong to one of several processes."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, Rng, generator
from ..errors import BadValue
from .loader import EVALUATION, Loader
from .metrics import losses_of
from .schedule import Stage


def share_of(k: int, rank: int, size: int) -> Share:
    """The rows of a batch of k images that belong to rank 0, 1, ... of size. If it gets none: one, with weight 0."""
    first, end = rank * k // size, (rank + 1) * k // size
    return Share(slice(first, max(end, first + 1)), k, (end - first) / k)


class Share(NamedTuple):
    """One rank's rows of a batch of k images, and its weight k_r/k in the batch's mean."""

    rows: slice
    k: int
    weight: float

    def noise(self, rng: Rng) -> Rng:
        return rng if self.rows == slice(0, self.k) else RowsOfNoise(rng, self)


class RowsOfNoise:
    """A share's rows of the noise that one process would draw for the whole batch."""

    def __init__(self, rng: Rng, share: Share):
        self.rng, self.share = rng, share

    def standard_normal(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        return self._rows(self.rng.standard_normal, shape, dtype)

    def random(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        return self._rows(self.rng.random, shape, dtype)

    def _rows(self, draw: Any, shape: tuple[int, ...], dtype: Any) -> Array:
        rows, k, _ = self.share
        if shape[0] != rows.stop - rows.start:      # noise that belongs to no image: the same on every rank
            return draw(shape, dtype=dtype)
        return draw((k, *shape[1:]), dtype=dtype)[rows]


def check_losses(stages: list[Stage], loader: Loader) -> None:
    """Refuse a loss of a batch that is not the mean of the losses of its halves: shares do not add up to it.

    Penalties on a batch's mean activation and choices of a batch's winners are such losses.
    """
    k, half = loader.batch_size, loader.batch_size // 2
    shares = [Share(slice(0, k), k, 1.0), Share(slice(0, half), k, half / k), Share(slice(half, k), k, 1 - half / k)]
    batches = [loader.batch(loader.train, np.arange(k)[share.rows]) for share in shares if half]
    for phase in (phase for stage in stages for phase in stage if batches):
        noises = [share.noise(generator([loader.seed, EVALUATION], loader.device)) for share in shares]
        whole, *halves = (losses_of(phase, *given)[0] for given in zip(batches, noises, strict=True))
        for name in whole:
            parts = [share.weight * terms[name].item() for share, terms in zip(shares[1:], halves, strict=True)]
            if abs(sum(parts) - whole[name].item()) > 1e-5 * sum(map(abs, parts)):
                raise BadValue(f"the loss {name!r} must be a mean over the images of a batch", got=f"{sum(parts):.7g}",
                               expected=f"{whole[name].item():.7g}, the batch's, as the mean of its two halves",
                               fix="train this model on one process: its images cannot be shared out")
