"""layers: callable objects that own Tensors.

There is no base class. A layer is any object that can be called as layer(x, rng=None); params(obj) finds the Tensors of
any object. Without an rng a layer is deterministic, so there is no train/eval mode.
"""
from .convolution import Conv2D, ConvTranspose2D
from .dense import ACTIVATIONS, INITIALIZERS, Dense
from .parameters import params
from .pooling import MaxPool2D, Upsample
from .printing import printed
from .sequential import Dropout, Flatten, Reshape, Sequential, dense_stack
from .summary import summary
from .tied import TiedConv2D, TiedDense
from .weights import load, load_params, save

__all__ = ["ACTIVATIONS", "INITIALIZERS", "Conv2D", "ConvTranspose2D", "Dense", "Dropout", "Flatten", "MaxPool2D",
           "Reshape", "Sequential", "TiedConv2D", "TiedDense", "Upsample", "dense_stack", "load", "load_params",
           "params", "printed", "save", "summary"]

printed(Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, MaxPool2D, Reshape, Sequential, TiedConv2D, TiedDense,
        Upsample)
