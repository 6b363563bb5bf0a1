"""Training with unrolled programs: the same bits as on the tape, also in runs that are interrupted and resumed."""
from __future__ import annotations

from functools import partial, reduce
from operator import add

import numpy as np
import pytest

from tinyae import grad, models, params, train
from tinyae.optim import SGD, Adam
from tinyae.unroll import unroll_step

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
