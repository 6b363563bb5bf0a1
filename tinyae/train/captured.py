"""train · captured: a training step as one CUDA graph, which the host starts with one launch.

    fit(model, data, epochs=10, captured=True)

A small net computes for less time than Python needs to launch its fifty kernels. CUDA can record the work of a stream,
and repeat the whole record with one launch. The record holds addresses, and the numbers of the moment. So everything
that changes from step to step has to lie on the device, at one address, where the record itself renews it:

    batch         gathered by the record, from places in the epoch's order that it moves on; images that lie on the host
                  are uploaded into one array before each launch
    parameters    copied, at the end, to where the record reads them
    Adam's t      a number on the device, from which the record computes rate and eps
    losses        written into a row for the epoch, each at its step
    noise         the generator's state lies on the device; an epoch has its own generator, and so its own record
    temporaries   in a memory pool that nothing else uses

Each epoch runs its first batch step by step, which compiles kernels and takes memory, and records the second. A short
last batch runs step by step as well.
"""
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from ..backend import Array, device_of, gpu, to_device
from ..errors import BadType, BadValue
from ..optim import SGD, Adam
from ..optim.flat import FlatParameters
from ..tensor import grad
from ..unroll.cublas import recordable
from .loader import Loader
from .metrics import losses_of
from .state import RunState


class Captured:
    """step(state, loader, order), the loop's, by graph: the loop calls it instead, batch after batch."""

    def __init__(self, step: Callable[..., None], state: RunState):
        if state.device != "cuda":
            raise BadValue("captured=True records a CUDA graph", expected="a model on cuda", got="a model on the CPU",
                           fix='device="cuda" for the model (--device cuda for a demo), or captured=False')
        if state.unrolled:
            raise BadValue("a step is captured or unrolled", expected="one of the two", fix="unrolled=False",
                           got="captured=True, unrolled=True")
        if state.ranks.size > 1:
            raise BadValue("captured=True records the step of a single process", expected="one process",
                           got=f"{state.ranks.size} ranks", fix="captured=False: an Allreduce cannot be recorded")
        for optimizer in state.optimizers.values():
            if not isinstance(optimizer, SGD | Adam) or optimizer.flat.dtype == np.float16:
                raise BadType("captured=True records steps of SGD and Adam", expected="either, of float32 or float64",
                              got=type(optimizer).__name__, fix="captured=False")
        self.step, self.pool = step, gpu().cuda.MemoryPool()
        self.epoch: Epoch | None = None

    def __call__(self, state: RunState, loader: Loader, order: Array) -> None:
        if (state.step + 1) * loader.batch_size > len(loader.train):        # a short batch is the epoch's last
            return self.step(state, loader, order)
        if self.epoch is None or self.epoch.rng is not state.rng:           # every epoch has a generator of its own
            self.epoch = None                                               # the pool gets the old one's memory back
            self.epoch = Epoch(self.pool, state, loader, order)
        self.epoch.advance(state)


class Epoch:
    """The steps of an epoch from state.step on, and all that their record refers to."""

    def __init__(self, pool: Any, state: RunState, loader: Loader, order: Array):
        self.pool, self.loader, self.order, self.rng, self.stage = pool, loader, order, state.rng, state.stage
        self.graph: Any = None
        self.is_warm, self.stream = False, gpu().cuda.Stream(non_blocking=True)
        optimizers = {id(phase.optimizer): phase.optimizer for phase in self.stage}
        flats = [optimizer.flat for optimizer in optimizers.values()]       # type: ignore[attr-defined]
        self.flat = flats[0] if len(flats) == 1 else FlatParameters({n: p for flat in flats
                                                                     for n, p in flat.tensors.items()})
        self.home = self.flat.data()                                        # where the record reads the parameters
        self.t = {key: to_device(np.array(float(optimizer.t)), "cuda") for key, optimizer in optimizers.items()
                  if isinstance(optimizer, Adam)}
        self.row = to_device(np.array([state.step]), "cuda")
        self.places = to_device(state.step * loader.batch_size + np.arange(loader.batch_size), "cuda")
        self.losses: dict[tuple[str, str], Array] = {}                      # (phase, term) -> (steps,)
        self.batch: Array = None                                            # of images that lie on the host

    def advance(self, state: RunState) -> None:
        """One batch: step by step at first, then recorded, then by graph."""
        n = self.loader.batch_size
        if device_of(self.order) == "cpu":
            batch = self.loader.batch(self.loader.train, self.order[state.step * n:(state.step + 1) * n])
            self.batch = np.empty_like(batch) if self.batch is None else self.batch
            self.batch[...] = batch
        if self.is_warm:
            self.graph = self.graph or self._record()
            self.graph.launch()
        else:
            gpu().cuda.Device().synchronize()                               # for the other stream
            with self.stream, gpu().cuda.using_allocator(self.pool.malloc), recordable(self.stream):
                self._work()
            self.stream.synchronize()
            self.is_warm = True
        for phase in self.stage:
            if isinstance(phase.optimizer, Adam):
                phase.optimizer.t += 1
            state.sums.record(phase, n, {term: row[state.step:state.step + 1] for (name, term), row
                                         in self.losses.items() if name == phase.name})
        state.step += 1

    def _work(self) -> None:
        """A step that finds and leaves everything at the same addresses."""
        batch = self.batch
        if batch is None:
            batch = self.loader.batch(self.loader.train, self.order[self.places])
            self.places += self.loader.batch_size
        for phase in self.stage:
            terms, total = losses_of(phase, batch, self.rng)
            gradients, t = grad(total, phase.params), self.t.get(id(phase.optimizer))
            if t is None:
                phase.optimizer.step(gradients)
            else:
                t += 1
                phase.optimizer.step_at(t, gradients)                       # type: ignore[attr-defined]
            for term, loss in terms.items():
                key = phase.name, term
                if key not in self.losses:
                    self.losses[key] = np.empty(self.loader.steps, loss.dtype, like=loss.data)
                self.losses[key][self.row] = loss.data.reshape(())
        self.row += 1
        self.home[...] = self.flat.data()
        self.flat.give(self.home)

    def _record(self) -> Any:
        with self.stream, gpu().cuda.using_allocator(self.pool.malloc), recordable(self.stream):
            self.stream.begin_capture()
            try:
                self._work()
                return self.stream.end_capture()
            except Exception as error:
                self.flat.give(self.home)
                with suppress(Exception):
                    self.stream.end_capture()
                raise BadValue("captured=True cannot record this step", got=f"{type(error).__name__}: {error}",
                               expected="losses that wait for nothing, upload nothing and keep their shapes",
                               fix="captured=False") from error
