"""models · classifier: a softmax on top of an encoder, to measure how useful its codes are.

Unsupervised pretraining: an autoencoder learns from images without labels, then the classifier starts from its encoder
and learns from the few images that have labels (Hinton, Osindero & Teh 2006; Erhan, Bengio, Courville et al. 2010).
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
    """x (n, d) -> code (n, width) -> logits (n, classes). Not an autoencoder: it has no decoder.

    encoder: any layers, for example the encoder of a trained model. Its parameters belong to the classifier and are
    fine-tuned with the rest. Keywords go to the output layer: rng (required), init, device, dtype.
    """

    def __init__(self, encoder: Callable, width: int, classes: int = 10, **settings: Any):
        self.encoder = encoder
        self.output = Dense(width, classes, **settings)

    def logits(self, x: Array) -> Tensor:
        """x (n, d) -> (n, classes)."""
        return self.output(self.encoder(x))

    def loss(self, x: Array, labels: Array) -> Tensor:
        """Cross-entropy in nats per image; labels (n,) integers in 0 .. classes-1."""
        return mean(cross_entropy(self.logits(x), labels))

    def classify(self, x: Array) -> Array:
        """The most likely class of each image: (n,) integers."""
        return self.logits(x).data.argmax(axis=1)
