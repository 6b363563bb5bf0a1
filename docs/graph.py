"""Draw docs/graph.svg, the picture of a tape in the README: python docs/graph.py"""
from pathlib import Path

import numpy as np

from tinyae import draw, models, params

rng = np.random.default_rng(0)
model = models.VAE(784, (400,), 20, rng=rng)
loss = model.losses(rng.random((8, 784), np.float32), rng)
draw(loss["reconstruction"] + loss["kl"], Path(__file__).with_name("graph.svg"), params(model), fold=True)
