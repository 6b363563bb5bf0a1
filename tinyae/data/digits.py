"""data · digits: handwritten-like digits, drawn by a pen that follows jittered, warped strokes; no download needed.

Each image is one pen path (a line of `glyphs.py`) through four steps, all over the batch at once:

    points of the glyph  ->  bent, slanted, jittered  ->  smooth curve  ->  ink, blurred by the pen's width  ->  grey

Random numbers come from RandomState, whose streams are frozen (NEP 19), and the arithmetic is float64 until the last
rounding to 8 bits, so that one seed draws the same bytes under every NumPy and on every processor.
"""
from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tinyae.data import arrays, cache
from tinyae.data.dataset import Dataset
from tinyae.data.glyphs import GLYPHS
from tinyae.errors import Refusal

SIZE, BOX = 28, 20    # an image, and the box inside it that a digit fills, as in MNIST
SAMPLES = 144         # points of a curve: at most half a pixel apart
CHUNK = 250           # images drawn at a time: the arrays stay in the processor's cache
TRAIN, TEST = 60_000, 10_000
VERSION = 1           # of the drawing: a new one leaves old caches alone


def draw(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """n -> images uint8 (n, 28, 28), white ink on black, and labels uint8 (n,)."""
    way = rng.randint(len(DIGIT), size=n)          # which line of GLYPHS
    return _ink(*_path(way, rng), rng), DIGIT[way]


def _path(way: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """The pen's path for each line number in way (n,): points (n, s, 2) in units of the box, pen down (n, s)."""
    n = len(way)
    normal = lambda sigma, *shape: rng.standard_normal((n, *shape)) * sigma
    points = POINTS[way] + normal(0.025, POINTS.shape[1], 2)
    x, y = points[..., 0], points[..., 1]
    width = rng.uniform(0.55, 1.05, (n, 1))
    slant, bend_x, bend_y, fan = normal(0.18, 1) - 0.12, normal(0.25, 1), normal(0.2, 1), normal(0.3, 1)
    turn = normal(0.08, 1)
    u = width * (x + fan * x * y) + bend_x * y * y
    v = y + bend_y * x * x
    points = np.stack([u + (slant - turn) * v, v + turn * u], -1)
    return CURVE[way] @ points, DOWN[way]


def _ink(path: np.ndarray, down: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Paths (n, s, 2), pen down (n, s) -> images uint8 (n, 28, 28)."""
    n = len(path)
    radius = 0.62 + 0.95 * rng.beta(2.0, 3.0, (n, 1, 1))
    low, high = path.min(1, keepdims=True), path.max(1, keepdims=True)
    path = (path - low) * (BOX - 2 * radius) / (high - low).max(-1, keepdims=True)
    step = np.diff(path, axis=1)
    length = np.sqrt((step * step).sum(-1)) * down[:, 1:]
    length *= 1 + 0.25 * np.sin(rng.uniform(0, 6.3, (n, 1)) + rng.uniform(1, 8, (n, 1)) * np.linspace(0, 1, SAMPLES - 1))
    at = (path[:, 1:] + path[:, :-1]) / 2
    centre = (at * length[..., None]).sum(1, keepdims=True) / length.sum(1)[:, None, None]
    at = np.clip(at - centre + (SIZE - 1) / 2 + rng.uniform(-0.5, 0.5, (n, 1, 2)), 0, SIZE - 1.001)

    corner = at.astype(np.intp)                              # each piece of ink is shared among the 4 nearest pixels
    fx, fy = (at - corner)[..., 0], (at - corner)[..., 1]
    pixel = corner[..., 1] * SIZE + corner[..., 0] + SIZE * SIZE * np.arange(n)[:, None]
    ink = sum(np.bincount((pixel + shift).ravel(), (length * share).ravel(), minlength=n * SIZE * SIZE)
              for shift, share in ((0, (1 - fx) * (1 - fy)), (1, fx * (1 - fy)),
                                   (SIZE, (1 - fx) * fy), (SIZE + 1, fx * fy)))
    ink = ink.reshape(n, SIZE, SIZE)

    sigma = 0.25 + 0.6 * radius
    gap = np.arange(SIZE)[:, None] - np.arange(SIZE)
    blur = np.exp(-gap * gap / (2 * sigma * sigma))          # the profile across a line has its peak at 1 after one pass
    ink = blur @ ink @ blur / (np.sqrt(2 * np.pi) * sigma)
    edge = np.exp(-radius * radius / (2 * sigma * sigma))    # how much ink lies at the pen's rim
    grey = (ink - edge) * sigma * sigma / (edge * radius) / 1.25 + 0.5   # grey rim of about 1.25 pixels
    return np.rint(255 * grey.clip(0, 1)).astype(np.uint8)


def _parse(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """GLYPHS as arrays, one row per line: digit (g,), points (g, k, 2), curve (g, s, k), pen down (g, s)."""
    lines = [line.split(maxsplit=1) for line in text.strip().splitlines()]
    digit = np.array([int(name) for name, _ in lines], np.uint8)
    pens = [[[tuple(map(int, point.split(","))) for point in stroke.split()] for stroke in strokes.split("/")]
            for _, strokes in lines]
    distinct = [list(dict.fromkeys(point for stroke in strokes for point in stroke)) for strokes in pens]
    k = max(map(len, distinct))
    points, curve = np.zeros((len(lines), k, 2)), np.zeros((len(lines), SAMPLES, k))
    down = np.ones((len(lines), SAMPLES))
    for g, strokes in enumerate(pens):
        points[g, :len(distinct[g])] = np.array(distinct[g]) / 100 - 0.5
        spans = np.cumsum([0] + [len(stroke) - 1 for stroke in strokes])
        first = np.rint(SAMPLES * spans / spans[-1]).astype(int)
        down[g, first[:-1]] = 0
        for stroke, start, stop in zip(strokes, first, first[1:]):
            at = [distinct[g].index(point) for point in stroke]
            for s, t in zip(range(start, stop), np.linspace(0, len(at) - 1, stop - start)):
                i = min(int(t), len(at) - 2)
                for o, weight in zip((-1, 0, 1, 2), _catmull_rom(t - i)):
                    curve[g, s, at[min(max(i + o, 0), len(at) - 1)]] += weight
    return digit, points, curve, down


def _catmull_rom(t: float) -> tuple[float, float, float, float]:
    """Weights of four points in a row for the curve between the middle two, t in [0, 1] (Catmull and Rom 1974)."""
    return ((-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2, (-t**2 + t**3) / 2)


DIGIT, POINTS, CURVE, DOWN = _parse(GLYPHS)


def load(seed: int = 0, progress: bool = True) -> tuple[Dataset, Dataset]:
    """60 000 digits to train on and 10 000 to test with, generated once and then read from the cache folder.

    A cache that is damaged is made anew; where no folder can be written to, the digits are generated at every call.
    """
    paths = [folder / f"digits-v{VERSION}-seed{seed}.npz" for folder in cache.folders()]
    for path in filter(Path.is_file, paths):
        try:
            train, test = arrays.load_npz(path)
            if train.images.shape == (TRAIN, SIZE, SIZE) and train.labels is not None and len(test.images) == TEST:
                return train, test
        except Refusal:
            pass
    train, test = generate(seed, progress)
    for path in paths:
        try:
            with cache.replacing(path) as file:
                np.savez(file, images=train.images, labels=train.labels, test_images=test.images, test_labels=test.labels)
            break
        except OSError as error:
            reason = error
    else:
        warnings.warn(f"the digits are not kept for the next time: {reason}", stacklevel=2)
    return train, test


def generate(seed: int, progress: bool = True) -> tuple[Dataset, Dataset]:
    """The same two sets, drawn: one stream of random numbers, train first."""
    rng = np.random.RandomState(seed)
    images, labels = np.empty((TRAIN + TEST, SIZE, SIZE), np.uint8), np.empty(TRAIN + TEST, np.uint8)
    with tqdm(total=len(images), desc="drawing digits", unit=" images", disable=not progress) as bar:
        for i in range(0, len(images), CHUNK):
            images[i:i + CHUNK], labels[i:i + CHUNK] = draw(CHUNK, rng)
            bar.update(CHUNK)
    return Dataset(images[:TRAIN], labels[:TRAIN]), Dataset(images[TRAIN:], labels[TRAIN:])
