"""What a step of training asks of a GPU, counted on the double: batch, noise, both passes and optimizer, all of it.

A kernel takes some microseconds to start, whatever it computes: where it computes for less, as in nets and batches of
textbook size, the number of kernels is the time of a step.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_runs
from conftest import real_cupy

from tinyae import backend, data, grad, params, train
from tinyae.data import dataset
from tinyae.models import MODELS, VAE
from tinyae.optim import Adam
from tinyae.train import loop

MOST = {"autoencoder": 60}


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Any:
    rows: list[str] = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n  a step on a GPU      launches  uploads", *rows, sep="\n")


@pytest.mark.parametrize("name", MODELS)
def test_a_step_is_few_kernels_and_waits_for_none(double, name, monkeypatch, table):
    model = MODELS[name](rng=np.random.default_rng(0), device="cuda")       # of the sizes that it has by default
    counts = steps_of(double, model, monkeypatch)
    assert counts[1:] == counts[1:2] * 2 and all(n[1] == 0 for n in counts)
    launches, _, uploads = counts[1]
    table.append(f"  {name:20} {launches:8} {uploads:8}")
    assert launches <= MOST.get(name, 200)


def test_a_set_too_large_for_the_gpu_goes_there_batch_by_batch_and_nobody_waits(double, monkeypatch):
    monkeypatch.setattr(dataset, "free_memory", lambda: 0)
    model = MODELS["linear"](rng=np.random.default_rng(0), device="cuda")
    assert [n[1:] for n in steps_of(double, model, monkeypatch)] == [(0, 1)] * 3


def steps_of(double: Any, model: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """(launches, syncs, uploads) of each of the three steps of an epoch."""
    counts = []
    step = loop.step

    def counted(*args: Any) -> None:
        with double.counting() as n:
            step(*args)
        counts.append((n.launches, n.syncs, n.uploads))

    monkeypatch.setattr(loop, "step", counted)
    images = data.Dataset(np.random.default_rng(1).integers(0, 256, (12, 28, 28), dtype=np.uint8), None)
    tiny_runs.fit([train.Phase(model.losses, params(model), Adam(params(model)))], data=(images, images), batch_size=4)
    return counts


def test_after_a_few_steps_no_more_memory_is_taken():
    """CuPy's pool hands what one step has freed to the next."""
    pool = real_cupy().get_default_memory_pool()
    model = VAE(rng=np.random.default_rng(0), device="cuda")
    own, noise = params(model), backend.generator(0, "cuda")
    optimizer, x = Adam(own), backend.to_device(np.full((128, 784), 0.5, np.float32), "cuda")
    taken = []
    for _ in range(200):
        optimizer.step(grad(sum(model.losses(x, noise).values()), own))
        taken.append(pool.total_bytes())
    assert len(set(taken[10:])) == 1
