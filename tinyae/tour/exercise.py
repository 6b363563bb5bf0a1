"""tour · exercise: the record of an exercise, and what its check is made of."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

import numpy as np

from ..backend import freeze
from ..check.gradcheck import WrongGradient, gradcheck
from ..errors import BadValue
from ..tensor import data_of

LIBRARIES = Path(__file__).parents[1], Path(np.__file__).parent         # whose lines are not the reader's


class Exercise(NamedTuple):
    """What a chapter asks for. check(answer) returns the worst relative error, or
    what else there is to say, "" for nothing. It raises a Refusal with the mistake."""
    number: str
    name: str                   # of the object that the reader writes
    statement: str              # Markdown, as on the page
    starter: str                # the code to start from; it fails the check
    hints: tuple[str, ...]
    check: Callable[[Any], float | str]


def compare(what: str, got: Any, want: Any, fix: str, mistakes: Mapping[str, Any] | None = None,
            tolerance: float = 1e-6) -> float:
    """The relative error of got, max |got - want| / max |want|, if it is at most the tolerance.

    mistakes: a sentence -> the result to which that mistake leads. BadValue: the shape or a number is wrong; its fix is
    the sentence of the mistake that leads to got, or else `fix`.
    """
    got, want = np.asarray(data_of(got)), np.asarray(want)
    if got.shape != want.shape:
        raise BadValue(f"{what} has the wrong shape", expected=want.shape, got=got.shape, fix=fix)
    if got.dtype.kind not in "biuf":
        raise BadValue(f"{what} must be numbers", expected=f"numbers of shape {want.shape}",
                       got=f"{got.tolist()!r:.80}", fix=fix)
    error = float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-300)) if got.size else 0.0
    if error <= tolerance:                      # not, where got has a nan
        return error
    for sentence, wrong in (mistakes or {}).items():
        if np.shape(wrong) == got.shape and np.allclose(got, wrong, rtol=1e-6, atol=1e-12, equal_nan=True):
            fix = sentence
            break
    at = np.unravel_index(np.argmax(np.nan_to_num(np.abs(got - want), nan=np.inf)), got.shape)
    place = f" at {tuple(map(int, at))}" if got.ndim else ""
    raise BadValue(f"{what} is wrong", expected=f"{want[at]:.6g}{place}", got=f"{got[at]:.6g}", fix=fix)


def raised(name: str, error: Exception) -> BadValue:
    """The refusal for an answer whose code raised `error`, or whose result a check cannot use."""
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(map(Path(frame.filename).is_relative_to, LIBRARIES))]
    fix = (f"look at line {own[-1].lineno}, in {own[-1].name}: {own[-1].line}" if own else
           f"it takes or returns something else than the exercise asks for; the check was at: {frames[-1].line}")
    if "read-only" in str(error):
        fix += "; an array of a Tensor is replaced, not written into: w.data = w.data - ..."
    return BadValue(f"{name} raised {type(error).__name__}", expected=f"{name}, as the exercise describes it",
                    got=str(error) or type(error).__name__, fix=fix)


def check_row(name: str, answer: Any, forward: Callable, *args: np.ndarray,
              mistakes: Mapping[str, tuple[int, Callable]] | None = None) -> float:
    """The largest relative error of a row: its forward beside `forward`, its vjps by gradcheck to second order.

    mistakes: a sentence -> (i, a wrong vjp of argument i); the sentence is the fix for a row whose vjp gives the same.
    """
    if not hasattr(answer, "vjps"):
        raise BadValue(f"{name} must be a row", expected="op(forward, vjp)", got=f"{answer!r:.80}",
                       fix=f"{name} = op(forward, lambda g, z, x: ...)")
    if not isinstance(answer.vjps, tuple) or len(answer.vjps) != len(args):
        raise BadValue(f"{name} needs a vjp for each of its arguments", expected=f"{len(args)} vjps",
                       got=f"{len(answer.vjps)}", fix="op(forward, vjp of the first argument, ...)")
    z = np.asarray(forward(*args))
    worst = compare(f"{name}.forward", answer.forward(*args), z, "the forward is the function of the statement")

    def checked(*tensors: Any) -> Any:
        return answer(*tensors)

    checked.__name__ = name
    try:
        return max(worst, gradcheck(checked, *args))
    except WrongGradient as error:
        if fix := _explained(answer, z, args, mistakes or {}):
            raise WrongGradient(error.what, expected=error.expected, got=error.got, fix=fix) from error
        raise


def _explained(answer: Any, z: np.ndarray, args: tuple, mistakes: Mapping[str, tuple[int, Callable]]) -> str:
    """The sentence for what is wrong with the row's vjps; "" where gradcheck's own says it best."""
    g = np.random.default_rng(0).standard_normal(z.shape)
    try:
        once, twice = ([np.asarray(vjp(freeze(k * g), freeze(z), *args)) for vjp in answer.vjps] for k in (1.0, 2.0))
    except Exception:                   # grad has met the same one, and told it
        return ""
    if not all(np.allclose(b, 2 * a) for a, b in zip(once, twice, strict=True)):
        return "a vjp is linear in g: multiply by g, once, since the slopes of the later steps are in it"
    for sentence, (i, wrong) in mistakes.items():
        same = np.asarray(wrong(g, z, *args))
        if once[i].shape == same.shape and np.allclose(once[i], same):
            return sentence
    return ""
