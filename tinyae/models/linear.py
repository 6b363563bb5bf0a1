"""models · linear: an autoencoder without activations finds the subspace that PCA finds.

Among all linear codes of k numbers, the projection on the k leading principal components has the least squared error,
and the loss has no other local minimum (Baldi & Hornik 1989). Gradient descent finds the subspace of the components but
not the components themselves, as any basis of the subspace does equally well (Plaut 2018); `components` recovers them.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value, device_of, to_device, to_host
from ..functions import squared_error
from ..layers import dense_stack
from ..ops import mean
from ..tensor import Tensor, data_of


class LinearAutoencoder:
    """x (n, n_in) -> code (n, latent) -> pixels (n, n_in), all linear; 784-30-784 by default.

    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (), latent: int = 30, **settings: Any):
        self.encoder = dense_stack([n_in, *hidden, latent], "linear", **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], "linear", **settings)

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.encoder(x)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), unbounded pixels."""
        return self.decoder(z)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> squared error per image, summed over pixels."""
        return {"reconstruction": mean(squared_error(self.decode(self.encode(batch)), batch))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in), clipped to [0, 1]."""
        return np.clip(data_of(self.decode(self.encode(x))), 0, 1)

    def components(self, codes: Array) -> np.ndarray:
        """codes (n, latent) -> (latent, n_in), orthonormal rows: the directions in which decoded codes vary most.

        At the optimum, for the codes of all training images, these are the principal components, each up to its sign.
        Let centred codes = Q R with orthonormal columns of Q. The decoded images are Q R D plus an offset, so they vary
        along the right singular vectors of R D, in the order of its singular values.
        """
        W = self.decoder[0].W.data                                          # (latent, ...)
        each = to_device(np.eye(len(W), dtype=W.dtype), device_of(W))
        D = to_host((self.decode(each) - self.decode(0 * each)).data)       # (latent, n_in), without the offset
        codes = to_host(codes).astype(np.float64)
        return np.linalg.svd(np.linalg.qr(codes - codes.mean(axis=0), mode="r") @ D, full_matrices=False)[2]


class PCA:
    """mean (d,) and components (k, d): orthonormal rows, the direction of largest variance first (Pearson 1901).

    The components are eigenvectors of the covariance (d, d), which is summed batch by batch in float64. The number of
    images may be large, d may not.
    """

    def __init__(self, batches: Iterable[Array], k: int):
        n, total, products = 0, np.zeros(()), np.zeros(())
        for x in batches:
            x = to_host(x).astype(np.float64)
            n, total, products = n + len(x), total + x.sum(axis=0), products + x.T @ x
        self.mean = total / n
        _, vectors = np.linalg.eigh(products / n - np.outer(self.mean, self.mean))
        self.components = vectors[:, ::-1][:, :k].T

    def encode(self, x: Array) -> np.ndarray:
        """x (n, d) -> (n, k)."""
        return (to_host(x) - self.mean) @ self.components.T

    def decode(self, z: np.ndarray) -> np.ndarray:
        """z (n, k) -> (n, d)."""
        return z @ self.components + self.mean


def largest_angle(one: np.ndarray, other: np.ndarray) -> float:
    """The largest principal angle, in degrees, between the row spaces of two orthonormal (k, d) arrays (Jordan 1875).

    0 for the same subspace; 90 if one contains a direction orthogonal to the other.
    """
    cosines = np.linalg.svd(one @ other.T, compute_uv=False)
    return float(np.degrees(np.arccos(min(cosines.min(), 1.0))))
