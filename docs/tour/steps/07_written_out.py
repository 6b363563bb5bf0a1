"""Step 7: the backward pass, written out. New: written, and the names of the rows.

With create_graph, forward and backward pass stand on one tape, and the tape in birth order is the program.
"""
from itertools import count

import numpy as np

now = count().__next__


class Tensor:
    """An array that remembers which op made it, from what, and when. Anything else is a constant."""
    __array_ufunc__ = None                  # array * t asks t.__rmul__

    def __init__(self, data, op=None, args=(), settings=None):
        self.data, self.op, self.args, self.settings = np.asarray(data, float), op, args, settings or {}
        self.parents = [a for a in args if isinstance(a, Tensor)]
        self.born = now()

    shape = property(lambda self: self.data.shape)
    mT = property(lambda self: swapaxes(self, axis1=-1, axis2=-2))
    __add__ = lambda x, y: add(x, y)
    __radd__ = lambda x, y: add(y, x)
    __sub__ = lambda x, y: sub(x, y)
    __rsub__ = lambda x, y: sub(y, x)
    __mul__ = lambda x, y: mul(x, y)
    __rmul__ = lambda x, y: mul(y, x)
    __matmul__ = lambda x, y: matmul(x, y)
    __rmatmul__ = lambda x, y: matmul(y, x)
    __neg__ = lambda x: sub(0, x)


def op(forward, *vjps):
    """z = forward(x, y, **settings), and for each argument its vjp(g, z, x, y, **settings)."""
    def row(*args, **settings):
        z = forward(*[data_of(a) for a in args], **settings)
        return Tensor(z, row, args, settings) if any(isinstance(a, Tensor) for a in args) else z
    row.forward, row.vjps = forward, vjps
    return row


def data_of(x):
    return x.data if isinstance(x, Tensor) else x


def grad(y, wrt, create_graph=False, unused="error"):
    """dy/dw for each w in wrt: arrays, or with create_graph Tensors. y has one element."""
    past, live = tape(y), set(wrt)
    for t in past:                          # oldest first: which Tensors depend on wrt?
        if not live.isdisjoint(t.parents):
            live.add(t)
    one = np.ones_like(y.data)
    grads = {y: Tensor(one) if create_graph else one}
    for t in reversed(past):                # newest first: all that used t comes before t
        if t.op is None or t not in live:
            continue
        z, args = (t, t.args) if create_graph else (t.data, [data_of(a) for a in t.args])
        for a, vjp in zip(t.args, t.op.vjps, strict=True):
            if isinstance(a, Tensor) and a in live:
                ga = vjp(grads[t], z, *args, **t.settings)
                if ga.shape != a.shape:     # a was broadcast: add up the gradients of its copies
                    ga = sum_to(ga, shape=a.shape)
                grads[a] = grads[a] + ga if a in grads else ga
    if unused == "error" and not grads.keys() >= set(wrt):
        raise ValueError("no path from y to an entry of wrt")
    return [grads[w] if w in grads else np.zeros_like(w.data) for w in wrt]


def tape(y):
    """y and all Tensors that it was made of, oldest first."""
    seen, todo = {y}, [y]
    while todo:
        for a in todo.pop().parents:
            if a not in seen:
                seen.add(a)
                todo.append(a)
    return sorted(seen, key=lambda t: t.born)


def added_up(x, shape):
    """x summed over the axes along which `shape` was broadcast."""
    new = x.ndim - len(shape)
    axes = (*range(new), *(new + i for i, n in enumerate(shape) if n == 1))
    return np.sum(x, axis=axes, keepdims=True).reshape(shape)


def gradcheck(f, *points, order=2, h=1e-5, tolerance=1e-6):
    """Whether <v, J u> by differences is <J^T v, u> by grad, for random v and u; and the same of the gradient."""
    rng = np.random.default_rng(0)
    tensors, us = [Tensor(x) for x in points], [rng.normal(size=x.shape) for x in points]
    z = f(*tensors)
    v = rng.normal(size=z.shape)
    up, down = (f(*[Tensor(x + step * u) for x, u in zip(points, us, strict=True)]).data for step in (h, -h))
    slope = np.sum(v * (up - down)) / (2 * h)
    gradients = grad(sum(v * z), tensors, unused="zero")
    exact = np.sum([np.sum(g * u) for g, u in zip(gradients, us, strict=True)])
    size = np.sum([np.linalg.norm(g) * np.linalg.norm(u) for g, u in zip(gradients, us, strict=True)])
    right = abs(slope - exact) <= tolerance * max(size, abs(slope))
    if order == 1 or not right:
        return right

    def gradient(v, *xs):                   # of the first argument; v is an argument, too, so that all of them matter
        return grad(sum(v * f(*xs)), xs[:1], create_graph=True)[0]
    return gradcheck(gradient, v, *points, order=order - 1)


def written(names, results):
    """The lines that compute the results, in birth order, and the results' names. names: name -> leaf."""
    words, lines = {t: name for name, t in names.items()}, []
    for t in sorted({t for y in results for t in tape(y)}, key=lambda t: t.born):
        if t.op is None:
            words.setdefault(t, str(t.data.tolist()))
        else:
            words[t] = f"t{len(lines)}"
            given = [words[a] if isinstance(a, Tensor) else repr(a) for a in t.args]
            given += [f"{name}={value!r}" for name, value in t.settings.items()]
            lines.append(f"{words[t]} = {t.op.__name__}({', '.join(given)})")
    return lines, [words[y] for y in results]


def copied_back(g, x, axis):
    """g, with the axes that a sum has removed, copied to x's shape."""
    kept = tuple(1 if axis is None or i == axis % len(x.shape) else n for i, n in enumerate(x.shape))
    return broadcast_to(reshape(g, shape=kept), shape=x.shape)


add = op(np.add, lambda g, z, x, y: g, lambda g, z, x, y: g)
sub = op(np.subtract, lambda g, z, x, y: g, lambda g, z, x, y: -g)
mul = op(np.multiply, lambda g, z, x, y: g * y, lambda g, z, x, y: g * x)
matmul = op(np.matmul, lambda g, z, x, y: g @ y.mT, lambda g, z, x, y: x.mT @ g)
exp = op(np.exp, lambda g, z, x: g * z)
tanh = op(np.tanh, lambda g, z, x: g * (1 - z * z))
square = op(np.square, lambda g, z, x: g * (2 * x))
sum = op(lambda x, axis=None: np.sum(x, axis), lambda g, z, x, axis=None: copied_back(g, x, axis))
sum_to = op(added_up, lambda g, z, x, shape: broadcast_to(g, shape=x.shape))
broadcast_to = op(np.broadcast_to, lambda g, z, x, shape: sum_to(g, shape=x.shape))
reshape = op(lambda x, shape: np.reshape(x, shape), lambda g, z, x, shape: reshape(g, shape=x.shape))
swapaxes = op(lambda x, axis1, axis2: np.swapaxes(x, axis1, axis2),
              lambda g, z, x, axis1, axis2: swapaxes(g, axis1=axis1, axis2=axis2))

ROWS = {name: row for name, row in list(globals().items()) if hasattr(row, "vjps")}
for name in ROWS:
    ROWS[name].__name__ = name

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x, W, b = Tensor(rng.normal(size=(4, 3))), Tensor(rng.normal(size=(3, 2))), Tensor(rng.normal(size=2))
    loss = sum(square(tanh(x @ W + b)))
    lines, results = written({"x": x, "W": W, "b": b}, [loss, *grad(loss, [W, b], create_graph=True)])
    print(*lines, f"# the loss and its gradients: {', '.join(results)}", sep="\n")
    arrays = {**globals(), "x": x.data, "W": W.data, "b": b.data}
    exec("\n".join(lines), arrays)
    print("the same bits as grad:", all(np.array_equal(arrays[result], g) for result, g in
                                        zip(results[1:], grad(loss, [W, b]), strict=True)))
