"""workloads: the training steps that are timed, defined once for all libraries.

A step is forward, loss, backward and Adam, in float32, on a batch already in memory. Losses are sums over pixels and
means over the batch. Weights, images and noise come from fixed seeds, so all libraries train the same model: after any
number of steps their losses are equal up to rounding. This file imports no library but NumPy.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

SEED, LATER = 0, 5          # losses are compared after LATER steps


@dataclass(frozen=True)
class Workload:
    """One training step. kind "autoencoder": dense layers of widths `encoder`, then `decoder`; "tied": the decoder uses
    the encoder's weights; "vae": two heads to `latent` after the encoder; "conv_vae": the same with 3x3 convolutions of
    stride 2, where `encoder` is (height = width, channels, channels, ...), and a mirrored decoder."""

    name: str
    title: str
    kind: str
    batch: int
    encoder: tuple[int, ...]
    decoder: tuple[int, ...] = ()
    latent: int = 0
    activation: str = "relu"
    code: str = "linear"            # the activation of the last layer of the encoder
    loss: str = "bce"               # from logits; or "squared"
    betas: tuple[float, float] = (0.9, 0.999)
    l2: float = 0.0                 # l2/2 |W|^2
    sparsity: float = 0.0           # target of the mean activation of each code unit; 0: no penalty
    lr: float = 1e-3
    eps: float = 1e-8

    @property
    def label(self) -> str:
        return f"{self.name} {self.title}, batch {self.batch}"

    def sized(self, batch: int) -> Workload:
        """This workload with another batch size."""
        return Workload(**{**vars(self), "batch": batch})


WORKLOADS = {w.name: w for w in [
    Workload("W1", "autoencoder 784-256-128-20, relu, cross-entropy", "autoencoder", 512,
             (784, 256, 128, 20), (20, 128, 256, 784)),
    Workload("W2", "VAE 784-128-10, relu", "vae", 512, (784, 128), (10, 128, 784), latent=10),
    Workload("W3", "autoencoder 784-512-256-128, relu, squared error", "autoencoder", 128,
             (784, 512, 256, 128), (128, 256, 512, 784), code="relu", loss="squared", betas=(0.5, 0.999)),
    Workload("W4", "tied autoencoder 784-300-150, elu, squared error", "tied", 150,
             (784, 300, 150), (150, 300, 784), activation="elu", code="elu", loss="squared", l2=0.784),
    Workload("W5", "sparse autoencoder 784-1000, sigmoid, cross-entropy", "autoencoder", 1000,
             (784, 1000), (1000, 784), code="sigmoid", sparsity=0.1),
    Workload("W6", "VAE 784-500-500-20, elu", "vae", 150, (784, 500, 500), (20, 500, 500, 784), latent=20,
             activation="elu"),
    Workload("W7", "convolutional VAE, 128x128x3, latent 1000", "conv_vae", 16, (128, 3, 32, 64, 64, 64, 64, 64),
             latent=1000, activation="leaky_relu"),
    Workload("W8", "net 2-16-16-1, relu, squared error", "autoencoder", 1, (2, 16, 16, 1), loss="squared"),
    Workload("W8b", "net 2-16-16-1, relu, squared error", "autoencoder", 32, (2, 16, 16, 1), loss="squared"),
]}

NAMES = [name for name in WORKLOADS if name != "W8b"]       # W8b is W8 with another batch


def feature_maps(w: Workload) -> list[tuple[int, int, int]]:
    """(height, width, channels) of the image and of the output of each convolution of a conv_vae."""
    side, *channels = w.encoder
    return [(side >> i, side >> i, c) for i, c in enumerate(channels)]


def shapes(w: Workload) -> dict[str, tuple[int, ...]]:
    """The parameters' shapes, under the names and in the order of tinyae's models.

    Dense weights are (in, out); kernels (3, 3, in, out), of transposed convolutions (3, 3, out, in).
    """
    found: dict[str, tuple[int, ...]] = {}

    def dense(name: str, n: int, k: int) -> None:
        found[f"{name}.W"], found[f"{name}.b"] = (n, k), (k,)

    if w.kind == "conv_vae":
        maps = feature_maps(w)
        for i, (above, below) in enumerate(pairwise(maps)):
            found[f"body.{i}.W"], found[f"body.{i}.b"] = (3, 3, above[2], below[2]), (below[2],)
        for head in ("mu", "log_var"):
            dense(head, prod(maps[-1]), w.latent)
        dense("decoder", w.latent, prod(maps[-1]))
        for i, (below, above) in enumerate(pairwise(reversed(maps))):
            found[f"decoder.{i}.W"], found[f"decoder.{i}.b"] = (3, 3, above[2], below[2]), (above[2],)
        return found
    if w.kind == "tied":
        for i, (n, k) in enumerate(pairwise(w.encoder)):
            dense(f"{i}", n, k)
            found[f"{i}.c"] = (n,)
        return found
    for i, (n, k) in enumerate(pairwise(w.encoder)):
        dense(f"encoder.{i}", n, k)
    for head in ("mu", "log_var") if w.kind == "vae" else ():
        dense(head, w.encoder[-1], w.latent)
    for i, (n, k) in enumerate(pairwise(w.decoder)):
        dense(f"decoder.{i}", n, k)
    return found


def weights(w: Workload) -> dict[str, np.ndarray]:
    """The first weights, the same for every library: uniform (Glorot & Bengio 2010), biases 0, all float32."""
    rng = np.random.default_rng(SEED)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) == 1:
            return np.zeros(shape, np.float32)
        bound = (6 / (prod(shape[:-1]) + prod(shape[:-2]) * shape[-1])) ** 0.5
        return rng.uniform(-bound, bound, shape).astype(np.float32)
    return {name: draw(shape) for name, shape in shapes(w).items()}


def batch(w: Workload) -> tuple[np.ndarray, np.ndarray]:
    """(input, target), uniform in [0, 1). The target is the input if the net has as many outputs as inputs. Images are
    rows, or (n, h, w, c) for a conv_vae."""
    rng = np.random.default_rng(SEED + 1)
    shape = feature_maps(w)[0] if w.kind == "conv_vae" else w.encoder[:1]
    x = rng.random((w.batch, *shape), dtype=np.float32)
    outputs = (w.decoder or w.encoder)[-1]
    return x, x if w.latent or outputs == w.encoder[0] else rng.random((w.batch, outputs), dtype=np.float32)


def noise(w: Workload) -> Iterator[Any]:
    """The noise (n, latent) of each step of a VAE, the same for every library; None for other workloads."""
    rng = np.random.default_rng(SEED + 2)
    while True:
        yield rng.standard_normal((w.batch, w.latent), dtype=np.float32) if w.latent else None


def products(w: Workload) -> list[tuple[int, int, int]]:
    """(m, k, n) of every matrix product (m, k) @ (k, n) in the forward and backward pass.

    A convolution counts as the product of its patches with its kernel; the first layer's input has no gradient.
    """
    layers = []                                             # (rows, in, out) of each layer, in order
    if w.kind == "conv_vae":
        maps = feature_maps(w)
        down = [(w.batch * below[0] * below[1], 9 * above[2], below[2]) for above, below in pairwise(maps)]
        heads = [(w.batch, prod(maps[-1]), w.latent)] * 2
        up = [(m, k, n) for m, n, k in reversed(down)]      # a transposed convolution swaps input and output
        layers = [*down, *heads, (w.batch, w.latent, prod(maps[-1])), *up]
    else:
        heads = [(w.encoder[-1], w.latent)] * 2 if w.latent else []
        layers = [(w.batch, n, k) for n, k in [*pairwise(w.encoder), *heads, *pairwise(w.decoder)]]
    found = []
    for i, (m, n, k) in enumerate(layers):
        found += [(m, n, k), (n, m, k)] + [(m, k, n)] * (i > 0)     # forward, gradient of the weights, of the input
    return found


def flops(w: Workload) -> float:
    """Floating-point operations of a step's matrix products, counting multiplications and additions."""
    return 2.0 * sum(m * k * n for m, k, n in products(w))
