"""losses: the losses of all workloads, written once in terms of a few operations that every library has.

Each library defines its Ops: the required primitives, and any other function for which it has a better form than the
one here. (tinyae does not use this file, because its own models are measured. That the losses agree checks both.)
"""
from __future__ import annotations

from itertools import pairwise
from typing import Any

from workloads import Workload, feature_maps

ALPHA = 0.01        # leaky_relu's slope


class Ops:
    """A library must define matmul, exp, log, log1p, abs, maximum (with 0), tanh, sum, mean (over the batch), .T and
    operators; for convolutions conv and conv_transpose (3x3, stride 2, to half and to twice the size) and reshape."""

    def affine(self, x: Any, W: Any, b: Any) -> Any:
        return self.matmul(x, W) + b

    def affine_transposed(self, x: Any, W: Any, b: Any) -> Any:
        return self.affine(x, W.T, b)

    def linear(self, x: Any) -> Any:
        return x

    def relu(self, x: Any) -> Any:
        return self.maximum(x)

    def leaky_relu(self, x: Any) -> Any:
        return self.maximum(x) * (1 - ALPHA) + x * ALPHA

    def elu(self, x: Any) -> Any:
        positive = self.maximum(x)
        return positive + self.exp(x - positive) - 1.0              # x - max(x, 0) = min(x, 0): no overflow

    def sigmoid(self, x: Any) -> Any:
        return self.tanh(x * 0.5) * 0.5 + 0.5

    def square_sum(self, x: Any) -> Any:
        return self.sum(x * x)

    # Sums over all pixels of all images:

    def bce(self, logits: Any, x: Any) -> Any:
        return self.sum(self.maximum(logits) - logits * x + self.log1p(self.exp(-self.abs(logits))))

    def squared(self, y: Any, x: Any) -> Any:
        return self.square_sum(y - x)

    def gaussian_kl(self, mu: Any, log_var: Any) -> Any:
        return self.sum(self.exp(log_var) + mu * mu - log_var - 1.0) * 0.5

    def sparsity_kl(self, code: Any, target: float) -> Any:
        p, q = self.mean(code), 1 - target
        return self.sum(self.log(p / target) * -target - self.log((1.0 - p) / q) * q)


def loss(w: Workload, ops: Ops, p: dict[str, Any], x: Any, target: Any, noise: Any) -> Any:
    """The workload's loss; p: its parameters by name, noise: (n, latent) for a VAE."""
    return KINDS[w.kind](w, ops, p, x, target, noise) * (1 / w.batch)


def _stack(ops: Ops, p: dict[str, Any], name: str, h: Any, layers: int, activation: str, last: str) -> Any:
    for i in range(layers):
        h = ops.affine(h, p[f"{name}.{i}.W"], p[f"{name}.{i}.b"])
        h = getattr(ops, last if i == layers - 1 else activation)(h)
    return h


def _autoencoder(w: Workload, ops: Ops, p: dict[str, Any], x: Any, target: Any, noise: Any) -> Any:
    code = _stack(ops, p, "encoder", x, len(w.encoder) - 1, w.activation, w.code)
    y = _stack(ops, p, "decoder", code, len(w.decoder) - 1, w.activation, "linear")
    total = getattr(ops, w.loss)(y, target)
    if w.sparsity:
        weight = 0.2 * w.encoder[0] * w.batch                       # 0.2 per pixel: tinyae.models.Sparse's
        total = total + ops.sparsity_kl(code, w.sparsity) * weight
    return total


def _tied(w: Workload, ops: Ops, p: dict[str, Any], x: Any, target: Any, noise: Any) -> Any:
    h, pairs = x, len(w.encoder) - 1
    for i in range(pairs):
        h = getattr(ops, w.activation)(ops.affine(h, p[f"{i}.W"], p[f"{i}.b"]))
    for i in reversed(range(pairs)):
        h = getattr(ops, w.activation if i else "linear")(ops.affine_transposed(h, p[f"{i}.W"], p[f"{i}.c"]))
    squares = [ops.square_sum(p[f"{i}.W"]) for i in range(pairs)]
    return ops.squared(h, target) + sum(squares[1:], squares[0]) * (0.5 * w.l2 * w.batch)


def _code(w: Workload, ops: Ops, p: dict[str, Any], h: Any, noise: Any) -> tuple[Any, Any]:
    """(a code drawn from the posterior, the KL of the posterior)."""
    mu, log_var = (ops.affine(h, p[f"{head}.W"], p[f"{head}.b"]) for head in ("mu", "log_var"))
    return mu + ops.exp(log_var * 0.5) * noise, ops.gaussian_kl(mu, log_var)


def _vae(w: Workload, ops: Ops, p: dict[str, Any], x: Any, target: Any, noise: Any) -> Any:
    h = _stack(ops, p, "encoder", x, len(w.encoder) - 1, w.activation, w.activation)
    z, kl = _code(w, ops, p, h, noise)
    return ops.bce(_stack(ops, p, "decoder", z, len(w.decoder) - 1, w.activation, "linear"), target) + kl


def _conv_vae(w: Workload, ops: Ops, p: dict[str, Any], x: Any, target: Any, noise: Any) -> Any:
    maps, h = feature_maps(w), x
    layers = len(list(pairwise(maps)))
    for i in range(layers):
        h = ops.leaky_relu(ops.conv(h, p[f"body.{i}.W"], p[f"body.{i}.b"]))
    side, _, c = maps[-1]
    z, kl = _code(w, ops, p, ops.reshape(h, (w.batch, side * side * c)), noise)
    h = ops.leaky_relu(ops.affine(z, p["decoder.W"], p["decoder.b"]))
    h = ops.reshape(h, (w.batch, side, side, c))
    for i in range(layers):
        h = ops.conv_transpose(h, p[f"decoder.{i}.W"], p[f"decoder.{i}.b"])
        h = h if i == layers - 1 else ops.leaky_relu(h)
    return ops.bce(h, target) + kl


KINDS = {"autoencoder": _autoencoder, "tied": _tied, "vae": _vae, "conv_vae": _conv_vae}
