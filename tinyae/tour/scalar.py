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


def tape(y):
    """y and all Tensors that it was made of, oldest first."""
    seen, todo = {y}, [y]
    while todo:
        for a in todo.pop().args:
            if a not in seen:
                seen.add(a)
                todo.append(a)
    return sorted(seen, key=lambda t: t.born)


def grad(y, wrt):
    """dy/dw for each w in wrt."""
    grads = {y: 1.0}
    for t in reversed(tape(y)):             # newest first: all that used t comes before t
        if t.op is not None:
            numbers = [a.data for a in t.args]
            for a, vjp in zip(t.args, t.op.vjps, strict=True):
                grads[a] = grads.get(a, 0.0) + vjp(grads[t], t.data, *numbers)
    return [grads[w] for w in wrt]
