"""How accurate is a numerical derivative? Its error against the step size is a V with two arms.

tinyae's gradient of exp(sin x) at x = 1, which needs no step, is compared with three ways to compute it from values of
the function alone, in float64 and in float32, for steps from 1 down to 1e-16:

    one-sided       [f(x + h) - f(x)] / h
    central         [f(x + h) - f(x - h)] / 2h
    complex step    Im f(x + ih) / h           where f takes complex numbers (Squire & Trapp 1998)

    python demos/gradient_check.py                          prints a table and writes gradient_check.png
    python demos/gradient_check.py --out v.png              writes the picture elsewhere
"""
from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinyae import Tensor, files, grad, ops
from tinyae.demo import cli, plots

X = 1.0
STEPS = 10.0 ** np.arange(0, -16.25, -0.25)
EXPLANATION = """\
The right arm is truncation. A one-sided difference is exact for a straight line, a central one for a parabola, and f is
neither: Taylor's series leaves h f''/2 and h^2 f'''/6. Ten times the step gives ten or a hundred times the error.

The left arm is rounding. f is computed only to a relative eps, so the difference of two values is off by about eps |f|,
and dividing by a small h makes this large: a tenth of the step gives ten times the error. At last x + h = x, and no
digit is right.

The best step is where the arms cross, about eps^(1/2) for one-sided and eps^(1/3) for central differences. It depends
on f, so no fixed step suits every function. The complex step has no left arm, because it subtracts nothing, but f has
to be analytic: no relu, no abs, no maximum. tinyae.gradcheck takes central differences at a series of steps and trusts
them where neighbouring steps agree."""


def f(x: Any) -> Any:
    """exp(sin x), where x is a Tensor, a real or a complex number."""
    return ops.exp(ops.sin(x))


METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "one-sided": lambda x, h: (f(x + h) - f(x)) / h,
    "central": lambda x, h: (f(x + h) - f(x - h)) / (2 * h),
    "complex step": lambda x, h: f(x + 1j * h).imag / h,
}


def errors(method: str, dtype: type, steps: np.ndarray = STEPS) -> np.ndarray:
    """The relative error at every step, with all arithmetic in this dtype."""
    x = Tensor(np.array(X))
    (exact,) = grad(f(x), [x])
    found = np.array([METHODS[method](dtype(X), h) for h in steps.astype(dtype)], np.float64)
    return np.abs(found / exact - 1)


def run(argv: list[str] | None = None) -> None:
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE", type=Path, default=Path("gradient_check.png"),
                        help="file for the picture (default: %(default)s)")
    out = parser.parse_args(argv).out
    curves = {(method, dtype): errors(method, dtype) for dtype in (np.float64, np.float32) for method in METHODS}
    print(table(curves), EXPLANATION, sep="\n\n")
    if plots.available():
        picture(curves, out)
        print(f"\npicture: {out}")


def table(curves: dict[tuple[str, type], np.ndarray]) -> str:
    """The relative error at every power of ten, and the step at which it is smallest."""
    lines = [f"{'step':>8}" + "".join(f"{method:>14}" for method, _ in curves),
             f"{'':>8}" + "".join(f"{dtype.__name__:>14}" for _, dtype in curves)]
    lines += [f"{STEPS[i]:8.0e}" + "".join(f"{e[i]:14.1e}" for e in curves.values()) for i in range(0, len(STEPS), 4)]
    lines += [f"{'best at':>8}" + "".join(f"{STEPS[e.argmin()]:14.0e}" for e in curves.values())]
    return "\n".join(lines)


def picture(curves: dict[tuple[str, type], np.ndarray], out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, dtype in zip(axes, (np.float64, np.float32), strict=True):
        eps = float(np.finfo(dtype).eps)
        for method, marker in zip(METHODS, "sod", strict=True):
            # An error of 0 has no logarithm, so it is drawn at half of eps.
            axis.loglog(STEPS, np.maximum(curves[method, dtype], eps / 2), marker=marker, markersize=4, linewidth=1,
                        label=method)
        h = STEPS
        left, right = h[h < eps ** (1 / 3)], h[h > eps ** (1 / 2)]
        axis.loglog(left, eps / left, "k--", linewidth=0.8, label="eps / h")
        axis.loglog(right, right ** 2, "k:", linewidth=0.8, label="h²")
        axis.set(title=f"{dtype.__name__}: eps = {eps:.1g}", xlabel="step h", ylim=(1e-17, 20), xlim=(1e-16, 2))
        axis.grid(alpha=0.3)
    axes[0].text(2e-16, 1e-9, "rounding ~ eps / h:\ntwo nearly equal\nvalues are subtracted")
    axes[0].text(1, 1e-13, "truncation ~ h or h²:\nf is neither a line\nnor a parabola", ha="right")
    axes[0].set_ylabel("relative error of the derivative")
    axes[1].legend(loc="lower left")
    figure.suptitle("Numerical derivatives of exp(sin x) at x = 1")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    files.write(out, content.getvalue())


if __name__ == "__main__":
    cli.main(run)
