"""backend: where arrays live.

An array is a numpy.ndarray (device "cpu") or a cupy.ndarray (device "cuda"). The rest of the library calls np.exp(x),
and NumPy hands a CuPy array to CuPy (its dispatch protocols, NEP 13 and NEP 18). Those protocols do not cover choosing
a device, moving arrays, drawing random numbers and waiting for the GPU. This file does that; no other file names CuPy.
"""
from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from .errors import BadType, BadValue

Array = Any     # numpy.ndarray or cupy.ndarray; a Union would need CuPy installed
Value = Any     # a Tensor or an Array; anything computed from a Tensor is a Tensor
Rng = Any       # anything with the methods standard_normal(shape, dtype) and random(shape, dtype)
Axis = Any      # None, an int, or several ints
DEVICES = ("cpu", "cuda", "auto")
# The number of a process among those of its machine, as the launchers of MPICH, Open MPI and Slurm tell it. The first
# that is set counts: a script of Slurm has a number, too, and every process that its mpiexec starts inherits that one.
LOCAL_RANKS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")


@lru_cache(maxsize=1)
def keep_memory() -> None:
    """Let the C library keep freed memory for the next training step, instead of returning it to the system.

    A step frees the arrays that the next step needs again. By default glibc returns them to the system, and then the
    next step pays a page fault for every 4 KiB: up to two thirds of its time. Freeing one block of just below 32 MiB
    raises glibc's thresholds (mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD), so that it keeps up to 62 MiB. The block
    is never touched, so it costs no memory. Other C libraries ignore this. TINYAE_KEEP_MEMORY=0 switches it off.
    """
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
    """CuPy. It takes 0.4 s to import, so it is imported at the first call, when a GPU is asked for."""
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
    _choose_gpu(cupy)
    return cupy


@lru_cache(maxsize=1)
def _choose_gpu(cupy: Any) -> None:
    """Give each of the processes that a launcher has started on this machine a GPU of its own, in turn."""
    for rank in [os.environ[name] for name in LOCAL_RANKS if name in os.environ][:1]:
        cupy.cuda.Device(int(rank) % cupy.cuda.runtime.getDeviceCount()).use()


def is_array(x: object) -> bool:
    return isinstance(x, np.ndarray) or _place(type(x)) is not None     # type: ignore[arg-type]


def device_of(x: Array) -> str:
    """"cuda" for a CuPy array, else "cpu"."""
    return _place(type(x)) or "cpu"                                     # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _place(kind: type) -> str | None:
    """The device of arrays of this type; None for NumPy's arrays, and for other objects."""
    # PyTorch's tensors have the first of the two, also on a CPU, but do not take part in NumPy's dispatch.
    on_cuda = hasattr(kind, "__cuda_array_interface__") and hasattr(kind, "__array_function__")
    return "cuda" if on_cuda else "cpu" if hasattr(kind, "record") else None     # unroll's arrays record


def describe(x: Any) -> str:
    """A value in a sentence: shape, dtype and device of an array or Tensor, type and value of anything else."""
    x = x if is_array(x) or isinstance(x, np.generic) else getattr(x, "data", x)
    if not is_array(x):
        return f"{type(x).__name__} {x!r:.60}"
    return f"{x.shape} {x.dtype}" + (" on cuda" if device_of(x) == "cuda" else "")


def to_device(x: Array, device: str) -> Array:
    """x as an array on "cpu" or "cuda"; x itself if it is there already.

    The host does not wait for an upload: CuPy copies x to pinned memory, which the GPU reads while the host goes on.
    """
    if device == "cpu":
        return to_host(x)
    return x if device_of(x) == "cuda" else gpu().asarray(x)


def to_host(x: Array) -> np.ndarray:
    """x as a NumPy array. A download waits for every kernel that was launched before it."""
    return x.get() if device_of(x) == "cuda" else np.asarray(x)


def free_memory() -> int:
    """Free GPU memory in bytes."""
    return gpu().cuda.Device().mem_info[0]


def synchronize(device: str) -> None:
    """Wait until the device has finished. Without this, a timer on a GPU measures only the launches."""
    if device == "cuda":
        gpu().cuda.Device().synchronize()


def generator(seed: Any, device: str = "cpu") -> Any:
    """A random generator that draws on the device. From one seed, the two devices draw different numbers."""
    if device == "cpu":
        return np.random.default_rng(seed)
    words = np.random.SeedSequence(seed).generate_state(2)      # NumPy takes lists of integers, CuPy one integer
    return gpu().random.default_rng(int(words[0]) << 32 | int(words[1]))


def normal(rng: Any, like: Any) -> Array:
    """Standard normal numbers of the shape, dtype and device of `like`, an array or a Tensor."""
    return _draw(rng, "standard_normal", like)


def uniform(rng: Any, like: Any) -> Array:
    """Uniform numbers in [0, 1) of the shape, dtype and device of `like`, an array or a Tensor."""
    return _draw(rng, "random", like)


def _draw(rng: Any, method: str, like: Any) -> Array:
    # An rng needs only these two methods, so that a test can replay recorded noise. A host generator also serves a
    # device array: its numbers are uploaded, and both devices see the same noise.
    if not hasattr(rng, method):
        raise BadType("rng must be a random generator", expected="np.random.default_rng(seed), say",
                      got=f"rng={rng!r}", fix="rng=np.random.default_rng(0)")
    like = like if is_array(like) else like.data                         # a Tensor's array
    wide = np.float64 if like.dtype == np.float64 else np.float32        # generators draw no float16
    if hasattr(rng, "draw"):
        return rng.draw(method, like, wide)                              # of unroll: a line of the program
    numbers = getattr(rng, method)(like.shape, dtype=wide).astype(like.dtype, copy=False)
    return to_device(numbers, device_of(like))


def add_at(z: Array, key: Any, g: Array) -> None:
    """z[key] += g, in place; if the integers in key name a place twice, both are added."""
    # np.add.at does not dispatch when key is a list or a tuple; CuPy's own takes any key.
    (np if device_of(z) == "cpu" else gpu()).add.at(z, key, g)


def by_hand(name: str, inputs: str, output: str, cuda: str) -> Callable:
    """f(*inputs, output): a GPU kernel for what CuPy's functions would do in several launches and is not elementwise.

    cuda computes entry i of the output. An input that is declared raw it may read anywhere. Inputs and output are
    declared as for cupy.ElementwiseKernel, which compiles the kernel.
    """
    @cache
    def kernel(kind: Any) -> Callable:
        return gpu().ElementwiseKernel(inputs, output, cuda, f"tinyae_{name}")

    return lambda *args: kernel(type(args[-1]))(*args)                 # type: ignore[arg-type]


def ones(n: int, like: Array) -> Array:
    """n ones of like's dtype and device, kept because making them costs a launch on a GPU. Do not pass them on."""
    if hasattr(like, "ones"):
        return like.ones(n)                                              # of unroll: made before the program's step
    return (_kept_ones if n <= 1 << 16 else _kept_ones.__wrapped__)(n, like.dtype, type(like))      # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _kept_ones(n: int, dtype: np.dtype, kind: type) -> Array:
    return freeze((np if kind is np.ndarray else gpu()).ones(n, dtype))


def frozen(x: Array) -> Array:
    """x itself if it is read-only, else a read-only copy. CuPy has no such flag: then x itself."""
    if hasattr(type(x), "record"):                  # of unroll
        return x.frozen()
    return freeze(np.array(x)) if isinstance(x, np.ndarray) and not is_frozen(x) else x


def is_frozen(x: Any) -> bool:
    """Whether a NumPy array can no longer be written into."""
    # A read-only view of a writable array can still change: follow .base to the owner of the memory.
    read_only = isinstance(x, np.ndarray) and not x.flags.writeable
    return is_frozen(x.base) if read_only else x is None or isinstance(x, bytes)


def freeze(x: Array) -> Array:
    """x, made read-only: for an array that the caller has just made."""
    if isinstance(x, np.ndarray):
        x.setflags(write=False)
    return x


