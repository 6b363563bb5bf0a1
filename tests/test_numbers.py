"""docs/numbers.md: what rows do with nan, inf and at the ends of their domains, beside PyTorch and JAX.

    python tests/test_numbers.py            prints the table again, with PyTorch and JAX where they are installed
"""
from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, functions, grad, ops

PAGE = Path(__file__).parents[1] / "docs" / "numbers.md"
nan, inf = float("nan"), float("inf")


def torch_spellings() -> SimpleNamespace:
    import torch
    nn = torch.nn.functional
    return SimpleNamespace(
        relu=torch.relu, leaky_relu=nn.leaky_relu, elu=nn.elu, clip=lambda x: torch.clip(x, 0, 1), abs=torch.abs,
        maximum=torch.maximum, minimum=torch.minimum, sqrt=torch.sqrt, log=torch.log, power=torch.pow,
        sigmoid=torch.sigmoid, tanh=torch.tanh, softplus=nn.softplus, max=lambda x: torch.amax(x),
        softmax=lambda x: torch.softmax(x, 0), log_softmax=lambda x: torch.log_softmax(x, 0),
        logsumexp=lambda x: torch.logsumexp(x, 0), div=torch.div)


def jax_spellings() -> SimpleNamespace:
    import jax
    jnp, nn = jax.numpy, jax.nn
    return SimpleNamespace(
        relu=nn.relu, leaky_relu=nn.leaky_relu, elu=nn.elu, clip=lambda x: jnp.clip(x, 0, 1), abs=jnp.abs,
        maximum=jnp.maximum, minimum=jnp.minimum, sqrt=jnp.sqrt, log=jnp.log, power=jnp.power,
        sigmoid=nn.sigmoid, tanh=jnp.tanh, softplus=nn.softplus, max=jnp.max,
        softmax=nn.softmax, log_softmax=nn.log_softmax, logsumexp=nn.logsumexp, div=jnp.divide)


OURS = SimpleNamespace(**vars(functions) | ops.ROWS | {"clip": lambda x: ops.clip(x, low=0, high=1)})

Case = tuple[str, Callable, list[Any]]
CASES: list[Case] = [               # how it is written, the function, the points: numbers or tuples of arguments
    ("relu(x)", lambda m: m.relu, [0.0, nan, inf, -inf]),
    ("leaky_relu(x)", lambda m: m.leaky_relu, [0.0, nan, inf, -inf]),
    ("elu(x)", lambda m: m.elu, [0.0, nan, inf, -inf]),
    ("softplus(x)", lambda m: m.softplus, [nan, inf, -inf]),
    ("sigmoid(x)", lambda m: m.sigmoid, [nan, inf, -inf]),
    ("tanh(x)", lambda m: m.tanh, [nan, inf, -inf]),
    ("abs(x)", lambda m: m.abs, [0.0, nan, inf, -inf]),
    ("clip(x, 0, 1)", lambda m: m.clip, [0.0, 1.0, nan, inf, -inf]),
    ("maximum(x, y)", lambda m: m.maximum, [(1.0, 1.0), (nan, 0.0), (0.0, nan), (inf, inf)]),
    ("minimum(x, y)", lambda m: m.minimum, [(1.0, 1.0), (nan, 0.0)]),
    ("max(x)", lambda m: m.max, [[1.0, 1.0], [nan, 1.0]]),
    ("sqrt(x)", lambda m: m.sqrt, [0.0, -1.0, inf]),
    ("sqrt(relu(x))", lambda m: lambda x: m.sqrt(m.relu(x)), [-1.0, 0.0]),
    ("log(x)", lambda m: m.log, [0.0, -1.0, inf]),
    ("x / y", lambda m: m.div, [(0.0, 0.0), (1.0, 0.0), (1.0, inf), (inf, inf)]),
    ("x ** -0.5", lambda m: lambda x: x ** -0.5, [0.0, inf, -inf, -1.0]),
    ("x ** 0", lambda m: lambda x: x ** 0, [0.0, inf, nan]),
    ("x ** 0.5", lambda m: lambda x: x ** 0.5, [0.0]),
    ("x ** 2", lambda m: lambda x: x ** 2, [0.0, -inf, nan]),
    ("x ** y", lambda m: m.power, [(0.0, 0.0), (0.0, 2.0), (0.0, 0.5), (0.0, -1.0), (inf, 0.0), (inf, -1.0), (nan, 0.0),
                                   (1.0, inf), (-2.0, 2.0)]),
    ("logsumexp(x)", lambda m: m.logsumexp, [[-inf, 0.0], [-inf, -inf], [inf, 0.0], [nan, 0.0]]),
    ("softmax(x)[0]", lambda m: lambda x: m.softmax(x)[0], [[-inf, 0.0], [-inf, -inf], [inf, 0.0]]),
    ("log_softmax(x)[0]", lambda m: lambda x: m.log_softmax(x)[0], [[-inf, 0.0], [-inf, -inf], [inf, 0.0]]),
]

ZEROTH_POWERS = {("x ** 0", "nan"), ("x ** y", "(nan, 0.0)")}


def tinyae_says(f: Callable, args: list[Any]) -> tuple[Any, list[Any]]:
    tensors = [Tensor(np.array(a)) for a in args]
    with np.errstate(all="ignore"):
        y = f(OURS)(*tensors)
        return y.item(), grad(y, tensors)


def torch_says(f: Callable, args: list[Any]) -> tuple[Any, list[Any]]:
    import torch
    tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in args]
    y = f(torch_spellings())(*tensors)
    y.backward()
    return y.item(), [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in tensors]


def jax_says(f: Callable, args: list[Any]) -> tuple[Any, list[Any]]:
    import jax
    jax.config.update("jax_enable_x64", True)
    arrays, g = [jax.numpy.array(a, float) for a in args], f(jax_spellings())
    return float(g(*arrays)), list(jax.grad(g, tuple(range(len(arrays))))(*arrays))


SAYS = {"tinyae": tinyae_says, "PyTorch": torch_says, "JAX": jax_says}


def number(x: Any) -> str:
    x = np.asarray(x, float)
    return f"({', '.join(map(number, x))})" if x.ndim else f"{x + 0.0:.4g}"


def shown(points: Any) -> list[Any]:
    return list(points) if isinstance(points, tuple) else [points]


def cells(library: str) -> list[str]:
    """value; gradient for every line of the table."""
    found = [SAYS[library](f, shown(point)) for _, f, points in CASES for point in points]
    return [f"{number(value)}; {', '.join(map(number, gradients))}" for value, gradients in found]


def heads() -> list[tuple[str, str]]:
    return [(name, ", ".join(map(number, shown(point)))) for name, _, points in CASES for point in points]


def page() -> list[list[str]]:
    """The cells of the page's table: function, at, and what each library says."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip(" `").removeprefix("**").removesuffix("**") for cell in line.strip("|").split("|")]
            for line in lines]


def test_the_page_lists_every_case():
    assert [tuple(row[:2]) for row in page()] == heads()


@pytest.mark.parametrize("library, module, column", [("tinyae", "tinyae", 2), ("PyTorch", "torch", 3),
                                                     ("JAX", "jax", 4)])
def test_the_page_says_what_each_library_does(library, module, column):
    pytest.importorskip(module, reason=f"{module} is not installed: its column is not compared")
    for head, row, cell in zip(heads(), page(), cells(library), strict=True):
        assert row[column] == cell, head


def test_nan_is_never_turned_into_a_number():
    """Of a nan, every value is nan. (Only x ** 0 is 1 for every x, in the standard of floating-point numbers, too.)"""
    for name, f, points in CASES:
        for point in points:
            if np.isnan(np.asarray(point, float)).any() and (name, str(point)) not in ZEROTH_POWERS:
                assert np.isnan(tinyae_says(f, shown(point))[0]), (name, point)


if __name__ == "__main__":
    columns = [cells(library) for library in SAYS]
    print("| function | at | tinyae | PyTorch | JAX |\n|---|---|---|---|---|")
    for (name, at), *row in zip(heads(), *columns, strict=True):
        marks = [row[0], *(f"**{other}**" if other != row[0] else other for other in row[1:])]
        print(f"| `{name}` | {at} | {' | '.join(marks)} |")
    print({name: sys.modules[name].__version__ for name in ("numpy", "torch", "jax")})
