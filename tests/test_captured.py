"""fit(captured=True): the same losses as step by step, one launch a step, and what cannot be recorded is refused.

On the double, whose products a capture takes from a stand-in for cuBLAS, and on a GPU where there is one.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae import Tensor, backend, data, functions, models, ops, params, train
from tinyae.errors import BadType, BadValue
from tinyae.models import MODELS
from tinyae.optim import SGD, Adam
from tinyae.train import captured, loop
from tinyae.unroll import cublas


class Products:
    """Takes the place of cublas.Blas on the double."""

    def __init__(self, double: Any):
        self.matmul = double.product

    def use(self, stream: Any) -> None:
        pass


@pytest.fixture
def there(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The device: the double, or CuPy."""
    if gpu.id == "double":
        import cupy_double
        monkeypatch.setattr(cublas.Blas, "one", lambda: Products(cupy_double))
    return gpu


def images(n: int = 50) -> tuple[data.Dataset, data.Dataset]:
    drawn = np.random.default_rng(7).integers(0, 256, (n + 20, 4, 4), dtype=np.uint8)
    return data.Dataset(drawn[:n], None), data.Dataset(drawn[n:], None)


def vae(seed: int = 0, **settings: Any) -> models.VAE:
    return models.VAE(16, (8,), 2, rng=np.random.default_rng(seed), device="cuda", **settings)


def turns() -> list[Any]:
    """Two phases that take turns: all parameters by Adam, then some of them again by SGD."""
    model = vae()
    own = params(model)
    some = {name: p for name, p in own.items() if name.startswith("decoder")}

    def shrinking(batch: Any, rng: Any) -> dict[str, Tensor]:
        return {"size": 0.1 * ops.mean(ops.square(model.decode(model.encode(batch).data)))}
    return [(train.Phase(model.losses, own, Adam(own, 1e-2), "elbo"),
             train.Phase(shrinking, some, SGD(some, 1e-3, momentum=0.9), "shrink"))]


def shared() -> list[Any]:
    """Two phases with one optimizer, and with many parameters: more than CuPy joins without an upload."""
    model = models.Autoencoder(16, (8, 8, 8), 2, rng=np.random.default_rng(0), device="cuda")
    own = params(model)
    adam = Adam(own, 1e-2, weight_decay=0.1, l2=0.1)
    return [(train.Phase(model.losses, own, adam, "one"), train.Phase(model.losses, own, adam, "other"))]


def falling() -> list[Any]:
    model = vae()
    return [train.Phase(model.losses, params(model), Adam(params(model)), lr=lambda epoch: 1e-2 * 0.5 ** epoch)]


def weighted() -> list[Any]:
    """Decays, float64, and a likelihood with a parameter of its own."""
    model = vae(likelihood="gaussian", dtype=np.float64)
    return [train.Phase(model.losses, params(model), Adam(params(model), 1e-2, weight_decay=0.1, l2=0.1))]


SCHEDULES = {f.__name__: f for f in (turns, shared, falling, weighted)} | {
    "SGD": lambda: [train.Phase(model.losses, params(model), SGD(params(model), 1e-4, momentum=0.5))
                    for model in [vae()]]}


def both(schedule: Any, **settings: Any) -> tuple[list[Any], list[Any], list[dict[str, np.ndarray]]]:
    """The histories step by step and by graph, and the parameters after both."""
    rows, after = [], []
    for way in (False, True):
        made = schedule()
        rows.append(tiny_runs.fit(made, captured=way, **settings))
        stage = made[-1] if isinstance(made, list) else made
        phases = [stage] if isinstance(stage, train.Phase) else stage if isinstance(stage, tuple) else None
        own = params(made) if phases is None else {n: p for phase in phases for n, p in phase.params.items()}
        after.append({name: p.numpy() for name, p in own.items()})
    return *rows, after


def assert_same(one: list[Any], other: list[Any], after: list[dict[str, np.ndarray]], rtol: float = 1e-5) -> None:
    for a, b in zip(one, other, strict=True):
        losses = [k for k in a if k.startswith(("train_", "test_"))]
        assert len(losses) >= 2 and {k: b[k] for k in losses} == pytest.approx({k: a[k] for k in losses}, rel=rtol)
    for name, p in after[0].items():
        np.testing.assert_allclose(after[1][name], p, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_same_losses(there, name):
    """100 full batches in four epochs, each with a short last one."""
    assert_same(*both(SCHEDULES[name], data=images(203), epochs=4))


def test_the_same_losses_where_no_batch_is_short(there):
    assert_same(*both(falling, data=images(48), epochs=3))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_losses_of_every_model(there, name):
    def made() -> Any:
        return MODELS[name](rng=np.random.default_rng(0), device="cuda")
    shape = (28, 28)
    drawn = np.random.default_rng(1).integers(0, 256, (29, *shape), dtype=np.uint8)
    pair = data.Dataset(drawn[:25], None), data.Dataset(drawn[25:], None)
    assert_same(*both(made, data=pair, epochs=1, batch_size=4), rtol=1e-4)


def test_images_on_the_host_are_uploaded_before_each_launch(there, monkeypatch):
    monkeypatch.setattr(data.dataset, "free_memory", lambda: 0)
    assert_same(*both(falling, epochs=2))


def test_a_step_is_one_launch(double, monkeypatch):
    monkeypatch.setattr(cublas.Blas, "one", lambda: Products(double))
    counts = []
    advance = captured.Captured.__call__

    def counted(self: Any, *args: Any) -> None:
        with double.counting() as n:
            advance(self, *args)
        counts.append((n.launches, n.syncs, n.uploads))
    monkeypatch.setattr(captured.Captured, "__call__", counted)
    tiny_runs.fit(falling(), captured=True, data=images(43))
    assert counts[1:5] == [(1, 0, 0)] * 4                   # the first of six warms up, the last is short
    assert counts[0][0] > 20 and counts[5][0] > 20


def test_a_second_run_and_a_callback_that_sets_a_parameter(there):
    """Nothing of a record outlives its epoch."""
    after = []
    for way in (False, True):
        model = vae()

        def halve(epoch: int, model: Any = model) -> None:
            model.mu.b.data = model.mu.b.data * 0.5 + 1
        for _ in range(2):
            tiny_runs.fit(model, captured=way, epochs=2, lr=1e-2, on_epoch=halve)
        after.append({name: p.numpy() for name, p in params(model).items()})
    for name, p in after[0].items():
        np.testing.assert_allclose(after[1][name], p, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_captured_run_goes_on_from_its_checkpoint(there, tmp_path):
    tiny_runs.fit(falling(), captured=True, epochs=4, out=tmp_path / "whole")
    tiny_runs.fit(falling(), captured=True, epochs=2, out=tmp_path / "parts")
    tiny_runs.fit(falling(), captured=True, epochs=4, out=tmp_path / "parts", resume=True)
    whole, parts = (np.load(tmp_path / run / "weights.npz") for run in ("whole", "parts"))
    for name in whole.files:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_cupy_is_as_it_was(there):
    xp = there.xp
    before = xp.matmul, xp.concatenate, xp.ndarray.__matmul__, "__matmul__" in vars(xp.ndarray)
    tiny_runs.fit(falling(), captured=True)
    with pytest.raises(ZeroDivisionError), cublas._replaced(xp, matmul=len):
        assert xp.matmul is len
        1 / 0                                               # noqa: B018
    after = xp.matmul, xp.concatenate, xp.ndarray.__matmul__, "__matmul__" in vars(xp.ndarray)
    assert after == before


def test_an_older_loss_is_refused_after_the_run(there):
    model = vae()
    x = backend.to_device(np.full((2, 16), 0.5, np.float32), "cuda")
    loss = ops.mean(model.encode(x))
    tiny_runs.fit(model, captured=True)
    with refused(BadValue, "a Tensor changed after it was used"):
        loss.backward()


def uploading(model: Any) -> Any:
    return lambda batch, rng: {"loss": ops.mean(functions.squared_error(
        model.decode(model.encode(batch)), backend.to_device(np.zeros((len(batch), 16), np.float32), "cuda")))}


def waiting(model: Any) -> Any:
    def losses(batch: Any, rng: Any) -> dict[str, Tensor]:
        loss = ops.mean(functions.squared_error(model.decode(model.encode(batch)), batch))
        return {"loss": loss if loss.item() > 0 else 2 * loss}
    return losses


@pytest.mark.parametrize("bad", [uploading, waiting])
def test_what_cannot_be_recorded_is_refused(there, bad):
    model = vae()
    seen = {name: p for name, p in params(model).items() if not name.startswith("log_var")}
    phase = train.Phase(bad(model), seen, Adam(seen))
    with refused(BadValue, "captured=True cannot record this step", "captured=False"):
        tiny_runs.fit([phase], captured=True)
    assert all(np.isfinite(p.numpy()).all() for p in seen.values())
    tiny_runs.fit([phase])                                  # and CuPy is as it was


def test_no_gpu_no_graph():
    with refused(BadValue, "captured=True records a CUDA graph", "a model on cuda", 'device="cuda"'):
        tiny_runs.fit(tiny_runs.vae(), captured=True)


def test_captured_or_unrolled(there):
    with refused(BadValue, "a step is captured or unrolled", "unrolled=False"):
        tiny_runs.fit(vae(), captured=True, unrolled=True)


def test_an_optimizer_of_unknown_habits_is_refused(there):
    class Other:
        lr = 1e-3
        def step(self, grads: Any) -> None: ...
        def state(self) -> dict[str, Any]: return {}
        def load(self, state: Any) -> None: ...

    own = params(vae())
    with refused(BadType, "captured=True records steps of SGD and Adam", "captured=False"):
        tiny_runs.fit([train.Phase(vae().losses, own, Other())], captured=True)


def test_the_loop_calls_step_by_step_without_it(monkeypatch):
    monkeypatch.setattr(loop, "Captured", None)
    tiny_runs.fit(tiny_runs.vae())
