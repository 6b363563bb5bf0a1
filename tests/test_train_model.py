"""fit takes a model, a learning rate that changes, a share of images to test with, and a callback that stops it."""
from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae import data, models, params, train
from tinyae.errors import BadFile, BadType, BadValue
from tinyae.optim import SGD, Adam
from tinyae.train import checkpoint, loop, saver
from tinyae.train.interrupt import Interrupted
from tinyae.train.loader import Loader
from tinyae.train.schedule import as_stages
from tinyae.train.state import RunState


def weights(model: Any) -> dict[str, bytes]:
    return {name: p.data.tobytes() for name, p in params(model).items()}


# ---- a model in the schedule's place

@pytest.mark.parametrize("lr", [None, 1e-3, 1e-2])
def test_a_model_is_trained_by_adam_as_its_phase_would_be(lr):
    model, twin = tiny_runs.vae(), tiny_runs.vae()
    rows = tiny_runs.fit(model, epochs=2, lr=lr)
    expected = tiny_runs.fit(tiny_runs.one_phase(twin, lr=lr or 1e-3), epochs=2)
    assert [row | {"seconds": 0} for row in rows] == [row | {"seconds": 0} for row in expected]
    assert weights(model) == weights(twin)


def test_a_model_with_players_trains_each_on_its_own_loss():
    model, twin = (models.Adversarial(16, (8,), 2, rng=np.random.default_rng(0)) for _ in range(2))
    rows = tiny_runs.fit(model, lr=1e-2)
    assert [row["phase"] for row in rows] == ["autoencoder", "discriminator", "encoder"]
    tiny_runs.fit([tuple(train.Phase(losses, own, Adam(own, 1e-2), name)
                         for name, (losses, own) in twin.players().items())])
    assert weights(model) == weights(twin)


def test_lr_beside_a_schedule_is_refused():
    with refused(BadValue, "lr=0.1", "Phase(losses, params, Adam(params, lr))"):
        tiny_runs.fit(tiny_runs.stages(), epochs=1, lr=0.1)


@pytest.mark.parametrize("model", [None, 3, [], tiny_runs.vae, object(), tiny_runs.one_phase(tiny_runs.vae())[0]])
def test_what_is_neither_model_nor_schedule_is_refused(model):
    with refused(BadType, "a model with losses(batch, rng)", "Phase"):
        tiny_runs.fit(model)


# ---- a learning rate that changes from epoch to epoch

def halving(epoch: int) -> float:
    return 1e-2 * 0.5 ** epoch


def test_a_rate_that_falls_is_what_setting_it_by_hand_gives():
    model, twin = tiny_runs.vae(), tiny_runs.vae()
    tiny_runs.fit(model, epochs=4, lr=halving)
    (phase,) = tiny_runs.one_phase(twin)

    def set_rate(epoch: int) -> None:
        phase.optimizer.lr = halving(epoch)

    tiny_runs.fit([phase], epochs=4, on_epoch=set_rate)
    assert weights(model) == weights(twin)
    constant = tiny_runs.vae()
    tiny_runs.fit(constant, epochs=4, lr=halving(0))
    assert weights(model) != weights(constant)


def test_each_phase_may_have_its_own_schedule():
    schedule = tiny_runs.stages()
    elbo, shrink = schedule[1]
    asked: list[int] = []

    def rate(epoch: int) -> float:
        asked.append(epoch)
        return halving(epoch)

    tiny_runs.fit([schedule[0], (elbo._replace(lr=rate), shrink)], epochs=[2, 2])
    assert asked == [2, 3]          # only of its own stage, counted over the whole run
    assert (schedule[0].optimizer.lr, elbo.optimizer.lr, shrink.optimizer.lr) == (1e-2, halving(3), 1e-3)


@pytest.mark.parametrize("step", [7, 10, 20, 27])
def test_a_rate_that_falls_goes_on_bit_for_bit(step, tmp_path, monkeypatch):
    def run(out: str, **settings: Any) -> None:
        tiny_runs.fit(tiny_runs.vae(), epochs=4, lr=halving, out=tmp_path / out, checkpoint_steps=3, **settings)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_at(step, patch)
        run("cut")
    run("cut", resume=True)
    run("whole")
    assert tiny_runs.outcome(tmp_path / "cut") == tiny_runs.outcome(tmp_path / "whole")


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original, counter = loop.step, iter(range(10**6))

    def counting(*args: Any) -> None:
        if next(counter) == step:
            os.kill(os.getpid(), signal.SIGINT)
        original(*args)

    monkeypatch.setattr(loop, "step", counting)


def test_a_rate_of_numpy_gives_the_bits_of_a_python_number():
    model, twin = tiny_runs.vae(), tiny_runs.vae()
    tiny_runs.fit(model, epochs=3, lr=lambda epoch: np.float64(halving(epoch)))
    tiny_runs.fit(twin, epochs=3, lr=halving)
    assert weights(model) == weights(twin)


@pytest.mark.parametrize("bad", [0, -1e-3, np.inf, np.nan, None, "1e-3", [1e-3]])
def test_a_rate_must_be_a_positive_number(bad, tmp_path):
    with refused(BadValue, "lr(0) is not a learning rate"):
        tiny_runs.fit(tiny_runs.vae(), lr=lambda epoch: bad, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with refused(BadValue, "lr(1) is not a learning rate", repr(bad)):
        tiny_runs.fit(tiny_runs.vae(), epochs=2, lr=lambda epoch: bad if epoch else 1e-3)


def test_a_schedule_is_asked_only_for_epochs_of_the_run():
    rates = [1e-2, 5e-3, 1e-3]
    tiny_runs.fit(tiny_runs.vae(), epochs=3, lr=rates.__getitem__)


def test_a_replay_runs_at_the_rate_of_its_epoch():
    """The second epoch's rate alone is too large; its replay, from the epoch's start, meets the same overflow."""
    with refused(BadValue, "epoch 2, step ", "the last good checkpoint, epoch 2, step 0"):
        tiny_runs.fit(tiny_runs.vae(), epochs=3, lr=lambda epoch: 1e6 if epoch == 1 else 1e-3)


# ---- a callback

def test_a_callback_that_asks_for_rows_gets_the_losses_of_every_phase():
    seen: list[Any] = []
    history = tiny_runs.run(None, on_epoch=lambda epoch, rows: seen.append((epoch, rows)))
    assert [(epoch, len(rows)) for epoch, rows in seen] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert [row for _, rows in seen for row in rows] == history


class Watcher:
    def __init__(self, seen: list[Any]):
        self.seen = seen

    def __call__(self, epoch: int, scale: int = 1, *, rows: Any = None) -> None:
        self.seen.append((epoch, scale, rows[0]["epoch"]))


@pytest.mark.parametrize("make", [
    lambda seen: lambda epoch, rows=(): seen.append((epoch, 1, rows[0]["epoch"])), Watcher,
    lambda seen: partial(Watcher(seen), scale=1),
    lambda seen: lambda *any, **named: seen.append((*any, 1, any[0])) if not named else None,      # as before
    lambda seen: lambda epoch, scale=1: seen.append((epoch, scale, epoch))])
def test_callbacks_of_every_kind(make):
    seen: list[Any] = []
    tiny_runs.fit(tiny_runs.vae(), epochs=2, on_epoch=make(seen))
    assert seen == [(1, 1, 1), (2, 1, 2)]


def test_a_callback_can_stop_where_the_test_loss_rises():
    losses: list[float] = []

    def watch(epoch: int, rows: list[dict[str, float]]) -> None:
        losses.append(rows[0]["test_total"])
        if losses[-1] > min(losses):
            raise train.StopTraining

    rows = tiny_runs.fit(tiny_runs.vae(), epochs=50, lr=1e-2, on_epoch=watch)
    assert losses == [row["test_total"] for row in rows] and 1 < len(losses) < 50
    assert losses[:-1] == sorted(losses[:-1], reverse=True)


# ---- a callback that stops the run

def stopping(at: int, words: str = "good enough") -> Any:
    def on_epoch(epoch: int) -> str:
        if epoch == at:
            raise train.StopTraining(words)
        return f"drawn {epoch}"
    return on_epoch


def test_a_stopped_run_ends_as_one_of_so_many_epochs(tmp_path):
    lines: list[str] = []
    rows = tiny_runs.fit(tiny_runs.vae(), epochs=9, out=tmp_path / "stopped", on_epoch=stopping(3), report=lines.append)
    tiny_runs.fit(tiny_runs.vae(), epochs=3, out=tmp_path / "three")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert lines[-2].endswith("drawn 2") and lines[-1].endswith("stopped: good enough")
    assert tiny_runs.outcome(tmp_path / "stopped") == tiny_runs.outcome(tmp_path / "three")


def test_a_stopped_run_that_is_resumed_stays_ended(tmp_path):
    tiny_runs.fit(tiny_runs.vae(), epochs=9, out=tmp_path, on_epoch=stopping(3))
    before = tiny_runs.outcome(tmp_path)
    rows = tiny_runs.fit(tiny_runs.vae(), epochs=9, out=tmp_path, resume=True)
    assert len(rows) == 3 and tiny_runs.outcome(tmp_path) == before


def test_a_run_killed_around_its_stop_ends_the_same(tmp_path, monkeypatch):
    """Before the checkpoint of the last epoch, and between this checkpoint and the weights."""
    tiny_runs.fit(tiny_runs.vae(), epochs=9, out=tmp_path / "whole", on_epoch=stopping(3))
    for method in ("save_history", "save"):
        out, original = tmp_path / method, getattr(saver.Saver, method)

        def dying(self, state, *args, original=original, **settings):
            if state.epoch == 3:
                raise KeyboardInterrupt
            original(self, state, *args, **settings)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(saver.Saver, method, dying)
            tiny_runs.fit(tiny_runs.vae(), epochs=9, out=out, on_epoch=stopping(3))
        assert not (out / "weights.npz").exists()
        tiny_runs.fit(tiny_runs.vae(), epochs=9, out=out, on_epoch=stopping(3), resume=True)
        assert tiny_runs.outcome(out) == tiny_runs.outcome(tmp_path / "whole")


def test_a_checkpoint_without_the_word_stopped_is_read(tmp_path):
    """As written before runs could be stopped."""
    tiny_runs.fit(tiny_runs.vae(), epochs=2, out=tmp_path / "old")
    meta, arrays = checkpoint.load(tmp_path / "old" / "last.npz", 1 << 20)
    assert meta.pop("stopped") is False
    checkpoint.save(tmp_path / "old" / "last.npz", meta, arrays)
    tiny_runs.fit(tiny_runs.vae(), epochs=4, out=tmp_path / "old", resume=True)
    tiny_runs.fit(tiny_runs.vae(), epochs=4, out=tmp_path / "whole")
    assert tiny_runs.outcome(tmp_path / "old") == tiny_runs.outcome(tmp_path / "whole")


# ---- one data set, of which a share is kept for the test

IMAGES = np.random.default_rng(1).integers(0, 256, (50, 4, 4), np.uint8)


@pytest.mark.parametrize("form", [IMAGES, data.Dataset(IMAGES, np.zeros(50, int)), IMAGES.reshape(50, 16),
                                  IMAGES / np.float32(255)], ids=["array", "data set", "flat", "floats"])
@pytest.mark.parametrize("share, held", [(0.1, 5), (0.5, 25), (0.011, 1), (0.98, 49), (np.float32(0.2), 10)])
def test_a_share_is_drawn_and_the_rest_is_trained_on(form, share, held):
    loader = Loader(form, share, 1, 3, "cpu", np.dtype(np.float32))
    images = getattr(form, "images", form)
    assert (len(loader.test), len(loader.train)) == (held, 50 - held)
    both = sorted(image.tobytes() for image in [*loader.train, *loader.test])
    assert both == sorted(image.tobytes() for image in images)


def test_the_seed_draws_the_share():
    tests = [Loader(IMAGES, 0.2, 1, seed, "cpu", np.dtype(np.float32)).test.tobytes() for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]
    assert tests[0] not in IMAGES.tobytes()         # drawn, not the last ones or another run of neighbours


def test_a_run_with_a_share_is_the_run_of_its_two_parts():
    loader = Loader(IMAGES, 0.2, 8, 0, "cpu", np.dtype(np.float32))
    model, twin = tiny_runs.vae(), tiny_runs.vae()
    (row,) = tiny_runs.fit(model, data=IMAGES, validation=0.2)
    (expected,) = tiny_runs.fit(twin, data=(loader.train, loader.test))
    assert row | {"seconds": 0} == expected | {"seconds": 0}
    assert weights(model) == weights(twin)


@pytest.mark.parametrize("bad", [0, 1, 0.0, 1.0, -0.1, 1.5, np.nan, 0.001, 0.9999, "0.1", True])
def test_a_share_must_leave_images_on_both_sides(bad):
    with refused(BadValue, "a share that leaves images", "50 images", "validation=0.1"):
        tiny_runs.fit(tiny_runs.vae(), data=IMAGES, validation=bad)


@pytest.mark.parametrize("bad", [tiny_runs.images(), [IMAGES, IMAGES], "digits", None, IMAGES[:0], np.zeros(50)])
def test_a_share_of_something_else_is_refused(bad):
    with refused(BadValue, "validation splits one data set"):
        tiny_runs.fit(tiny_runs.vae(), data=bad, validation=0.1)


def test_a_resumed_run_keeps_its_share(tmp_path):
    tiny_runs.fit(tiny_runs.vae(), data=IMAGES, validation=0.2, out=tmp_path)
    for other in (0.3, 0.22):
        with refused(BadFile, "belongs to another run", "images"):
            tiny_runs.fit(tiny_runs.vae(), data=IMAGES, validation=other, out=tmp_path, resume=True)
    tiny_runs.fit(tiny_runs.vae(), data=IMAGES, validation=0.2, out=tmp_path, resume=True, epochs=2)


# ---- what stands around the loop

def test_restore_is_the_inverse_of_capture():
    """From the middle of an epoch: the same steps are made again, bit for bit."""
    state = RunState(as_stages(tiny_runs.stages()), [2, 4], 3)
    loader = Loader(tiny_runs.images(), None, 8, 3, "cpu", np.dtype(np.float32))
    order = loader.order(0)

    def steps(n: int) -> tuple[str, dict[str, bytes]]:
        for _ in range(n):
            loop.step(state, loader, order)
        state.sums.read()
        meta, arrays = state.capture()
        return json.dumps(meta), {name: a.tobytes() for name, a in arrays.items()}

    before = steps(3)
    saved = state.capture()
    after = steps(2)
    assert after != before
    for _ in range(2):
        state.restore(saved, "here")
        assert steps(0) == before
        assert steps(2) == after


def test_a_bad_number_leaves_the_parameters_of_the_last_checkpoint():
    model = tiny_runs.vae()
    before = weights(model)
    with refused(BadValue, "epoch 1, step ", "epoch 1, step 0, is what the parameters hold now"):
        tiny_runs.fit([train.Phase(model.losses, params(model), SGD(params(model), lr=3.0))], epochs=50)
    assert weights(model) == before


def test_a_signal_after_the_decision_to_save_ends_the_run_one_step_later(tmp_path, monkeypatch):
    def due(self: saver.Saver, step: int) -> bool:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    monkeypatch.setattr(saver.Saver, "is_due", due)
    with pytest.raises(Interrupted, match="after step 4 of 7"):
        tiny_runs.fit(tiny_runs.vae(), out=tmp_path)
    with np.load(Path(tmp_path) / "last.npz") as last:
        assert json.loads(last["meta"].tobytes())["progress"]["step"] == 4
