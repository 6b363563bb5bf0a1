"""refusals: the engine's error messages, so that the engine's own files read without them.

Each function makes an exception; the code that finds the mistake raises it.
"""
from __future__ import annotations

import sys
from inspect import signature
from typing import Any

import numpy as np

from .backend import Array, describe, device_of, is_array
from .errors import BadName, BadType, BadValue, Refusal

# ---- what may enter a tape

def not_float(x: Any) -> BadType:
    return BadType("a Tensor holds floating-point numbers", expected="float32, 64 or 16, in native byte order",
                   got=f"{type(x).__name__} {describe(x)}", fix="Tensor(np.asarray(x).astype(np.float32))")


def already_a_tensor(t: Any) -> BadType:
    return BadType("already a Tensor", expected="an array, a number or a list", got=repr(t),
                   fix="use it as it is, or Tensor(t.data) for a leaf of the same value")


def no_array(row: str, i: int, x: Any) -> BadType:
    return BadType(f"argument {i} of {row} must be an array", expected="a Tensor, an array, a number or a list",
                   got=describe(x), fix="convert it with np.asarray(x, np.float32)" if x is not None else
                   "a value: a function without return gives None")


def mixed(row: str, i: int, x: Array, like: Array) -> BadType:
    """Array x, argument i, beside `like`: of another device or dtype."""
    where, dtype = device_of(like), like.dtype
    if device_of(x) != where:
        return BadType(f"{row} mixes devices", expected=f"every argument on {where}, as {describe(like)}",
                       got=f"argument {i}: {describe(x)}, on {device_of(x)}",
                       fix=f'backend.to_device(x, "{where}"), or build both on one device (device="{where}")')
    return BadType(f"{row} mixes dtypes", expected=f"{dtype}, as the other Tensor", got=f"argument {i}: {describe(x)}",
                   fix=f"x.astype(np.{dtype}) for an array, ops.cast(t, dtype=np.{dtype}) for a Tensor")


# ---- calls of a row

# A setting's name in NumPy or PyTorch -> its name here.
HERE = {"dim": "axis", "keepdim": "keepdims", "a_min": "low", "a_max": "high", "min": "low", "max": "high",
        "negative_slope": "slope", "pad_width": "width", "newshape": "shape", "dims": "axes"}



def wrong_count(row: Any, arrays: int, names: list[str], args: tuple, settings: dict[str, Any]) -> BadType:
    """A call of row with another number of arguments than it takes: its arrays, then settings of these names."""
    by_name = f" and {', '.join(settings)} by name" if settings else ""
    of_forward = () if isinstance(row.forward, np.ufunc) else signature(row.forward).parameters
    call = ", ".join([*(of_forward or "xyzw")][:arrays] + names)
    got = f"{len(args)} by position{by_name}"
    if hasattr(row.forward, "nin") and row.forward.nin != arrays:
        return BadType(f"{row.__name__} was defined with {arrays} vjp(s)", got=f"{arrays}",
                       expected=f"one for each of the {row.forward.nin} arrays of np.{row.forward.__name__}",
                       fix="op(np.multiply, vjp for x, vjp for y); None for an argument without a gradient")
    return BadType(f"{row.__name__} takes {arrays} array(s)" + f", then {', '.join(names)}" * bool(names), got=got,
                   expected=f"{row.__name__}({call}): arrays first, settings by position or by name",
                   fix="leave out what is too much" if len(args) >= arrays else "give every array by position")


def no_vjps() -> BadType:
    return BadType("op needs one vjp for each array of its forward", expected="op(forward, vjp, ...)", got="no vjp",
                   fix="op(np.exp, lambda g, z, x: g * z): dL/dx, given g = dL/dz")


def setting_is_a_tensor(row: str, name: str, t: Any) -> BadType:
    fix = {"low": "ops.maximum(x, low)", "high": "ops.minimum(x, high)", "slope": "ops.where(x > 0, x, slope * x)",
           "key": "x[t.data.astype(int)]"}.get(name, f"{name}=t.item() for a constant; if {name} is an array of an op "
                                                     f"of your own, the op lacks its vjp")
    return BadType(f"{name} of {row} is a setting, which has no gradient", expected="a number or another constant",
                   got=repr(t), fix=fix)


def no_gradient(row: str, i: int, t: Any) -> BadType:
    return BadType(f"argument {i} of {row} has no gradient", expected="a plain array", got=repr(t),
                   fix="t.data; for a mask, a comparison such as t > 0, which is a plain array")


def no_fit(row: Any, names: list[str], arrays: list[Any], settings: dict[str, Any], error: Exception) -> Refusal:
    """The forward of row raised error; names: the settings that it takes, empty if that cannot be told."""
    unknown = [name for name in settings if names and name not in names]
    if unknown:
        ours = [f"{HERE[name]} for {name}" for name in unknown if HERE.get(name) in names]
        return BadType(f"{row.__name__} has no setting {', '.join(unknown)}", expected=", ".join(names),
                       got=", ".join(f"{k}={v!r:.60}" for k, v in settings.items()),
                       fix=", ".join(ours) or f"leave out {', '.join(unknown)}")
    given = " and ".join(map(describe, arrays)) + "".join(f", {k}={v!r:.60}" for k, v in settings.items())
    return BadValue(f"{row.__name__} cannot take these arguments", expected="shapes and settings that fit",
                    got=f"{given}: {error}", fix="print the shapes on the way; reshape or index until they fit")


def not_an_array(row: str, z: Any) -> BadType:
    return BadType(f"the forward of {row} must return an array", expected="one array", got=describe(z),
                   fix="np.asarray(z, x.dtype) for a number; a row for each part of a tuple")


def changed_dtype(row: str, z: Array, dtype: Any) -> BadValue:
    return BadValue(f"{row} changed the dtype", expected=f"{dtype}, as its arguments", got=z.dtype,
                    fix="use Python numbers in the row, not np.float64; ops.cast changes dtype on purpose")


# ---- gradients

def not_a_tensor(y: Any) -> BadType:
    from_gradient = "; a gradient is a Tensor only with grad(..., create_graph=True)" if (
        is_array(y) or isinstance(y, np.generic)) else ""
    return BadType("grad needs a Tensor y, there is nothing to differentiate", got=describe(y),
                   expected="y, a Tensor computed from Tensors",
                   fix="make the inputs Tensors before computing y; .data and .item() cut the path" + from_gradient)


def not_a_scalar(y: Any) -> BadValue:
    return BadValue("grad needs y to be one number", expected="y with one element", got=repr(y),
                    fix="ops.sum(y) or ops.mean(y); for a vector-Jacobian product ops.sum(v * y)")


def wrt_no_list(wrt: Any) -> BadType:
    return BadType("wrt must be a list", expected="a list or dict of Tensors", got=describe(wrt),
                   fix="grad(y, [w]); grad(y, params(model))")


def wrt_no_tensor(i: int, w: Any) -> BadType:
    return BadType("only Tensors have gradients", expected="Tensors in wrt", got=f"entry {i}: {describe(w)}",
                   fix="x = Tensor(x) before computing y, and pass that x here")


def unknown_unused(unused: Any) -> BadValue:
    return BadValue("unknown setting", expected='unused="error" or "zero"', got=repr(unused), fix='unused="zero"')


def no_path(y: Any, i: int, w: Any) -> BadValue:
    return BadValue("no path from y to an entry of wrt", expected="a y computed from every entry of wrt",
                    got=f"entry {i}, {w!r}, which {y!r} does not depend on",
                    fix='leave it out of wrt; or find the .data, or the gradient taken without create_graph=True, '
                        'that cut the path; unused="zero" if zeros are meant')


def changed_parent(t: Any, p: Any) -> BadValue:
    return BadValue("a Tensor changed after it was used", expected=f"the {describe(p)} that {t.op.__name__} saw",
                    got="new data, by p.data = ... or an optimizer's step",
                    fix="compute the loss again after the change, then take its gradient")


def failed_vjp(t: Any, i: int, ga: Any, error: Exception) -> Exception:
    """The exception for vjp i of t's row: it raised error, or error came of what it returned, ga."""
    if isinstance(error, MemoryError):
        return error
    wrong, of = f"vjp {i} of {t.op.__name__} is wrong", f"for argument {i}, {describe(t.args[i])}"
    raised_by_grad = error.__traceback__ is None or error.__traceback__.tb_next is None     # not inside of the vjp
    if not hasattr(ga, "shape") and (ga is not None or (raised_by_grad and isinstance(error, AttributeError))):
        return BadValue(f"{wrong}: it must return an array", expected=f"an array {of}", got=describe(ga),
                        fix="return dL/dx, which is linear in g; for an argument without a gradient, None in the place "
                            "of its vjp")
    if ga is not None:
        return BadValue(f"{wrong}: its shape", expected=f"an array {of}, or one broadcast from it", got=describe(ga),
                        fix="g has the shape of the result z; undo what the forward did to the shape")
    if "read-only" in str(error):
        fix = "g is dL/dz and belongs to other rows too: compute with it, do not write into it"
    elif raised_by_grad:
        fix = "lambda g, z, x: ..., with g and z first and then everything that the row was called with"
    elif isinstance(error, Refusal):
        fix = "operators and rows of tinyae.ops, which take arrays and, for higher orders, Tensors"
    else:
        fix = f"look at this vjp: {t.op.__name__} = op(forward, vjp 0, vjp 1, ...)"
    return BadValue(f"{wrong}: it failed {of}", expected=f"an array: it is called as vjp(g, z, *arrays, **settings), "
                    f"with g and z {describe(t)}", fix=fix, got=f"{type(error).__name__}: "
                    + (f"{error.what}, got {error.got}" if isinstance(error, Refusal) else str(error)))


def wrong_dtype(t: Any, i: int, g: Any) -> BadValue:
    return BadValue(f"vjp {i} of {t.op.__name__} is wrong: it changed the dtype", got=describe(g),
                    expected=f"{describe(t.args[i])}, as its argument",
                    fix="write vjps with Python numbers, not np.float64")


# ---- a name, looked for where it is not

CHAPTERS = ("ops", "functions", "conv", "fused", "layers", "optim", "models")


def elsewhere(module: str, name: str) -> AttributeError:
    """The module has no such name; another chapter may have it."""
    missing = f"module {module!r} has no attribute {name!r}"
    for chapter in (f"{__package__}.{chapter}" for chapter in CHAPTERS):
        found = getattr(sys.modules.get(chapter), "__dict__", {}).get(name)
        if f"{getattr(found, '__module__', '')}.".startswith(f"{chapter}."):
            return BadName(missing, expected=f"a name of {module}", got=f"{name}, which stands in {chapter}",
                           fix=f"{chapter}.{name}")
    return AttributeError(missing)


# ---- a Tensor used as what it is not

def not_one_number(t: Any) -> BadValue:
    return BadValue("not one number", expected="a Tensor of one element", got=repr(t),
                    fix="t.numpy() for all of them, or ops.sum(t) / ops.mean(t) for one")


def no_truth(t: Any) -> BadValue:
    return BadValue("the truth value of several elements is ambiguous", expected="a Tensor of one element", got=repr(t),
                    fix="(t > 0).any() or (t > 0).all()")


def not_a_leaf(t: Any, doing: str) -> BadValue:
    return BadValue(f"only a leaf can be {doing}", expected="a Tensor made by Tensor(array)", got=repr(t),
                    fix="go to the leaves it was computed from; or make a leaf of its value, Tensor(t.data)")


def misfit(new: Any, old: Array) -> BadValue:
    return BadValue("new data must fit the old", expected=describe(old), got=describe(new),
                    fix="t.data = backend.to_device(np.asarray(new, t.dtype), device).reshape(t.shape)")


def no_writing() -> BadType:
    return BadType("a Tensor cannot be written into", expected="a new Tensor for new values", got="t[key] = value",
                   fix="ops.where(mask, value, t) for a changed copy; t.data = array for a parameter")


INSTEAD = {       # np.NAME -> how to write it with rows (a test compares the two)
    "dot": "x @ y", "inner": "x @ y.T", "outer": "x[:, None] * y", "vdot": "ops.sum(x * y)",
    "linalg.norm": "ops.sqrt(ops.sum(t * t))", "prod": "ops.exp(ops.sum(ops.log(t)))",
    "var": "tinyae.functions.var(t)", "std": "tinyae.functions.var(t) ** 0.5", "add.reduce": "ops.sum(t, axis=0)",
    "maximum.reduce": "ops.max(t, axis=0)",
    "logaddexp": "tinyae.functions.logsumexp(ops.stack(x, y), axis=0)", "hypot": "ops.sqrt(x * x + y * y)",
    "log2": "ops.log(t) / np.log(2)", "log10": "ops.log(t) / np.log(10)", "exp2": "2 ** t", "reciprocal": "1 / t",
    "tan": "ops.sin(t) / ops.cos(t)", "sinh": "(ops.exp(t) - ops.exp(-t)) / 2", "fabs": "ops.abs(t)",
    "cosh": "(ops.exp(t) + ops.exp(-t)) / 2", "positive": "t", "expand_dims": "t[None]", "ravel": "t.reshape(-1)",
    "squeeze": "t.reshape(shape)", "matrix_transpose": "t.mT", "moveaxis": "t.transpose(axes)", "flip": "t[::-1]",
    "take": "t[index]", "put": "ops.where(mask, value, t)", "vstack": "ops.concatenate(x, y, axis=0)",
    "hstack": "ops.concatenate(x, y, axis=1)",
    "split": "t[:n], t[n:]", "broadcast_arrays": "ops.broadcast_to(x, shape), ops.broadcast_to(y, shape)",
}
LOST = "would lose this Tensor's gradient"


def no_row(name: str, settings: str = "") -> BadType:
    """np.NAME of a Tensor has no row, or not with these settings."""
    call = f"np.{name}"
    if settings:
        fix = {"out": "a = a + t, a new Tensor, for a += t and for out=a", "dtype": "ops.cast, for another dtype"}
        return BadType(f"{call} with {settings}= {LOST}", expected=f"{call} of Tensors, without {settings}=",
                       got=f"{call}(..., {settings}=...)" + ", which array += t stands for" * (settings == "out"),
                       fix=f"{fix.get(settings, f'{call} without it')}; t.numpy() in its place for a constant")
    there = INSTEAD.get(name, f"rows of tinyae.ops, if they can do it (there is no ops.{name})")
    return BadType(f"{call} {LOST}", expected="rows of tinyae.ops, or a constant", got=f"{call} of a Tensor",
                   fix=f"{there}; t.numpy() in its place for a constant")


def lost_as_number() -> BadType:
    return BadType(f"a plain number {LOST}", expected="a row instead of float, math.exp, array[i] = t and so on",
                   got="a Tensor where Python or NumPy asks for a number",
                   fix="ops.exp(t) for math.exp(t), ops.stack(*ts) for an array of Tensors; "
                       "t.item() or t.numpy() for a constant")


def lost_as_array() -> BadType:
    return BadType(f"a plain array {LOST}", expected="a Tensor as it is, or a constant",
                   got="a Tensor where np.asarray, np.array or the like asks for an array",
                   fix="ops.stack(*ts) for a list of Tensors, t itself for one; t.numpy() for a constant")


HABITS = {
    "detach": "t.data, the constant array; Tensor(t.data) for a new leaf", "clone": "Tensor(t.data)",
    "copy": "t.numpy().copy()", "cpu": "t.numpy()", "cuda": 'Tensor(backend.to_device(t.data, "cuda"))',
    "to": 'Tensor(backend.to_device(t.data, "cuda"))', "tolist": "t.numpy().tolist()", "view": "t.reshape(...)",
    "flatten": "t.reshape(-1)", "ravel": "t.reshape(-1)", "squeeze": "t.reshape(...)", "unsqueeze": "t[None]",
    "permute": "t.transpose(...)", "t": "t.T", "dim": "t.ndim", "numel": "t.size", "pow": "x ** y",
    "device": "backend.device_of(t.data)",
    "requires_grad": "every Tensor has a gradient; t.data is a constant", "grad_fn": "t.op",
    "requires_grad_": "every Tensor has a gradient; t.data is a constant",
    "zero_grad": "backward() replaces .grad, so there is nothing to set to zero",
    "softmax": "tinyae.functions.softmax(t)", "log_softmax": "tinyae.functions.log_softmax(t)",
    "logsumexp": "tinyae.functions.logsumexp(t)", "var": "tinyae.functions.var(t)",
    "std": "tinyae.functions.var(t) ** 0.5", "norm": "(t * t).sum().sqrt()", "dot": "x @ y", "mm": "x @ y",
    "prod": "t.log().sum().exp()", "argmax": "t.data.argmax()", "argmin": "t.data.argmin()", "any": "t.data.any()",
    "all": "t.data.all()", "fill": "Tensor(np.full(t.shape, value, t.dtype))", "params": "t.settings",
}


def no_attribute(name: str) -> BadName:
    return BadName(f"a Tensor has no {name}", expected="data, shape, dtype, ... or a row such as t.sum(axis=0)",
                   got=f"t.{name}", fix=HABITS.get(name, f"tinyae.ops or tinyae.functions, if {name} is there; "
                                                         f"t.data.{name} for a constant"))


GROWING = ("w -= array makes a new Tensor at every step, and each keeps all that came before it. For a step of "
           "gradient descent write w.data = w.data - lr * g, which leaves w a leaf.")
