"""models · winner_take_all: each unit of the code is kept only for the images that activate it most.

Makhzani & Frey 2015, Winner-take-all autoencoders.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value
from ..errors import BadValue
from ..functions import bce_with_logits
from ..layers import dense_stack
from ..ops import mean, sigmoid
from ..tensor import Tensor, data_of


class WinnerTakeAll:
    """x (n, n_in) in [0, 1] -> code (n, latent), rectified -> logits (n, n_in); 784-1000-784 by default.

    In training, each unit keeps the largest fraction `share` of its activations over the batch, and the rest are set to
    0 (lifetime sparsity). There is no penalty whose weight must be chosen, and in every batch each unit has images to
    learn from. encode returns the whole code. Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (), latent: int = 1000,
                 activation: str | Callable = "relu", share: float = 0.05, **settings: Any):
        self.share = checked_share(share)
        self.encoder = dense_stack([n_in, *hidden, latent], activation, last="relu", **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.encoder(x)

    def sparse_code(self, x: Array) -> Tensor:
        """The code with all but each unit's winners set to 0: (n, latent). The choice of winners has no gradient."""
        code = self.encode(x)
        return code * winners(code.data, self.share).astype(code.dtype)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> nats per image, reconstructed from the winners alone."""
        return {"reconstruction": mean(bce_with_logits(self.decode(self.sparse_code(batch)), batch))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1], from the whole code."""
        return data_of(sigmoid(self.decode(self.encode(x))))


def winners(code: Array, share: float) -> Array:
    """code (n, k) -> bool (n, k), True for the largest fraction `share` of each column: at least one entry.

    Entries that equal the smallest winner win too.
    """
    count = max(1, round(share * len(code)))
    return code >= np.sort(code, axis=0)[-count]


def checked_share(share: float) -> float:
    if not 0 < share <= 1:
        raise BadValue("share out of range", expected="0 < share <= 1, a fraction of the batch", got=share,
                       fix="share=0.05")
    return share
