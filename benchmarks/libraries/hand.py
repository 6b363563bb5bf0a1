"""The same steps written by hand in NumPy, without autograd: the limit for an engine without any overhead.

Every array is allocated once and every product has an out=. A loss and its gradient take one pass, activations and
their derivatives are computed in place, and Adam updates one flat array, in pieces that stay in the cache.
"""
from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import workloads

f32 = np.float32
PIECE, FITS = 1 << 16, 1 << 20      # with more than FITS parameters, Adam takes PIECE at a time
GROUP = 64                          # factors in [1, 2], multiplied before one logarithm is taken


class Adam:
    """Adam on one flat array, of which all parameters are views; the same for the gradients. It stores m / (1 - b1) and
    v / (1 - b2), which saves a product in each update, and folds the bias corrections into the rate and eps."""

    def __init__(self, w: workloads.Workload):
        first = workloads.weights(w)
        self.lr, (self.b1, self.b2), self.eps, self.t = w.lr, w.betas, w.eps, 0
        self.p = np.concatenate([a.ravel() for a in first.values()])
        self.g, self.m, self.v, self.s = (np.zeros_like(self.p) for _ in range(4))
        ends = np.cumsum([a.size for a in first.values()])
        self.params, self.grads = ({name: flat[end - a.size:end].reshape(a.shape)
                                    for (name, a), end in zip(first.items(), ends, strict=True)}
                                   for flat in (self.p, self.g))

    def step(self) -> None:
        self.t += 1
        c2 = ((1 - self.b2) / (1 - self.b2 ** self.t)) ** 0.5
        rate = self.lr * (1 - self.b1) / (1 - self.b1 ** self.t) / c2
        piece = PIECE if self.p.size > FITS else self.p.size
        for i in range(0, self.p.size, piece):
            p, g, m, v, s = (a[i:i + piece] for a in (self.p, self.g, self.m, self.v, self.s))
            m *= f32(self.b1)
            m += g
            v *= f32(self.b2)
            np.multiply(g, g, out=s)
            v += s
            np.sqrt(v, out=s)
            s += f32(self.eps / c2)
            np.divide(m, s, out=s)
            s *= f32(rate)
            p -= s


class Layer:
    """h = f(x @ W + b) (n, k); backward computes the gradients of W, b and, if wanted, x from g = dL/dh."""

    def __init__(self, n: int, W: Any, b: Any, dW: Any, db: Any, activation: str):
        self.W, self.b, self.dW, self.db, self.activation = W, b, dW, db, activation
        self.h, self.g, self.s = (np.empty((n, W.shape[1]), f32) for _ in range(3))
        self.ones, self.zero = np.ones(n, f32), np.zeros(W.shape[1], f32)     # maximum is faster with a row of 0

    def forward(self, x: Any) -> Any:
        self.x, h, s = x, self.h, self.s
        np.matmul(x, self.W, out=h)
        h += self.b
        if self.activation == "relu":
            np.maximum(h, self.zero, out=h)
        elif self.activation == "elu":                          # max(h, e^min(h, 0) - 1)
            np.minimum(h, self.zero, out=s)
            np.expm1(s, out=s)
            np.maximum(h, s, out=h)
        elif self.activation == "sigmoid":                      # (1 + tanh(h / 2)) / 2
            h *= f32(0.5)
            np.tanh(h, out=h)
            h *= f32(0.5)
            h += f32(0.5)
        return h

    def backward(self, dx: Any = None) -> None:
        g, h, s = self.g, self.h, self.s
        if self.activation == "relu":
            g *= h > 0
        elif self.activation == "elu":
            np.minimum(h, self.zero, out=s)
            s += f32(1)
            g *= s
        elif self.activation == "sigmoid":
            np.subtract(f32(1), h, out=s)
            s *= h
            g *= s
        np.matmul(self.x.T, g, out=self.dW)
        np.matmul(self.ones, g, out=self.db)
        if dx is not None:
            np.matmul(g, self.W.T, out=dx)


def bce(layer: Layer, x: Any) -> float:
    """The cross-entropy of the logits layer.h per image; writes its gradient to layer.g. With t = tanh(z / 2),
    sigmoid(z) = (1 + t) / 2 and log(1 + e^-|z|) = log 2 - log(1 + |t|), so one tanh gives both."""
    z, t, u = layer.h, layer.g, layer.s
    np.multiply(z, f32(0.5), out=t)
    np.tanh(t, out=t)
    np.abs(t, out=u)
    u += f32(1)
    logs = np.log([np.multiply.reduce(u[i:i + GROUP], axis=0) for i in range(0, len(u), GROUP)]).sum()
    np.abs(z, out=u)
    u += z                                                      # 2 max(z, 0)
    total = z.size * log(2) - float(logs) + 0.5 * float(u.sum()) - float(np.vdot(z, x))
    t += f32(1)
    t *= f32(0.5)
    t -= x
    t *= f32(1 / len(x))
    return total / len(x)


def squared(layer: Layer, x: Any) -> float:
    np.subtract(layer.h, x, out=layer.g)
    total = float(np.vdot(layer.g, layer.g))
    layer.g *= f32(2 / len(x))
    return total / len(x)


LOSSES = {"bce": bce, "squared": squared}


def forward(layers: list[Layer], x: Any) -> Any:
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers: list[Layer], dx: Any = None) -> None:
    for i in reversed(range(len(layers))):
        layers[i].backward(layers[i - 1].g if i else dx)


def build(w: workloads.Workload) -> Callable[[], float]:
    if w.kind == "conv_vae":
        raise NotImplementedError("dense layers only")
    adam = Adam(w)
    x, target = workloads.batch(w)
    return {"autoencoder": _autoencoder, "tied": _tied, "vae": _vae}[w.kind](w, adam, x, target)


def _layers(w: workloads.Workload, adam: Adam, name: str, widths: tuple[int, ...], last: str) -> list[Layer]:
    p, g, n = adam.params, adam.grads, len(widths) - 1
    return [Layer(w.batch, p[f"{name}.{i}.W"], p[f"{name}.{i}.b"], g[f"{name}.{i}.W"], g[f"{name}.{i}.b"],
                  last if i == n - 1 else w.activation) for i in range(n)]


def _autoencoder(w: workloads.Workload, adam: Adam, x: Any, target: Any) -> Callable[[], float]:
    encoder = _layers(w, adam, "encoder", w.encoder, w.code)
    decoder = _layers(w, adam, "decoder", w.decoder, "linear")
    layers, code, rho = encoder + decoder, encoder[-1], w.sparsity
    weight = 0.2 * w.encoder[0]

    def step() -> float:
        forward(layers, x)
        loss = LOSSES[w.loss](layers[-1], target)
        if decoder:
            backward(decoder, code.g)
        if rho:
            p = code.ones @ code.h * f32(1 / w.batch)
            loss += weight * float((rho * np.log(rho / p) + (1 - rho) * np.log((1 - rho) / (1 - p))).sum())
            code.g += (weight / w.batch * ((1 - rho) / (1 - p) - rho / p)).astype(f32)
        backward(encoder)
        adam.step()
        return loss
    return step


def _tied(w: workloads.Workload, adam: Adam, x: Any, target: Any) -> Callable[[], float]:
    p, g, pairs = adam.params, adam.grads, range(len(w.encoder) - 1)
    again = [np.empty_like(p[f"{i}.W"]) for i in pairs]         # the gradient of the second use of W
    down = [Layer(w.batch, p[f"{i}.W"], p[f"{i}.b"], g[f"{i}.W"], g[f"{i}.b"], w.activation) for i in pairs]
    up = [Layer(w.batch, p[f"{i}.W"].T, p[f"{i}.c"], again[i].T, g[f"{i}.c"], w.activation if i else "linear")
          for i in reversed(pairs)]

    def step() -> float:
        forward(down + up, x)
        loss = squared(up[-1], target)
        backward(down + up)
        for i in pairs:
            W, dW = p[f"{i}.W"], g[f"{i}.W"]
            loss += 0.5 * w.l2 * float(np.vdot(W, W))
            dW += again[i]
            dW += np.multiply(W, f32(w.l2), out=again[i])
        adam.step()
        return loss
    return step


def _vae(w: workloads.Workload, adam: Adam, x: Any, target: Any) -> Callable[[], float]:
    p, g, n = adam.params, adam.grads, w.batch
    encoder = _layers(w, adam, "encoder", w.encoder, w.activation)
    decoder = _layers(w, adam, "decoder", w.decoder, "linear")
    mu, log_var = heads = [Layer(n, p[f"{head}.W"], p[f"{head}.b"], g[f"{head}.W"], g[f"{head}.b"], "linear")
                           for head in ("mu", "log_var")]
    noise = workloads.noise(w)
    sigma, z, s = (np.empty((n, w.latent), f32) for _ in range(3))
    top = encoder[-1]

    def step() -> float:
        e = next(noise)
        forward(encoder, x)
        for head in heads:
            head.forward(top.h)
        np.multiply(log_var.h, f32(0.5), out=sigma)
        np.exp(sigma, out=sigma)
        np.multiply(sigma, e, out=z)
        np.add(z, mu.h, out=z)
        forward(decoder, z)
        loss = bce(decoder[-1], target)
        np.multiply(sigma, sigma, out=s)
        loss += 0.5 / n * float(s.sum() + np.vdot(mu.h, mu.h) - log_var.h.sum() - s.size)
        backward(decoder, mu.g)                                 # dL/dz
        np.multiply(mu.g, sigma, out=log_var.g)                 # dz/dlog_var = sigma e / 2, and of KL (sigma^2 - 1) / 2
        np.multiply(log_var.g, e, out=log_var.g)
        np.subtract(s, f32(1), out=s)
        np.multiply(s, f32(1 / n), out=s)
        np.add(log_var.g, s, out=log_var.g)
        np.multiply(log_var.g, f32(0.5), out=log_var.g)
        np.add(mu.g, np.multiply(mu.h, f32(1 / n), out=s), out=mu.g)
        mu.backward(top.g)
        log_var.backward(top.s)
        np.add(top.g, top.s, out=top.g)
        backward(encoder)
        adam.step()
        return loss
    return step
