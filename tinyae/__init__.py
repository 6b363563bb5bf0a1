"""tinyae: reverse-mode autodiff to read in an evening, and the textbook autoencoders on top of it.

`import tinyae` is enough for every chapter. It loads the engine; tinyae.data, tinyae.models, tinyae.optim, tinyae.tour
and tinyae.train are loaded when they are first used (PEP 562), so that the import stays fast.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

from . import check, conv, functions, layers, ops, refusals
from .check.gradcheck import gradcheck
from .layers import load, load_params, params, save, summary
from .show import draw, explain, show
from .tensor import Tensor, grad, op
from .unroll import unroll

if TYPE_CHECKING:
    from . import data, models, optim, tour, train

__all__ = ["Tensor", "check", "conv", "data", "draw", "explain", "functions", "grad", "gradcheck", "layers", "load",
           "load_params", "models", "op", "ops", "optim", "params", "save", "show", "summary", "tour", "train",
           "unroll"]


def __getattr__(name: str) -> Any:
    """Python asks this for a name that is not loaded: a chapter's, or none that there is."""
    if name not in __all__:
        raise refusals.elsewhere(__name__, name)
    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
