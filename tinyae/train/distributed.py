"""train · distributed: one run on several processes. An Allreduce is all there is to it.

    mpiexec -n 4 python demos/vae.py

The loss of a batch is the mean of its images' losses, so its gradient is the mean of theirs, and a mean can be taken in
parts. If rank r (a process) has k_r of the batch's k images,

    dL/dw = sum_r k_r/k * dL_r/dw,      L_r the mean over the k_r images

Every rank holds all parameters. It computes dL_r/dw for its share of each batch and weights it by k_r/k; Allreduce
gives every rank the sum over all. Then all ranks take the same step of the optimizer from the same numbers, so that
their parameters stay equal, bit for bit. Shuffles and noise are those of one process: each rank draws the noise of the
whole batch and uses its own rows. Most of this file makes sure that no rank waits for a lost one.
"""
from __future__ import annotations

import hashlib
import os
import pickle
import sys
import time
import traceback
from contextlib import suppress
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value, device_of, freeze, gpu, synchronize, to_device, to_host
from ..errors import BadValue, Refusal
from ..tensor import Tensor, data_of
from .shares import Share, share_of

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")    # the number of processes, as MPICH's and Open MPI's launchers tell it
TIMEOUT = 600.0     # seconds that a rank waits for the others: rank 0 may be writing, another drawing pictures
GRACE = 2.0         # seconds in which an error that every rank meets reaches every rank
FORWARD = 0.5       # seconds in which mpiexec forwards a rank's last words: it drops what comes just before Abort
SPIN = 0.02         # seconds of waiting at full speed; then the rank leaves its core to others
give_way = getattr(os, "sched_yield", lambda: time.sleep(0))    # to another rank, if there are more ranks than cores


class Ranks:
    """The processes of a run: those of an mpi4py communicator, or this one alone (None).

    In `with ranks:`, an error that every rank meets is raised on every rank; one that only some ranks meet ends all.
    """

    def __init__(self, comm: Any = None, timeout: float | None = None):
        self.rank, self.size = (0, 1) if comm is None else (int(comm.rank), int(comm.size))
        self.timeout = float(os.environ.get("TINYAE_MPI_TIMEOUT", TIMEOUT)) if timeout is None else timeout
        self.seconds = 0.0                                      # spent in Allreduce so far, waiting included
        if self.size > 1:
            from mpi4py import MPI
            self.mpi, self.comm, self.failed, self.parent = MPI, comm, comm.Dup(), os.getppid()
            kinds = comm.Get_info().get("mpi_memory_alloc_kinds") or ""     # MPI 4.1; older ones do not tell
            self.takes_cuda = "cuda" in kinds or os.environ.get("TINYAE_MPI_CUDA") == "1"

    def share(self, k: int) -> Share:
        """This rank's share of a batch of k images."""
        return share_of(k, self.rank, self.size)

    def mean(self, gradients: dict[str, Array], terms: dict[str, Value],
             share: Share) -> tuple[dict[str, Array], dict[str, Value]]:
        """The gradients and losses of the whole batch, from those of the ranks' shares, in a single message."""
        if self.size == 1:
            return gradients, terms
        arrays = gradients | {f"loss {name}": data_of(t) for name, t in terms.items()}
        flat = np.concatenate([a.reshape(-1) for a in arrays.values()])
        flat = freeze(self.allreduce(np.multiply(flat, share.weight, out=flat)))
        ends = np.cumsum([a.size for a in arrays.values()]).tolist()
        parts = [flat[end - a.size:end].reshape(a.shape) for a, end in zip(arrays.values(), ends, strict=True)]
        return (dict(zip(gradients, parts, strict=False)),
                dict(zip(terms, parts[len(gradients):], strict=True)))

    def allreduce(self, x: Array, op: str = "SUM") -> Array:
        """x summed over the ranks (or their "MAX"), on every rank; x may be overwritten."""
        if self.size == 1:
            return x
        device = device_of(x)
        if device == "cuda" and not self.takes_cuda:
            return to_device(self.allreduce(x.get(out=page_locked(x.size, x.dtype).reshape(x.shape)), op), device)
        synchronize(device)                                     # MPI does not wait for the GPU's kernels
        began = perf_counter()
        # Not the Allreduce that blocks: while it waits, Python can neither receive a signal nor look at the clock.
        request = self.comm.Iallreduce(self.mpi.IN_PLACE, x, getattr(self.mpi, op))
        if not self._done(request, self.timeout):
            self._end(f"another rank has not answered for {self.timeout:g} s, or mpiexec has ended", 1)
        self.seconds += perf_counter() - began
        return x

    def largest(self, *numbers: int) -> list[int]:
        """Each number's maximum over the ranks."""
        return self.allreduce(np.array(numbers, np.int64), "MAX").tolist()

    def same(self, value: Any) -> Any:
        """Rank 0's value on every rank: the others add zeros to its bytes."""
        if self.size == 1:
            return value
        content = np.frombuffer(pickle.dumps(value) if self.rank == 0 else b"", np.uint8)
        x = np.zeros(self.largest(len(content)), np.uint8)
        x[:len(content)] = content
        return pickle.loads(self.allreduce(x).tobytes())

    def check(self, params: dict[str, Tensor], rng: Rng) -> None:
        """Refuse to go on if parameters, or the generators of noise, are no longer equal on all ranks."""
        if self.size == 1:
            return
        digest = hashlib.blake2b(digest_size=7)
        for p in params.values():
            digest.update(np.ascontiguousarray(to_host(p.data)).tobytes())
        if device_of(p.data) == "cpu":                          # a GPU's generator does not tell its state
            digest.update(repr(rng.bit_generator.state).encode())
        own = int.from_bytes(digest.digest(), "big")
        highest, lowest = self.largest(own, -own)
        if highest != -lowest:
            raise BadValue("all ranks must have the same parameters and noise", expected="one hash on all ranks",
                           got="different hashes", fix="losses and on_epoch must do the same on every rank: no clock, "
                           "no random numbers but rng's, one dtype and one NumPy")

    def __enter__(self) -> Ranks:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and self.size > 1 and not self._done(self.failed.Ibarrier(), GRACE):
            text = str(error) if isinstance(error, Refusal) else "".join(traceback.format_exception(error)).rstrip()
            self._end(text, 2 if isinstance(error, Refusal) else 1)

    def _done(self, request: Any, seconds: float) -> bool:
        """Whether a request is done within these seconds, and while the launcher lives."""
        began = perf_counter()
        while not request.Test():
            waited = perf_counter() - began
            if waited > seconds or os.getppid() != self.parent:     # orphans: mpiexec ends ranks that heed SIGTERM
                return False
            give_way() if waited < SPIN else time.sleep(1e-4)
        return True

    def _end(self, message: str, status: int) -> None:
        """End the processes of all ranks. The last checkpoint stays: files are written whole or not at all."""
        with suppress(OSError, ValueError):
            print(f"rank {self.rank} of {self.size} ends the run: {message}", file=sys.__stderr__, flush=True)
        time.sleep(FORWARD)
        try:
            self.comm.Abort(status)
        finally:
            os._exit(status)                                    # before anything else speaks


@lru_cache(maxsize=16)
def page_locked(n: int, dtype: np.dtype) -> np.ndarray:
    """n numbers in host memory that a GPU copies to directly. The next message of this size overwrites them."""
    return np.frombuffer(gpu().cuda.alloc_pinned_memory(n * dtype.itemsize), dtype, n)


@lru_cache(maxsize=1)
def world() -> Ranks:
    """All processes that mpiexec has started; without it, this process alone, and mpi4py is not imported."""
    size = max(int(os.environ.get(name, 1)) for name in SIZES)
    if size == 1:
        return Ranks()
    wanted = f"an MPI that sees the {size} processes of mpiexec"
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise BadValue("mpiexec needs mpi4py and an MPI", expected=wanted, got=error,
                       fix="pip install '.[mpi]' mpich, or start a single process") from error
    if MPI.COMM_WORLD.size != size:
        raise BadValue("mpiexec and mpi4py must belong to the same MPI", expected=wanted,
                       got=f"one that sees {MPI.COMM_WORLD.size}", fix="the mpiexec beside this python, as a full path")
    return Ranks(MPI.COMM_WORLD)
