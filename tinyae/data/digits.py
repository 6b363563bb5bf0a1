"""data · digits: handwritten-like digits with labels, drawn here, so that nothing needs to be downloaded.

A digit starts as a line of `glyphs.py` and becomes an image in four steps, each applied to a whole batch:

    points of the glyph -> bent and slanted by a writer -> ink on the pixels -> as wide as the pen -> grey values

The images have the mean and the variance of MNIST: over 60 000 images, mean 0.131 (MNIST 0.131) and total variance 52
(53), of which 10/81/152 (11/87/154) principal components hold 50/90/95 %. A seed gives the same bytes with any NumPy on
any processor: the random numbers come from RandomState, whose streams are frozen (NEP 19), and all arithmetic before
the last rounding is float64.
"""
from __future__ import annotations

import os

import numpy as np

from .. import console
from . import cached
from .dataset import Dataset
from .glyphs import CURVE, DIGIT, DOWN, POINTS, SAMPLES

TRAIN, TEST = 60_000, 10_000
SIZE, BOX = 28, 20    # sides, in pixels, of an image and of the box that a digit fills, as in MNIST
RIM = 0.85            # width of the grey edge of a line, in pixels
GRAIN = 0.5           # roughness of that edge
WAVES = np.cos(np.pi * np.linspace(0, 1, SAMPLES)[:, None] * np.arange(1, 6)) / np.arange(1, 6)
CHUNK = 250           # images drawn at a time: their arrays fit into the processor's cache
# The sum of both sets of seed 0 (dataset.fingerprint); a test draws them and compares. It is part of the names of the
# cache's files: a change of the drawing changes the sum, so no file of an earlier drawing is read.
SHA256 = "98abafb2b66783fd15ea779aebf39a0af9713611363616dfa0c59ac1f10ccd48"
WHOLE = (0, 60_000, 10_000)     # seed, TRAIN, TEST of SHA256


def load(data_dir: str | os.PathLike | None = None, *, seed: int = 0,
         progress: bool = True) -> tuple[Dataset, Dataset]:
    """(train, test) of 60 000 and 10 000 digits, uint8 (n, 28, 28), drawn once and then kept (see `cached.load`)."""
    return cached.load(f"digits-{SHA256[:8]}-seed{seed}", (TRAIN, TEST), lambda: draw_sets(seed, progress), data_dir,
                       SHA256 if (seed, TRAIN, TEST) == WHOLE else None)


def draw_sets(seed: int, progress: bool = True) -> tuple[Dataset, Dataset]:
    """(train, test), drawn one after the other from one stream of random numbers."""
    rng = np.random.RandomState(seed)
    images, labels = np.empty((TRAIN + TEST, SIZE, SIZE), np.uint8), np.empty(TRAIN + TEST, np.uint8)
    with console.bar(len(images), desc="drawing digits", unit=" images", shown=progress) as bar:
        for i in range(0, len(images), CHUNK):
            images[i:i + CHUNK], labels[i:i + CHUNK] = draw(CHUNK, rng)
            bar.update(CHUNK)
    return Dataset(images[:TRAIN], labels[:TRAIN]), Dataset(images[TRAIN:], labels[TRAIN:])


def draw(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """n -> images uint8 (n, 28, 28), white ink on black, and labels uint8 (n,)."""
    labels = rng.randint(10, size=n, dtype=np.uint8)
    first, last = np.searchsorted(DIGIT, labels), np.searchsorted(DIGIT, labels, side="right")
    way = first + (rng.random_sample(n) * (last - first)).astype(np.intp)
    radius = 0.7 + 1.3 * rng.beta(2, 2.2, (n, 1, 1))    # radius of the pen, in pixels
    path = _fitted(_written(way, rng), 2 * radius)
    return _grey(_ink(path, DOWN[way], rng), radius, rng), labels


def _written(way: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Indices of GLYPHS, way (n,) -> paths (n, s, 2), each bent, slanted and shaken as by a writer of its own."""
    n = len(way)
    x, y = np.moveaxis(POINTS[way] + rng.normal(0, 0.015, (n, POINTS.shape[1], 2)), 2, 0)
    width, slant, turn = rng.uniform(0.6, 1.3, (n, 1)), rng.normal(-0.12, 0.25, (n, 1)), rng.normal(0, 0.12, (n, 1))
    a, b, c, d, e, f = rng.normal(0, 0.28, (6, n, 1))
    u = width * (x + a * x * x + b * x * y) + c * y * y
    v = y + d * x * x + e * x * y + f * y * y
    points = np.stack([u + (slant - turn) * v, v + turn * u], -1)
    return CURVE[way] @ points + WAVES @ rng.normal(0, 0.05, (n, WAVES.shape[1], 2))


def _fitted(path: np.ndarray, pen: np.ndarray) -> np.ndarray:
    """Paths (n, s, 2) scaled so that a line as wide as `pen` (n, 1, 1) fills the box, in pixels."""
    low, high = path.min(1, keepdims=True), path.max(1, keepdims=True)
    return (path - low) * (BOX - pen) / (high - low).max(-1, keepdims=True)


def _ink(path: np.ndarray, down: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Paths (n, s, 2), pen down (n, s) -> ink (n, 28, 28): the length of line in each pixel, centred in the image."""
    n, s, _ = path.shape
    step = np.diff(path, axis=1)
    pressure = 1 + 0.25 * np.sin(rng.uniform(0, 6.3, (n, 1)) + rng.uniform(1, 8, (n, 1)) * np.linspace(0, 1, s - 1))
    ink = np.sqrt((step * step).sum(-1)) * down[:, 1:] * pressure                                   # (n, s-1)
    at = (path[:, 1:] + path[:, :-1]) / 2                                                           # (n, s-1, 2)
    centre = (at * ink[..., None]).sum(1, keepdims=True) / ink.sum(1)[:, None, None]
    at = np.clip(at - centre + (SIZE - 1) / 2 + rng.uniform(-0.5, 0.5, (n, 1, 2)), 0, SIZE - 1.001)

    corner = at.astype(np.intp)
    (x, y), (right, below) = np.moveaxis(corner, 2, 0), np.moveaxis(at - corner, 2, 0)
    pixel = (np.arange(n)[:, None] * SIZE + y) * SIZE + x
    total = np.zeros(n * SIZE * SIZE)
    for shift, share in ((0, (1 - right) * (1 - below)), (1, right * (1 - below)),
                         (SIZE, (1 - right) * below), (SIZE + 1, right * below)):    # the four nearest pixels
        total += np.bincount((pixel + shift).ravel(), (ink * share).ravel(), len(total))
    return total.reshape(n, SIZE, SIZE)


def _grey(ink: np.ndarray, radius: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Ink (n, 28, 28) from a pen of this radius (n, 1, 1) -> images uint8 (n, 28, 28).

    Ink spreads around the line as a Gaussian; a pixel is white where the ink exceeds its level at the pen's radius.
    """
    spread = (0.2 + 0.62 * radius) ** 2                        # variance of the Gaussian
    gap = np.arange(SIZE)[:, None] - np.arange(SIZE)
    blur = np.exp(-gap * gap / (2 * (spread - 1 / 6)))         # sharing ink among four pixels has added 1/6
    blur /= blur.sum(1, keepdims=True)
    ink = np.sqrt(2 * np.pi * spread) * (blur @ ink @ blur.swapaxes(1, 2))    # 1 in the middle of a long line
    ink *= 1 + GRAIN * (rng.random_sample(ink.shape) - 0.5)
    edge = np.exp(-radius * radius / (2 * spread))
    slope = edge * radius / spread                             # of the ink at the edge, per pixel
    return np.rint(255 * ((ink - edge) / (slope * RIM) + 0.5).clip(0, 1)).astype(np.uint8)
