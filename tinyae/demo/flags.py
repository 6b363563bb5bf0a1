"""flags: what a demo can be told on its command line."""
from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from ..backend import device
from ..data import SOURCES
from ..layers import ACTIVATIONS
from ..models.sparse import PER_PIXEL
from ..models.vae import LIKELIHOODS, SCALES


class Flag(NamedTuple):
    """A flag: its value read from text (a ValueError refuses it), what is allowed, and what --help says."""

    name: str
    read: Callable[[str], Any]
    allowed: str
    default: Any
    metavar: str
    help: str

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")


def _whole(text: str, least: int, most: int) -> int:
    value = int(text)
    if not least <= value <= most:
        raise ValueError
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def _fractions(text: str) -> list[float]:
    one, other = map(float, text.split(","))
    if not (0 <= one < 1 and 0 <= other < 1):
        raise ValueError
    return [one, other]


def _one_of(names: Collection[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError
        return text
    return read


def _width(text: str) -> int:
    return _whole(text, 1, 100_000)     # more is a slip of the keyboard: 300 MB of weights for 784 pixels


def _widths(text: str) -> list[int]:
    if text == "none":
        return []
    widths = [_width(width) for width in text.replace(",", " ").split()]
    if not 1 <= len(widths) <= 16:
        raise ValueError
    return widths


FLAGS = [
    Flag("data", str, "", "digits", "NAME|PATH", f"{', '.join(SOURCES)}, or a folder of images, a .npy or a .npz"),
    Flag("data-dir", str, "", None, "FOLDER", "where the files of published data sets lie"),
    Flag("epochs", lambda text: _whole(text, 1, 10**6), "a whole number, 1 to 1000000", 10, "N",
         "times that every training image is seen"),
    Flag("batch-size", lambda text: _whole(text, 1, 10**6), "a whole number, 1 to 1000000", 128, "IMAGES",
         "images in each step"),
    Flag("lr", _positive, "a number above 0", 1e-3, "RATE", "Adam's learning rate, about a weight's change in a step"),
    Flag("latent", _width, "a whole number, 1 to 100000", 20, "UNITS", "numbers in a code"),
    Flag("hidden", _widths, "1 to 16 whole numbers, 1 to 100000 each, or none", [400], "UNITS,UNITS",
         "widths of the encoder's hidden layers, which the decoder mirrors, or none"),
    Flag("device", device, "", "cpu", "NAME", "cpu, cuda, or auto: cuda if there is a GPU"),
    Flag("seed", lambda text: _whole(text, 0, 2**63), "a whole number, 0 to 2^63", 0, "N",
         "of all random numbers: the same seed gives the same run"),
]
# Of those demos alone that give them a default.
SPECIAL = [
    Flag("activation", _one_of(ACTIVATIONS), ", ".join(ACTIVATIONS), "relu", "NAME",
         f"of the hidden layers: {', '.join(ACTIVATIONS)}"),
    Flag("betas", _fractions, "two numbers, 0 <= beta < 1", [0.9, 0.999], "B1,B2",
         "Adam's memory: what its two running means keep in a step"),
    Flag("beta", _positive, "a number above 0", 1.0, "NATS", "weight of the KL term; 1 gives the ELBO"),
    Flag("likelihood", _one_of(LIKELIHOODS), " or ".join(LIKELIHOODS), "bernoulli", "NAME",
         f"of a pixel: {' or '.join(LIKELIHOODS)}"),
    Flag("scale", _one_of(SCALES), " or ".join(SCALES), "log_var", "NAME",
         f"what the encoder gives beside the mean: {' or '.join(SCALES)}"),
    Flag("samples", lambda text: _whole(text, 1, 10**6), "a whole number, 1 to 1000000", 200, "CODES",
         "drawn for an image, to tell its likelihood"),
    Flag("penalty", _one_of(PER_PIXEL), " or ".join(PER_PIXEL), "kl", "NAME",
         f"on the activations: {' or '.join(PER_PIXEL)}"),
]
