"""The V of the step sizes has the arms and the corner that the demo says it has."""
from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).parents[1] / "demos" / "gradient_check.py"


@pytest.fixture(scope="module")
def demo():
    return runpy.run_path(str(DEMO))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method, order", [("one-sided", 1), ("central", 2)])
def test_both_arms_and_the_corner(demo, method, order, dtype):
    steps, errors, eps = demo["STEPS"], demo["errors"](method, dtype), np.finfo(dtype).eps
    corner = eps ** (1 / (order + 1))
    assert corner / 30 < steps[errors.argmin()] < corner * 30
    right = (steps > 10 * corner) & (steps < 0.1)
    rise = np.polyfit(np.log(steps[right]), np.log(errors[right]), 1)[0] if right.sum() > 3 else order
    assert abs(rise - order) < 0.15
    left = (steps < corner / 10) & (steps > 30 * eps)
    assert np.all(errors[left] < 10 * eps / steps[left]) and errors[left].max() > 10 * errors.min()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_complex_step_has_no_left_arm(demo, dtype):
    assert demo["errors"]("complex step", dtype)[demo["STEPS"] < 1e-8].max() < 4 * np.finfo(dtype).eps


def run(demo, *argv):
    demo["run"](list(argv))


def test_the_table_and_the_picture(demo, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    run(demo, "--out", str(tmp_path / "v.png"))
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    assert "best at" in out and "truncation" in out and "rounding" in out and "v.png" in out


def test_without_matplotlib_the_table_alone(demo, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run(demo, "--out", str(tmp_path / "v.png"))
    assert not list(tmp_path.iterdir())
    out = capsys.readouterr().out
    assert "best at" in out and "pip install" in out
