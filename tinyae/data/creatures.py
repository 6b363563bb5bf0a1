"""data · creatures: coloured pixel animals, each drawn from 14 known numbers.

A creature consists of ellipses and triangles around a vertical axis, so its left half mirrors its right half. A part
covers the points where its function is negative; for an ellipse this is ((x-a)/rx)^2 + ((y-b)/ry)^2 - 1. Parts are
painted on a grid over [-1, 1], with y downwards, each over those before it. The squares around the creature form its
outline.

A seed gives the same bytes with any NumPy on any processor: the random numbers come from RandomState, whose streams are
frozen (NEP 19), and all arithmetic before the last rounding is float64.
"""
from __future__ import annotations

import os

import numpy as np

from .. import console
from . import cached
from .dataset import Dataset

# The numbers of a creature, uniform in [0, 1] and independent. It has wings from 0.45 on; each ear kind is a third.
FACTORS = ("hue", "second hue", "body width", "body height", "head size", "ear kind", "ear length", "ear angle",
           "eye size", "eye distance", "arm length", "foot size", "belly size", "wing size")
READABLE = (*FACTORS, "hue's cosine", "hue's sine")
POINTED, ROUND, ANTENNA = range(3)      # ear kinds, which are the labels
TRAIN, TEST = 4000, 500
GRID, SIZE, FINE = 32, 128, 2           # per side: squares and pixels of an image, points of a square
CHUNK = 100                             # creatures drawn at a time: their arrays fit into the processor's cache
# The sum of both sets of seed 0, in squares (dataset.fingerprint); it names the cache's files, as in digits.py.
SHA256 = "c2395ae0f736caabe9f516ea8b0c9739c9503d80595e09578df168ce49fb6287"
WHOLE = (0, 4000, 500)                  # seed, TRAIN, TEST of SHA256
# The sum of the same sets as `load` returns them, in pixels.
ENLARGED = "3162790c94dca585e483767abef4078e3566e994a95e3778abd2fb9377982025"
OUTLINE = 0.12                          # grey value


def load(data_dir: str | os.PathLike | None = None, *, seed: int = 0,
         progress: bool = True) -> tuple[Dataset, Dataset]:
    """(train, test) of 4000 and 500 creatures, uint8 (n, 128, 128, 3), with their ear kinds as labels and their FACTORS
    (n, 14) in [0, 1]. They are drawn once and then kept (see `cached.load`).
    """
    sets = cached.load(f"creatures-{SHA256[:8]}-seed{seed}", (TRAIN, TEST), lambda: draw_sets(seed, progress), data_dir,
                       SHA256 if (seed, TRAIN, TEST) == WHOLE else None)
    train, test = (Dataset(enlarged(squares), labels) for squares, labels, *_ in sets)
    factors = draw_factors(seed)
    return train._replace(factors=factors[:TRAIN]), test._replace(factors=factors[TRAIN:])


def enlarged(squares: np.ndarray) -> np.ndarray:
    """(n, 32, 32, 3) -> (n, 128, 128, 3): each square becomes 4x4 pixels."""
    return squares.repeat(SIZE // GRID, axis=1).repeat(SIZE // GRID, axis=2)


def draw_factors(seed: int) -> np.ndarray:
    """The FACTORS of all creatures, (n, 14)."""
    return np.random.RandomState(seed).random_sample((TRAIN + TEST, len(FACTORS)))


def readable(factors: np.ndarray) -> np.ndarray:
    """factors (n, 14) -> READABLE (n, 16): adds cosine and sine of the hue, which is an angle and so not linear."""
    angle = 2 * np.pi * factors[:, :1]
    return np.concatenate([factors, np.cos(angle), np.sin(angle)], axis=1)


def draw_sets(seed: int, progress: bool = True) -> tuple[Dataset, Dataset]:
    """(train, test), uint8 (n, 32, 32, 3)."""
    factors = draw_factors(seed)
    squares = np.empty((len(factors), GRID, GRID, 3), np.uint8)
    with console.bar(len(factors), desc="drawing creatures", unit=" images", shown=progress) as bar:
        for i in range(0, len(factors), CHUNK):
            squares[i:i + CHUNK] = draw(factors[i:i + CHUNK])
            bar.update(len(factors[i:i + CHUNK]))
    kinds = (factors[:, FACTORS.index("ear kind")] * 3).astype(np.uint8)
    return Dataset(squares[:TRAIN], kinds[:TRAIN]), Dataset(squares[TRAIN:], kinds[TRAIN:])


def draw(factors: np.ndarray) -> np.ndarray:
    """factors (n, 14) in [0, 1] -> squares uint8 (n, 32, 32, 3), dark outlines on white."""
    (hue, second, width, height, head_size, kind, ear_length, ear_angle, eye, apart, arm, foot, belly_size,
     wing) = factors.T[:, :, None, None]                            # each (n, 1, 1)
    at = (np.arange(GRID * FINE) + 0.5) / (GRID * FINE) * 2 - 1
    x, y = at[GRID * FINE // 2:], at[:, None]                       # the right half; the left is its mirror image

    def ellipse(a: np.ndarray | float, b: np.ndarray, rx: np.ndarray, ry: np.ndarray) -> np.ndarray:
        return ((x - a) / rx) ** 2 + ((y - b) / ry) ** 2 < 1        # (n, h, w) of bool

    half_width, half_height, radius = 0.22 + 0.28 * width, 0.2 + 0.22 * height, 0.2 + 0.22 * head_size
    waist = 0.35 + 0 * hue                                          # y of the body's centre
    neck = waist - half_height - 0.55 * radius                      # y of the head's centre
    body = ellipse(0, waist, half_width, half_height)
    head = ellipse(0, neck, 1.1 * radius, radius)
    belly = ellipse(0, waist + 0.04, half_width * (0.2 + 0.6 * belly_size), half_height * (0.3 + 0.5 * belly_size))
    arms = ellipse(half_width + 0.1 * arm, waist - 0.3 * half_height + 0.12 * (arm - 0.5), 0.06 + 0.16 * arm,
                   0.07 + 0 * arm)
    feet = ellipse(0.55 * half_width, waist + half_height + 0.02, 0.09 + 0.05 * foot, 0.06 + 0.12 * foot)
    wings = ellipse(half_width + 0.2, waist - 0.6 * half_height, 0.3 * wing + 0.01, 0.22 * wing + 0.01) & (wing > 0.45)
    ears = _ears(x - 0.6 * radius, y - neck + 0.6 * radius, (kind * 3).astype(int), 0.12 + 0.28 * ear_length,
                 0.2 + 0.9 * ear_angle)
    eye_radius, eye_at = 0.05 + 0.07 * eye, radius * (0.25 + 0.4 * apart)
    eyes = ellipse(eye_at, neck - 0.02, eye_radius, 1.15 * eye_radius)
    pupils = ellipse(eye_at, neck, 0.55 * eye_radius, 0.65 * eye_radius)
    mouth = ellipse(0, neck + 0.5 * radius, 0.3 * radius, 0.03 + 0 * radius)

    parts = (wings, ears | arms | feet, head | body, belly, eyes, pupils, mouth)      # back to front
    top = np.zeros(body.shape, np.intp)
    for i, part in enumerate(parts, 1):
        top[part] = i
    top = np.concatenate([top[:, :, ::-1], top], axis=2)            # (n, h, w): the visible part, 0 for none
    skin, limb = _colour(hue, 0.65, 0.92), _colour((hue + 0.15 + 0.5 * second) % 1, 0.55, 0.85)
    white = np.ones_like(skin)
    colours = np.stack([white, 0.9 * limb, limb, skin, np.minimum(0.55 * skin + 0.5, 1), white, 0 * skin, 0.35 * skin],
                       axis=1)[:, :, 0, 0]                          # (n, 8, 3), one for each part
    light = 1 - 0.22 * (y > waist + 0.05) - 0.12 * (at > 0.12)      # light comes from the upper left
    light = np.where((top >= 1) & (top <= 4), light, 1)
    picture = colours[np.arange(len(top))[:, None, None], top] * light[..., None]               # (n, h, w, 3)

    inside = _squares((top > 0).astype(float)) > 0.4
    squares = _squares(picture)
    squares[~inside] = 1
    squares[_neighbours(inside)] = OUTLINE
    return np.rint(255 * squares).astype(np.uint8)


def _ears(x: np.ndarray, y: np.ndarray, kind: np.ndarray, length: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Ears of each kind (n, 1, 1), pointing up and outwards from the origin of x, y: bool (n, h, w)."""
    along, across = x * np.sin(angle) - y * np.cos(angle), x * np.cos(angle) + y * np.sin(angle)
    pointed = (np.abs(across) < 0.11 * (1 - along / length)) & (along > -0.15)
    round_ = ((along - 0.5 * length) / (0.6 * length)) ** 2 + (across / 0.1) ** 2 < 1
    stalk = (np.abs(across) < 0.03) & (along > -0.1) & (along < length)
    antenna = stalk | ((along - length) ** 2 + across ** 2 < 0.07 ** 2)
    return np.select([kind == POINTED, kind == ROUND], [pointed, round_], antenna)


def _colour(hue: np.ndarray, saturation: float, value: float) -> np.ndarray:
    """hue (...) in [0, 1), once around the circle from red through green and blue -> RGB (..., 3)."""
    k = (hue[..., None] * 6 + np.array([5.0, 3.0, 1.0])) % 6
    return value * (1 - saturation * np.minimum(k, 4 - k).clip(0, 1))


def _squares(fine: np.ndarray) -> np.ndarray:
    """The mean over the points of each square: (n, 64, 64, ...) -> (n, 32, 32, ...)."""
    n, rest = len(fine), fine.shape[3:]
    return fine.reshape(n, GRID, FINE, GRID, FINE, *rest).mean((2, 4))


def _neighbours(inside: np.ndarray) -> np.ndarray:
    """inside (n, h, w) -> bool (n, h, w), True for squares outside that share an edge with one inside."""
    near = np.zeros_like(inside)
    near[:, 1:] |= inside[:, :-1]
    near[:, :-1] |= inside[:, 1:]
    near[:, :, 1:] |= inside[:, :, :-1]
    near[:, :, :-1] |= inside[:, :, 1:]
    return near & ~inside
