"""show · words: the tape as a table, and the backward pass in sentences."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..tensor import Tensor
from .story import FEW, Part, Step, numbers, size_of, started, steps


def show(y: Tensor, names: dict[str, Tensor] | None = None) -> None:
    """Print the tape of y, oldest first: the order of birth within it, name, call, shape, and values if they are few.

    names: name -> Tensor, such as params(model). All others are x1, x2, ... (leaves) and z1, z2, ... (results).
    """
    rows = [("born", "name", "made by", "from", "shape", "value")]
    told = steps(y, names)
    called = {step.t: step.name for step in told}
    for n, (t, name, *_) in enumerate(told, 1):
        parents = ", ".join(dict.fromkeys(called[p] for p in t.parents))
        rows.append((str(n), name, t.op.__name__ if t.op else "leaf", parents, str(t.shape),
                     numbers(t._data) if t.size <= FEW else ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:>{w}}" if cell is row[0] else f"{cell:{w}}"
                        for cell, w in zip(row, widths, strict=True)).rstrip())


def explain(y: Tensor, wrt: Sequence[Tensor] | dict[str, Tensor], names: dict[str, Tensor] | None = None) -> None:
    """Print what grad(y, wrt) does: each Tensor on the way, newest first, and the gradients that it passes on.

    y has one element. wrt: as for grad; a dict names its Tensors, and names names others. In a vjp, x and y are the
    row's arguments in order, z is its result and g is dL/dz.
    """
    wanted = list(wrt.values()) if isinstance(wrt, dict) else list(wrt)
    known = (wrt if isinstance(wrt, dict) else {}) | (names or {})
    told = steps(started(y), known, wanted)
    called = {step.t: step.name for step in told}
    uses = Counter(part.to for step in told for part in step.parts)
    met: Counter[Tensor] = Counter()
    of = listed([called[w] for w in wanted]) if len(wanted) <= FEW else f"{len(wanted)} Tensors"
    print(f"The gradient of {called[y]} with respect to {of}, newest Tensor first.\n")
    for step in reversed(told):
        if step.gradient is None or step.t.op is None:
            continue
        print(f"{step.name} = {step.made}, shape {step.t.shape}")
        print(f"    d{step.name}/d{step.name} = 1: here the gradient starts" if step.t is y else
              f"    its gradient g is complete{of_uses(uses[step.t])}: {size_of(step.gradient)}")
        for part in step.parts:
            met[part.to] += 1
            print(f"    to {called[part.to]}: {told_part(step, part, called[part.to])}")
            if met[part.to] == uses[part.to] > 1:
                total = next(other.gradient for other in told if other.t is part.to)
                print(f"        {called[part.to]} has {uses[part.to]} uses, all met now: "
                      f"their parts add up to {size_of(total)}")
    print()
    for step in told:
        if step.t in {*wanted} and step.gradient is not None:
            print(f"d{called[y]}/d{step.name}, shape {step.t.shape}: {size_of(step.gradient)}")


def told_part(step: Step, part: Part, name: str) -> str:
    """g @ y.mT, summed over axis 0, because b (3,) was broadcast to (8, 3): norm 1.2."""
    rule = part.vjp or f"the vjp of {step.t.op.__name__}"
    return f"{rule}{undone(step, part, name)}: {size_of(part.array)}"


def undone(step: Step, part: Part, name: str) -> str:
    """How broadcasting is undone; "" where there was none."""
    if not part.axes:
        return ""
    axes = f"axis {part.axes[0]}" if len(part.axes) == 1 else f"axes {listed([str(a) for a in part.axes])}"
    return f", summed over {axes} because {name} {part.to.shape} was broadcast to {step.t.shape}"


def of_uses(n: int) -> str:
    return f" (the sum over its {n} uses)" if n > 1 else ""


def listed(words: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
