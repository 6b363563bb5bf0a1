"""The table of all gradients: complete, green, and able to be red."""
from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from support import refused

from tinyae import Tensor, functions, fused, layers, models, op, ops
from tinyae.check import __main__, table
from tinyae.check.cases import CASES, by_contract, case, refit, subjects
from tinyae.check.gradcheck import WrongGradient
from tinyae.check.properties import PROPERTIES, Point, traced
from tinyae.errors import BadValue
from tinyae.layers import Dense, params

LINEAR = {"add", "sub", "mul", "div", "matmul", "where", "neg", "sum", "mean", "sum_to", "broadcast_to", "index", "put",
          "pad", "crop", "reshape", "transpose", "swapaxes", "cast", "concatenate", "stack"}


def test_everything_with_a_gradient_has_a_case():
    assert subjects().keys() == CASES.keys()
    assert all(CASES.values())
    assert subjects().keys() >= {*ops.ROWS, *fused.ROWS, "softmax", "gaussian_kl", "Dense", *models.MODELS}


@pytest.mark.parametrize("name", CASES)
def test_every_property_holds(name, seed):
    result = table.check(name, [seed])
    assert not result.faults, "\n".join(result.faults)
    assert {name for name, cell in result.cells.items() if not cell} <= {"broadcasting", "adjoint"}
    assert result.worst < 1e-6
    assert name not in LINEAR or result.cells["adjoint"] == "ok"


@pytest.mark.parametrize("name", ["add", "where", "maximum", "matmul"])
def test_broadcasting_is_checked(name):
    assert table.check(name).cells["broadcasting"] == "ok"


def write_into_g(g, z, x):
    g *= 2
    return g


# the column that must be red -> the row that makes it so
BROKEN = {
    "first order": op(np.tanh, lambda g, z, x: -g * (1 - z * z)),
    "second order": op(np.tanh, lambda g, z, x: g * (1 - ops.data_of(z) ** 2)),
    "g untouched": op(lambda x: 2 * x, write_into_g),
    "dtype": op(np.tanh, lambda g, z, x: g * (1 - z * z) * np.float64(1)),
    "adjoint": op(lambda x: 2 * x, lambda g, z, x: g * 1.9999999),
    "raw = traced": op(np.tanh, lambda g, z, x: g * (1 - z * z) * (1 + 1e-9 * isinstance(g, Tensor))),
}


@pytest.mark.parametrize("column", BROKEN)
def test_a_broken_row_is_red(column, monkeypatch):
    monkeypatch.setitem(CASES, "tanh", [case(BROKEN[column], (3, 4))])
    result = table.check("tanh")
    assert result.cells[column] == "wrong"
    assert any(fault.startswith(f"{column}: ") for fault in result.faults)


def test_a_vjp_that_writes_into_g_is_red_on_a_gpu(monkeypatch, gpu):
    """Where no array can be frozen."""
    monkeypatch.setitem(CASES, "tanh", [case(BROKEN["g untouched"], (3, 4))])
    result = table.check("tanh", device=gpu.name)
    assert result.cells["g untouched"] == "wrong"
    assert any(fault.startswith("g untouched: tanh (seed 0) has a vjp that writes") for fault in result.faults)
    assert table.check("neg", device=gpu.name).cells["g untouched"] == "ok"


def apart(ulps):
    """tanh, whose gradient on Tensors is this many units in the last place off."""
    def vjp(g, z, x):
        return g * (1 - z * z) * (1 + ulps * float(np.finfo(x.dtype).eps) * isinstance(g, Tensor))
    return op(np.tanh, vjp)


@pytest.mark.parametrize("where, ulps, right", [
    ("cpu", 0, True), ("cpu", 2, False), ("cuda", 0, True), ("cuda", 2, True), ("cuda", 6, True), ("cuda", 84, False)])
def test_arrays_and_tensors_agree_to_the_bit_or_on_a_gpu_to_16_ulp(where, ulps, right, double):
    """1.8e-7 of 1 was seen on a GPU, 1.5 ulp in float32; 84 ulp are 1e-5."""
    point = Point("tanh", apart(ulps), [np.linspace(-1, 1, 12).reshape(3, 4)], 0, where, 0)
    if right:
        assert traced(point) == 0
    else:
        with refused(WrongGradient, "changes its gradient with create_graph",
                     "expected: the same bits" if where == "cpu" else "expected: the same numbers, to"):
            traced(point)


def test_an_element_that_cancels_may_be_as_far_off_as_the_largest(double):
    """It keeps the rounding of its terms."""
    def vjp(g, z, x, ulps):
        return g * x * x + ulps * float(np.finfo(x.dtype).eps) * isinstance(g, Tensor)
    for ulps, right in ((1, True), (100, False)):
        f = op(lambda x, ulps: x * 1.0, vjp)
        point = Point("op", lambda x, f=f, ulps=ulps: f(x, ulps=ulps), [np.array([1.0, 1e-8])], 0, "cuda", 0)
        if right:
            assert traced(point) == 0
        else:
            with refused(WrongGradient, "create_graph"):
                traced(point)


def test_accumulation_is_checked(monkeypatch):
    """A vjp that goes wrong only after several uses."""
    seen = []
    stale = op(np.tanh, lambda g, z, x: seen.append(1) or (g * (1 - z * z) if len(seen) % 8 else g))
    monkeypatch.setitem(CASES, "tanh", [case(stale, (3, 4))])
    assert table.check("tanh").cells["accumulation"] == "wrong"


def test_a_row_without_a_case_is_an_error_that_names_it(monkeypatch, capsys):
    monkeypatch.delitem(CASES, "tanh")
    assert __main__.run(["--only", "tanh"]) == 1
    assert "row tanh has no case: give it a line in tinyae/check/cases.py" in capsys.readouterr().out


def test_a_case_of_nothing_is_an_error(monkeypatch, capsys):
    monkeypatch.setitem(CASES, "tanhh", CASES["tanh"])
    assert __main__.run(["--only", "tanhh"]) == 1
    assert "the library has nothing of that name" in capsys.readouterr().out


def test_new_functions_layers_and_models_are_noticed(monkeypatch):
    def cosh(x): return x
    cosh.__module__ = functions.__name__
    monkeypatch.setattr(functions, "cosh", cosh, raising=False)
    wide = type("Wide", (), {"__call__": cosh, "__module__": layers.__name__})
    monkeypatch.setattr(layers, "Wide", wide, raising=False)
    monkeypatch.setitem(models.MODELS, "pca", object)
    assert {"cosh": "function", "Wide": "layer", "pca": "model"}.items() <= subjects().items()


def test_refit_replaces_every_place_that_shares_a_parameter():
    dense = Dense(2, 3, rng=np.random.default_rng(0))
    shared = {"a": dense, "b": [dense.W]}
    W, b = Tensor(np.ones((2, 3))), Tensor(np.zeros(3))
    copy = refit(shared, [W, b])
    assert copy["a"].W is W and copy["b"][0] is W and copy["a"].b is b
    assert list(params(shared).values()) == [dense.W, dense.b] and dense.W is not W


# ---- the command

def test_a_table_for_people(capsys):
    assert __main__.run(["--only", "softmax"]) == 0
    head, line, *_, last = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "" and all(name in head for name in PROPERTIES)
    assert line.split()[:4] == ["softmax", "function", "3", "ok"]
    assert last == "1 checked, 3 cases; all right" and "\033" not in line


def test_a_fault_is_shown_below_the_table(monkeypatch, capsys):
    monkeypatch.setitem(CASES, "tanh", [case(BROKEN["first order"], (3, 4))])
    assert __main__.run(["--only", "tanh"]) == 1
    out = capsys.readouterr().out
    assert "the sign is wrong" in out and "1 wrong: tanh" in out


def test_a_table_for_programs(capsys):
    assert __main__.run(["--only", "add", "--json", "--seed", "7"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["right"] and answer["seeds"] == [7] and answer["device"] == "cpu"
    assert answer["results"][0]["cells"] == dict.fromkeys(PROPERTIES, "ok")


def test_thorough_is_ten_seeds(capsys):
    assert __main__.run(["--only", "neg", "--json", "--thorough"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == list(range(10))


def test_colours_where_they_are_wanted(monkeypatch, capsys):
    result = table.check("neg")
    assert "\033[32mok" in table.table([result], colour=True) and "\033" not in table.table([result])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    __main__.run(["--only", "neg"])
    assert "\033[32m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    __main__.run(["--only", "neg"])
    assert "\033" not in capsys.readouterr().out


@pytest.mark.parametrize("flags, words", [
    (["--only", "sofmax"], "--only softmax"), (["--seed", "-1"], "--seed 0"), (["--seed", "one"], "got:      'one'"),
    (["--onyl", "neg"], "python -m tinyae.check --help"), (["neg"], "unrecognized arguments: neg"),
    (["--only"], "expected one argument"), (["--device", "gpu"], "'cpu' or 'cuda'")])
def test_refusals_name_the_way_out(flags, words):
    with refused(BadValue, words):
        __main__.run(flags)


def command(*flags):
    return subprocess.run([sys.executable, "-m", "tinyae.check", *flags], capture_output=True, text=True, check=False)


def test_exit_statuses():
    assert command("--only", "neg").returncode == 0
    refusal = command("--only", "nothing like it")
    assert refusal.returncode == 2 and refusal.stdout == "" and "Traceback" not in refusal.stderr
    typo = command("--onyl", "neg")
    assert typo.returncode == 2 and typo.stdout == ""
    assert typo.stderr == ("unrecognized arguments: --onyl neg\n  expected: the flags that --help lists\n"
                           "  got:      --onyl neg\n  fix:      python -m tinyae.check --help\n")


def test_help_shows_the_commands():
    said = command("--help")
    assert said.returncode == 0 and said.stderr == "" and "python -m tinyae.check --only softmax" in said.stdout


class Cut(models.Autoencoder):
    """Its loss is multiplied by its own value as a constant: the gradient is one half of the right one."""

    def losses(self, batch, rng=None):
        constant = super().losses(batch)["reconstruction"].data
        return {"reconstruction": super().losses(batch)["reconstruction"] * constant}


@pytest.mark.parametrize("model, faults", [(models.Autoencoder, 0), (models.VAE, 0), (Cut, 1)])
def test_a_model_without_a_line_is_checked_by_its_contract(model, faults, monkeypatch):
    monkeypatch.setitem(CASES, "autoencoder", by_contract(model))
    assert bool(table.check("autoencoder").faults) == faults
