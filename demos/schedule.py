"""Training that watches itself: the learning rate falls, every epoch is drawn, and the run ends where it overfits.

On 500 images an autoencoder soon learns the images themselves: its loss on them goes on falling, while the loss on
images that it has not seen rises again. Each of the three takes one line of the program.

    python demos/schedule.py        drawn digits, needs no download, some seconds
"""
from pathlib import Path

import numpy as np

from tinyae import console, data, models, train
from tinyae.demo.images import save_reconstructions

FEW, PATIENCE = 500, 4

images = data.load("digits")[0].images[:2 * FEW]
seen, unseen = images[:FEW], images[FEW:]           # to let `fit` draw the second: fit(model, images, validation=0.5)
model = models.Autoencoder(hidden=(512,), latent=64, rng=np.random.default_rng(0))
x = data.batch(unseen, np.arange(40))
losses: list[float] = []


def watch(epoch: int, rows: list[dict[str, float]]) -> str:
    """Called after each epoch, with its losses; the text that it returns ends the line of that epoch."""
    losses.append(rows[0]["test_total"])                        # nats per unseen image
    save_reconstructions("runs/schedule.png", x, model.reconstruct(x), (28, 28))            # 1. a picture per epoch
    if min(losses) < min(losses[-PATIENCE:]):                                               # 2. early stopping
        raise train.StopTraining(f"no better in {PATIENCE} epochs")
    return "best so far" * (losses[-1] == min(losses))


Path("runs").mkdir(exist_ok=True)
rate = lambda epoch: 2e-3 * 0.99 ** epoch                                                   # 3. a schedule
train.fit(model, (seen, unseen), epochs=1000, batch_size=50, lr=rate, on_epoch=watch)
console.say(f"least loss on unseen images: {min(losses):.1f} nats, after {losses.index(min(losses)) + 1} epochs; the "
            "last reconstructions: runs/schedule.png")
