"""unroll · capture: a program as one CUDA graph, which the host starts with one launch.

    captured = unroll(model.losses, x, wrt=params(model), rng=rng).capture(x, rng=rng)
    losses, gradients = captured(x)             # in arrays of the graph's own, which the next call overwrites

CUDA records the work of a stream, with its addresses. So the inputs, the parameters and the draws of rng have arrays of
their own, which a call fills before the launch; a parameter is copied if its data has changed. Draws stay outside of
the graph, so that any generator will do: `outside` names them. The graph's memory comes from a pool of its own, which
nothing else takes memory from, and nothing in the graph waits.
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from traceback import walk_tb
from typing import Any

import numpy as np

from ..backend import Array, describe, gpu, is_array, to_device
from ..errors import BadValue, Refusal
from .cublas import recordable
from .graph import record
from .recorded import Line, Recorded, flat, name_of
from .text import UNROLLED
from .watched import Watched
from .writing import named, written


class Captured:
    """captured(*inputs) -> what the program returns, from one launch. program: a Program on cuda."""

    def __init__(self, program: Any, inputs: Sequence[Any], rng: Any):
        if program.device != "cuda":
            raise BadValue("capture records a CUDA graph", expected="parameters on cuda", got="parameters on the CPU",
                           fix='device="cuda" for the model, or the program as it is')
        program.check_rng(rng)
        self.program, self.rng = program, rng
        self.inputs = [to_device(x, "cuda").copy() if is_array(x) else x for x in inputs]
        graph = record(program.f, inputs, program.wrt, program.tensors, program.constants, program.has_rng,
                       program.unused, Watched(program.f))
        self.watched, self.kinds = Watched(program.f), self._kinds(inputs)
        some = next(iter(program.tensors.values()))._data
        self.how = [_how(line) for line in graph.recording.drawn]
        self.draws = [np.empty(line.shape, line.dtype, like=some) for line in graph.recording.drawn]
        self.written = written(graph, program.chosen, "cuda", draws_outside=True)
        graph.recording.forget()
        self.outside = [f"rng.{name_of(f)} {e.shape}" for (f, *_), e in zip(self.how, self.draws, strict=True)]
        self.tensors = {t: t._data.copy() for t in self.written.tensors}        # where the graph reads them
        self.data: dict[Any, Array] = {}                                        # what has been copied there
        self.stream, self.pool = gpu().cuda.Stream(non_blocking=True), gpu().cuda.MemoryPool()
        self._draw()
        gpu().cuda.Device().synchronize()                                       # for the other stream
        self._run()                                                             # compiles kernels and takes memory
        self.stream.synchronize()
        self.results, self.graph = self._run(captures=True)

    def __call__(self, *inputs: Any) -> tuple[Any, Any]:
        """(f's result, the gradients in the form of wrt), in arrays that the next call overwrites."""
        if self._kinds(inputs) != self.kinds or (not self.watched.are_the_same() and self.watched.changed()):
            raise BadValue("a captured program repeats what it was captured with", expected="inputs of the same shapes "
                           "and dtypes, and the same numbers in f", got=self.watched.changed() or ", ".join(
                               map(describe, inputs)), fix="program.capture(x) again")
        for own, x in zip(self.inputs, inputs, strict=True):
            if is_array(x):
                own[...] = to_device(x, "cuda")
        for t, own in self.tensors.items():
            if self.data.get(t) is not t._data:
                own[...] = self.data[t] = t._data
        self._draw()
        self.graph.launch()
        values, gradients = self.results
        return named(self.written.terms, values), self.program.formed(gradients)

    def _kinds(self, inputs: Sequence[Any]) -> list[Any]:
        return [(x.shape, x.dtype) if is_array(x) else (type(x), x) for x in inputs]

    def _draw(self) -> None:
        for (function, args, settings), own in zip(self.how, self.draws, strict=True):
            if isinstance(function, str):
                own[...] = to_device(getattr(self.rng, function)(*args, **settings), "cuda")
            else:
                own[...] = function(self.rng, own)

    def _run(self, captures: bool = False) -> Any:
        with self.stream, gpu().cuda.using_allocator(self.pool.malloc), recordable(self.stream):
            if not captures:
                return self._step()
            self.stream.begin_capture()
            try:
                return self._step(), self.stream.end_capture()
            except Exception as error:
                with suppress(Exception):
                    self.stream.end_capture()
                raise _refused(error, self.written.text(comments=False)) from error

    def _step(self) -> Any:
        return self.written.step(*self.inputs, *self.draws, *self.written.constants, *self.tensors.values())


def _how(line: Line) -> tuple[Any, tuple, dict[str, Any]]:
    """(function, args, settings) of a draw; those of a method must be numbers."""
    f, (_, *args), settings = line.function, line.args, line.settings
    if isinstance(f, str) and any(isinstance(x, Recorded) for x in flat([args, *settings.values()])):
        raise BadValue("a graph has no place for this draw", expected="normal(rng, like=x) or uniform(rng, like=x)",
                       got=f"rng.{f} with arrays", fix="the program as it is")
    return f, tuple(args), settings


def _refused(error: Exception, text: str) -> Refusal:
    """Name the line of the program that cannot be captured."""
    number = next((line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == UNROLLED), 0)
    line = text.splitlines()[number - 1].strip() if number else "the program's end"
    return BadValue(f"capture cannot record: {line}", expected="calls that wait for nothing, upload nothing and keep "
                    "their shapes", got=f"{type(error).__name__}: {error}", fix="the program as it is")
