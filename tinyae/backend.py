"""1 of 9 · backend: where arrays live.

An array is a numpy.ndarray (device "cpu") or a cupy.ndarray (device "cuda"). Everything else in this library calls
np.exp(x) and lets NumPy's dispatch protocols (NEP 13, NEP 18) hand a CuPy array to CuPy. What those protocols cannot
do stands here, and only this file names CuPy: choosing a device, moving arrays, random numbers, waiting for the GPU.
"""
from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from .errors import BadType, BadValue

Array = Any    # numpy.ndarray or cupy.ndarray; a Union would need CuPy installed
Value = Any    # a Tensor or an Array
Rng = Any      # anything with standard_normal and random
Axis = Any     # None, an int or a tuple of ints
DEVICES = ("cpu", "cuda", "auto")

# A step frees the arrays that the next one needs again. glibc gives such memory back to the system each time, and each
# time the step pays a page fault for every 4 KiB of it: up to two thirds of its time. Freeing one block of just below
# 32 MiB raises the bounds (mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD), so that up to 62 MiB are kept. Elsewhere
# it does nothing. TINYAE_KEEP_MEMORY=0 switches it off.
if os.environ.get("TINYAE_KEEP_MEMORY") != "0":
    np.empty(31 << 20, np.uint8)


def device(name: str) -> str:
    """"cpu" or "cuda", checked; "auto" is "cuda" where a GPU answers, else "cpu" with a warning that says why."""
    if name not in DEVICES:
        raise BadValue("unknown device", expected=" or ".join(map(repr, DEVICES)), got=repr(name), fix='device="cpu"')
    if name == "cpu":
        return "cpu"
    try:
        gpu()
    except BadValue as missing:
        if name == "cuda":
            raise
        warnings.warn(f'device="auto" runs on the CPU: {missing.got}', stacklevel=2)
        return "cpu"
    return "cuda"


def gpu() -> Any:
    """CuPy, imported at the first call (0.4 s) and only where a GPU is asked for."""
    wanted = 'CuPy and a GPU for device="cuda"'
    try:
        import cupy
    except ImportError as error:
        raise BadValue("no CUDA here", expected=wanted, got=f"CuPy cannot be imported ({error})",
                       fix="pip install '.[cuda12]' or '.[cuda13]' (nvidia-smi shows the driver's CUDA version), "
                           'or device="cpu"') from None
    if not cupy.is_available():
        raise BadValue("no CUDA here", expected=wanted, got=f"CuPy {cupy.__version__}, but no GPU that it can use",
                       fix='make nvidia-smi list a GPU (driver, container flags), or device="cpu"')
    return cupy


def is_array(x: object) -> bool:
    return isinstance(x, np.ndarray) or hasattr(type(x), "__cuda_array_interface__")


def device_of(x: Array) -> str:
    """"cuda" for a device array, else "cpu"."""
    return "cuda" if hasattr(type(x), "__cuda_array_interface__") else "cpu"


def to_device(x: Array, device: str) -> Array:
    """x as an array on "cpu" or "cuda"; itself if it is there already.

    Nobody waits on the way to the GPU: CuPy copies x to memory that the GPU reads while the host goes on.
    """
    if device == "cpu":
        return to_host(x)
    return x if device_of(x) == "cuda" else gpu().asarray(x)


def to_host(x: Array) -> np.ndarray:
    """x as a NumPy array. From the GPU this waits for every kernel before it."""
    return x.get() if device_of(x) == "cuda" else np.asarray(x)


def free_memory() -> int:
    """Bytes of the GPU's memory that nobody has taken."""
    return gpu().cuda.Device().mem_info[0]


def synchronize(device: str) -> None:
    """Wait until the device has done all that was asked of it. A timer that does not wait measures the asking."""
    if device == "cuda":
        gpu().cuda.Device().synchronize()


def generator(seed: Any, device: str = "cpu") -> Any:
    """A random generator that draws on the device. The two devices' streams differ, also for one seed."""
    if device == "cpu":
        return np.random.default_rng(seed)
    words = np.random.SeedSequence(seed).generate_state(2)      # CuPy takes one integer, NumPy also lists of them
    return gpu().random.default_rng(int(words[0]) << 32 | int(words[1]))


def normal(rng: Any, like: Any) -> Array:
    """Standard normal numbers of the shape, dtype and device of `like`, an array or a Tensor."""
    return _draw(rng, "standard_normal", like)


def uniform(rng: Any, like: Any) -> Array:
    """Uniform numbers in [0, 1) of the shape, dtype and device of `like`, an array or a Tensor."""
    return _draw(rng, "random", like)


def _draw(rng: Any, method: str, like: Any) -> Array:
    # Only two methods are asked of an rng, so that a test can replay noise it has recorded. A host generator
    # also serves a device array: its numbers are uploaded, which makes both devices see the same noise.
    if not hasattr(rng, method):
        raise BadType("no random numbers to be had", expected="a generator, np.random.default_rng(seed)",
                      got=f"rng={rng!r}", fix="rng=np.random.default_rng(0)")
    like = like if is_array(like) else like.data                         # a Tensor's array
    wide = np.float64 if like.dtype == np.float64 else np.float32        # generators draw no float16
    numbers = getattr(rng, method)(like.shape, dtype=wide).astype(like.dtype, copy=False)
    return to_device(numbers, device_of(like))


def add_at(z: Array, key: Any, g: Array) -> None:
    """z[key] += g, in place; where the integers in key name a place twice, both count."""
    # np.add.at does not dispatch on a key that is a list or a tuple; CuPy's own takes any.
    (np if device_of(z) == "cpu" else gpu()).add.at(z, key, g)


def windows(x: Array, size: tuple[int, int], stride: int) -> Array:
    """x (n, h, w, c) -> (n, u, v, a, b, c): the window of size (a, b) at every stride-th row and column.

    A view, which shares its numbers with x and must not be written into.
    """
    (n, h, w, c), (a, b) = x.shape, size
    shape = (n, (h - a) // stride + 1, (w - b) // stride + 1, a, b, c)
    images, rows, columns, channels = x.strides
    strides = (images, rows * stride, columns * stride, rows, columns, channels)
    # as_strided does not dispatch, and CuPy's knows no read-only views.
    as_strided = (np if device_of(x) == "cpu" else gpu()).lib.stride_tricks.as_strided
    return freeze(as_strided(x, shape, strides))


def frozen(x: Array) -> Array:
    """x itself if nobody can write into it any more, else a read-only copy. CuPy has no such flag: x itself."""
    base = x
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if base is None or isinstance(base, bytes) or device_of(x) == "cuda":
        return x
    return freeze(np.array(x))


def freeze(x: Array) -> Array:
    """x, read-only from now on: for an array that the caller has just made and shares with nobody."""
    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    return x


