"""optim · join: flat arrays, end to end.

np.concatenate would do, but for more than eight arrays on a GPU, CuPy uploads a table of their addresses. That takes
the host longer than starting a kernel, and a CUDA graph cannot record it. Here the addresses are arguments of the
kernel.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from ..backend import Array, by_hand, device_of

MOST = 64       # arrays for one kernel: the arguments, 32 bytes for each, must fit into 4096


def end_to_end(arrays: Sequence[Array]) -> Array:
    """A new array with the numbers of these, which are flat and of one dtype: [(n,), (m,), ...] -> (n + m + ...,)."""
    if device_of(arrays[0]) == "cpu":
        return np.concatenate(arrays)
    z, end = np.empty(sum(a.size for a in arrays), arrays[0].dtype, like=arrays[0]), 0
    for some in (arrays[i:i + MOST] for i in range(0, len(arrays), MOST)):
        start, end = end, end + sum(a.size for a in some)
        _kernel(len(some))(*some, z[start:end])
    return z


@cache
def _kernel(n: int) -> Callable[..., None]:
    """The kernel that joins n arrays. Entry k is x0[k], or x1[k - x0.size()], or ..."""
    choice = "".join(f"k < x{j}.size() ? x{j}[k] : (k -= x{j}.size(), " for j in range(n - 1))
    return by_hand("join", ", ".join(f"raw T x{j}" for j in range(n)), "T z",
                   f"ptrdiff_t k = i; z = {choice}x{n - 1}[k]{')' * (n - 1)};")
