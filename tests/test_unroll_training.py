"""Training with unrolled programs: the same bits as on the tape, also in runs that are interrupted and resumed."""
from __future__ import annotations

import subprocess
import sys
from functools import partial, reduce
from itertools import count
from operator import add

import numpy as np
import pytest
import tiny_runs

from tinyae import grad, models, params, train
from tinyae.errors import BadValue
from tinyae.optim import SGD, Adam, flat
from tinyae.train import loop
from tinyae.unroll import Step, unroll_step
from tinyae.unroll.passes import PASSES

IMAGES = np.random.default_rng(0).random((22, 12), dtype=np.float32)


def build(name):
    return models.MODELS[name](12, (10,), 3, rng=np.random.default_rng(0))


def fitted(name, unrolled, **settings):
    """The parameters and the history of a run with batches of 8, 8 and 6."""
    model = build(name)
    history = train.fit(model, (IMAGES[:22], IMAGES[:5]), epochs=2, batch_size=8, seed=1, report=None,
                        unrolled=unrolled, **settings)
    for row in history:
        del row["seconds"]
    return {name: p.numpy() for name, p in params(model).items()}, history


@pytest.mark.parametrize("name", models.MODELS)
def test_fit_has_the_same_bits(name):
    (taped, history), (unrolled, same_history) = (fitted(name, unrolled) for unrolled in (False, True))
    assert history == same_history
    for name, p in taped.items():
        np.testing.assert_array_equal(unrolled[name], p)


def test_phases_that_change_settings():
    """A KL term that is warmed up by a callback, which sets an attribute of the model."""
    weights = []
    for unrolled in (False, True):
        model = build("vae")
        train.fit(model, (IMAGES, IMAGES[:5]), epochs=3, batch_size=8, report=None, unrolled=unrolled,
                  on_epoch=partial(setattr, model, "beta"))
        weights.append(model.mu.W.numpy())
    np.testing.assert_array_equal(*weights)


def test_a_run_goes_on_with_or_without(tmp_path):
    whole, history = fitted("vae", False)
    for n, (first, second) in enumerate([(True, False), (False, True)]):
        model = build("vae")
        fit = partial(train.fit, data=(IMAGES, IMAGES[:5]), batch_size=8, seed=1, report=None, out=tmp_path / str(n))
        fit(model, epochs=1, unrolled=first)
        model = build("vae")
        fit(model, epochs=2, unrolled=second, resume=True)
        for name, p in params(model).items():
            np.testing.assert_array_equal(p.numpy(), whole[name])
    assert history


def test_a_number_that_is_not_finite_is_found_on_the_tape():
    with pytest.raises(ValueError, match="a number is not finite"):
        train.fit(build("linear"), (IMAGES, IMAGES[:5]), epochs=50, batch_size=8, lr=1e30, report=None, unrolled=True)


@pytest.mark.parametrize("make", [Adam, SGD, partial(SGD, momentum=0.9)])
def test_a_step_is_grad_and_the_optimizer_s_step(make):
    one, other = build("vae"), build("vae")
    optimizer = make(params(one), lr=1e-2)
    step = unroll_step(other, make(params(other), lr=1e-2))
    rngs = [np.random.default_rng(3) for _ in range(2)]
    for batch in (IMAGES[:8], IMAGES[8:16], IMAGES[16:]):
        losses = one.losses(batch, rngs[0])
        optimizer.step(grad(reduce(add, losses.values()), params(one)))
        found = step(batch, rngs[1])
        assert {name: float(t) for name, t in found.items()} == {name: t.item() for name, t in losses.items()}
    for p, q in zip(params(one).values(), params(other).values(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert len(step.program.programs) == 2
    assert "def step(batch, rng, " in step.program.source


def test_a_step_is_printed_whole():
    model = build("autoencoder")
    step = unroll_step(model, Adam(params(model), lr=1e-2, betas=(0.8, 0.99), l2=0.1, weight_decay=0.2))
    step(IMAGES[:8])
    lines = [line.strip() for line in str(step).splitlines()]
    assert lines[-1] == "return [reconstruction], new"
    assert lines[lines.index("new = np.empty_like(p)"):][:5] == [
        "new = np.empty_like(p)", "s1 = np.multiply(0.1, p)", "np.add(g, s1, out=g)", "np.multiply(m, 0.8, out=m)",
        "np.multiply(g, 0.19999999999999996, out=new)"]
    assert lines[-3:-1] == ["s2 = np.multiply(p, shrink)", "np.subtract(s2, g, out=new)"]
    assert max(map(len, str(step).splitlines())) <= 120


def test_passes_of_a_step_are_shown_one_by_one(monkeypatch):
    monkeypatch.setattr(flat, "BLOCK", 100)
    model = build("autoencoder")
    step = unroll_step(model, Adam(params(model), lr=1e-2))
    step(IMAGES[:8])
    texts = step.program.passes
    assert list(texts) == ["recorded", *PASSES] and texts["blocks"] == str(step)
    assert "for i in range(0, 335, 100):" in texts["blocks"] and "for i in" not in texts["buffers"]
    assert "G_0[...] = g_encoder_0_W" in texts["names"] and "out=G_0" in texts["buffers"]


@pytest.mark.parametrize("make", [Adam, partial(SGD, momentum=0.9)])
def test_a_saved_step_runs_by_itself(make, tmp_path):
    model = build("vae")
    step = unroll_step(model, make(params(model), lr=1e-2))
    step(IMAGES[:8], np.random.default_rng(0))
    step.program.save(tmp_path / "step.py")
    said = subprocess.run([sys.executable, "-I", "-W", "error", "step.py"], capture_output=True, text=True, check=True,
                          cwd=tmp_path).stdout.splitlines()
    assert said[0].startswith("values: ") and len(said) == 2
    assert said[1].startswith(f"parameter of shape ({sum(p.size for p in params(model).values())},) and norm ")


def test_settings_of_the_optimizer_may_change():
    """The learning rate comes in with each step; betas and decays are part of the text."""
    one, other = build("vae"), build("vae")
    optimizers = [Adam(params(net), lr=1e-2) for net in (one, other)]
    step = unroll_step(other, optimizers[1])
    rngs = [np.random.default_rng(3) for _ in range(2)]
    changes = [{}, {"lr": 1e-3}, {"betas": (0.5, 0.9)}, {"l2": 0.1}, {"weight_decay": 0.1}, {"eps": 1e-3}]
    for change in changes:
        for optimizer in optimizers:
            vars(optimizer).update(change)
        losses = one.losses(IMAGES[:8], rngs[0])
        optimizers[0].step(grad(reduce(add, losses.values()), params(one)))
        step(IMAGES[:8], rngs[1])
        for p, q in zip(params(one).values(), params(other).values(), strict=True):
            np.testing.assert_array_equal(p.numpy(), q.numpy(), err_msg=str(change))


def test_old_parameters_keep_their_values():
    model = build("vae")
    step = unroll_step(model, Adam(params(model), lr=1e-2))
    step(IMAGES[:8], np.random.default_rng(0))
    data = [p.data for p in params(model).values()]
    copies = [a.copy() for a in data]
    step(IMAGES[:8], np.random.default_rng(0))
    for a, b, p in zip(data, copies, params(model).values(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert p.data is not a and not p.data.flags.writeable


@pytest.mark.parametrize("at", [0, 6, 16, 27])
def test_a_crash_in_a_step(at, tmp_path, monkeypatch):
    """The run of tiny_runs, with stages, turns and noise, goes on from its checkpoint, unrolled or not."""
    class Crash(Exception):
        pass
    tiny_runs.run(tmp_path / "whole")
    original, steps = loop.step, count()

    def crashing(*args, **settings):
        if next(steps) == at:
            raise Crash
        return original(*args, **settings)
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(loop, "step", crashing)
        tiny_runs.run(tmp_path / "parts", checkpoint_steps=3, unrolled=True)
    tiny_runs.run(tmp_path / "parts", resume=True, unrolled=at % 4 == 0)
    assert tiny_runs.outcome(tmp_path / "parts") == tiny_runs.outcome(tmp_path / "whole")


def test_an_optimizer_of_other_parameters():
    """The phase's parameters are some of the optimizer's, as grad and step would refuse."""
    model = build("vae")
    some = {name: p for name, p in params(model).items() if name.startswith("decoder")}
    step = Step(model.losses, Adam(params(model)), some)
    assert not step.is_whole
    with pytest.raises(BadValue, match="gradients do not match the parameters"):
        step(IMAGES[:8], np.random.default_rng(0))


def test_an_optimizer_of_another_library():
    """One without a formula is called with the program's gradients."""
    class Plain:
        lr = 0.1

        def __init__(self, params):
            self.params = params

        def step(self, grads):
            for name, p in self.params.items():
                p.data = p.data - np.float32(self.lr) * grads[name]
    one, other = build("autoencoder"), build("autoencoder")
    step, plain = unroll_step(other, Plain(params(other))), Plain(params(one))
    for _ in range(3):
        plain.step(grad(reduce(add, one.losses(IMAGES[:8]).values()), params(one)))
        step(IMAGES[:8])
    for p, q in zip(params(one).values(), params(other).values(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
