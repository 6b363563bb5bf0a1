"""demo · flags: the flags of the demos, their ranges and their help texts."""
from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from ..backend import device
from ..data import SOURCES
from ..errors import BadValue
from ..layers import ACTIVATIONS
from ..models.sparse import PER_PIXEL
from ..models.vae import LIKELIHOODS, SCALES


class Flag(NamedTuple):
    """One flag. read: text -> value, or ValueError; allowed: the values that pass, in words; help: for --help."""

    name: str
    read: Callable[[str], Any]
    allowed: str
    default: Any
    metavar: str
    help: str

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")


def as_text(value: Any) -> str:
    """A setting as its flag takes it: 500,500 for a list."""
    return ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


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
    return _whole(text, 1, 100_000)     # more is a typing error: 300 MB of weights for 784 pixels


def _widths(text: str) -> list[int]:
    if text == "none":
        return []
    widths = [_width(width) for width in text.replace(",", " ").split()]
    if not 1 <= len(widths) <= 16:
        raise ValueError
    return widths


def sides(text: str) -> list[int]:
    """Height and width: 64 or 48x64."""
    numbers = text.lower().replace(",", "x").split("x")
    if len(numbers) not in (1, 2) or not all(number.isdecimal() and 0 < int(number) < 10_000 for number in numbers):
        raise BadValue("--size out of range", expected="a side, or HEIGHTxWIDTH, from 1 to 9999 pixels", got=repr(text),
                       fix="--size 64, or --size 48x64")
    return [int(numbers[0]), int(numbers[-1])]


FLAGS = [
    Flag("data", str, "", "digits", "NAME|PATH",
         f"a data set ({', '.join(SOURCES)}), or the path of a folder of pictures, a .npy, .npz, .csv or IDX file"),
    Flag("size", sides, "", None, "SIDE",
         "scale the pictures of a folder to SIDE x SIDE, or HEIGHTxWIDTH (without it: the size of the first)"),
    Flag("data-dir", str, "", None, "FOLDER",
         "folder in which named data sets are looked for and kept (without it: $TINYAE_DATA, or a cache folder)"),
    Flag("epochs", lambda text: _whole(text, 1, 10**6), "a whole number, 1 to 1000000", 10, "N",
         "passes over the training images"),
    Flag("batch-size", lambda text: _whole(text, 1, 10**6), "a whole number, 1 to 1000000", 128, "IMAGES",
         "images per step"),
    Flag("lr", _positive, "a number above 0", 1e-3, "RATE",
         "Adam's learning rate: about how much a weight changes in a step"),
    Flag("latent", _width, "a whole number, 1 to 100000", 20, "UNITS", "numbers in a code"),
    Flag("hidden", _widths, "1 to 16 whole numbers, 1 to 100000 each, or none", [400], "UNITS,UNITS",
         "widths of the encoder's hidden layers (the decoder mirrors them), or none"),
    Flag("device", device, "", "cpu", "NAME", "cpu, cuda, or auto: cuda if there is a GPU"),
    Flag("seed", lambda text: _whole(text, 0, 2**63), "a whole number, 0 to 2^63", 0, "N",
         "seed of all random numbers: the same seed gives the same run"),
]
# Flags for the demos that give them a default (see cli.flags).
SPECIAL = [
    Flag("activation", _one_of(ACTIVATIONS), ", ".join(ACTIVATIONS), "relu", "NAME",
         f"activation of the hidden layers: {', '.join(ACTIVATIONS)}"),
    Flag("betas", _fractions, "two numbers, 0 <= beta < 1", [0.9, 0.999], "B1,B2",
         "Adam's betas: the part of its two running means that is kept in each step"),
    Flag("beta", _positive, "a number above 0", 1.0, "WEIGHT", "weight of the KL term; 1 gives the ELBO"),
    Flag("likelihood", _one_of(LIKELIHOODS), " or ".join(LIKELIHOODS), "bernoulli", "NAME",
         f"distribution of a pixel given the code: {' or '.join(LIKELIHOODS)}"),
    Flag("scale", _one_of(SCALES), " or ".join(SCALES), "log_var", "NAME",
         f"the encoder's output beside the mean: {' or '.join(SCALES)}"),
    Flag("samples", lambda text: _whole(text, 1, 10**6), "a whole number, 1 to 1000000", 200, "CODES",
         "codes drawn per image to estimate its likelihood"),
    Flag("penalty", _one_of(PER_PIXEL), " or ".join(PER_PIXEL), "kl", "NAME",
         f"penalty on the activations: {' or '.join(PER_PIXEL)}"),
]
