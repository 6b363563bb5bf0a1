"""tour · ch02: exercises of the chapter on the tape."""
from __future__ import annotations

from typing import Any

from ..errors import BadValue
from .exercise import Exercise, compare
from .scalar import Tensor, grad, tape


def hasty(y: Any, wrt: Any) -> Any:
    """The chapter's grad that does not wait."""
    grads = {y: 1.0}

    def walk(t: Any) -> None:
        for a, vjp in zip(t.args, t.op.vjps if t.op else (), strict=True):
            grads[a] = grads.get(a, 0.0) + vjp(grads[t], t.data, *[arg.data for arg in t.args])
        for a in t.args:
            walk(a)

    walk(y)
    return [grads[w] for w in wrt]


def check_smallest(answer: Any) -> str:
    """answer(a) -> y, of at most two ops, for which hasty is wrong."""
    a = Tensor(3.0)
    y = answer(a)
    if not isinstance(y, Tensor) or a not in (past := tape(y)):
        raise BadValue("smallest(a) must return a Tensor made of a", expected="a sum or product of a", got=repr(y)[:80],
                       fix="combine a with + and *, and return the result")
    ops = [t for t in past if t.op]
    if len(ops) > 2:
        raise BadValue("smallest(a) may use two ops", expected="at most 2 ops", got=f"{len(ops)} ops",
                       fix="each + and each * is one op; a value with a name is computed once and can be used twice")
    if hasty(y, [a]) == grad(y, [a]):
        raise BadValue("hasty is right here", expected="a y for which hasty(y, [a]) is not dy/da",
                       got=f"{grad(y, [a])[0]:g} from both, with a = 3",
                       fix="a itself passes nothing on, so it may be visited twice: another Tensor must be used twice")
    if len({t.op.forward(2.0, 3.0) for t in ops}) == 1 and ops[0].data == 6.0:
        raise BadValue("smallest(a) may not be the chapter's example", expected="another y", got="b = a + a, b + b",
                       fix="exchange a + for a *")
    return ""


def check_order(answer: Any) -> float:
    """answer(y) -> the Tensors of y's past, arguments before results."""
    a = Tensor(1.0)
    b = a + a
    c, unused = b * a, b + a
    y = c + b
    deep = a
    for _ in range(50_000):
        deep = deep + a
    for what, root in (("a single leaf", a), ("y = (b * a) + b with b = a + a", y),
                       ("a chain of 50 000 sums", deep)):
        try:
            found = list(answer(Anonymous.of(root)))
        except RecursionError:
            raise BadValue("order(y) recurses as deep as the graph", expected=f"the order of {what}",
                           got="RecursionError", fix="keep a list of Tensors still to visit, in place of the calls"
                           ) from None
        expected = {t.born for t in tape(root)}
        if sorted(t.number for t in found) != sorted(expected):
            missing, extra = expected - {t.number for t in found}, len(found) - len({t.number for t in found})
            raise BadValue(f"order(y) of {what} lists the wrong Tensors", expected=f"{len(expected)}, each once",
                           got=f"{len(found)} Tensors, {len(missing)} missing, {extra} listed again",
                           fix="remember in a set which Tensors have been listed" if extra else
                           "follow all arguments of all Tensors, and do not forget y itself")
        place = {t: i for i, t in enumerate(found)}
        late = [t for t in found if any(place[a] > place[t] for a in t.args)]
        if late:
            raise BadValue(f"order(y) of {what} has a result before its argument", expected="arguments before results",
                           got=f"{len(late)} of {len(found)} Tensors stand too early",
                           fix="list a Tensor when all of its arguments are listed: look at it again after them"
                           if late != found[:-1] else "the order is newest first: reverse it")
    return 0.0 * unused.data


class Anonymous:
    """A Tensor without a birth number: args are all that tells its place."""
    def __init__(self, number: int, args: tuple):
        self.number, self.args = number, args

    @classmethod
    def of(cls, y: Any) -> Any:
        """The same graph, of such Tensors."""
        made: dict[Any, Anonymous] = {}
        for t in tape(y):
            made[t] = cls(t.born, tuple(made[a] for a in t.args))
        return made[y]


def check_backward(answer: Any) -> float:
    """answer(y) sets t.grad of every Tensor of y's past."""
    a, b, d = Tensor(2.0), Tensor(-3.0), Tensor(1.5)
    c = a + b
    e = c * d
    other = c * c
    worst = 0.0
    for call, y in (("backward(f), with f = (a + b) * (a + b)", other), ("the same call again", other),
                    ("backward(e), with e = (a + b) * d, after that", e), ("backward(e) again", e)):
        answer(y)
        past = tape(y)
        if missing := [t for t in past if not hasattr(t, "grad")]:
            raise BadValue(f"{call} must set .grad of all Tensors", expected=f"{len(past)} gradients",
                           got=f"{len(missing)} Tensors without one", fix="y, its leaves and everything between")
        want = grad(y, past)
        got = [t.grad for t in past]
        worst = max(worst, compare(f"{call}: the gradients, oldest Tensor first,", got, want,
                                   "set every gradient on the tape to zero first, not those of the leaves alone: what "
                                   "an earlier call has left would be passed on again" if "again" in call or y is e
                                   else "pass gradients on newest first, and add up the uses"))
    return worst


EXERCISES = (
    Exercise(
        "2.1", "smallest", """\
Delete the order, and most small examples still come out right. Write `smallest(a)`: from the Tensor a, build a y, with
at most two ops, + or *, for which `hasty` is wrong. It may not be the example above.""", """\
def smallest(a):
    return (a + a) * a
""", ("hasty is wrong when a Tensor that an op has made is visited twice. How often is a + a visited in the starter?",
      "Give the first op's result a name, and use it twice."), check_smallest),
    Exercise(
        "2.2", "order", """\
Suppose that Tensors had no birth numbers, as in most engines. Write `order(y)`: a list of y and all Tensors that it was
made of, each once, arguments before results. Use `args` alone, and no recursion: the graph may be 50 000 ops
deep.""", """\
def order(y):
    found = []
    def visit(t):
        if t not in found:
            for a in t.args:
                visit(a)
            found.append(t)
    visit(y)
    return found
""", ("The recursion remembers for you where it was. Keep a list `todo` of Tensors instead, with y in it at first.",
      "Look at the last Tensor of todo. If some argument is not yet listed, put the argument on top of it.",
      "If all of its arguments are listed, take it off todo and list it, unless it is listed already. Use a set for "
      "that question: searching a list of 50 000 takes long."), check_order),
    Exercise(
        "2.3", "backward", """\
Some engines keep the gradients in the Tensors. Write `backward(y)`: it sets `t.grad` to dy/dt for every Tensor t on the
tape of y. A second call, of the same y or of another, must be as right as the first. You may use `tape`, which
`from tinyae.tour.scalar import tape` brings.""", """\
def backward(y):
    for t in tape(y):
        t.grad = getattr(t, "grad", 0.0)
    y.grad = 1.0
    for t in reversed(tape(y)):
        if t.op is not None:
            for a, vjp in zip(t.args, t.op.vjps, strict=True):
                a.grad += vjp(t.grad, t.data, *[arg.data for arg in t.args])
""", ("Call the starter twice on c = b + b, b = a + a, and print b.grad and a.grad each time.",
      "Which Tensors must be at zero before the loop starts?"), check_backward),
)
