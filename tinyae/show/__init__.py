"""show: the tape as a table and the backward pass in words, each with its numbers.

    show(y, params(model))                          # a line for each Tensor that y was made of
    explain(y, params(model))                       # what grad does, with its numbers
"""
from .words import explain, show

__all__ = ["explain", "show"]
