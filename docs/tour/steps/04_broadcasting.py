"""Step 4: broadcasting is undone, once, in grad. New: sum_to, and two lines in grad."""
from itertools import count

import numpy as np

now = count().__next__


class Tensor:
    """An array that remembers which op made it, from what, and when."""
    def __init__(self, data, op=None, args=()):
        self.data, self.op, self.args = np.asarray(data, float), op, args
        self.born = now()

    shape = property(lambda self: self.data.shape)
    __add__ = lambda x, y: add(x, y)
    __sub__ = lambda x, y: sub(x, y)
    __mul__ = lambda x, y: mul(x, y)
    __matmul__ = lambda x, y: matmul(x, y)


def op(forward, *vjps):
    """z = forward(x, y), and for each argument its vjp(g, z, x, y)."""
    def row(*args):
        return Tensor(forward(*[a.data for a in args]), row, args)
    row.forward, row.vjps = forward, vjps
    return row


def grad(y, wrt):
    """dy/dw for each w in wrt; y has one element."""
    grads = {y: np.ones_like(y.data)}
    for t in reversed(tape(y)):             # newest first: all that used t comes before t
        if t.op is not None:
            arrays = [a.data for a in t.args]
            for a, vjp in zip(t.args, t.op.vjps, strict=True):
                ga = vjp(grads[t], t.data, *arrays)
                if ga.shape != a.shape:     # a was broadcast: add up the gradients of its copies
                    ga = sum_to(ga, a.shape)
                grads[a] = grads.get(a, 0.0) + ga
    return [grads[w] for w in wrt]


def tape(y):
    """y and all Tensors that it was made of, oldest first."""
    seen, todo = {y}, [y]
    while todo:
        for a in todo.pop().args:
            if a not in seen:
                seen.add(a)
                todo.append(a)
    return sorted(seen, key=lambda t: t.born)


def sum_to(x, shape):
    """x summed over the axes along which `shape` was broadcast."""
    new = x.ndim - len(shape)
    axes = (*range(new), *(new + i for i, n in enumerate(shape) if n == 1))
    return np.sum(x, axis=axes, keepdims=True).reshape(shape)


add = op(np.add, lambda g, z, x, y: g, lambda g, z, x, y: g)
sub = op(np.subtract, lambda g, z, x, y: g, lambda g, z, x, y: -g)
mul = op(np.multiply, lambda g, z, x, y: g * y, lambda g, z, x, y: g * x)
matmul = op(np.matmul, lambda g, z, x, y: g @ y.mT, lambda g, z, x, y: x.mT @ g)
exp = op(np.exp, lambda g, z, x: g * z)
tanh = op(np.tanh, lambda g, z, x: g * (1 - z * z))
square = op(np.square, lambda g, z, x: g * (2 * x))
sum = op(np.sum, lambda g, z, x: np.broadcast_to(g, x.shape))

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x, W, b = Tensor(rng.normal(size=(4, 3))), Tensor(rng.normal(size=(3, 2))), Tensor([0.5, -0.5])
    print("dL/db =", *grad(sum(square(tanh(x @ W + b))), [b]))
