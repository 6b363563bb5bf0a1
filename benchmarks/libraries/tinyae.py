"""tinyae as its users write it: a model, its losses, grad, Adam."""
from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import workloads

from tinyae import Tensor, grad, models, params
from tinyae.backend import Array, freeze, frozen, generator, to_device
from tinyae.functions import squared_error
from tinyae.layers import dense_stack, load_params
from tinyae.ops import mean
from tinyae.optim import Adam
from tinyae.train import Phase, loop
from tinyae.train.captured import Captured
from tinyae.train.loader import Loader
from tinyae.train.state import RunState


class Net:
    """W8: x (n, 2) -> y (n, 1), a net of dense layers with a loss."""

    def __init__(self, widths: tuple[int, ...], target: Any, **settings: Any):
        self.layers, self.target = dense_stack(widths, "relu", **settings), target

    def losses(self, x: Any, rng: Any = None) -> dict[str, Tensor]:
        return {"error": mean(squared_error(self.layers(x), self.target))}


def model(w: workloads.Workload, target: Any, **settings: Any) -> Any:
    n_in, hidden = w.encoder[0], w.encoder[1:-1]
    if w.kind == "conv_vae":
        return models.ConvVAE((n_in, n_in, w.encoder[1]), w.encoder[2:], w.latent, **settings)
    if w.kind == "vae":
        return models.VAE(n_in, w.encoder[1:], w.latent, w.activation, **settings)
    if w.kind == "tied":
        return models.Stacked(n_in, hidden, w.encoder[-1], w.activation, l2=w.l2, **settings)
    if w.sparsity:
        return models.Sparse(n_in, hidden, w.encoder[-1], target=w.sparsity, **settings)
    if not w.decoder:
        return Net(w.encoder, target, **settings)
    kind = models.Denoising if w.loss == "squared" else models.Autoencoder      # no noise without an rng
    return kind(n_in, hidden, w.encoder[-1], w.activation, **settings)


def build(w: workloads.Workload, device: str = "cpu") -> Callable[[], Array]:
    x, target = (to_device(frozen(a.reshape(w.batch, -1)), device) for a in workloads.batch(w))
    net = model(w, target, rng=np.random.default_rng(0), device=device)
    own = params(net)
    load_params(net, dict(zip(own, workloads.weights(w).values(), strict=True)))
    optimizer = Adam(own, lr=w.lr, betas=w.betas, eps=w.eps)
    rng = generator(workloads.SEED + 2, device) if w.latent else None

    def step() -> Array:
        loss = reduce(add, net.losses(x, rng).values())
        optimizer.step(grad(loss, own))
        return loss.data
    return step


class Terms(tuple):
    """Loss terms, which float(terms) adds up: no step waits for them."""

    def __float__(self) -> float:
        return sum(map(float, self))


def build_captured(w: workloads.Workload) -> Callable[[], Terms]:
    """The step of train.fit(captured=True): a CUDA graph, which also gathers its batch from images on the GPU."""
    x, target = (frozen(a.reshape(w.batch, -1)) for a in workloads.batch(w))
    steps = max(4, min(64, (1 << 26) // x.size))            # of an epoch; all see the same images
    net = model(w, to_device(target, "cuda"), rng=np.random.default_rng(0), device="cuda")
    own = params(net)
    load_params(net, dict(zip(own, workloads.weights(w).values(), strict=True)))
    phase = Phase(net.losses, own, Adam(own, lr=w.lr, betas=w.betas, eps=w.eps))
    state = RunState([(phase,)], [1], seed=0)
    state.rng = generator(workloads.SEED + 2, "cuda")
    loader = Loader((np.concatenate([x] * steps), x), None, w.batch, 0, "cuda", state.dtype)
    advance, order = Captured(loop.step, state), to_device(np.arange(steps * w.batch), "cuda")

    def step() -> Terms:
        if state.step == steps:                             # the next epoch, with the same record
            state.step = 0
            advance.epoch.row -= steps
            advance.epoch.places -= steps * w.batch
        advance(state, loader, order)
        ((_, _, terms),) = state.sums.recorded
        state.sums.recorded.clear()
        return Terms(terms.values())
    return step


def chain(n: int) -> Callable[[], Any]:
    x, one = Tensor([1.0]), freeze(np.ones(1, np.float32))

    def run() -> Any:
        y = x
        for _ in range(n):
            y = y + one
        return grad(y, [x])
    return run
