"""show: the tape as a table and the backward pass in words, each with its numbers.

    show(y, params(model))                          # a line for each Tensor that y was made of
    explain(y, params(model))                       # what grad does, with its numbers
    draw(y, "graph.html", params(model))            # both as a page to step through; or a picture, "graph.svg"
"""
from .draw import draw
from .words import explain, show

__all__ = ["draw", "explain", "show"]
