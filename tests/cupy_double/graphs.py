"""Streams, memory pools and CUDA graphs: in a capture, calls are noted down and not run; a launch runs them all.

What CuPy refuses while a stream is captured, this refuses: an upload, a wait, its own cuBLAS. Stricter than CuPy, it
also refuses memory of the default pool, which others would get while the graph still uses it. A captured call leaves
its results undefined until the graph is launched, as on a GPU. Not played: events, and the order of two streams.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .counts import capturing, count, entered
from .gates import Operand, inside

PRODUCTS = {"matmul", "dot", "inner", "tensordot", "einsum"}        # by cuBLAS; vdot has a kernel of its own


class Graph:
    """What a capture has noted down: calls, and which of their results are arrays that they made."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[[], Any], dict[int, np.ndarray]]] = []

    def launch(self, stream: Any = None) -> None:
        count("launch")
        for compute, made in self.calls:
            results = _arrays(compute())
            for i, array in made.items():
                array[...] = results[i]


class Stream:
    """cupy.cuda.Stream"""
    captured: Graph | None = None

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None):
        self.null, self.ptr = null or not non_blocking, 0

    def __enter__(self) -> Stream:
        entered.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        entered.remove(self)

    def synchronize(self) -> None:
        count("sync")

    def begin_capture(self, mode: Any = None) -> None:
        if self.null or self.captured is not None:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: this stream cannot be captured")
        self.captured = Graph()

    def end_capture(self) -> Graph:
        graph, self.captured = self.captured, None
        if graph is None:
            raise RuntimeError("cudaErrorIllegalState: the stream is not being captured")
        return graph


class MemoryPool:
    """cupy.cuda.MemoryPool"""

    def malloc(self, size: int) -> None:
        raise NotImplementedError("the double's memory is NumPy's")


@contextmanager
def using_allocator(malloc: Callable | None = None) -> Iterator[None]:
    _allocators.append(malloc)
    try:
        yield
    finally:
        _allocators.pop()


_allocators: list[Callable | None] = [None]


def run(compute: Callable[[], Any], arguments: list[Operand], writes: bool = False) -> Any:
    """compute(); in a capture, arrays of its shapes, whose numbers a launch will fill in. Arguments stay as they are.

    writes: it writes into an argument, as what returns None does; else arrays that share memory with one are views.
    """
    graph = capturing()
    if graph is None:
        return compute()
    before = [(x._host, x._host.copy()) for x in arguments]
    result = compute()
    for array, numbers in before:
        array[...] = numbers
    made = {i: np.full_like(v, np.nan if v.dtype.kind == "f" else 1) for i, v in enumerate(_arrays(result))
            if not any(np.may_share_memory(v, array) for array, _ in before)}
    if made:
        allocated()
    if made or writes or result is None:
        graph.calls.append((compute, made))
    return _with(result, iter([made.get(i, v) for i, v in enumerate(_arrays(result))]))


def allocated() -> None:
    """Refuse memory of the default pool in a capture."""
    if capturing() is not None and _allocators[-1] is None:
        raise RuntimeError("memory of the default pool in a capture: others would get it while the graph uses it")


def refuse_product(name: str) -> None:
    if capturing() is not None and (name in PRODUCTS or name.startswith("linalg.")):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")


def _arrays(result: Any) -> list[Any]:
    return [v for v in inside(result) if isinstance(v, np.ndarray | np.generic)]


def _with(result: Any, arrays: Iterator[Any]) -> Any:
    """result with these arrays in the place of its own."""
    if isinstance(result, list | tuple):
        return type(result)(_with(v, arrays) for v in result)
    return next(arrays) if isinstance(result, np.ndarray | np.generic) else result
