"""Runs of a few milliseconds, with everything that a run can have: noise, dropout, stages, phases that take turns."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinyae import data, functions, models, ops, params, train
from tinyae.optim import SGD, Adam

SHAPE = (4, 4)


def images(training: int = 50, test: int = 20) -> tuple[data.Dataset, data.Dataset]:
    drawn = np.random.default_rng(7).integers(0, 256, (training + test, *SHAPE), dtype=np.uint8)
    return data.Dataset(drawn[:training], None), data.Dataset(drawn[training:], None)


def vae(seed: int = 0, **settings: Any) -> models.VAE:
    return models.VAE(16, (8,), 2, rng=np.random.default_rng(seed), **settings)


def one_phase(model: Any, lr: float = 1e-2) -> list[train.Phase]:
    return [train.Phase(model.losses, params(model), Adam(params(model), lr=lr))]


def stages(seed: int = 0) -> list[Any]:
    """A denoising stage with dropout, then a VAE in turns with a phase that moves only its decoder."""
    model = vae(seed)

    def denoising(batch: Any, rng: Any) -> dict[str, Any]:
        corrupted = functions.gaussian_noise(functions.dropout(batch, 0.3, rng), 0.1, rng)
        return {"squared": ops.mean(functions.squared_error(ops.sigmoid(model.decode(model.encode(corrupted))), batch))}

    def shrinking(batch: Any, rng: Any) -> dict[str, Any]:
        codes = rng.standard_normal((len(batch), 2), dtype=np.float32)
        return {"size": 0.1 * ops.mean(ops.square(model.decode(codes)))}

    own = params(model)
    decoder = {name: p for name, p in own.items() if name.startswith("decoder")}
    seen = {name: p for name, p in own.items() if not name.startswith("log_var")}
    return [train.Phase(denoising, seen, Adam(seen, lr=1e-2)),
            (train.Phase(model.losses, own, Adam(own, lr=1e-2), "elbo"),
             train.Phase(shrinking, decoder, SGD(decoder, lr=1e-3, momentum=0.9), "shrink"))]


def fit(schedule: Any, **settings: Any) -> list[dict[str, Any]]:
    """train.fit, silent, for an epoch of 7 steps unless told otherwise."""
    usual: dict[str, Any] = {"data": images(), "epochs": 1, "batch_size": 8, "seed": 0, "report": None}
    return train.fit(schedule, **usual | settings)


def run(out: Path | None, **settings: Any) -> list[dict[str, Any]]:
    """The run of stages(), 2 + 2 epochs of 7 steps each."""
    usual: dict[str, Any] = {"schedule": stages(), "epochs": [2, 2], "seed": 3}
    return fit(out=out, **usual | settings)


def outcome(out: Path) -> dict[str, bytes]:
    """All that a finished run leaves, without its times: equal for equal runs, bit for bit."""
    arrays = {}
    for file in ("weights.npz", "last.npz", "best.npz"):
        with np.load(out / file) as archive:
            arrays |= {f"{file}/{name}": archive[name].tobytes() for name in archive.files if name != "meta"}
    lines = (out / "history.csv").read_text().splitlines()
    return arrays | {"history": "\n".join(line.rpartition(",")[0] for line in lines).encode()}
