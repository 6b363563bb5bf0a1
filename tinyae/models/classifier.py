"""9 of 9 · models · classifier: a softmax on top of an encoder, to see what its codes are good for.

Unsupervised pretraining: an autoencoder learns from images without labels, its encoder then starts the classifier,
which learns from the few that have one (Hinton, Osindero & Teh 2006; Erhan, Bengio, Courville et al. 2010).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import Array
from ..functions import cross_entropy
from ..layers import Dense
from ..ops import mean
from ..tensor import Tensor


class Classifier:
    """x (n, d) -> encoder's code (n, width) -> logits (n, classes). Not an autoencoder: it gives no image back.

    encoder: layers, say the encoder of a trained model; its parameters are among the classifier's, fine-tuned with the
    rest. Keywords go to the output layer: rng (required), init, device, dtype.
    """

    def __init__(self, encoder: Callable, width: int, classes: int = 10, **settings: Any):
        self.encoder = encoder
        self.output = Dense(width, classes, **settings)

    def logits(self, x: Array) -> Tensor:
        return self.output(self.encoder(x))                                 # (n, classes)

    def loss(self, x: Array, labels: Array) -> Tensor:
        """Cross-entropy in nats per image; labels (n,) integers in 0 .. classes-1."""
        return mean(cross_entropy(self.logits(x), labels))

    def classify(self, x: Array) -> Array:
        """(n,): the likeliest class of each image."""
        return self.logits(x).data.argmax(axis=1)
