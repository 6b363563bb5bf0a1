"""Step 1: the chain rule as a sum over paths, for single numbers."""
import math


class Tensor:
    """A number that remembers which op made it, and from what."""
    def __init__(self, data, op=None, args=()):
        self.data, self.op, self.args = data, op, args

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


def grad(y, wrt):
    """dy/dw for each w in wrt: the sum over all paths from y down to w."""
    grads = {}

    def walk(t, g):                         # g: the product of the slopes from y down to t
        grads[t] = grads.get(t, 0.0) + g
        if t.op is not None:
            for a, vjp in zip(t.args, t.op.vjps, strict=True):
                walk(a, vjp(g, t.data, *[arg.data for arg in t.args]))

    walk(y, 1.0)
    return [grads[w] for w in wrt]


add = op(lambda x, y: x + y, lambda g, z, x, y: g, lambda g, z, x, y: g)
mul = op(lambda x, y: x * y, lambda g, z, x, y: g * y, lambda g, z, x, y: g * x)
exp = op(math.exp, lambda g, z, x: g * z)

if __name__ == "__main__":
    w, x, b = Tensor(2.0), Tensor(3.0), Tensor(-1.0)
    h = w * x + b
    print("d(h * h)/dw =", *grad(h * h, [w]))
    print("d exp(b * b)/db =", *grad(exp(b * b), [b]))
