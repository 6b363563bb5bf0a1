"""A run that was stopped anywhere and goes on ends as if it had never stopped, bit for bit."""
from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae import functions, models, params, train
from tinyae.errors import BadFile
from tinyae.optim import SGD, Adam
from tinyae.train import checkpoint, loop
from tinyae.train.interrupt import Interrupt, Interrupted

STEPS = 4 * 7       # of tiny_runs.run


class Crash(Exception):
    """What no code of the library expects."""


def interrupted_at(step: int, act, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call act in the middle of the run's step of this number, counted from 0."""
    original, counter = loop.step, iter(range(10**6))

    def counting(*args, **settings):
        if next(counter) == step:
            act()
        return original(*args, **settings)

    monkeypatch.setattr(loop, "step", counting)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole") / "run"
    tiny_runs.run(out)
    return tiny_runs.outcome(out)


@pytest.mark.parametrize("step", range(STEPS))
def test_a_crash_in_any_step(step, tmp_path, monkeypatch, uninterrupted):
    def crash():
        raise Crash

    with monkeypatch.context() as patch, pytest.raises(Crash):
        interrupted_at(step, crash, patch)
        tiny_runs.run(tmp_path, checkpoint_steps=3)
    tiny_runs.run(tmp_path, resume=True)
    assert tiny_runs.outcome(tmp_path) == uninterrupted


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 6, 16, STEPS - 1])
def test_one_signal_finishes_the_step_and_saves(signum, step, tmp_path, monkeypatch, uninterrupted):
    handlers = [signal.getsignal(s) for s in Interrupt.signals]
    with monkeypatch.context() as patch, pytest.raises(Interrupted) as stop:
        interrupted_at(step, lambda: os.kill(os.getpid(), signum), patch)
        tiny_runs.run(tmp_path)
    assert (stop.value.signum, stop.value.out) == (signum, tmp_path)
    assert str(stop.value) == f"stopped in epoch {step // 7 + 1} after step {step % 7 + 1} of 7, saved in {tmp_path}"
    assert [signal.getsignal(s) for s in Interrupt.signals] == handlers
    tiny_runs.run(tmp_path, resume=True)
    assert tiny_runs.outcome(tmp_path) == uninterrupted


def test_two_signals_stop_at_once(tmp_path, monkeypatch, uninterrupted):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("still running")

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="at once"):
        interrupted_at(10, twice, patch)
        tiny_runs.run(tmp_path)
    tiny_runs.run(tmp_path, resume=True)
    assert tiny_runs.outcome(tmp_path) == uninterrupted


def test_a_thread_trains_without_handlers():
    rows: list = []
    thread = threading.Thread(target=lambda: rows.extend(tiny_runs.run(None)))
    thread.start()
    thread.join()
    assert len(rows) == 6


def test_on_a_gpu_a_run_goes_on_exactly_from_an_epochs_start(device, tmp_path):
    """The double draws its numbers from NumPy, but tells no state, as CuPy does not."""
    def crash(epoch):
        if epoch == 3:
            raise Crash

    def schedule():
        return tiny_runs.one_phase(tiny_runs.vae(device=device.name))

    with pytest.raises(Crash):
        tiny_runs.fit(schedule(), epochs=4, out=tmp_path / "run", on_epoch=crash)
    tiny_runs.fit(schedule(), epochs=4, out=tmp_path / "run", resume=True)
    tiny_runs.fit(schedule(), epochs=4, out=tmp_path / "whole")
    assert tiny_runs.outcome(tmp_path / "run") == tiny_runs.outcome(tmp_path / "whole")


def test_on_a_gpu_a_run_goes_on_within_an_epoch(device, tmp_path, monkeypatch):
    model = tiny_runs.vae(device=device.name)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupted_at(3, lambda: os.kill(os.getpid(), signal.SIGINT), patch)
        tiny_runs.fit(tiny_runs.one_phase(model), out=tmp_path)
    rows = tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae(device=device.name)), out=tmp_path, resume=True)
    assert [row["epoch"] for row in rows] == [1] and np.isfinite(rows[0]["train_total"])


def test_a_run_of_the_cpu_goes_on_within_an_epoch_on_a_gpu(device, tmp_path, monkeypatch):
    """The CPU's generator state means nothing to a GPU's generator, which draws the rest from a stream of its own."""
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupted_at(3, lambda: os.kill(os.getpid(), signal.SIGINT), patch)
        tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), out=tmp_path)
    rows = tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae(device=device.name)), out=tmp_path, resume=True)
    assert [row["epoch"] for row in rows] == [1] and np.isfinite(rows[0]["train_total"])


def test_a_finished_run_goes_on_with_more_epochs(tmp_path):
    for out, epochs in ((tmp_path / "short", 2), (tmp_path / "long", 5)):
        tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), epochs=epochs, out=out)
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), epochs=5, out=tmp_path / "short", resume=True)
    assert tiny_runs.outcome(tmp_path / "short") == tiny_runs.outcome(tmp_path / "long")


def test_a_finished_run_resumed_stays_as_it_is(tmp_path, uninterrupted):
    tiny_runs.run(tmp_path / "run")
    tiny_runs.run(tmp_path / "run", resume=True)
    assert tiny_runs.outcome(tmp_path / "run") == uninterrupted


def test_resume_starts_where_nothing_was_saved(tmp_path, uninterrupted):
    tiny_runs.run(tmp_path, resume=True)
    assert tiny_runs.outcome(tmp_path) == uninterrupted


def test_phases_that_share_an_optimizer_save_it_once(tmp_path, monkeypatch):
    """A warm-up: one optimizer in a row of stages, each with another weight of the KL."""
    def warm_up():
        model = tiny_runs.vae()
        optimizer = Adam(params(model), lr=1e-2)
        return [train.Phase(partial(model.losses, beta=beta), params(model), optimizer, "elbo") for beta in (0, 0.5, 1)]

    tiny_runs.fit(warm_up(), out=tmp_path / "whole")
    with np.load(tmp_path / "whole" / "last.npz") as archive:
        moments = [name for name in archive.files if name.startswith("optimizer/") and "/m." in name]
        assert len(moments) == len(params(tiny_runs.vae()))
        assert archive["optimizer/0.0/t"] == 3 * 7
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupted_at(10, lambda: os.kill(os.getpid(), signal.SIGINT), patch)
        tiny_runs.fit(warm_up(), out=tmp_path / "cut")
    tiny_runs.fit(warm_up(), out=tmp_path / "cut", resume=True)
    assert tiny_runs.outcome(tmp_path / "cut") == tiny_runs.outcome(tmp_path / "whole")


OTHER_RUNS = {
    "seed": {"seed": 4},
    "batch_size": {"batch_size": 7},
    "training images": {"data": tiny_runs.images(48)},
    "test images": {"data": tiny_runs.images(50, 21)},
    "epochs of the earlier stages": {"epochs": [1, 2]},
    "fewer stages": {"schedule": tiny_runs.stages()[:1], "epochs": [2]},
}


@pytest.mark.parametrize("what", OTHER_RUNS)
def test_another_run_is_refused_whole(what, tmp_path):
    tiny_runs.run(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    settings = {"schedule": tiny_runs.stages(1)} | OTHER_RUNS[what]
    phases = [phase for stage in settings["schedule"] for phase in (stage if isinstance(stage[0], tuple) else [stage])]
    live = {name: p.data for phase in phases for name, p in phase.params.items()}
    fix = ("as many epochs as the run began with",) if what == "epochs of the earlier stages" else ()
    with refused(BadFile, "belongs to another run", *fix):
        tiny_runs.run(tmp_path, resume=True, **settings)
    for phase in phases:
        for name, p in phase.params.items():
            assert p.data is live[name], f"{name} was set by a checkpoint of another run"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("other", ["dtype", "shape", "parameters", "optimizer"])
def test_another_model_is_refused_whole(other, tmp_path):
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), out=tmp_path)
    wider = models.VAE(16, (8,), 3, rng=np.random.default_rng(0))
    deeper = models.VAE(16, (8, 8), 2, rng=np.random.default_rng(0))
    model = {"dtype": tiny_runs.vae(dtype=np.float64), "shape": wider, "parameters": deeper}.get(other, tiny_runs.vae())
    (phase,) = tiny_runs.one_phase(model)
    if other == "optimizer":
        phase = phase._replace(optimizer=SGD(phase.params))
    before = {name: p.data for name, p in phase.params.items()}
    with refused(BadFile, "belongs to another run", {"optimizer": "SGD"}.get(other, "the arrays of this model")):
        tiny_runs.fit([phase], out=tmp_path, resume=True)
    assert all(p.data is before[name] for name, p in phase.params.items())


def run_with(out: Path, resume: bool, **changed) -> None:
    """Two epochs of a model with settings of many kinds."""
    usual = {"activation": "relu", "beta": 1.0, "noise": 0.1, "keep": 0.7, "likelihood": "bernoulli",
             "betas": (0.9, 0.999), "lr": lambda epoch: 0.01 * 0.5 ** epoch, "momentum": 0.9}
    set_to: dict = usual | changed
    model = models.VAE(16, (8,), 2, activation=set_to["activation"], rng=np.random.default_rng(0),
                       likelihood=set_to["likelihood"])

    def losses(batch, rng):
        corrupted = functions.gaussian_noise(functions.dropout(batch, 1 - set_to["keep"], rng), set_to["noise"], rng)
        return model.losses(corrupted.clip(0, 1), rng, beta=set_to["beta"])

    adam = Adam(params(model), betas=set_to["betas"])
    sgd = SGD(params(model), lr=1e-4, momentum=set_to["momentum"])
    tiny_runs.fit([(train.Phase(losses, params(model), adam, "a", lr=set_to["lr"]),
                    train.Phase(losses, params(model), sgd, "b"))], epochs=2, out=out, resume=resume)


@pytest.mark.parametrize("changed", [
    {"activation": "elu"}, {"activation": "leaky_relu"}, {"beta": 1.01}, {"noise": 0.11}, {"keep": 0.69},
    {"likelihood": "gaussian"}, {"betas": (0.9, 0.99)}, {"momentum": 0.8},
    pytest.param({"lr": lambda epoch: 0.01 * 0.4 ** epoch}, id="lr")], ids=str)
def test_another_setting_is_refused_whole(changed, tmp_path, monkeypatch):
    """A setting that changes the result, wherever it stands: in the model, its losses, an optimizer, a closure."""
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupted_at(10, lambda: os.kill(os.getpid(), signal.SIGINT), patch)
        run_with(tmp_path, False)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with refused(BadFile, "last.npz"):
        run_with(tmp_path, True, **changed)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    run_with(tmp_path, True)


@pytest.mark.parametrize("forged", [{"cpu": "x"}, {"cpu": ["x"]}, {"cpu": []}, {"cpu": [1.0, 2.0]}, {"cpu": None}])
def test_forged_losses_are_refused(forged, tmp_path):
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), out=tmp_path)
    meta, arrays = checkpoint.load(tmp_path / "last.npz", 1 << 20)
    checkpoint.save(tmp_path / "last.npz", meta | {"measured": forged}, arrays)
    model = tiny_runs.vae(seed=1)
    before = {name: p.data.tobytes() for name, p in params(model).items()}
    with refused(BadFile, "other settings of the model"):
        tiny_runs.fit(tiny_runs.one_phase(model), out=tmp_path, resume=True)
    assert {name: p.data.tobytes() for name, p in params(model).items()} == before


def test_a_run_may_replay_into_the_same_objects(tmp_path):
    """Restoring sets every parameter and optimizer, whatever they held."""
    model = tiny_runs.vae()
    schedule = tiny_runs.one_phase(model)
    tiny_runs.fit(schedule, epochs=2, out=tmp_path)
    ended = {name: p.data.tobytes() for name, p in params(model).items()}
    fresh = tiny_runs.vae(seed=99)
    tiny_runs.fit(tiny_runs.one_phase(fresh), epochs=2, out=Path(tmp_path), resume=True)
    assert {name: p.data.tobytes() for name, p in params(fresh).items()} == ended


@pytest.mark.parametrize("spoiled", [
    {"epoch": "1"}, {"sums": {"": 3}}, {"sums": []}, {"noise": {"state": 1}}, {"history": None}, {"best": None},
    {"x": 1}])
def test_a_progress_of_another_kind_is_refused_whole(spoiled, tmp_path):
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), out=tmp_path)
    meta, arrays = checkpoint.load(tmp_path / "last.npz", 1 << 20)
    checkpoint.save(tmp_path / "last.npz", meta | {"progress": meta["progress"] | spoiled}, arrays)
    model = tiny_runs.vae(seed=1)
    before = {name: p.data for name, p in params(model).items()}
    with refused(BadFile, "cannot use", "the progress of a run"):
        tiny_runs.fit(tiny_runs.one_phase(model), out=tmp_path, resume=True)
    assert all(p.data is before[name] for name, p in params(model).items())
