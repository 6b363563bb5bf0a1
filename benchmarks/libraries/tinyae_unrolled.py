"""tinyae, its training step unrolled: recorded once as straight-line NumPy, with the same bits."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import workloads

from tinyae import params
from tinyae.backend import frozen, generator
from tinyae.layers import load_params
from tinyae.optim import Adam
from tinyae.unroll import unroll_step

from .tinyae import model


def build(w: workloads.Workload) -> Callable[[], Any]:
    x, target = (frozen(a.reshape(w.batch, -1)) for a in workloads.batch(w))
    net = model(w, target, rng=np.random.default_rng(0))
    own = params(net)
    load_params(net, dict(zip(own, workloads.weights(w).values(), strict=True)))
    step = unroll_step(net, Adam(own, lr=w.lr, betas=w.betas, eps=w.eps), constants={"target": target})
    rng = generator(workloads.SEED + 2) if w.latent else None
    return lambda: sum(step(x, rng).values())
