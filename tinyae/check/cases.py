"""cases: the points at which each row, function, layer and model is checked.

To add bell to the checks, add one line to CASES, at the end of this file:

    "bell": unary(ops.bell),

unary makes four cases of it, at arrays of shape (), (1,), (3, 4) and (2, 0, 3); binary, reduction, settings, layer,
model and others do the same for functions of their kind, and case(f, *shapes) makes one. Each draws its numbers from a
normal distribution. Where f has a kink or a pole, it has no derivative, so choose a draw that keeps away from it:

    positive, fraction      in [0.5, 2], in [0.1, 0.9]: for log, sqrt, probabilities
    nonzero                 at least 0.5 from 0: for divisors
    distinct                no two alike and none 0: for max, relu, abs; between draws numbers that differ from these

A line holds the points of one function. The checker adds the tests that all functions share: each argument alone, the
others being constants; float32; repeated use. A row without a line makes `python -m tinyae.check` fail.
"""
from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import conv, functions, fused, layers, models, ops
from ..backend import device_of, to_device
from ..layers import ACTIVATIONS, Dense, Dropout, Sequential, TiedDense, params
from ..tensor import Tensor, data_of

Shape = tuple[int, ...]


class Case(NamedTuple):
    """f takes as many Tensors (or constants) as args draws arrays; those are float64, on the CPU."""
    f: Callable[..., Tensor]
    args: Callable[[np.random.Generator], list[np.ndarray]]
    core: int = 0                                       # how many of the last axes never broadcast


# ---- draws: (rng, shape) -> the numbers of one argument, away from kinks and poles

def normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return rng.standard_normal(shape)


def positive(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return rng.uniform(0.5, 2.0, shape)


def fraction(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return rng.uniform(0.1, 0.9, shape)


def nonzero(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


def far(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Normal in every third column; 1000 below in the column before it and 1000 above in the column after."""
    return rng.standard_normal(shape) + 1000 * (np.arange(shape[-1]) % 3 - 1)


def distinct(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """..., -0.45, -0.15, 0.15, 0.45, ... in random order, each moved by up to 0.05: no ties and no zeros."""
    n = int(np.prod(shape))
    return 0.3 * (rng.permutation(n) - n // 2 + 0.5).reshape(shape) + rng.uniform(-0.05, 0.05, shape)


def between(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """..., -0.3, 0, 0.3, ... in random order, each moved by up to 0.05: no ties with numbers from distinct."""
    return distinct(rng, shape) + 0.15


# ---- makers: what a line of CASES is written with

ONE = [(), (1,), (3, 4), (2, 0, 3)]
TWO = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 3), ()), ((2, 1, 3), (4, 1)),
       ((0, 3), (3,))]
FACTORS = [((3, 4), (4, 2)), ((1, 4), (4, 1)), ((2, 3, 4), (4, 2)), ((3, 4), (2, 4, 2)), ((2, 1, 3, 4), (5, 4, 2)),
           ((3, 0), (0, 2))]
AXES: list[Any] = [None, 0, -1, 1, (0, 2), (-1, 0), ()]


def case(f: Callable, *shapes: Shape, draw: Any = normal, core: int = 0) -> Case:
    """f at arrays of these shapes; draw is one draw for all of them, or a tuple with one for each."""
    draws = draw if isinstance(draw, tuple) else (draw,) * len(shapes)
    return Case(f, lambda rng: [d(rng, shape) for d, shape in zip(draws, shapes, strict=True)], core)


def unary(f: Callable, draw: Any = normal) -> list[Case]:
    """A function of one array of any shape."""
    return [case(f, shape, draw=draw) for shape in ONE]


def binary(f: Callable, draw: Any = normal) -> list[Case]:
    """A function of two arrays that broadcast."""
    return [case(f, *shapes, draw=draw) for shapes in TWO]


def alike(f: Callable, count: int = 2, draw: Any = normal) -> list[Case]:
    """A function of `count` arrays of one shape (n, ...)."""
    return [case(f, *[shape] * count, draw=draw) for shape in ((3, 4), (3,), (2, 3, 2), (0, 3))]


def reduction(f: Callable, draw: Any = normal) -> list[Case]:
    """A function with axis and keepdims, over every choice of both."""
    over = [case(lambda x, a=axis, k=keep: f(x, axis=a, keepdims=k), (2, 3, 4), draw=draw)
            for axis in AXES for keep in (False, True)]
    return [*over, case(f, (1, 5), draw=draw)]


def several(f: Callable) -> list[Case]:
    """A row of any number of arrays, along every axis: here three of one shape."""
    return [case(lambda *xs, a=axis: f(*xs, axis=a), (2, 3), (2, 3), (2, 3)) for axis in (0, 1, -1, -2)]


def settings(f: Callable, shape: Shape, /, draw: Any = normal, **choices: Any) -> list[Case]:
    """f at one array, with the first choice of every setting, then with the second, ..."""
    return [case(lambda x, s=chosen: f(x, **{k: here(v, x) for k, v in zip(choices, s, strict=True)}), shape, draw=draw)
            for chosen in zip(*choices.values(), strict=True)]


def convolutions(row: Callable, factors: str, size: str = "") -> list[Case]:
    """A row of two of the factors x, W and y of a convolution, and of a bias of c or k channels, in all GEOMETRIES.

    factors: their letters, in the order of the row's arguments. size: the factor whose size is a setting of the row.
    """
    def geometry(stride: int, padding: int, a: int, b: int, c: int) -> Case:
        places = [conv.conv_size(n, k, stride, padding) for n, k in ((5, a), (4, b))]
        shapes = {"x": (2, 5, 4, c), "W": (a, b, c, 2), "y": (2, *places, 2), "c": (c,), "k": (2,)}
        given: dict[str, Any] = {"size": {"x": (5, 4), "W": (a, b)}[size]} if size else {}
        return case(partial(row, stride=stride, padding=padding, **given), *(shapes[f] for f in factors), core=4)
    return [geometry(*setting) for setting in GEOMETRIES]


def here(value: Any, x: Any) -> Any:
    """value with its arrays moved to x's device, and its float arrays cast to x's dtype."""
    if isinstance(value, tuple):
        return tuple(here(v, x) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    x = data_of(x)
    return to_device(value.astype(x.dtype) if value.dtype.kind == "f" else value, device_of(x))


def refit(obj: Any, tensors: Any) -> Any:
    """A copy of obj with these Tensors as its parameters; a shared parameter is replaced wherever it is used."""
    return copy.deepcopy(obj, {id(old): new for old, new in zip(params(obj).values(), tensors, strict=True)})


def weights(obj: Any, rng: np.random.Generator) -> list[np.ndarray]:
    return [0.5 * rng.standard_normal(p.shape) for p in params(obj).values()]


def seeded(n: int = 0) -> np.random.Generator:
    return np.random.default_rng(n)


def layer(obj: Any, shape: Shape) -> Case:
    """A layer as a function of its input and its parameters; each call draws the same noise."""
    return Case(lambda x, *tensors: refit(obj, tensors)(x, seeded()),
                lambda rng: [normal(rng, shape), *weights(obj, rng)])


def model(make: Callable, images: Shape = (3, 6), noisy: bool = True, **sizes: Any) -> Case:
    """Every loss of a tiny model as a function of its parameters; each call draws the same noise."""
    obj, batch = make(rng=seeded(), **sizes), fraction(seeded(1), images)

    def losses(*tensors: Any) -> Tensor:
        terms = refit(obj, tensors).losses(here(batch, tensors[0]), seeded() if noisy else None)
        return ops.stack(*(ops.reshape(term, shape=()) for term in terms.values()))
    return Case(losses, lambda rng: weights(obj, rng))


def by_contract(make: Callable) -> list[Case]:
    """The case of a model that has no line of its own: what models/__init__.py asks of every constructor."""
    smooth = {"activation": "tanh"} if "activation" in inspect.signature(make).parameters else {}
    return [model(lambda rng: make(6, (5,), 3, rng=rng, **smooth))]


def players(make: Callable, images: Shape = (3, 6), **sizes: Any) -> list[Case]:
    """The loss of each player of a tiny adversarial model as a function of the parameters that it may change."""
    obj, batch = make(rng=seeded(), **sizes), fraction(seeded(1), images)

    def turn(name: str) -> Case:
        own = obj.players()[name][1]

        def loss(*tensors: Any) -> Tensor:
            mine = dict(zip(own, tensors, strict=True))
            everyone = [mine.get(name, Tensor(here(p.numpy(), tensors[0]))) for name, p in params(obj).items()]
            term, = refit(obj, everyone).players()[name][0](here(batch, tensors[0]), seeded()).values()
            return term
        return case(loss, *(p.shape for p in own.values()))
    return [turn(name) for name in obj.players()]


# ---- the lines

LABELS = np.array([2, 0, 2])
MASK = np.array([True, False, True, False])
PARTS = [((3, 4), (3, 4)), ((3, 4), ()), ((3, 1), (4,)), ((1,), (2, 1))]
KEYS: list[Any] = [
    1, (slice(None), -1), (slice(None, None, -2), None), (..., slice(1, 3)), slice(1, 1), [0, 2, 0], MASK[:3],
    (np.array([0, 2, 0]), np.array([1, 1, 1])), (slice(None), np.array([[3, 3], [0, 3]])), (1, np.array([0, 0]))]
WIDTHS = [((1, 0), (2, 3)), ((0, 0), (0, 0)), ((0, 2), (0, 0))]

GEOMETRIES = [(1, 0, 1, 1, 1), (2, 1, 3, 3, 3), (3, 2, 2, 4, 1), (1, 3, 4, 1, 9)]   # stride, padding, kernel, channels

CASES: dict[str, list[Case]] = {
    # rows of two arguments
    "add": binary(ops.add),
    "sub": binary(ops.sub),
    "mul": binary(ops.mul),
    "div": binary(ops.div, (normal, nonzero)),
    "power": [*binary(ops.power, (positive, normal)),
              case(lambda x: x ** x, (2, 3), draw=positive), case(lambda x: 2 ** x, (2, 3)),
              *(case(lambda x, k=k: x ** k, (2, 3), draw=nonzero) for k in (0, 1, 2, 3, -1))],
    "maximum": binary(ops.maximum, (distinct, between)),
    "minimum": binary(ops.minimum, (distinct, between)),
    "matmul": [case(ops.matmul, *shapes, core=2) for shapes in FACTORS],
    "where": [case(lambda x, y: ops.where(here(MASK, x), x, y), *shapes) for shapes in PARTS],
    "keep": [case(lambda x: ops.keep(x, here(MASK, x)), shape) for shape in ((3, 4), (4,), ())],
    "affine": [case(fused.affine, (3, 4), (4, 2), (2,), core=1), case(fused.affine, (2, 3, 4), (4, 2), (2,), core=1)],
    "sse": alike(fused.sse),
    "bce": alike(fused.bce, draw=(normal, fraction)),
    "kl": alike(fused.kl),
    "squared_norm": unary(fused.squared_norm),
    "log_mean_sigmoids": [*(case(fused.log_mean_sigmoids, shape) for shape in ((3, 4), (1, 2))),
                          case(fused.log_mean_sigmoids, (3, 4), draw=far)],
    # rows of one argument
    "neg": unary(ops.neg),
    "abs": unary(ops.abs, distinct),
    "sqrt": unary(ops.sqrt, positive),
    "square": unary(ops.square),
    "exp": unary(ops.exp),
    "expm1": unary(ops.expm1),
    "log": unary(ops.log, positive),
    "log1p": unary(ops.log1p, positive),
    "sin": unary(ops.sin),
    "cos": unary(ops.cos),
    "tanh": unary(ops.tanh),
    "sigmoid": unary(ops.sigmoid),
    "softplus": unary(ops.softplus, distinct),
    "relu": unary(ops.relu, distinct),
    # rows with settings
    "leaky_relu": [*unary(ops.leaky_relu, distinct), *unary(lambda x: ops.leaky_relu(x, slope=0.3), distinct)],
    "elu": [*unary(ops.elu, distinct), *unary(lambda x: ops.elu(x, alpha=0.7), distinct)],
    "clip": unary(lambda x: ops.clip(x, low=-0.6, high=0.9), distinct),
    # reductions
    "sum": reduction(ops.sum),
    "mean": reduction(ops.mean),
    "max": reduction(ops.max, distinct),
    "min": reduction(ops.min, distinct),
    "sum_to": settings(ops.sum_to, (2, 3, 4), shape=[(2, 3, 4), (4,), (3, 1), (1, 1, 4), (1,), ()]),
    "broadcast_to": settings(ops.broadcast_to, (3, 1), shape=[(3, 1), (3, 4), (2, 3, 4), (0, 3, 1)]),
    # rows that move numbers
    "index": [*settings(ops.index, (3, 4), key=KEYS), *settings(ops.index, (), key=[(), None])],
    "put": [case(lambda g, k=key: ops.put(g, key=here(k, g), shape=(3, 4)), np.zeros((3, 4))[key].shape)
            for key in KEYS],
    "pad": settings(ops.pad, (3, 4), width=WIDTHS),
    "crop": settings(ops.crop, (3, 6), width=WIDTHS),
    "reshape": settings(ops.reshape, (3, 4), shape=[(2, 6), (12,), (1, 3, -1, 2), -1]),
    "transpose": settings(ops.transpose, (2, 3, 4), axes=[None, (1, 2, 0), (0, -1, 1), (0, 1, 2)]),
    "swapaxes": settings(ops.swapaxes, (2, 3, 4), axis1=[0, -1, 1], axis2=[2, -2, 1]),
    "cast": [*unary(lambda x: ops.cast(x, dtype=x.dtype)),     # one cast alone: in two, a wrong sign would cancel
             *unary(lambda x: ops.cast(ops.cast(x, dtype=np.float64), dtype=x.dtype))],
    "concatenate": [*several(ops.concatenate), case(ops.concatenate, (2, 3), (0, 3), (1, 3))],
    "stack": [*several(ops.stack), case(lambda x, y: ops.stack(x, y, axis=2), (2, 3), (2, 3)), case(ops.stack, (), ())],
    # convolution and what goes with it
    "conv2d": convolutions(conv.conv2d, "xW"),
    "conv_transpose2d": convolutions(conv.conv_transpose2d, "yW", size="x"),
    "conv2d_kernel": convolutions(conv.conv2d_kernel, "xy", size="W"),
    "conv2d_affine": convolutions(conv.conv2d_affine, "xWk"),
    "conv_transpose2d_affine": convolutions(conv.conv_transpose2d_affine, "yWc", size="x"),
    "max_pool2d": settings(conv.max_pool2d, (2, 5, 4, 2), size=[1, 2, 3], draw=distinct),
    "avg_pool2d": settings(conv.avg_pool2d, (2, 5, 4, 2), size=[1, 2, 3]),
    "upsample2d": settings(conv.upsample2d, (2, 3, 2, 2), size=[1, 2, 3]),
    # functions
    "softmax": [*unary(functions.softmax)[1:3], case(lambda x: functions.softmax(x, axis=0), (2, 3, 2))],
    "log_softmax": [*unary(functions.log_softmax)[1:3], case(lambda x: functions.log_softmax(x, axis=0), (2, 3, 2))],
    "logsumexp": reduction(functions.logsumexp),
    "var": reduction(functions.var),
    "layer_norm": [case(functions.layer_norm, (2, 3)), case(functions.layer_norm, (2, 2, 3, 4))],
    "squared_error": alike(functions.squared_error),
    "bce_with_logits": alike(functions.bce_with_logits, draw=(normal, fraction)),
    "cross_entropy": [case(lambda x: functions.cross_entropy(x, here(LABELS, x)), (3, 4))],
    "gaussian_kl": [*alike(functions.gaussian_kl), *alike(functions.gaussian_kl, 4)],
    "gaussian_nll": [*alike(functions.gaussian_nll, 3),
                     *(case(functions.gaussian_nll, (3, 4), (3, 4), shape) for shape in ((), (1,)))],
    "sparsity_kl": [case(lambda x: functions.sparsity_kl(x, 0.1), shape) for shape in ((3, 4), (1, 2))],
    "dropout": unary(lambda x: functions.dropout(x, 0.4, seeded())),
    "gaussian_noise": unary(lambda x: functions.gaussian_noise(x, 0.3, seeded())),
    # layers
    "Dense": [layer(Dense(4, 3, activation=name, rng=seeded()), (2, 4)) for name in ACTIVATIONS],
    "TiedDense": [layer(Sequential(dense := Dense(4, 3, activation="tanh", rng=seeded()),
                                   TiedDense(dense, activation="elu")), (2, 4))],
    "Conv2D": [layer(layers.Conv2D(2, 3, 3, stride=2, activation="tanh", rng=seeded()), (2, 5, 4, 2))],
    "ConvTranspose2D": [layer(layers.ConvTranspose2D(3, 2, 3, stride=2, output_padding=(0, 1), activation="tanh",
                                                     rng=seeded()), (2, 3, 2, 3))],
    "TiedConv2D": [layer(Sequential(forth := layers.Conv2D(2, 3, 3, stride=2, activation="tanh", rng=seeded()),
                                    layers.TiedConv2D(forth, (5, 4), activation="elu")), (2, 5, 4, 2))],
    "MaxPool2D": [Case(layers.MaxPool2D(2), lambda rng: [distinct(rng, (2, 5, 4, 2))])],
    "Upsample": [layer(layers.Upsample(2), (2, 3, 2, 2))],
    "Flatten": [layer(layers.Flatten(), (2, 3, 2))],
    "Reshape": [layer(layers.Reshape((3, 2, 1)), (2, 6))],
    "Dropout": [layer(Dropout(0.4), (3, 4))],
    "Sequential": [layer(Sequential(Dense(4, 3, activation="tanh", rng=seeded()), Dropout(0.4), ops.sin,
                                    Dense(3, 2, rng=seeded(1))), (2, 4))],
    # models
    "autoencoder": [model(models.Autoencoder, n_in=6, hidden=(5, 4), latent=2, activation="tanh")],
    "sparse": [model(models.Sparse, n_in=6, hidden=hidden, latent=4, activation="tanh", penalty=penalty)
               for hidden in ((), (5,)) for penalty in ("kl", "l1")],
    "linear": [model(models.LinearAutoencoder, n_in=6, hidden=(), latent=2)],
    "stacked": [model(models.Stacked, n_in=6, hidden=(5,), latent=3, l2=0.3)],
    "denoising": [model(models.Denoising, n_in=6, hidden=(5,), latent=4, activation="tanh", noise=noise, level=0.4)
                  for noise in ("gaussian", "masking")],
    "dropout_autoencoder": [model(models.DropoutAutoencoder, n_in=6, hidden=(5,), latent=2, activation="tanh",
                                  rate=0.4)],
    "contractive": [*(model(models.Contractive, n_in=6, hidden=hidden, latent=4) for hidden in ((), (5,))),
                    model(models.Contractive, noisy=False, n_in=6, hidden=(5,), latent=2)],        # exact
    "adversarial": players(models.Adversarial, n_in=6, hidden=(5,), latent=2, activation="tanh"),
    "winner_take_all": [model(models.WinnerTakeAll, images=(8, 6), n_in=6, hidden=hidden, latent=4, share=0.4,
                              activation="tanh") for hidden in ((), (5,))],
    "gsn": [model(models.GSN, n_in=6, hidden=(5,), latent=4, activation="tanh", walkback=2)],
    "vae": [model(models.VAE, n_in=6, hidden=(5,), latent=2, activation="elu", beta=0.7, likelihood=p, scale=s)
            for p, s in (("bernoulli", "log_var"), ("bernoulli", "sigma"), ("gaussian", "log_var"))],
    "conv_autoencoder": [model(models.ConvAutoencoder, (2, 15), shape=(5, 3), channels=(2, 3), latent=2,
                               activation="tanh")],
    "conv_stacked": [model(models.ConvStacked, (2, 15), shape=(5, 3), channels=(2, 3), latent=2, l2=0.3)],
    "conv_denoising": [model(models.ConvDenoising, (2, 15), shape=(5, 3), channels=(3,), latent=2, activation="tanh",
                             level=0.4)],
    "conv_winner_take_all": [model(models.ConvWinnerTakeAll, (5, 24), shape=(4, 6), channels=channels, latent=3,
                                   share=0.4) for channels in ((), (2,))],
    "conv_vae": [model(models.ConvVAE, (2, 12), shape=12, channels=(3,), latent=2, activation="elu", beta=0.7,
                       hidden=hidden, likelihood=p) for hidden, p in (((), "bernoulli"), ((4,), "gaussian"))],
}


CASES |= {name: by_contract(make) for name, make in models.MODELS.items() if name not in CASES}


def subjects() -> dict[str, str]:
    """name -> "row", "function", "layer" or "model", for everything in the library that has a gradient."""
    def public(module: Any, is_one: Callable) -> list[str]:
        return [name for name, obj in vars(module).items()
                if is_one(obj) and obj.__module__.startswith(module.__name__) and not name.startswith("_")]

    return {**dict.fromkeys(ops.ROWS | fused.ROWS | conv.ROWS, "row"),
            **dict.fromkeys(public(functions, inspect.isfunction), "function"),
            **dict.fromkeys(public(layers, lambda obj: inspect.isclass(obj) and "__call__" in vars(obj)), "layer"),
            **dict.fromkeys(models.MODELS, "model")}
