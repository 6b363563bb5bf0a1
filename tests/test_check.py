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
from tinyae.check.cases import CASES, case, refit, subjects
from tinyae.check.properties import PROPERTIES
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


# the column that must be red -> the row that makes it so
BROKEN = {
    "first order": op(np.tanh, lambda g, z, x: -g * (1 - z * z)),
    "second order": op(np.tanh, lambda g, z, x: g * (1 - ops.data_of(z) ** 2)),
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


def test_accumulation_is_checked(monkeypatch):
    """A vjp that goes wrong only after several uses."""
    seen = []
    stale = op(np.tanh, lambda g, z, x: seen.append(1) or (g * (1 - z * z) if len(seen) % 8 else g))
    monkeypatch.setitem(CASES, "tanh", [case(stale, (3, 4))])
    assert table.check("tanh").cells["accumulation"] == "wrong"


def test_a_row_without_a_case_is_an_error_that_names_it(monkeypatch, capsys):
    monkeypatch.delitem(CASES, "tanh")
    assert __main__.run(["--only", "tanh"]) == 1
    assert "row tanh has no case" in capsys.readouterr().out


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


@pytest.mark.parametrize("flags, words", [(["--only", "sofmax"], "--only softmax"), (["--seed", "-1"], "--seed 0")])
def test_refusals_name_the_way_out(flags, words):
    with refused(BadValue, words):
        __main__.run(flags)


def command(*flags):
    return subprocess.run([sys.executable, "-m", "tinyae.check", *flags], capture_output=True, text=True, check=False)


def test_exit_statuses():
    assert command("--only", "neg").returncode == 0
    refusal = command("--only", "nothing like it")
    assert refusal.returncode == 2 and refusal.stdout == "" and "Traceback" not in refusal.stderr
    assert command("--onyl", "neg").returncode == 2
