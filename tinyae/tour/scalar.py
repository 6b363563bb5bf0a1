"""tour · scalar: the engine of chapters 1 and 2, which their checks hand to what the reader writes.

A test compares it with the cells of the two chapters, line by line.
"""
# mypy: disable-error-code="attr-defined"
from itertools import count

now = count().__next__


class Tensor:
    """A number that remembers which op made it, from what, and when."""
    def __init__(self, data, op=None, args=()):
        self.data, self.op, self.args = data, op, args
        self.born = now()
    def __add__(self, y):
        return add(self, y)
    def __mul__(self, y):
        return mul(self, y)


def op(forward, *vjps):
    """z = forward(x, y), and for each argument its vjp(g, z, x, y)."""
    def row(*args):
        return Tensor(forward(*[a.data for a in args]), row, args)
    row.forward, row.vjps = forward, vjps
    return row


add = op(lambda x, y: x + y, lambda g, z, x, y: g, lambda g, z, x, y: g)
mul = op(lambda x, y: x * y, lambda g, z, x, y: g * y, lambda g, z, x, y: g * x)
