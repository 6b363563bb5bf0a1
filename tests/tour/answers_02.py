"""Answers to the exercises of chapter 2: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

from tinyae.tour.scalar import Tensor, tape


def smallest(a: Any) -> Any:
    b = a * a
    return b * b


def example(a: Any) -> Any:
    b = a + a
    return b + b


def order(y: Any) -> Any:
    found, listed, todo = [], set(), [y]
    while todo:
        t = todo[-1]
        missing = [a for a in t.args if a not in listed]
        if missing:
            todo += missing
        else:
            todo.pop()
            if t not in listed:
                listed.add(t)
                found.append(t)
    return found


def recursive(y: Any) -> Any:
    found: dict[Any, None] = {}

    def visit(t: Any) -> None:
        for a in t.args:
            visit(a)
        found[t] = None

    visit(y)
    return list(found)


def breadth_first(y: Any) -> Any:
    found = dict.fromkeys([y])
    for t in (todo := [y]):
        new = [a for a in dict.fromkeys(t.args) if a not in found]
        found |= dict.fromkeys(new)
        todo += new
    return list(found)[::-1]


def backward(y: Any, interior: bool = True, leaves: bool = True) -> None:
    for t in tape(y):
        if (leaves if t.op is None else interior) or not hasattr(t, "grad"):
            t.grad = 0.0
    y.grad = 1.0
    for t in reversed(tape(y)):
        for a, vjp in zip(t.args, t.op.vjps if t.op else (), strict=True):
            a.grad += vjp(t.grad, t.data, *[arg.data for arg in t.args])


def hasty(y: Any) -> None:
    for t in tape(y):
        t.grad = 0.0
    y.grad = 1.0

    def walk(t: Any) -> None:
        for a, vjp in zip(t.args, t.op.vjps if t.op else (), strict=True):
            a.grad += vjp(t.grad, t.data, *[arg.data for arg in t.args])
        for a in t.args:
            walk(a)

    walk(y)


RIGHT = {"2.1": smallest, "2.2": order, "2.3": backward}
WRONG = {
    "2.1": [(example, "exchange a + for a *"),
            (lambda a: a * a * a * a, "each + and each * is one op"),
            (lambda a: (a + a) + a, "another Tensor must be used twice"),
            (lambda a: Tensor(1.0), "made of a")],
    "2.2": [(recursive, "in place of the calls"),                                       # recursion
            (breadth_first, "look at it again after them"),
            (lambda y: order(y)[::-1], "reverse it"),
            (lambda y: order(y)[:-1], "do not forget y itself"),
            (lambda y: [t for t in order(y) for _ in (1, 2)], "remember in a set")],
    "2.3": [(lambda y: backward(y, interior=False), "not those of the leaves alone"),   # second_backward
            (lambda y: backward(y, interior=False, leaves=False), "set every gradient on the tape to zero"),
            (lambda y: backward(y, leaves=False), "set every gradient on the tape to zero"),
            (hasty, "newest first")],                                                   # no_topological_sort
}
