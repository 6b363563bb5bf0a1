"""unroll: the forward and the backward pass of a loss, written out as straight-line NumPy.

    program = unroll(f, x, wrt=params(model))       # f is called on a recording of x
    print(program)                                  # what a person would have written by hand
    value, gradients = program(x)                   # what f and grad would return, bit for bit
"""
from .passes import PASSES
from .program import Program, unroll
from .step import Step, unroll_step

__all__ = ["PASSES", "Program", "Step", "unroll", "unroll_step"]
