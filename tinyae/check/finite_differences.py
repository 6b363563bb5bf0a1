"""check · finite_differences: a derivative from values alone, with a measure of how far it can be trusted.

The error of a central difference with step h has two parts: truncation, h^2 f''' / 6, grows with the step; rounding,
2^-53 |f| / h, grows as the step shrinks. The best step lies where they are equal, and that place depends on f. So
slope_of takes a ladder of steps, each 8 times smaller than the last, extrapolates every two neighbours to h = 0
(Richardson 1911), and returns the place where two extrapolations agree best. Their distance is the doubt.
"""
from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..errors import BadValue

Arrays = list[np.ndarray]

NEAR = [8.0 ** -k for k in range(3, 10)]    # steps, relative to the scale of the arguments
WIDE = [8.0 ** -k for k in range(-3, 10)]   # for arguments far below the scale on which f changes
FLOOR = 1e-3            # an element's step is no less than this share of its array's root mean square

ROUNDING = 2.0 ** -53   # relative error of one rounding
ROUNDINGS = 8           # how many of them to expect in a value of f
ENOUGH = 1e-8           # relative doubt at which the near ladder will do
TRUSTED = 1e-7          # relative doubt at which a slope can judge a gradient: a tenth of gradcheck's tolerance

GROWS = 2               # times larger than at the coarser step: the slope has not settled

# Right minus left derivative is h f'' for a smooth f: 8 times less at each step. It is called a kink where it
STAYS = 1 / 2           # keeps this share of itself from one step to the next,
VISIBLE = 1e-4          # is more than this share of the slope,
CLEAR = 1e3             # and more than this many times the doubt.


class Slope(NamedTuple):
    """d/dh <v, f(x + h u)> at h = 0, by differences."""
    value: float        # by central differences, extrapolated to h = 0
    doubt: float        # the distance of the last two extrapolations, and the rounding they may share
    jump: float         # right minus left derivative where there is a kink, else 0
    noise: float        # the rounding in <v, f> itself: no smaller slope can be told from 0

    @property
    def sides(self) -> tuple[float, float]:
        """The derivatives from the right and from the left."""
        return self.value + self.jump / 2, self.value - self.jump / 2

    def trusted(self, norm: float) -> bool:
        """Whether f is smooth here and the doubt is small beside the slope, a gradient of this norm, or the noise."""
        small = max(TRUSTED * max(norm, abs(self.value)), self.noise or ROUNDINGS * ROUNDING)
        return not self.jump and self.doubt <= small


def slope_of(f: Callable[[Arrays], Arrays], point: Arrays, v: Arrays, u: Arrays, norm: float = 0.0) -> Slope:
    """<v, J u>, where J is the Jacobian of f at the point; a doubt far below `norm` ends the search."""
    near = _climb(f, point, v, u, NEAR)
    if near.doubt <= ENOUGH * max(norm, abs(near.value)):
        return near
    wide = _climb(f, point, v, u, WIDE)
    return near if near.trusted(norm) and not wide.trusted(norm) else wide


def values(f: Callable[[Arrays], Arrays], point: Arrays) -> Arrays:
    """f(point), or nothing where f refuses the point: a wide step may leave its domain."""
    try:
        return f(point)
    except BadValue:
        return []


def scale(x: np.ndarray) -> np.ndarray:
    """The size of each element, but no less than a thousandth of the array's; 1 for an array of zeros."""
    return np.maximum(np.abs(x), FLOOR * norm(x) / np.sqrt(max(x.size, 1)) or 1.0)


def own_scale(x: np.ndarray) -> np.ndarray:
    """The size of each element, however small; of a zero, as scale has it."""
    return np.where(x == 0, scale(x), np.abs(x))


def norm(x: np.ndarray) -> float:
    """The square root of the sum of squares, which may themselves be too large or too small for a float."""
    largest = float(np.max(np.abs(x), initial=0.0))
    return largest * float(np.linalg.norm(x / largest)) if 0 < largest < np.inf else largest


def noise_of(v: Arrays, results: Arrays) -> float:
    """The rounding to expect in <v, results>."""
    return ROUNDINGS * ROUNDING * dot([np.abs(w) for w in v], [np.abs(y) for y in results])


def dot(*factors: Arrays) -> float:
    """The sum of products over all elements of lists of arrays."""
    return float(sum(np.sum(np.prod(arrays, axis=0)) for arrays in zip(*factors, strict=True)))


def _climb(f: Callable[[Arrays], Arrays], point: Arrays, v: Arrays, u: Arrays, steps: list[float]) -> Slope:
    here, slopes, bends, noise = f(point), [], [], []
    size_of_v = [np.abs(w) for w in v]
    for h in steps:
        up, down = (values(f, [x + s * d for x, d in zip(point, u, strict=True)]) for s in (h, -h))
        if not (up and down):
            up = down = [np.full(y.shape, np.nan) for y in here]
        slopes.append(dot(v, [a - b for a, b in zip(up, down, strict=True)]) / (2 * h))
        bends.append(dot(v, [a - c - (c - b) for a, b, c in zip(up, down, here, strict=True)]) / h)
        noise.append(ROUNDING * dot(size_of_v, [np.abs(y) for y in up]) / h)
    ends = [(64 * fine - coarse) / 63 for coarse, fine in pairwise(slopes)]     # the term in h^2 cancels
    doubts = [_doubt(a, b, n) for (a, b), n in zip(pairwise(ends), noise[2:], strict=True)]
    best = int(np.argmin(doubts))
    value, doubt = ends[best + 1], doubts[best]
    before, after = bends[best + 1:best + 3]
    kink = abs(after) > max(STAYS * abs(before), VISIBLE * abs(value), CLEAR * doubt)
    return Slope(value, doubt, after if kink else 0.0, noise_of(v, here))


def _doubt(coarse: float, fine: float, noise: float) -> float:
    """How far apart two extrapolations are; infinitely, if the finer is much larger than the coarser.

    Slopes grow like 1 / h while f(x + h) - f(x - h) stays the same: across a jump, or at steps longer than the region
    where f changes, as steps above 10 are for tanh at 0. The small slope of a long step says nothing there.
    """
    apart = abs(fine - coarse)
    grows = abs(fine) > GROWS * abs(coarse) and apart > CLEAR * noise
    return np.inf if grows or not np.isfinite(apart) else apart + noise
