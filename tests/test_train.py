"""fit: what it computes, what it refuses, and that nothing in it waits for the device."""
from __future__ import annotations

import gc
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae import Tensor, console, data, functions, grad, ops, params, train
from tinyae.errors import BadFile, BadType, BadValue
from tinyae.optim import SGD, Adam
from tinyae.train import history, loader, loop, metrics, state


def test_an_epoch_is_what_the_loop_by_hand_gives():
    training, test = tiny_runs.images()
    model, twin = tiny_runs.vae(), tiny_runs.vae()
    rows = tiny_runs.fit(tiny_runs.one_phase(model), data=(training, test), epochs=2, seed=5)

    optimizer = Adam(params(twin), lr=1e-2)
    for epoch in range(2):
        order = np.random.default_rng([5, loader.SHUFFLE, epoch]).permutation(50)
        noise = np.random.default_rng([5, loader.NOISE, epoch])
        sums = {"reconstruction": 0.0, "kl": 0.0}
        for first in range(0, 50, 8):
            batch = data.batch(training.images, order[first:first + 8])
            losses = twin.losses(batch, noise)
            optimizer.step(grad(losses["reconstruction"] + losses["kl"], params(twin)))
            for term in sums:
                sums[term] += len(batch) * losses[term].item()
        assert rows[epoch]["train_kl"] == pytest.approx(sums["kl"] / 50, rel=1e-12)
        assert rows[epoch]["train_total"] == pytest.approx(sum(sums.values()) / 50, rel=1e-12)
    for name, p in params(model).items():
        assert np.array_equal(p.data, params(twin)[name].data), name


def test_a_loss_per_image_does_not_depend_on_the_batch_size():
    model = tiny_runs.vae()

    def losses(batch, rng):
        return {"squared": ops.mean(functions.squared_error(ops.sigmoid(model.decode(model.encode(batch))), batch))}

    seen = {name: p for name, p in params(model).items() if not name.startswith("log_var")}
    still = SGD(seen, lr=1e-30)     # of 50 images, batches of 7 leave one of a single image
    rows = [tiny_runs.fit([train.Phase(losses, seen, still)], batch_size=n)[0] for n in (1, 7, 50)]
    for side in ("train_squared", "test_squared"):
        assert [row[side] for row in rows] == pytest.approx([rows[0][side]] * 3, rel=1e-5)


def test_stages_run_in_a_row_and_phases_in_turns(tmp_path):
    rows = tiny_runs.run(tmp_path / "run")
    assert [(row["epoch"], row["phase"]) for row in rows] == [
        (1, "1.1"), (2, "1.1"), (3, "elbo"), (3, "shrink"), (4, "elbo"), (4, "shrink")]
    assert rows[-1]["step"] == 4 * 7
    assert [{**row, "seconds": 0} for row in history.read_csv(tmp_path / "run" / "history.csv")] == [
        {**row, "seconds": 0} for row in rows]


def test_each_stage_has_its_own_best(tmp_path):
    rows = tiny_runs.run(tmp_path / "run")
    least = {name: min(row["test_total"] for row in rows if row["phase"] == name) for name in ("1.1", "elbo")}
    assert least["1.1"] < least["elbo"]
    with np.load(tmp_path / "run" / "best.npz") as best:
        assert json.loads(best["meta"].tobytes())["progress"]["best"] == least["elbo"]


def test_a_parameter_outside_a_phase_stays(tmp_path):
    schedule = tiny_runs.stages()
    (elbo, shrink) = schedule[1]
    before = {name: p.data.tobytes() for name, p in elbo.params.items()}
    tiny_runs.fit([shrink])
    changed = {name for name, p in elbo.params.items() if p.data.tobytes() != before[name]}
    assert changed == set(shrink.params)


def test_the_test_loss_has_the_same_noise_in_every_epoch():
    model = tiny_runs.vae()
    frozen = train.Phase(model.losses, params(model), SGD(params(model), lr=1e-30))
    first, second = tiny_runs.fit([frozen], epochs=2)
    assert first["test_total"] == second["test_total"]
    assert first["train_total"] != second["train_total"]


def test_the_folder_of_a_run(tmp_path):
    model = tiny_runs.vae()
    lines: list[str] = []
    out = tmp_path / "a" / "b"
    rows = tiny_runs.fit(tiny_runs.one_phase(model), epochs=12, seed=4, out=out, config={"colour": "grey"},
                         on_epoch=lambda epoch: f"drawn {epoch}", report=lines.append)
    files = {path.name for path in out.iterdir()}
    assert files == {"config.json", "history.csv", "last.npz", "best.npz", "weights.npz"}
    config = json.loads((out / "config.json").read_text())
    assert (config["colour"], config["epochs"], config["seed"], config["batch_size"]) == ("grey", 12, 4, 8)
    assert [config[f"all {part} images"] for part in ("training", "test")] == [
        loader.checksum(part.images) for part in tiny_runs.images()]
    assert lines[0] == "50 training and 20 test images, 7 steps an epoch, on cpu"
    assert lines[1].startswith("epoch  1/12 · train reconstruction ")
    assert lines[-1].endswith("drawn 12")
    with np.load(out / "weights.npz", allow_pickle=False) as weights:
        assert {name: weights[name].tobytes() for name in weights} == {
            name: p.data.tobytes() for name, p in params(model).items()}
    with np.load(out / "best.npz") as best:
        progress = json.loads(best["meta"].tobytes())["progress"]
    assert progress["best"] == min(row["test_total"] for row in rows)
    assert progress["history"][-1]["test_total"] == progress["best"]


def test_no_folder_no_files_no_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny_runs.run(None)
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr() == ("", "")


def test_float64_models_train_in_float64():
    model = tiny_runs.vae(dtype=np.float64)
    tiny_runs.fit(tiny_runs.one_phase(model))
    assert {p.dtype for p in params(model).values()} == {np.dtype(np.float64)}


def test_nothing_waits_within_an_epoch(device, monkeypatch):
    """On the double of CuPy a step that copies anything to the host fails; one read serves a whole epoch."""
    model = tiny_runs.vae(device=device.name)
    step, read, reads = loop.step, metrics.LossSums.read, []

    def checked(*args, **settings):
        with device.no_sync():
            return step(*args, **settings)

    monkeypatch.setattr(loop, "step", checked)
    monkeypatch.setattr(loop, "READ_EVERY", 1e9)
    monkeypatch.setattr(metrics.LossSums, "read", lambda self: reads.append(1) or read(self))
    rows = tiny_runs.fit(tiny_runs.one_phase(model), epochs=3)
    assert len(rows) == 3 and all(math.isfinite(row["test_total"]) for row in rows)
    assert len(reads) == 2 * 3      # training and test, three epochs


def test_the_progress_bar_shows_every_term(monkeypatch):
    shown = []

    class Bar(console.tqdm):
        def set_postfix(self, terms, refresh):
            shown.append(terms)

    monkeypatch.setattr(console, "tqdm", Bar)
    monkeypatch.setattr(loop, "READ_EVERY", 0.0)
    (row,) = tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()))
    assert len(shown) == 7 + 1      # after each step, and at the epoch's end
    assert shown[-1] == {"reconstruction": f"{row['train_reconstruction']:.2f}", "kl": f"{row['train_kl']:.2f}"}


def test_a_seed_gives_one_run_whatever_the_order_of_hashes(tmp_path):
    program = "import pathlib, sys, tiny_runs; tiny_runs.run(pathlib.Path(sys.argv[1]))"
    for name, hash_seed in (("a", "0"), ("b", "1"), ("c", "random")):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], check=True, env=environment)
    assert tiny_runs.outcome(tmp_path / "a") == tiny_runs.outcome(tmp_path / "b") == tiny_runs.outcome(tmp_path / "c")


BAD_CALLS = {
    "a batch larger than the data": (BadValue, {"batch_size": 51}, "at most 50"),
    "no batch": (BadValue, {"batch_size": 0}, "at least 1"),
    "half a batch": (BadValue, {"batch_size": 2.5}, "whole number"),
    "no epochs": (BadValue, {"epochs": 0}, "at least 1"),
    "epochs of other stages": (BadValue, {"epochs": [1]}, "2: one for each stage"),
    "a negative seed": (BadValue, {"seed": -1}, "at least 0"),
    "a data set alone": (BadValue, {"data": tiny_runs.images()[0]}, "(train, test)"),
    "labels for test images": (BadValue, {"data": (np.zeros((50, 4, 4)), np.zeros(50))}, "(train, test)"),
    "images of two shapes": (BadValue, {"data": (np.zeros((50, 4, 4)), np.zeros((50, 4, 5)))}, "of one shape"),
    "one set of three": (BadValue, {"data": (np.zeros((50, 4, 4)),) * 3}, "(train, test)"),
    "a checkpoint after no steps": (BadValue, {"checkpoint_steps": 0}, "checkpoint_steps"),
    "an empty schedule": (BadType, {"schedule": [()]}, "Phase"),
    "a schedule of models": (BadType, {"schedule": [tiny_runs.vae()]}, "Phase"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_are_refused_before_anything_is_written(name, tmp_path):
    kind, settings, word = BAD_CALLS[name]
    with refused(kind, word):
        tiny_runs.run(tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_losses_must_be_losses():
    p = {"w": Tensor([1.0, 2.0])}
    for bad in (ops.sum(p["w"]), {}, {"loss": 3.0}, {"loss": p["w"]}, None):
        with refused(BadType, "one-element Tensors by name"):
            tiny_runs.fit([train.Phase(lambda batch, rng, bad=bad: bad, p, SGD(p))])


def test_one_name_is_one_parameter():
    a, b = Tensor([1.0]), Tensor([1.0])
    phases = tuple(train.Phase(lambda batch, rng, p=p: {"loss": ops.sum(p)}, {"w": p}, SGD([p])) for p in (a, b))
    with refused(BadValue, "two parameters are called w"):
        tiny_runs.fit([phases])
    named = tuple(phase._replace(name="same") for phase in phases)
    with refused(BadValue, "the phases of a stage must have different names"):
        tiny_runs.fit([named])


def test_a_folder_with_files_is_never_written_into(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with refused(BadFile, "is in use"):
        tiny_runs.run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name, spoil, word", [
    ("nan", lambda x: x * np.nan, "nan"), ("outside [0, 1]", lambda x: x * 3, "a pixel outside [0, 1]"),
    ("objects", lambda x: x.astype(object), "object"), ("integers", lambda x: x.astype(np.int32), "int32"),
    ("none", lambda x: x[:0], "")])
def test_images_that_are_none(name, spoil, word):
    good = np.random.default_rng(0).random((20, 4, 4))
    with refused(BadType if name in ("objects", "integers") else BadValue, word):
        tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), data=(spoil(good), good))
    with refused(BadType if name in ("objects", "integers") else BadValue, word):
        tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), data=(good, spoil(good)))


@pytest.mark.parametrize("name, dress", [
    ("float64", lambda x: x), ("flat", lambda x: x.reshape(20, 16)), ("big-endian", lambda x: x.astype(">f8")),
    ("Fortran order", np.asfortranarray), ("not contiguous", lambda x: np.repeat(x, 2, axis=0)[::2]),
    ("read-only", lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape))])
def test_images_of_every_layout_give_one_run(name, dress):
    good = np.random.default_rng(0).random((20, 4, 4))
    (plain,), (dressed,) = (tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), data=(x, x))
                            for x in (good, dress(good)))
    assert {**plain, "seconds": 0} == {**dressed, "seconds": 0}


def test_a_run_keeps_nothing_of_a_step():
    alive: list[int] = []
    gc.collect()            # what other tests have left behind would go in the middle of this one
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), data=tiny_runs.images(600, 20), epochs=5, batch_size=10,
                  on_epoch=lambda epoch: alive.append(len(gc.get_objects())))
    assert alive[-1] - min(alive[2:]) < 30, alive       # 120 steps: a row of history for each epoch


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
def test_memory_of_a_run_is_flat_over_ten_thousand_steps(tmp_path):
    def resident(epoch):
        with open("/proc/self/statm") as file:
            seen[epoch] = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    seen: dict[int, int] = {}
    images = np.random.default_rng(0).integers(0, 256, (400, 4, 4), np.uint8)
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), data=(images, images[:8]), epochs=102, batch_size=4,
                  out=tmp_path / "run", on_epoch=resident)
    assert seen[102] - seen[2] < 2 * 2 ** 20, "bytes more after 10 000 steps"


def test_shared_out_epochs_are_all_there_and_near_their_shares():
    assert train.split_epochs(10, (0.5, 0.3, 0.2)) == [5, 3, 2]
    assert train.split_epochs(1, (0.25, 0.5, 0.25)) == [1, 0, 0]
    for epochs in range(50):
        for shares in ((1.0,), (0.5, 0.25, 0.25), (0.25, 0.5, 0.125, 0.125), (0.1,) * 10):
            dealt = train.split_epochs(epochs, shares)
            assert sum(dealt) == epochs and all(type(n) is int for n in dealt)
            assert all(abs(n - epochs * share) < 1 for n, share in zip(dealt, shares, strict=True))


def test_a_program_is_recorded_once_an_epoch(monkeypatch):
    made = []
    real = state.Step
    monkeypatch.setattr(state, "Step", lambda *given: made.append(given) or real(*given))
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), epochs=2, unrolled=True)       # 7 steps each
    assert len(made) == 2
