"""PyTorch's own operator samples (torch.testing's op_db) through the rows: no crash, and every difference has a reason.

Skipped where torch is absent: pip install torch expecttest. A test per row collects what differs from PyTorch, and
compares the collected reasons with those that stand here. `python tests/test_torch_samples.py` prints them.
"""
from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, conv, functions, fused, grad, ops
from tinyae.errors import Refusal

torch = pytest.importorskip("torch", reason="torch is not installed: its operator samples are not run")
pytest.importorskip("expecttest", reason="expecttest is not installed, which torch.testing needs")

from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402


class NotOffered(Exception):
    """A setting of PyTorch's that the row does not have; its text is the reason."""


def only(settings: dict[str, Any], *defaults: tuple[str, Any]) -> None:
    """Settings of PyTorch's without a counterpart here must have these values."""
    for name, default in defaults:
        if settings.get(name, default) != default:
            raise NotOffered(name)


def last_to_first(x: Any) -> Any:
    """Images (n, c, h, w) -> (n, h, w, c)."""
    if x.ndim != 4:
        raise NotOffered("images without a batch")
    return ops.transpose(x, axes=(0, 2, 3, 1))


def first_to_last(z: Any) -> Any:
    return ops.transpose(z, axes=(0, 3, 1, 2))


def one_number(n: Any) -> int:
    pair = n if isinstance(n, tuple | list) else (n,)
    if len(set(pair)) > 1 or isinstance(n, str):
        raise NotOffered("a setting for each axis")
    return pair[0]


def reduction(row: Any) -> Any:
    return lambda x, dim=None, keepdim=False: row(x, axis=dim if dim is None else tuple(np.atleast_1d(dim).tolist()),
                                                  keepdims=keepdim)


def conv2d(x: Any, W: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    only({"dilation": one_number(dilation), "groups": groups}, ("dilation", 1), ("groups", 1))
    how = {"stride": one_number(stride), "padding": one_number(padding)}
    x, W = last_to_first(x), ops.transpose(W, axes=(2, 3, 1, 0))
    return first_to_last(conv.conv2d(x, W, **how) if b is None else conv.conv2d_affine(x, W, b, **how))


def conv_transpose2d(y: Any, W: Any, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Any:
    only({"dilation": one_number(dilation), "groups": groups}, ("dilation", 1), ("groups", 1))
    stride, padding, rest = one_number(stride), one_number(padding), one_number(output_padding)
    y, W = last_to_first(y), ops.transpose(W, axes=(2, 3, 1, 0))
    size = tuple(conv.conv_transpose_size(n, k, stride, padding, rest)
                 for n, k in zip(y.shape[1:3], W.shape[:2], strict=True))
    how = {"size": size, "stride": stride, "padding": padding}
    return first_to_last(conv.conv_transpose2d(y, W, **how) if b is None else
                         conv.conv_transpose2d_affine(y, W, b, **how))


def pooled(row: Any) -> Any:
    def pool(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
             count_include_pad: bool = True, divisor_override: Any = None, **other: Any) -> Any:
        only(other, ("dilation", 1), ("return_indices", False))
        size = one_number(kernel_size)
        if one_number(size if stride in (None, ()) else stride) != size or one_number(padding) or ceil_mode or (
                divisor_override):
            raise NotOffered("cells that overlap or lie apart")
        return first_to_last(row(last_to_first(x), size=size))
    return pool


def pad(x: Any, widths: Any, mode: str = "constant", value: Any = 0) -> Any:
    if value or min(widths) < 0:
        raise NotOffered("a value, or a width below 0")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    return ops.pad(x, width=tuple([(0, 0)] * (x.ndim - len(pairs)) + pairs))


def reduced(losses: Any, how: str, count: int) -> Any:
    """PyTorch's reductions: the mean is over all entries, and tinyae's losses are sums over all but the first axis."""
    if how == "none":
        raise NotOffered("a loss per entry")
    return ops.sum(losses) * (1 / count if how == "mean" else 1)


def bce(logits: Any, x: Any, reduction: str = "mean", weight: Any = None, pos_weight: Any = None) -> Any:
    if weight is not None or pos_weight is not None:
        raise NotOffered("weights")
    return reduced(functions.bce_with_logits(logits, x), reduction, logits.size)


def squared_error(y: Any, x: Any, reduction: str = "mean") -> Any:
    return reduced(functions.squared_error(y, x), reduction, y.size)


def cross_entropy(logits: Any, labels: Any, reduction: str = "mean", weight: Any = None, ignore_index: int = -100,
                  label_smoothing: float = 0) -> Any:
    if weight is not None or ignore_index != -100 or logits.ndim != 2 or labels.dtype.kind == "f":
        raise NotOffered("weights, ignored labels, more axes, soft labels")
    return reduced(functions.cross_entropy(logits, labels), reduction, len(labels))


def var(x: Any, dim: Any = None, unbiased: bool = True, correction: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if (unbiased if correction is None else correction) != 0:
        raise NotOffered("division by n - 1")
    return reduction(functions.var)(x, dim, keepdim)


def layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    if weight is not None or bias is not None or len(shape) > 1:
        raise NotOffered("gain, bias, several axes")
    return functions.layer_norm(x, eps)


def same_sign(x: Any, y: Any, alpha: Any = 1, rounding_mode: Any = None) -> Any:
    only({"alpha": alpha, "mode": rounding_mode}, ("alpha", 1), ("mode", None))
    return x, y


# row or function -> (PyTorch's name in op_db and its variant, the same call here)
COUNTERPARTS: dict[str, tuple[str, Any]] = {
    "add": ("add", lambda x, y, **s: ops.add(*same_sign(x, y, **s))),
    "sub": ("sub", lambda x, y, **s: ops.sub(*same_sign(x, y, **s))),
    "mul": ("mul", ops.mul), "div": ("div/no_rounding_mode", lambda x, y, **s: ops.div(*same_sign(x, y, **s))),
    "power": ("pow", ops.power), "matmul": ("matmul", ops.matmul),
    "maximum": ("maximum", ops.maximum), "minimum": ("minimum", ops.minimum),
    "where": ("where", lambda x, mask, y: ops.where(mask, x, y)),
    **{name: (name, getattr(ops, name)) for name in (
        "neg", "abs", "sqrt", "square", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "reshape",
        "broadcast_to")},
    "softplus": ("nn.functional.softplus", lambda x, **settings: ops.softplus(x)),
    "relu": ("nn.functional.relu", ops.relu),
    "leaky_relu": ("nn.functional.leaky_relu", lambda x, negative_slope=0.01: ops.leaky_relu(x, slope=negative_slope)),
    "elu": ("nn.functional.elu", ops.elu),
    "clip": ("nn.functional.hardtanh", lambda x, min_val=-1, max_val=1: ops.clip(x, low=min_val, high=max_val)),
    "sum": ("sum", reduction(ops.sum)), "mean": ("mean", reduction(ops.mean)),
    "max": ("amax", reduction(ops.max)), "min": ("amin", reduction(ops.min)),
    "index": ("__getitem__", lambda x, key: x[key]), "pad": ("nn.functional.pad/constant", pad),
    "transpose": ("permute", lambda x, axes: ops.transpose(x, axes=axes)),
    "swapaxes": ("transpose", lambda x, i, j: ops.swapaxes(x, axis1=i, axis2=j)),
    "cast": ("float", lambda x, **settings: ops.cast(x, dtype=np.float32)),
    "concatenate": ("cat", lambda xs, dim=0: ops.concatenate(*xs, axis=dim)),
    "stack": ("stack", lambda xs, dim=0: ops.stack(*xs, axis=dim)),
    "sum_to": ("sum_to_size", lambda x, *shape: ops.sum_to(x, shape=tuple(np.ravel(shape).tolist()))),
    "conv2d": ("nn.functional.conv2d", conv2d),
    "conv_transpose2d": ("nn.functional.conv_transpose2d", conv_transpose2d),
    "max_pool2d": ("nn.functional.max_pool2d", pooled(conv.max_pool2d)),
    "avg_pool2d": ("nn.functional.avg_pool2d", pooled(conv.avg_pool2d)),
    "affine": ("nn.functional.linear", lambda x, W, b=None: fused.affine(x, ops.transpose(W), b) if b is not None
               else x @ ops.transpose(W)),
    "sse": ("nn.functional.mse_loss", squared_error), "bce": ("nn.functional.binary_cross_entropy_with_logits", bce),
    "softmax": ("softmax", functions.softmax), "log_softmax": ("log_softmax", functions.log_softmax),
    "logsumexp": ("logsumexp", functions.logsumexp), "var": ("var", var), "cross_entropy": (
        "nn.functional.cross_entropy", cross_entropy), "layer_norm": ("nn.functional.layer_norm", layer_norm),
}
# Without an operator of PyTorch's, or tested within another row; upsample2d has no sample with one whole factor.
WITHOUT = {"keep", "put", "crop", "kl", "squared_norm", "log_mean_sigmoids", "conv2d_kernel", "conv2d_affine",
           "conv_transpose2d_affine", "upsample2d"}

# Where a gradient differs from PyTorch's, always among the reference inputs with nan and inf: docs/numbers.md has the
# reasons in a table. kink: another of the slopes beside it, or between them.
DIFFERENT = {"power": {"nan", "inf"}, "maximum": {"nan", "kink"}, "minimum": {"nan", "kink"}, "abs": {"nan"},
             "relu": {"nan"}, "elu": {"nan"}, "clip": {"nan", "kink"}}

# What tinyae refuses where PyTorch goes on, beside axes that a single number does not have.
REFUSED = {"matmul": {"matmul cannot multiply these"},                     # vectors
           "affine": {"matmul cannot multiply these"},
           "concatenate": {"concatenate cannot take these arguments", "concatenate mixes dtypes"},     # with (0,)
           "sse": {"squared_error compares equal shapes only"}, "logsumexp": {"axis must be an axis of x"},
           "bce": {"bce_with_logits compares equal shapes only"}}


def samples(name: str, extreme: bool) -> Any:
    """Every sample of PyTorch's operator; if extreme, its reference inputs, which have nan, inf and large numbers."""
    name, _, variant = name.partition("/")
    operator = next(o for o in op_db if o.name == name and o.variant_test_name == variant)
    extreme = extreme and name != "where"               # its reference inputs ask for the gradient of a mask
    make = operator.reference_inputs if extreme else operator.sample_inputs
    for sample in make("cpu", torch.float64, requires_grad=True):
        if name == "nn.functional.softplus":
            sample.kwargs = {}                          # PyTorch's beta, and the threshold above which it is a line
        yield operator, sample


def here(x: Any, leaves: list) -> Any:
    """A Tensor for each tensor that has a gradient, an array for each other, also inside lists."""
    if isinstance(x, torch.Tensor):
        array = x.detach().numpy()
        if not x.requires_grad:
            return array
        leaves.append((x, Tensor(array.copy())))
        return leaves[-1][1]
    if isinstance(x, torch.Size):
        return tuple(x)
    return type(x)(here(y, leaves) for y in x) if isinstance(x, tuple | list) else x


def compare(call: Any, operator: Any, sample: Any) -> str:
    """"same", or why the two libraries say something else about this sample."""
    leaves: list[Any] = []
    args, settings = here([sample.input, *sample.args], leaves), {k: here(v, leaves) for k, v in sample.kwargs.items()}
    try:
        with np.errstate(all="ignore"):
            ours = call(*args, **settings)
    except NotOffered as missing:
        return f"not offered: {missing}"
    except Refusal as refusal:
        return f"refused: {refusal.what}"
    if type(ours) is not Tensor:
        return "without a gradient"
    theirs = operator(sample.input, *sample.args, **sample.kwargs)
    assert ours.shape == tuple(theirs.shape)
    if reason := difference(ours.data, theirs.detach().numpy(), ours.data):
        return f"value: {reason}"
    weights = np.cos(np.arange(ours.size, dtype=np.float64)).reshape(ours.shape).astype(ours.dtype)
    their_gradients = torch.autograd.grad(theirs, [t for t, _ in leaves], torch.from_numpy(weights.copy()),
                                          allow_unused=True)
    with np.errstate(all="ignore"):
        gradients = grad(ops.sum(ours * weights), [t for _, t in leaves], unused="zero")
    for g, h, (_, x) in zip(gradients, their_gradients, leaves, strict=True):
        if h is not None and (reason := difference(g, h.numpy(), x.data)):
            return f"gradient: {reason}"
    return "same"


def difference(a: np.ndarray, b: np.ndarray, at: np.ndarray) -> str:
    """The reasons for which a differs from b; at: what they were computed from."""
    scale = np.max(np.abs(b[np.isfinite(b)]), initial=1)
    tolerance = 1e-10 if a.dtype == np.float64 else 1e-5
    with np.errstate(all="ignore"):
        far = ~((a == b) | (np.abs(a - b) <= tolerance * np.maximum(np.abs(b), 1)) | (np.isnan(a) & np.isnan(b)))
        reasons = {"nan": far & (np.isnan(a) | np.isnan(b)), "inf": far & (np.isinf(a) | np.isinf(b)),
                   "cancelling": far & (np.abs(a - b) <= tolerance * scale)}
    if at.shape == a.shape:
        reasons["nan"] |= far & np.isnan(at)
    known = np.logical_or.reduce(list(reasons.values()))
    if at.shape == a.shape and (far & ~known).any():
        places = at[far & ~known]
        found = f"kink at {sorted({float(p) for p in places})[:3]}" if len({*places.tolist()}) <= 3 else "UNKNOWN"
        return found
    if (far & ~known).any():
        return "UNKNOWN"
    return ", ".join(name for name, mask in reasons.items() if mask.any())


def reasons(name: str, extreme: bool) -> Counter:
    torch.manual_seed(0)
    theirs, call = COUNTERPARTS[name]
    return Counter(compare(call, operator, sample) for operator, sample in samples(theirs, extreme))


def kind(reason: str) -> set[str]:
    """What a difference consists of: kink, nan, inf, cancelling."""
    return {word for word in ("kink", "nan", "inf", "cancelling", "UNKNOWN") if word in reason.split(" at ")[0]}


def test_every_row_has_a_counterpart_or_is_named():
    rows = ops.ROWS | conv.ROWS | fused.ROWS
    assert rows.keys() - COUNTERPARTS.keys() == WITHOUT


@pytest.mark.parametrize("extreme", [False, True], ids=["samples", "reference inputs"])
@pytest.mark.parametrize("name", COUNTERPARTS)
def test_samples_of_pytorch(name, extreme):
    found = reasons(name, extreme)
    assert found["same"]
    different = set().union(*(kind(reason) for reason in found if reason.startswith(("value", "gradient"))))
    assert different <= (DIFFERENT.get(name, set()) if extreme else set()), found
    refused = {reason.removeprefix("refused: ") for reason in found if reason.startswith("refused")}
    assert refused <= REFUSED.get(name, {f"{name} cannot take these arguments"}), found


if __name__ == "__main__":
    for row in COUNTERPARTS:
        for choice in (False, True):
            print(row, "reference inputs:" if choice else "samples:", dict(reasons(row, choice)))
