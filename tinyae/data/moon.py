"""data · moon: pictures that differ in a single number, the phase of the moon.

A model of these images has one factor to find, and it is a circle: the first day follows the last.
"""
from __future__ import annotations

import numpy as np

from .dataset import Dataset

SIZE, RADIUS = 28, 11.5         # pixels
DAYS = 28                       # in a month: 0 new, 7 first quarter, 14 full, 21 last quarter
EARTHSHINE = 0.08               # grey value of the dark side
FINE = 4                        # samples along each side of a pixel
# The sum of both sets (dataset.fingerprint); a test compares. They are drawn anew each time and never kept.
SHA256 = "489a6dae6b63df7ea16bd7f7b80cb2ec651b375ca691e06cb3c00280dedd5a72"


def draw(phase: np.ndarray) -> np.ndarray:
    """phase (n,), in months since new moon -> uint8 (n, 28, 28), as in the north: a waxing moon is lit on the right.

    The sun stands at the angle 2 pi phase from behind the moon and lights one half of the sphere; we see the half that
    faces us.
    """
    angle = 2 * np.pi * np.asarray(phase, np.float64)[:, None, None]
    x = ((np.arange(SIZE * FINE) + 0.5) / FINE - SIZE / 2) / RADIUS
    y = x[:, None]
    inside = x * x + y * y < 1
    z = np.sqrt(np.where(inside, 1 - x * x - y * y, 0))         # towards us
    lit = x * np.sin(angle) - z * np.cos(angle) > 0             # (n, fine, fine)
    light = inside * np.where(lit, 1, EARTHSHINE)
    pixels = light.reshape(-1, SIZE, FINE, SIZE, FINE).mean(axis=(2, 4))
    return np.rint(255 * pixels).astype(np.uint8)


def load(training: int = 6000, test: int = 1000) -> tuple[Dataset, Dataset]:
    """(train, test): moons of random but fixed phases; labels are days 0 .. 27, the factor is the phase."""
    phase = np.random.RandomState(0).random_sample(training + test)         # RandomState's streams are frozen
    images = np.concatenate([draw(some) for some in np.array_split(phase, 1 + len(phase) // 500)])
    days = (phase * DAYS).astype(np.int64)
    return (Dataset(images[:training], days[:training], phase[:training, None]),
            Dataset(images[training:], days[training:], phase[training:, None]))
