"""6 of 9 · differences: a derivative from values alone, with a measure of how far it can be trusted.

The error of a central difference with step h has two arms: truncation, h^2 f''' / 6, and rounding, 2^-53 |f| / h.
Where they cross depends on f, so the step is looked for: on a ladder of steps, each 8 times smaller than the last, two
neighbours are extrapolated to h = 0 (Richardson 1911), and the best place is where two extrapolations agree.
"""
from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..errors import BadValue

ROUNDING = 2.0 ** -53
NEAR = [8.0 ** -k for k in range(3, 10)]            # steps, relative to the scale of the arguments;
WIDE = [8.0 ** -k for k in range(-3, 10)]           # the wide ladder is for arguments far below the function's scale
ENOUGH = 1e-8                                       # the relative doubt at which the near ladder will do

Arrays = list[np.ndarray]


class Slope(NamedTuple):
    """d/dh <v, f(x + h u)> at h = 0."""
    value: float        # by central differences, extrapolated to h = 0
    doubt: float        # how far the last extrapolations are apart, and what rounding may add
    jump: float         # right minus left derivative, where it does not shrink with the step; else 0


def slope_of(f: Callable[[Arrays], Arrays], point: Arrays, v: Arrays, u: Arrays, size: float = 0.0) -> Slope:
    """<v, J u>, where J is the Jacobian of f at the point; doubts far below `size` do not matter."""
    for steps in (NEAR, WIDE):
        slope = _climb(f, point, v, u, steps)
        if slope.doubt <= ENOUGH * max(size, abs(slope.value)):
            break
    return slope


def scale(x: np.ndarray) -> np.ndarray:
    """The size of each element, but no less than a thousandth of the array's."""
    rms = np.sqrt(np.mean(x * x)) if x.size else 0.0
    return np.maximum(np.abs(x), 1e-3 * rms if rms else 1.0)


def dot(*factors: Arrays) -> float:
    """The sum of products over all elements of lists of arrays."""
    return float(sum(np.sum(np.prod(arrays, axis=0)) for arrays in zip(*factors, strict=True)))


def _climb(f: Callable[[Arrays], Arrays], point: Arrays, v: Arrays, u: Arrays, steps: list[float]) -> Slope:
    here, slopes, bends, noise = f(point), [], [], []
    for h in steps:
        up, down = (_values(f, [x + s * d for x, d in zip(point, u, strict=True)]) for s in (h, -h))
        if not (up and down):                                       # a step out of f's domain
            up = down = [np.full(y.shape, np.nan) for y in here]
        slopes.append(dot(v, [a - b for a, b in zip(up, down, strict=True)]) / (2 * h))
        bends.append(dot(v, [a - c - (c - b) for a, b, c in zip(up, down, here, strict=True)]) / h)
        noise.append(ROUNDING * dot([np.abs(w) for w in v], [np.abs(y) for y in up]) / h)
    ends = [(64 * fine - coarse) / 63 for coarse, fine in pairwise(slopes)]
    doubts = [abs(b - a) + n if np.isfinite(a - b) else np.inf
              for (a, b), n in zip(pairwise(ends), noise[2:], strict=True)]
    best = int(np.argmin(doubts))
    # A smooth function bends by h f'': less by a factor 8 at each step. At a kink the bend stays.
    before, after = bends[best + 1:best + 3]
    kink = abs(after) > max(abs(before) / 2, 1e-4 * abs(ends[best + 1]), 1e3 * doubts[best])
    return Slope(ends[best + 1], doubts[best], after if kink else 0.0)


def _values(f: Callable[[Arrays], Arrays], point: Arrays) -> Arrays:
    try:
        return f(point)
    except BadValue:                                                # a wide step may leave the domain of f
        return []
