"""Optimizers against trajectories written out from the papers, number by number, in float64."""
import math

import numpy as np
import pytest

from tinyae import Tensor
from tinyae.optim import SGD, Adam, flat
from tinyae.optim.rules import adam_plain, sgd_plain


def gradients(steps, seed):
    return np.random.default_rng(seed).standard_normal((steps, 3))


def run(optimizer_of, steps=7, seed=3, start=(0.5, -1.0, 2.0)):
    p = Tensor(np.array(start))
    optimizer = optimizer_of([p])
    for g in gradients(steps, seed):
        optimizer.step([g])
    return p.data


def by_hand(update, steps=7, seed=3, start=(0.5, -1.0, 2.0)):
    """Each coordinate on its own, in Python floats: update(p, g, t, memory) -> p."""
    columns = zip(start, gradients(steps, seed).T.tolist(), strict=True)
    trajectory = []
    for p, gs in columns:
        memory = {"m": 0.0, "v": 0.0}
        for t, g in enumerate(gs, 1):
            p = update(p, g, t, memory)
        trajectory.append(p)
    return trajectory


def adam(lr=0.1, b1=0.9, b2=0.999, eps=1e-8, decoupled=0.0, l2=0.0):
    def update(p, g, t, memory):
        g = g + l2 * p
        memory["m"] = b1 * memory["m"] + (1 - b1) * g
        memory["v"] = b2 * memory["v"] + (1 - b2) * g * g
        m_hat, v_hat = memory["m"] / (1 - b1 ** t), memory["v"] / (1 - b2 ** t)
        return p - lr * decoupled * p - lr * m_hat / (math.sqrt(v_hat) + eps)
    return update


def sgd(lr=0.1, momentum=0.0, l2=0.0):
    def update(p, g, t, memory):
        memory["v"] = momentum * memory["v"] + g + l2 * p
        return p - lr * memory["v"]
    return update


@pytest.mark.parametrize(("ours", "paper"), [
    (lambda ps: Adam(ps, lr=0.1), adam()),
    (lambda ps: Adam(ps, lr=0.1, betas=(0.5, 0.9)), adam(b1=0.5, b2=0.9)),
    (lambda ps: Adam(ps, lr=0.1, eps=0.5), adam(eps=0.5)),
    (lambda ps: Adam(ps, lr=0.1, weight_decay=0.2), adam(decoupled=0.2)),
    (lambda ps: Adam(ps, lr=0.1, l2=0.2), adam(l2=0.2)),
    (lambda ps: SGD(ps, lr=0.1), sgd()),
    (lambda ps: SGD(ps, lr=0.1, momentum=0.9), sgd(momentum=0.9)),
    (lambda ps: SGD(ps, lr=0.1, momentum=0.9, l2=0.2), sgd(momentum=0.9, l2=0.2)),
], ids=["adam", "betas", "eps", "decoupled decay", "L2", "sgd", "momentum", "momentum and L2"])
def test_trajectory(ours, paper):
    np.testing.assert_allclose(run(ours), by_hand(paper), rtol=1e-12)


ADAM = {"lr": 0.01, "betas": (0.9, 0.99), "eps": 1e-6}


@pytest.mark.parametrize(("make", "plain", "settings"), [
    (Adam, adam_plain, ADAM), (Adam, adam_plain, ADAM | {"l2": 0.2}), (Adam, adam_plain, ADAM | {"weight_decay": 0.2}),
    (Adam, adam_plain, ADAM | {"l2": 0.1, "weight_decay": 0.3}), (SGD, sgd_plain, {"lr": 0.01}),
    (SGD, sgd_plain, {"lr": 0.01, "l2": 0.2}), (SGD, sgd_plain, {"lr": 0.01, "momentum": 0.9, "l2": 0.2}),
])
def test_the_fast_rules_are_the_plain_rules(device, make, plain, settings):
    """100 steps of float64. The two order their operations differently, so a step may differ by a few units in the last
    place; both continue from the same p and moments, so that such differences do not accumulate."""
    rng, eps = np.random.default_rng(0), np.finfo(np.float64).eps
    p = device.tensor(rng.standard_normal((3, 70)), np.float64)
    optimizer = make([p], **settings)
    moments = [optimizer.m[0], optimizer.v[0]] if make is Adam else [optimizer.v[0]]
    for t in range(1, 101):
        g = rng.standard_normal(p.shape) * 10.0 ** rng.integers(-4, 3, p.shape)
        now = [g, device.host(p.data), *(device.host(m).copy() for m in moments)]
        expected = plain(*now, *([t] if make is Adam else []), **settings)
        optimizer.step([device.array(g, np.float64)])
        for found, e, old in zip([p.data, *moments], expected, now[1:], strict=True):
            bound = 4 * eps * np.maximum(abs(e), abs(old) + settings.get("l2", 0) * abs(now[1]) + 1e-300)
            assert (abs(device.host(found) - e) <= bound).all(), t


def test_the_two_decays_are_two():
    decoupled, l2 = run(lambda ps: Adam(ps, weight_decay=0.2)), run(lambda ps: Adam(ps, l2=0.2))
    assert not np.allclose(decoupled, l2, rtol=1e-6)


def test_the_first_step_of_adam_is_lr_whatever_the_gradient():
    """Bias correction makes m_hat = g and sqrt(v_hat) = |g| at t = 1 (Kingma & Ba 2015, section 2.1)."""
    for scale in (1e-3, 1.0, 1e6):
        p = Tensor(np.zeros(2))
        Adam([p], lr=0.01).step([np.array([scale, -scale])])
        np.testing.assert_allclose(p.data, [-0.01, 0.01], rtol=1e-4)


def test_a_dict_is_matched_by_name_in_any_order():
    a, b = Tensor(np.zeros(2)), Tensor(np.zeros(2))
    SGD({"a": a, "b": b}, lr=1.0).step({"b": np.array([0.0, 2.0]), "a": np.array([1.0, 0.0])})
    assert a.data.tolist() == [-1, 0] and b.data.tolist() == [0, -2]


def test_a_step_makes_new_arrays_and_leaves_gradients_alone():
    p, g = Tensor(np.ones(3, np.float32)), np.ones(3, np.float32)
    before = p.data
    Adam([p]).step([g])
    assert before.tolist() == [1, 1, 1] and g.tolist() == [1, 1, 1]
    assert p.data.dtype == np.float32 and not p.data.flags.writeable


def test_a_step_sees_what_somebody_else_has_changed():
    """Two optimizers of one parameter, and a user who sets its data between steps."""
    p = Tensor(np.zeros(2))
    one, other = SGD([p], lr=1.0), SGD({"p": p, "q": Tensor(np.zeros(1))}, lr=1.0)
    one.step([np.array([1.0, 0.0])])
    other.step({"p": np.array([0.0, 1.0]), "q": np.zeros(1)})
    p.data = p.data * 10
    one.step([np.array([1.0, 0.0])])
    assert p.data.tolist() == [-11, -10]


def test_betas_may_be_a_list(device):
    p, q = device.tensor([1.0, 2.0]), device.tensor([1.0, 2.0])
    for w, betas in ((p, [0.5, 0.9]), (q, (0.5, 0.9))):
        Adam([w], betas=betas).step([device.array([1.0, -1.0])])
    assert device.host(p.data).tolist() == device.host(q.data).tolist() != [1, 2]


def test_a_parameter_of_no_axes():
    p = Tensor(3.0)
    for optimizer in (Adam([p], lr=0.5), SGD([p], lr=0.5)):
        optimizer.step([np.ones((), np.float32)])
    assert p.shape == () and abs(p.item() - 2.0) < 1e-6


@pytest.mark.parametrize("make", [lambda ps: Adam(ps, lr=0.1), lambda ps: SGD(ps, lr=0.1, momentum=0.9)],
                         ids=["adam", "sgd"])
def test_state_continues_bit_for_bit(make):
    gs = gradients(9, 5)
    p = Tensor(np.zeros(3))
    optimizer = make([p])
    for g in gs[:4]:
        optimizer.step([g])
    state, middle = optimizer.state(), p.data
    for g in gs[4:]:
        optimizer.step([g])
    q = Tensor(middle)
    other = make([q])
    other.load(state)
    for g in gs[4:]:
        other.step([g])
    assert np.array_equal(p.data, q.data)
    assert all(np.array_equal(optimizer.state()[name], value) for name, value in other.state().items())


def test_a_state_that_does_not_fit_is_refused_and_nothing_is_set():
    p, q = Tensor(np.zeros(3)), Tensor(np.zeros(2))
    two, one = Adam([p, q]), Adam([p])
    two.step([np.ones(3), np.ones(2)])
    with pytest.raises(ValueError, match="fix:"):
        one.load(two.state())
    wrong = {**two.state(), "v.1": np.ones(5)}
    fresh = Adam([p, q])
    with pytest.raises(ValueError, match=r"v\.1"):
        fresh.load(wrong)
    assert fresh.t == 0 and not fresh.m[0].any()
    with pytest.raises(ValueError, match="steps t"):
        fresh.load(SGD([p]).state())


def test_a_refused_gradient_is_no_step():
    p, q = Tensor([1.0]), Tensor([1.0])
    once, adam = Adam([p], lr=0.1), Adam([q], lr=0.1)
    with pytest.raises(ValueError, match="do not match"):
        adam.step([np.zeros(4)])
    for optimizer in (once, adam):
        optimizer.step([np.ones(1, np.float32)])
    assert p.item() == q.item() and adam.t == 1


@pytest.mark.parametrize(("call", "words"), [
    (lambda p: Adam([p], lr=-0.001), ["an optimizer needs lr > 0", "-0.001", "climb"]),
    (lambda p: Adam([p], lr=float("nan")), ["lr > 0", "nan"]),
    (lambda p: Adam([p], betas=(0.9, 1.0)), ["0 <= beta2 < 1"]),
    (lambda p: Adam([p], weight_decay=-1), ["weight_decay >= 0"]),
    (lambda p: SGD([p], momentum=1.0), ["momentum"]),
    (lambda p: Adam([]), ["parameters must be leaf Tensors", "params(model)"]),
    (lambda p: Adam([p, p]), ["listed once", "twice"]),
    (lambda p: Adam([p * 2]), ["leaf"]),
    (lambda p: Adam([p, Tensor(np.zeros(3, np.float32))]), ["one dtype", "float32"]),
    (lambda p: Adam([p.data]), ["leaf"]),
    (lambda p: Adam([p]).step([np.zeros(4)]), ["do not match", "(3,) float64"]),
    (lambda p: Adam([p]).step([np.zeros(3, np.float32)]), ["do not match", "float32"]),
    (lambda p: Adam([p]).step([None]), ["do not match", "None"]),
    (lambda p: Adam([p]).step([]), ["do not match"]),
    (lambda p: Adam([Tensor(np.zeros(3, np.float16))]), ["float16", "dtype=np.float32"]),
    (lambda p: Adam({"W": p}).step({"b": np.zeros(3)}), ["do not match", "W"]),
])
def test_refusals_say_expected_got_fix(call, words):
    with pytest.raises(ValueError) as refusal:
        call(Tensor(np.zeros(3)))
    for word in ["expected:", "got:", "fix:", *words]:
        assert word in str(refusal.value)


@pytest.mark.parametrize("optimizer", [lambda ps: Adam(ps, lr=0.1, l2=0.2), lambda ps: SGD(ps, lr=0.1, momentum=0.9)])
def test_cuts_into_blocks_change_nothing(optimizer, monkeypatch):
    """Seven tensors of 0 to 12 numbers, cut after every 5, must move as each of their numbers alone would."""
    shapes, rng = [(3,), (2, 4), (), (12,), (0, 3), (1,), (5, 2)], np.random.default_rng(0)
    starts, gs = ([[rng.standard_normal(s) for s in shapes] for _ in range(n)] for n in (1, 4))
    ends = []
    for block in (1 << 16, 5, 1):
        monkeypatch.setattr(flat, "BLOCK", block)
        ps = [Tensor(start) for start in starts[0]]
        step = optimizer(ps).step
        for g in gs:
            step(g)
        ends.append(np.concatenate([p.data.ravel() for p in ps]))
        assert [p.shape for p in ps] == shapes
    assert np.isfinite(ends[0]).all() and not (ends[0] == np.concatenate([s.ravel() for s in starts[0]])).any()
    np.testing.assert_array_equal(ends[1], ends[0])
    np.testing.assert_array_equal(ends[2], ends[0])
