"""Recursion as deep as the graph

A depth-first search of five lines sorts the graph by recursion, and Python allows about a thousand nested calls. A
recurrent net over a long sequence, or a loss that is summed in a loop, chains more operations than that.
micrograd's pull request 90 replaces the recursion for this reason. tinygrad replaced its own, and the sort became
more than twice as fast.
"""
from __future__ import annotations

import pytest

import tinyae
from tinyae import Tensor

from ..workshop import replace

SOURCES = {
    "micrograd, pull request 90": "https://github.com/karpathy/micrograd/pull/90",
    "tinygrad, pull request 9979": "https://github.com/tinygrad/tinygrad/pull/9979",
}


def wrong(y: Tensor) -> list[Tensor]:
    order, seen = [], set()

    def visit(t: Tensor) -> None:
        if t not in seen:
            seen.add(t)
            for parent in t.parents:
                visit(parent)
            order.append(t)

    visit(y)
    return order


def right(y: Tensor) -> list[Tensor]:
    seen, todo = {y}, [y]
    while todo:
        new = set(todo.pop().parents) - seen
        seen |= new
        todo += new
    return sorted(seen, key=lambda t: t.born)       # parents are born before their children


def chain(depth: int) -> tuple[Tensor, Tensor]:
    """x and x + 1 + 1 + ... + 1."""
    x = Tensor(0.0)
    y = x
    for _ in range(depth):
        y = y + 1.0
    return x, y


def outcome() -> str:
    _, y = chain(1000)
    try:
        wrong(y)
        result = "passes"
    except RecursionError:
        result = "RecursionError"
    return f"A chain of 1000 additions: {result}. The right lines list all {len(right(y))} Tensors of it."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, tinyae.tensor.tape, wrong)


def test_a_chain_of_50_000_operations_has_a_gradient() -> None:
    x, y = chain(50_000)
    assert tinyae.grad(y, [x])[0] == 1
