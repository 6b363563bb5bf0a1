"""tinyae: reverse-mode autodiff to read in an evening, and the textbook autoencoders on top of it."""
from . import functions, ops
from .check.gradcheck import gradcheck
from .layers import load_params, params, summary
from .tensor import Tensor, grad, op

__version__ = "0.1.0"
__all__ = ["Tensor", "functions", "grad", "gradcheck", "load_params", "op", "ops", "params", "summary"]
