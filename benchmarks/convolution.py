"""One training step of the two convolutional models, against PyTorch (CPU, eager), in turns in one process.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/convolution.py        needs PyTorch beside NumPy

Both sides have the same layers, loss, Adam and batch; times are the process's own, of all threads, so that a busy
machine distorts them less. One core of a Xeon at 2.8 GHz, NumPy 2.4, PyTorch 2.13:

                                                 tinyae      PyTorch     ratio of medians
    sprite VAE, 128x128x3, batch 16              331 ms      214 ms      1.5
    convolutional autoencoder, 28x28, batch 128   46 ms       35 ms      1.2
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import nn
from torch.nn import functional as F

from tinyae import grad, models, params
from tinyae.models.conv_autoencoder import shapes_of
from tinyae.optim import Adam

ROUNDS = 12
CASES: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...], int, int]] = {
    "sprite VAE, 128x128x3, batch 16": (models.ConvVAE, (128, 128, 3), (32, 64, 64, 64, 64, 64), 1000, 16),
    "convolutional autoencoder, 28x28, batch 128": (models.ConvAutoencoder, (28, 28, 1), (16, 32), 20, 128),
}


def ours(make: Any, shape: tuple[int, ...], channels: tuple[int, ...], latent: int, x: np.ndarray) -> Callable:
    model = make(shape, channels, latent, rng=np.random.default_rng(0))
    own = params(model)
    optimiser, rng = Adam(own), np.random.default_rng(1)

    def step() -> None:
        terms = list(model.losses(x, rng).values())
        optimiser.step(grad(sum(terms[1:], terms[0]), own))
    return step


def theirs(make: Any, shape: tuple[int, ...], channels: tuple[int, ...], latent: int, x: np.ndarray) -> Callable:
    shapes, variational = shapes_of(shape, channels), make is models.ConvVAE
    down = nn.ModuleList(nn.Conv2d(a[2], b[2], 3, 2, 1) for a, b in pairwise(shapes))
    up = nn.ModuleList(nn.ConvTranspose2d(b[2], a[2], 3, 2, 1, (a[0] - 2 * b[0] + 1, a[1] - 2 * b[1] + 1))
                       for b, a in pairwise(reversed(shapes)))
    heads = nn.ModuleList(nn.Linear(int(np.prod(shapes[-1])), latent) for _ in range(1 + variational))
    back = nn.Linear(latent, int(np.prod(shapes[-1])))
    net = nn.ModuleList([down, up, heads, back])
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    images = torch.from_numpy(np.moveaxis(x.reshape(-1, *shape), -1, 1).copy())

    def step() -> None:
        h = images
        for layer in down:
            h = F.leaky_relu(layer(h))
        z, *log_var = (head(h.flatten(1)) for head in heads)
        loss = torch.zeros(())
        if variational:
            loss = 0.5 * (log_var[0].exp() + z ** 2 - 1 - log_var[0]).sum() / len(x)
            z = z + torch.exp(0.5 * log_var[0]) * torch.randn_like(z)
        h = F.leaky_relu(back(z)).reshape(-1, shapes[-1][2], *shapes[-1][:2])
        for i, layer in enumerate(up, 1):
            h = layer(h) if i == len(up) else F.leaky_relu(layer(h))
        loss = loss + F.binary_cross_entropy_with_logits(h, images, reduction="sum") / len(x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return step


def milliseconds(step: Callable) -> float:
    began = time.process_time()
    step()
    return 1e3 * (time.process_time() - began)


for name, (make, shape, channels, latent, n) in CASES.items():
    x = np.random.default_rng(0).random((n, int(np.prod(shape))), dtype=np.float32)
    x.flags.writeable = False
    sides = ours(make, shape, channels, latent, x), theirs(make, shape, channels, latent, x)
    times = np.array([[milliseconds(step) for step in sides] for _ in range(ROUNDS)])[2:]       # two to warm up
    print(f"{name:46} {np.median(times[:, 0]):6.0f} ms {np.median(times[:, 1]):8.0f} ms "
          f"{np.median(times[:, 0] / times[:, 1]):8.2f}")
