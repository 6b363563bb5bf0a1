"""Numbers that go wrong are found and named: step, term, op; dead and exploding units are told."""
from __future__ import annotations

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae import Tensor, functions, ops, params, train
from tinyae.errors import BadValue
from tinyae.optim import SGD
from tinyae.train import checkpoint, diagnose, loop


def test_find_nonfinite_names_the_first_op():
    x = Tensor([1.0, 2.0])
    fine = ops.sum(ops.square(x))
    assert diagnose.find_nonfinite(fine) is None
    with np.errstate(all="ignore"):
        bad = ops.log(x - 1)
        loss = ops.sum(ops.tanh(bad) * 3) + fine
    assert diagnose.find_nonfinite(loss) is bad
    leaf = Tensor([np.nan])
    assert diagnose.find_nonfinite(ops.sum(leaf)) is leaf


def test_find_nonfinite_gradient_names_the_first_that_backward_meets():
    x = Tensor([0.0, 1.0])
    inner = x * 2
    root = ops.sqrt(inner)
    loss = ops.sum(root)
    assert diagnose.find_nonfinite_gradient(ops.sum(x * x)) is None
    with np.errstate(all="ignore"):
        assert diagnose.find_nonfinite_gradient(loss) is inner      # root's is 1, inner's is 1/0


@pytest.mark.parametrize("read_every", [0.0, 1e9], ids=["read each step", "read each epoch"])
def test_a_bad_value_is_traced_to_its_step_term_and_op(tmp_path, monkeypatch, read_every):
    monkeypatch.setattr(loop, "READ_EVERY", read_every)
    model = tiny_runs.vae()

    def losses(batch, rng):
        # A function of the parameters alone, so that the replay meets the same trouble: log of what has moved below 0.
        moved = ops.sum(ops.square(params(model)["decoder.1.b"]))
        return model.losses(batch, rng) | {"extra": ops.log(0.01 - moved)}

    phase = train.Phase(losses, params(model), SGD(params(model), lr=1e-2))
    with refused(BadValue, "epoch 1, step ", "'extra'", "result of log", "last.npz", "epoch 1, step 0"):
        tiny_runs.fit([phase], epochs=3, out=tmp_path)
    with np.load(tmp_path / "last.npz") as last:
        assert all(np.isfinite(last[name]).all() for name in last.files)
    checkpoint.load(tmp_path / "last.npz", 1 << 20)


def test_a_bad_gradient_is_told_from_a_bad_loss():
    w = {"w": Tensor([0.0, 1.0])}
    phase = train.Phase(lambda batch, rng: {"root": ops.sum(ops.sqrt(w["w"]))}, w, SGD(w, lr=1e-3))
    with refused(BadValue, "epoch 1, step 1", "the gradient of w is not", "what the parameters hold now"):
        tiny_runs.fit([phase])
    assert w["w"].data.tolist() == [0.0, 1.0]


def test_a_bad_gradient_never_reaches_a_checkpoint(tmp_path):
    """After two steps of 1/2 w is 0, where the slope of the root is infinite and the root itself is fine."""
    w = {"w": Tensor([1.0])}
    phase = train.Phase(lambda batch, rng: {"root": ops.sum(ops.sqrt(ops.square(w["w"])))}, w, SGD(w, lr=0.5))
    with refused(BadValue, "epoch 1, step 3", "the gradient of w is not", "epoch 1, step 2"):
        tiny_runs.fit([phase], out=tmp_path, checkpoint_steps=1)
    with np.load(tmp_path / "last.npz") as last:
        assert last["param/w"].tolist() == [0.0]


def test_a_test_loss_alone_can_go_wrong():
    """Training images are dark, test images light: only these overflow."""
    w = {"w": Tensor([1.0])}
    dark, light = np.zeros((20, 4, 4)), np.ones((20, 4, 4))

    def losses(batch, rng):
        return {"size": ops.mean(ops.exp(w["w"] * 1e2 * batch))}

    with refused(BadValue, "the test after epoch 1", "'size'", "result of exp"):
        tiny_runs.fit([train.Phase(losses, w, SGD(w, lr=1e-9))], data=(dark, light))


def test_what_a_replay_does_not_meet_again_is_said_to_be_so():
    calls = iter([*[0.0] * 3, np.nan, *[0.0] * 1000])
    w = {"w": Tensor([1.0])}

    def losses(batch, rng):
        return {"chance": ops.sum(w["w"]) + next(calls)}

    with refused(BadValue, "did not meet it again"):
        tiny_runs.fit([train.Phase(losses, w, SGD(w, lr=1e-9))])


def test_a_learning_rate_of_1000_is_stopped_without_a_warning(tmp_path):
    with refused(BadValue, "epoch 1, step ", "a smaller learning rate"):
        tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae(), lr=1e3), epochs=50, out=tmp_path)
    checkpoint.load(tmp_path / "last.npz", 1 << 20)


def test_a_model_that_is_broken_from_the_start(tmp_path):
    model = tiny_runs.vae()
    model.mu.b.data = np.full(2, np.nan, np.float32)
    with refused(BadValue, "epoch 1, step 1", "in a leaf (a parameter or input), shape (2,)"):
        tiny_runs.fit(tiny_runs.one_phase(model), out=tmp_path)


def test_dead_and_exploding_units_stand_in_the_line():
    model = tiny_runs.vae()
    dead = np.array(model.body[0].b.data)
    dead[:3] = -1e3
    model.body[0].b.data = dead
    model.decoder[1].b.data = np.full(16, 200, np.float32)
    lines: list[str] = []
    tiny_runs.fit([train.Phase(model.losses, params(model), SGD(params(model), lr=1e-9))], report=lines.append)
    assert "dead relu: body.0 3/8" in lines[-1]
    assert "exploding weights: body.0.b up to 1e+03, decoder.1.b up to 200" in lines[-1]


def test_a_layer_with_one_living_image_is_not_dead():
    peaks = {"layer": np.array([0.0, 1e-30, 5.0])}
    assert diagnose.troubles(peaks, {}) == ["dead relu: layer 1/3"]
    assert diagnose.troubles({"layer": np.ones(3)}, {"w": Tensor([99.0])}) == []


def test_latents_in_use_are_counted_and_a_collapse_is_told(rng):
    n = 1000
    mu = np.zeros((n, 3))
    mu[:, 0] = rng.standard_normal(n)
    log_var = np.zeros((n, 3))
    log_var[:, 0] = -2
    assert diagnose.latents_in_use(mu, log_var) == "1/3 latents in use"
    assert "the posterior has collapsed: KL 0.000 nats" in diagnose.latents_in_use(mu * 0, log_var * 0)
    expected = functions.gaussian_kl(mu, log_var).mean()
    assert expected == pytest.approx(0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(axis=1).mean())
