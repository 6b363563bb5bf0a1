"""7 of 9 · layers: callable objects that own Tensors.

There is no base class: a layer is anything that is called as layer(x, rng=None), and params(obj) finds the Tensors of
any object. Without an rng a layer is deterministic, so there is no train/eval mode either.
"""
from .convolution import Conv2D, ConvTranspose2D, MaxPool2D, TiedConv2D, Upsample
from .dense import ACTIVATIONS, INITIALIZERS, Dense, TiedDense
from .parameters import load_params, params
from .sequential import Dropout, Flatten, Reshape, Sequential, dense_stack
from .summary import summary

__all__ = [
           "ACTIVATIONS",
           "INITIALIZERS",
           "Conv2D",
           "ConvTranspose2D",
           "Dense",
           "Dropout",
           "Flatten",
           "MaxPool2D",
           "Reshape",
           "Sequential",
           "TiedConv2D",
           "TiedDense",
           "Upsample",
           "dense_stack",
           "load_params",
           "params",
           "summary",
]
