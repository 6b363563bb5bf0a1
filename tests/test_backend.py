"""Where arrays live: choosing a device, moving arrays, random numbers, both devices in one process."""
from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, backend, grad, ops
from tinyae.check.gradcheck import NotDifferentiable, WrongGradient
from tinyae.errors import BadFile, BadIndex, BadName, BadType, BadValue


def without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)          # `import cupy` raises ImportError


def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(is_available=lambda: False, __version__="14.2.0"))


# ---- choosing a device

def test_cuda_without_cupy_says_how_to_get_it(monkeypatch):
    without_cupy(monkeypatch)
    with pytest.raises(BadValue, match="cannot be imported") as refusal:
        backend.device("cuda")
    assert "pip install" in refusal.value.fix and "cuda12" in refusal.value.fix and 'device="cpu"' in refusal.value.fix


def test_cuda_without_gpu_says_what_to_look_at(monkeypatch):
    without_gpu(monkeypatch)
    with pytest.raises(BadValue, match="no GPU") as refusal:
        backend.device("cuda")
    assert "14.2.0" in str(refusal.value) and "nvidia-smi" in refusal.value.fix


@pytest.mark.parametrize("missing", [without_cupy, without_gpu])
def test_auto_falls_back_aloud(monkeypatch, missing):
    missing(monkeypatch)
    with pytest.warns(UserWarning, match="runs on the CPU: CuPy") as warned:
        assert backend.device("auto") == "cpu"
    assert warned[0].filename == __file__       # it points at the caller's line


def test_auto_takes_the_gpu_in_silence(double):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert backend.device("auto") == "cuda"


def test_a_device_by_name(device):
    assert backend.device(device.name) == device.name


@pytest.mark.parametrize("name", ["gpu", "cuda:0", "", None])
def test_unknown_device_lists_the_known(name):
    with pytest.raises(BadValue, match="'cpu' or 'cuda' or 'auto'"):
        backend.device(name)


def test_cupy_is_not_imported_unless_asked_for():
    code = "import sys, tinyae; from tinyae import backend; backend.device('cpu'); sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---- moving arrays

def test_moves_there_and_back(device):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    y = backend.to_device(x, device.name)
    assert backend.is_array(y) and backend.device_of(y) == device.name
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    back = backend.to_host(y)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, x)


def test_an_array_that_is_there_stays_itself(device):
    x = device.array([1, 2])
    assert backend.to_device(x, device.name) is x


def test_to_the_cpu_from_anywhere(device):
    assert type(backend.to_device(device.array([1, 2]), "cpu")) is np.ndarray


@pytest.mark.parametrize("x", [1.0, [1.0], None, "cpu"])
def test_is_no_array(x):
    assert not backend.is_array(x)


def test_synchronize_waits(double):
    with double.counting() as n:
        backend.synchronize("cuda")
    assert n.syncs == 1


def test_synchronize_on_the_cpu_needs_no_cupy(monkeypatch):
    without_cupy(monkeypatch)
    backend.synchronize("cpu")


@pytest.mark.parametrize("key", ["array", "list", "tuple", "with a slice"])
def test_add_at_counts_a_place_as_often_as_it_is_named(device, key):
    z, i = device.array(np.zeros((3, 2))), device.array([0, 2, 0], np.int64)
    keys = {"array": i, "list": [0, 2, 0], "tuple": (i, [1, 1, 1]), "with a slice": (i, slice(1, None))}
    expected = [[0, 2], [0, 0], [0, 1]] if key in ("tuple", "with a slice") else [[2, 2], [0, 0], [1, 1]]
    backend.add_at(z, keys[key], device.array(1.0))
    assert device.host(z).tolist() == expected


# ---- both devices in one process

@pytest.fixture
def both(double) -> tuple[Tensor, Tensor]:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    return Tensor(x), Tensor(backend.to_device(x, "cuda"))


def test_both_devices_work_side_by_side(both):
    losses = [ops.sum(ops.tanh(x @ x.T)) for x in both]
    here, there = (grad(y, [x])[0] for x, y in zip(both, losses, strict=True))
    assert (backend.device_of(here), backend.device_of(there)) == ("cpu", "cuda")
    np.testing.assert_array_equal(backend.to_host(there), here)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("row", ["add", "mul", "matmul", "maximum", "concatenate"])
@pytest.mark.parametrize("constant", [False, True])
def test_mixing_devices_names_the_call_that_mends_it(both, row, first, constant):
    x, y = both[first], both[1 - first]
    if row == "matmul":
        y = Tensor(y.data.T)
    with pytest.raises(BadType, match=f"{row} mixes devices") as refusal:
        getattr(ops, row)(x, y.data if constant else y)
    where = backend.device_of(x.data)
    call = refusal.value.fix.partition(", or")[0]
    assert call == f'backend.to_device(x, "{where}")' and where in refusal.value.expected
    moved = eval(call, {"backend": backend, "x": y.data})
    getattr(ops, row)(x, moved)


def test_an_index_from_the_other_device_is_refused(both):
    _, there = both
    with pytest.raises(BadType, match="to_device"):
        there[np.array([0, 1])]


# ---- random numbers

class Replay:
    """Recorded noise in the place of a generator."""

    def __init__(self, numbers: np.ndarray):
        self.numbers = numbers

    def standard_normal(self, size: Any, dtype: Any) -> np.ndarray:
        assert (size, dtype) == (self.numbers.shape, self.numbers.dtype)
        return self.numbers

    random = standard_normal


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("draw", [backend.normal, backend.uniform])
def test_replays_recorded_noise(device, draw, dtype, rng):
    recorded = rng.random((4, 3)).astype(dtype)
    x = draw(Replay(recorded), like=device.array(np.zeros((4, 3)), dtype))
    assert backend.device_of(x) == device.name
    np.testing.assert_array_equal(device.host(x), recorded)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("draw", [backend.normal, backend.uniform])
@pytest.mark.parametrize("source", ["host", "device"])
def test_noise_is_like_its_model(device, draw, dtype, source):
    rng = backend.generator(0, device.name if source == "device" else "cpu")
    x = draw(rng, like=device.array(np.zeros((2, 3)), dtype))
    assert (x.shape, x.dtype, backend.device_of(x)) == ((2, 3), dtype, device.name)
    numbers = device.host(x).astype(np.float64)
    assert len(np.unique(numbers)) == 6
    assert draw is backend.normal or (numbers.min() >= 0 and numbers.max() <= 1)


def test_noise_like_a_tensor(device):
    x = Tensor(device.array(np.zeros(3)))
    assert backend.device_of(backend.normal(np.random.default_rng(0), like=x)) == device.name


def test_a_host_generator_gives_both_devices_the_same_noise(double):
    like = np.zeros((2, 3), np.float32)
    here = backend.normal(np.random.default_rng(7), like=like)
    there = backend.normal(np.random.default_rng(7), like=backend.to_device(like, "cuda"))
    np.testing.assert_array_equal(here, backend.to_host(there))


def test_noise_on_the_device_needs_no_upload(double):
    like, rng = double.cupy.zeros((2, 3), np.float32), backend.generator(0, "cuda")
    with double.counting() as n:
        backend.normal(rng, like=like)
    assert (n.uploads, n.syncs) == (0, 0)


@pytest.mark.parametrize("rng", [None, 0])
def test_noise_without_a_generator_names_one(rng):
    with pytest.raises(BadType, match=r"default_rng\(0\)"):
        backend.normal(rng, like=np.zeros(3))


@pytest.mark.parametrize("seed", [0, 2**63, [1, 2, 3]])
def test_a_seed_is_a_stream(device, seed):
    def draw(seed: Any) -> list:
        return device.host(backend.generator(seed, device.name).random(4)).tolist()
    assert draw(seed) == draw(seed)
    other = [1, 2, 4] if isinstance(seed, list) else seed + 1
    assert draw(seed) != draw(other)


# ---- what nobody can change any more

def test_frozen_copies_what_somebody_could_write_into():
    x = np.ones(3)
    view = x[:]
    view.flags.writeable = False                # x is still writable
    for given in (x, view):
        kept = backend.frozen(given)
        assert kept is not given and not kept.flags.writeable
        assert not np.shares_memory(kept, x)


@pytest.mark.parametrize("made", [lambda: backend.freeze(np.ones(3)), lambda: backend.freeze(np.ones((2, 3)))[0],
                                  lambda: np.frombuffer(b"12345678"), lambda: backend.freeze(np.ones((2, 3))).T])
def test_frozen_keeps_what_is_read_only(made):
    x = made()
    assert backend.frozen(x) is x


def test_frozen_copies_what_maps_a_writable_buffer():
    buffer = bytearray(16)
    x = np.frombuffer(buffer)
    x.flags.writeable = False
    kept = backend.frozen(x)
    buffer[:] = b"1" * 16
    assert kept.tolist() == [0, 0]


@pytest.mark.parametrize("kind", [BadFile, BadIndex, BadName, BadType, BadValue, WrongGradient, NotDifferentiable])
def test_a_refusal_comes_out_of_another_process_as_it_was(kind):
    """A pool waits for ever for an exception that cannot be unpickled."""
    refusal = kind("what", expected="a", got=lambda: "a thing that cannot be pickled", fix="b")
    again = pickle.loads(pickle.dumps(refusal))
    assert type(again) is kind and str(again) == str(refusal) and again.fix == "b"
