"""unroll · writing: from a recording to a program that runs, pass by pass."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..backend import Array, to_device
from ..tensor import Tensor
from . import buffers, passes, text
from .graph import Graph
from .recorded import Line, is_rng
from .update import Update
from .words import functions


class Written(NamedTuple):
    """A program for inputs of one kind. Behind the inputs, step takes the rng, constants and the tensors' data."""
    step: Callable
    text: Callable[..., str]        # the program's text, with or without comments
    constants: list[Array]
    tensors: list[Tensor]
    called: dict[Any, str]          # the functions in the text, and their names there
    terms: list[str] | None         # the names of the losses, if they are a dict
    examples: list[str]             # an expression for each argument of step


def named(terms: list[str] | None, values: list[Array]) -> Any:
    """The losses as f returns them: one alone, or a dictionary."""
    return values[0] if terms is None else dict(zip(terms, values, strict=True))


def written(graph: Graph, chosen: Sequence[str], device: str, optimizer: Any = None,
            draws_outside: bool = False) -> Written:
    """The program of a graph, with the chosen passes and, if given, an optimizer's step behind it.

    draws_outside: step takes the draws themselves, in their order, instead of the rng.
    """
    recording, terms, losses, gradients, gradient_of, rules = graph
    drawn, n, given = recording.drawn, len(losses), recording.inputs
    if draws_outside:
        for i, line in enumerate(drawn, 1):
            line.function, line.args, line.settings, line.name = None, (), {}, f"e{i}"
        given, drawn = [*(line for line in given if not is_rng(line)), *drawn], []

    def lines() -> list[Line]:
        return passes.needed([*outputs, *drawn])
    outputs, head = [*losses, *gradients], list[str]()
    update = Update(optimizer, "blocks" in chosen) if optimizer else None
    places = buffers.Buffers()
    apart = "buffers" in chosen and device == "cpu"
    if "names" in chosen:
        passes.numbers(lines())
    if "share" in chosen and not apart:
        passes.share(lines(), outputs, drawn)
    if apart:
        instead = buffers.take_apart(lines(), recording)
        outputs = [instead.get(line, line) for line in outputs]
        gradient_of = {instead.get(g, g): instead.get(z, z) for g, z in gradient_of.items()}
        rules = {instead.get(g, g): found for g, found in rules.items()}
        if "share" in chosen:
            passes.share(lines(), outputs, drawn)
        wishes = dict(zip(outputs[n:], update.homes, strict=True)) if update else {}
        places = buffers.places(lines(), outputs, {g: home for g, home in wishes.items() if g not in outputs[:n]})
        head = places.head(recording)
    program = lines()
    used = {line: array for line, array in recording.constants.items() if line in program}
    tensors = {t: array.line for t, (_, array) in recording.tensors.items()
               if t in recording.named or array.line in program}
    leaves = [*given, *used, *tensors.values()]
    taken = {*places.shapes, *recording.fixed, *(update.names if update else ())}
    called = functions(program, taken)
    body, names = text.statements(
        program, [*(array.line for array in recording.fixed.values()), *leaves], outputs, gradient_of, rules,
        lambda line: "names" in chosen and not (apart and buffers.is_fresh(line)), places.targets, called,
        update.homes if update else (), taken - recording.fixed.keys())
    returned: list[str] = [names[line] for line in outputs]
    arguments: list[str] = [names[line] for line in leaves]
    results, tail = (f"    return [{', '.join(returned[:n])}], [", returned[n:], "]"), list[str]()
    if update is not None:
        arguments, head = arguments + update.arguments, head + update.head
        moved = [f"    {home}[...] = {g}" for home, g in zip(update.homes, returned[n:], strict=True) if g != home]
        results, tail = (f"    return [{', '.join(returned[:n])}], new", [], ""), moved + update.lines
    dead = text.deaths(body, returned) if "deaths" in chosen else {}
    source = partial(text.source, body, arguments, results, dead, head, tail)
    return Written(text.compiled(source(comments=False), called), source,
                   [to_device(c, device) for c in used.values()], list(tensors), called, terms,
                   [text.example(line) for line in leaves] + (update.examples if update else []))
