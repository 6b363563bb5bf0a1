"""What tests share: the three devices, seeds that are told on failure, Hypothesis's profiles.

    pytest                                       a minute; Hypothesis tries a few examples of each property
    HYPOTHESIS_PROFILE=thorough pytest           many examples; --hypothesis-profile=thorough does the same
    TINYAE_SEED=1234 pytest -k name              the random numbers of a failure again
"""
from __future__ import annotations

import os
import secrets
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cupy_double
import numpy as np
import pytest
from hypothesis import settings

from tinyae import Tensor

# nohup and background jobs ignore signals, and a run leaves them ignored. Tests of signals want them as in a terminal.
USUAL = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
for name, usual in USUAL.items():
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, name), usual)

settings.register_profile("default", max_examples=25, deadline=None, print_blob=True)
settings.register_profile("thorough", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@dataclass(frozen=True)
class Device:
    """Where a test runs: numpy, the double of CuPy, or CuPy."""
    id: str
    xp: Any

    @property
    def name(self) -> str:
        """As tinyae calls it."""
        return "cpu" if self.id == "numpy" else "cuda"

    def array(self, x: Any, dtype: Any = np.float32) -> Any:
        """A new array here."""
        return self.xp.array(np.asarray(x, dtype))

    def tensor(self, x: Any, dtype: Any = np.float32) -> Tensor:
        return Tensor(self.array(x, dtype))

    def host(self, x: Any) -> np.ndarray:
        return np.asarray(x) if self.id == "numpy" else self.xp.asnumpy(x)

    def no_sync(self) -> AbstractContextManager:
        """On the double, waiting for the device is a failure; elsewhere nobody sees it."""
        return cupy_double.no_sync() if self.id == "double" else nullcontext()


def real_cupy() -> Any:
    cupy = pytest.importorskip("cupy", reason="cupy not installed")
    if not cupy.is_available():
        pytest.skip("no GPU: cupy.is_available() is False")
    return cupy


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The double stands in for CuPy during this test; `with double.counting() as n:` counts what it does."""
    monkeypatch.setitem(sys.modules, "cupy", cupy_double.cupy)
    return cupy_double


def make_device(request: pytest.FixtureRequest) -> Device:
    if request.param == "numpy":
        return Device("numpy", np)
    if request.param == "double":
        return Device("double", request.getfixturevalue("double").cupy)
    return Device("cupy", real_cupy())


@pytest.fixture(params=["numpy", "double", "cupy"])
def device(request: pytest.FixtureRequest) -> Device:
    return make_device(request)


@pytest.fixture(params=["double", "cupy"])
def gpu(request: pytest.FixtureRequest) -> Device:
    """For tests that compare a GPU with the CPU."""
    return make_device(request)


@pytest.fixture
def seed() -> int:
    """Another one each time; printed, and shown by pytest when the test fails."""
    seed = int(os.environ.get("TINYAE_SEED", secrets.randbelow(2**32)))
    print(f"TINYAE_SEED={seed}")
    return seed


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def shared_data() -> Path:
    """Real data sets, where there are any beside the repository: no user has them."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder ../shared/data beside the repository")
    return folder
