"""layers · tied: decoders that share the weight of the encoder's layer."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import fused
from ..backend import Rng, Value, describe
from ..conv import conv_transpose2d_affine
from ..errors import BadValue
from ..tensor import Tensor
from .convolution import Conv2D, check_image
from .dense import ACTIVATIONS, Dense, named


class TiedDense:
    """y (n, k) -> f(y @ W.T + b) (n, d): the reverse of a Dense layer, sharing its weight Tensor W (d, k).

    Together the two layers have half the weights of two Dense layers. The gradient of W sums over both uses, and
    params(obj) lists W once. TiedDense itself owns only b (d,).
    """

    def __init__(self, dense: Dense, *, activation: str | Callable = "linear"):
        self.activation = named("activation", activation, ACTIVATIONS)
        self.W = dense.W                                            # (d, k), shared
        self.b = Tensor(np.zeros_like(dense.W.data[:, 0]))          # (d,)

    def __call__(self, y: Value, rng: Rng = None) -> Tensor:
        if y.ndim != 2 or y.shape[1] != self.W.shape[1]:
            d, k = self.W.shape
            raise BadValue(f"TiedDense to Dense({d}, {k}) cannot take this input", expected=f"y (n, {k}), as "
                           "that layer outputs", got=describe(y), fix="decode in the reverse order of encoding")
        return self.activation(fused.affine(y, self.W.T, self.b))


class TiedConv2D:
    """y (n, u, v, k) -> f(conv_transpose2d(y, W) + b) (n, h, w, c), with the W of a Conv2D, which both layers share.

    image: (h, w) of that Conv2D's images, since several sizes lead to one (u, v). W's gradient is the sum over both
    layers; b (c,) belongs to this layer alone.
    """

    def __init__(self, conv: Conv2D, image: Sequence[int], *, activation: str | Callable = "linear"):
        self.activation = named("activation", activation, ACTIVATIONS)
        self.image, self.geometry = tuple(image), conv.geometry
        self.W = conv.W                                             # (kernel, kernel, c, k), shared
        self.b = Tensor(np.zeros_like(conv.W.data[0, 0, :, 0]))     # (c,)

    def __call__(self, y: Value, rng: Rng = None) -> Tensor:
        check_image(self, y, self.W.shape[3])
        return self.activation(conv_transpose2d_affine(y, self.W, self.b, size=self.image, **self.geometry))
