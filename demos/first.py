"""A first training program: an autoencoder learns to draw digits from 20 numbers.

Data, a model, two loops and one picture, in plain sight. The other demos add flags, checkpoints and plots.

    python demos/first.py           drawn digits, needs no download, under a minute
"""
from pathlib import Path

import numpy as np

from tinyae import data, grad, ops, params
from tinyae.demo.images import save_reconstructions
from tinyae.functions import bce_with_logits
from tinyae.layers import Dense, Sequential
from tinyae.optim import Adam

train, test = data.load("digits")               # images of 28 x 28 pixels, drawn on first use and kept
rng = np.random.default_rng(0)

encoder = Sequential(Dense(784, 256, activation="relu", rng=rng), Dense(256, 20, rng=rng))
decoder = Sequential(Dense(20, 256, activation="relu", rng=rng), Dense(256, 784, rng=rng))
p = params([encoder, decoder])                  # all weights and biases, by name
optimizer = Adam(p, lr=2e-3)
for epoch in range(3):
    for index in rng.permutation(len(train.images)).reshape(-1, 100):
        x = data.batch(train.images, index)                             # (100, 784), in [0, 1]
        loss = ops.mean(bce_with_logits(decoder(encoder(x)), x))        # nats per image, one number
        g = grad(loss, p)                                               # d loss / d weight, for each in p
        optimizer.step(g)
    print(f"epoch {epoch + 1}: {loss.item():.1f} nats per image in the last batch")

x = data.batch(test.images, np.arange(40))
y = ops.sigmoid(decoder(encoder(x))).numpy()
Path("runs").mkdir(exist_ok=True)
save_reconstructions("runs/first.png", x, y, (28, 28))
print("test images and their reconstructions: runs/first.png")
