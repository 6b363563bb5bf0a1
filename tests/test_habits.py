"""What people bring from NumPy and PyTorch: methods, settings by position, NumPy's own functions, other names."""
from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import multiprocessing
import operator
import pickle
import re

import numpy as np
import pytest
from support import assert_like, refused

import tinyae
from tinyae import Tensor, backend, conv, fused, grad, guards, models, op, ops, refusals
from tinyae.check.cases import CASES
from tinyae.errors import BadName, BadType, Refusal
from tinyae.guards import Each, setting_names
from tinyae.layers import ACTIVATIONS
from tinyae.tensor import data_of

ROWS = ops.ROWS | fused.ROWS | conv.ROWS
POSITIVE = np.array([[0.3, 1.2, 0.7], [2.0, 0.4, 1.6]])
OTHER = np.array([[1.1, 0.2, 0.9], [0.5, 1.4, 1.3]])


def value_and_gradient(device, f, *arrays):
    """f of Tensors, and the gradients of a weighted sum of its result, on the host."""
    tensors = [device.tensor(x, np.float64) for x in arrays]
    y = f(*tensors)
    assert type(y) is Tensor and type(y.data) is type(tensors[0].data)
    weights = device.array(np.cos(np.arange(y.size)).reshape(y.shape), np.float64)
    gradients = grad(ops.sum(y * weights), tensors)
    for g, t in zip(gradients, tensors, strict=True):
        assert_like(g, t)
    return [device.host(x) for x in (y.data, *gradients)]


def assert_same(device, one, other, *arrays):
    for a, b in zip(value_and_gradient(device, one, *arrays), value_and_gradient(device, other, *arrays), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- methods

def test_tab_completion_lists_every_method():
    assert {*ops.METHODS, "reshape", "transpose", "T", "mT", "astype", "item", "numpy"} <= set(dir(Tensor([1.0])))


@pytest.mark.parametrize("name", ops.METHODS)
def test_a_method_is_its_row(device, name):
    row = ROWS[name]
    arrays = (POSITIVE, OTHER.T if name == "matmul" else OTHER)[:len(row.vjps)]
    settings = {"broadcast_to": ((2, 2, 3),), "clip": (0.35, 1.5), "swapaxes": (0, 1)}.get(name, ())
    assert_same(device, lambda x, *rest: getattr(x, name)(*rest, *settings), lambda *xs: row(*xs, *settings), *arrays)


@pytest.mark.parametrize("method, plain", [
    (lambda x: x.sum(0), lambda x: ops.sum(x, axis=0)), (lambda x: x.mean(axis=1), lambda x: ops.mean(x, axis=1)),
    (lambda x: x.max(), lambda x: ops.max(x)), (lambda x: x.min(1, True), lambda x: ops.min(x, axis=1, keepdims=True)),
    (lambda x: x.reshape(3, 2), lambda x: ops.reshape(x, shape=(3, 2))),
    (lambda x: x.reshape((3, 2)), lambda x: ops.reshape(x, shape=(3, 2))),
    (lambda x: x.reshape(-1), lambda x: ops.reshape(x, shape=(-1,))),
    (lambda x: x.transpose(), lambda x: ops.transpose(x)), (lambda x: x.T, lambda x: ops.transpose(x)),
    (lambda x: x.transpose(1, 0), lambda x: ops.transpose(x, axes=(1, 0))),
    (lambda x: x.transpose((1, 0)), lambda x: ops.transpose(x, axes=(1, 0))),
    (lambda x: x.mT, lambda x: ops.swapaxes(x, axis1=-1, axis2=-2)),
    (lambda x: x.clip(0, 1), lambda x: ops.clip(x, low=0, high=1)),
    (lambda x: x.astype(np.float64), lambda x: ops.cast(x, dtype=np.float64)),
    (lambda x: abs(-x), lambda x: ops.abs(ops.neg(x))), (lambda x: 2 / x, lambda x: ops.div(2, x)),
    (lambda x: 3 - x, lambda x: ops.sub(3, x)), (lambda x: 2 ** x, lambda x: ops.power(2, x)),
    (lambda x: x[1:, ::2], lambda x: ops.index(x, key=(slice(1, None), slice(None, None, 2))))])
def test_calls_as_numpy_and_pytorch_spell_them(device, method, plain):
    assert_same(device, method, plain, POSITIVE)


def declared():
    """What guards.py declares for editors and mypy: name -> its parameters with their defaults, None for a property."""
    block = next(node for node in ast.walk(ast.parse(inspect.getsource(guards.Guarded)))
                 if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {node.target.id if isinstance(node, ast.AnnAssign) else node.name:
            None if isinstance(node, ast.AnnAssign) else node.args for node in block.body}


def test_the_declarations_are_the_table():
    assert set(declared()) == {*ops.METHODS, *ops.OPERATORS}
    for name in ops.METHODS:
        row, arguments = ROWS[name], declared()[name]
        names = [argument.arg for argument in arguments.args][1:]               # without self
        n = len(row.vjps) - 1
        assert names[n:] == setting_names(row.forward, len(row.vjps)), name
        defaults = [ast.literal_eval(default) for default in arguments.defaults]
        forward = [] if n == 1 else inspect.signature(row.forward).parameters.values() if names else []
        assert defaults == [p.default for p in forward if p.default is not p.empty], name
    for name, row in ops.OPERATORS.items():
        assert isinstance(row, property) == (declared()[name] is None), name


def calls(name):
    """(args, settings) of every call of this row in its cases."""
    for case in CASES[name]:
        z = case.f(*map(Tensor, case.args(np.random.default_rng(0))))
        if type(z) is Tensor and z.op is ROWS[name]:
            yield z.args, z.settings


WITH_SETTINGS = [name for name, row in ROWS.items() if not isinstance(row.vjps, Each)
                 and setting_names(row.forward, len(row.vjps))]


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_settings_by_position(name):
    row, tried = ROWS[name], 0
    names = setting_names(row.forward, len(row.vjps))
    for args, settings in calls(name):
        first = [settings[n] for n in names if n in settings]
        if list(settings) and names[:len(first)] == [n for n in names if n in settings]:
            by_name, by_position = row(*args, **settings), row(*args, *first)
            np.testing.assert_array_equal(by_name.data, by_position.data)
            leaves = [a for a in args if type(a) is Tensor]
            for one, other in zip(*(grad(ops.sum(y * y), leaves) for y in (by_name, by_position)), strict=True):
                np.testing.assert_array_equal(one, other)
            arrays = row(*map(data_of, args), *first)
            np.testing.assert_array_equal(arrays, by_name.data)
            tried += 1
    assert tried


def test_most_rows_with_settings_are_tried():
    assert {"sum", "clip", "reshape", "index", "pad", "elu", "conv2d", "max_pool2d", "swapaxes"} <= set(WITH_SETTINGS)


@pytest.mark.parametrize("call, words", [
    (lambda t: t.sum(0, axis=1), "2 by position and axis by name"), (lambda t: t.sum(0, True, 3), "sum(x, axis"),
    (lambda t: t.clip(), "low, high, or both"), (lambda t: t.mean(dim=0), "mean has no setting dim"),
    (lambda t: t.exp(2), "exp takes 1 array(s)"), (lambda t: ops.where(t > 0, t), "where(mask, x, y)"),
    (lambda t: t.maximum(), "maximum(x, y)")])
def test_a_call_that_does_not_fit_names_the_row_s_arguments(device, call, words):
    with pytest.raises(Refusal, match=re.escape(words)):
        call(device.tensor(POSITIVE))


# ---- NumPy's functions (NEP 13 and 18)

UFUNCS = {f for f in guards.NUMPY if isinstance(f, np.ufunc)}
FUNCTIONS = {                                   # NumPy's signature, and the same with the row
    np.sum: (lambda x: np.sum(x, axis=0), lambda x: ops.sum(x, axis=0)),
    np.mean: (lambda x: np.mean(x, 1, keepdims=True), lambda x: ops.mean(x, axis=1, keepdims=True)),
    np.max: (lambda x: np.max(x), lambda x: ops.max(x)), np.min: (lambda x: np.min(x, -1), lambda x: ops.min(x, -1)),
    np.amax: (lambda x: np.amax(x, 0), lambda x: ops.max(x, 0)),
    np.amin: (lambda x: np.amin(x, axis=0), lambda x: ops.min(x, 0)),
    np.clip: (lambda x: np.clip(x, 0.35, 1.5), lambda x: ops.clip(x, low=0.35, high=1.5)),
    np.reshape: (lambda x: np.reshape(x, (3, -1)), lambda x: ops.reshape(x, shape=(3, 2))),
    np.transpose: (lambda x: np.transpose(x, (1, 0)), lambda x: ops.transpose(x)),
    np.swapaxes: (lambda x: np.swapaxes(x, 0, -1), lambda x: ops.swapaxes(x, axis1=0, axis2=1)),
    np.broadcast_to: (lambda x: np.broadcast_to(x, (2, 2, 3)), lambda x: ops.broadcast_to(x, shape=(2, 2, 3))),
    np.pad: (lambda x: np.pad(x, ((1, 0), (2, 1))), lambda x: ops.pad(x, width=((1, 0), (2, 1)))),
    np.where: (lambda x: np.where(x > 1, x, 0.0), lambda x: ops.where(x > 1, x, 0.0)),
    np.concatenate: (lambda x: np.concatenate([x, 2 * x], axis=1), lambda x: ops.concatenate(x, 2 * x, axis=1)),
    np.stack: (lambda x: np.stack((x, x * x), -1), lambda x: ops.stack(x, x * x, axis=-1)),
}


def test_every_numpy_function_with_a_row_is_tested_here():
    assert set(guards.NUMPY) == UFUNCS | set(FUNCTIONS)
    assert {np.exp, np.add, np.matmul, np.tanh, np.maximum, np.power} <= UFUNCS


@pytest.mark.parametrize("ufunc", sorted(UFUNCS, key=str), ids=lambda f: f.__name__)
def test_a_ufunc_of_tensors_is_its_row(device, ufunc):
    row = guards.NUMPY[ufunc]
    arrays = (POSITIVE, OTHER.T if ufunc is np.matmul else OTHER)[:ufunc.nin]
    np.testing.assert_allclose(value_and_gradient(device, ufunc, *arrays)[0], ufunc(*arrays))
    assert_same(device, ufunc, row, *arrays)
    if ufunc.nin == 2:
        x, y = (device.array(a, np.float64) for a in arrays)
        assert_same(device, lambda t: ufunc(t, y), lambda t: row(t, y), arrays[0])
        assert_same(device, lambda t: ufunc(x, t), lambda t: row(x, t), arrays[1])
    if ufunc.nin == 2 and ufunc is not np.matmul:
        assert_same(device, lambda t: ufunc(2.0, t), lambda t: row(2.0, t), POSITIVE)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_numpy_function_of_a_tensor_is_its_row(device, function):
    numpys, ours = FUNCTIONS[function]
    assert_same(device, numpys, ours, POSITIVE)
    np.testing.assert_allclose(value_and_gradient(device, numpys, POSITIVE)[0], numpys(POSITIVE))


def test_comparisons_by_name_are_plain_masks(device):
    t = device.tensor(POSITIVE, np.float64)
    for compare in guards.COMPARISONS:
        mask = compare(t, 1.0)
        assert type(mask) is type(t.data) and mask.dtype == bool
        np.testing.assert_array_equal(device.host(mask), compare(POSITIVE, 1.0))


DISPATCHING = [name for name in dir(np) if isinstance(getattr(np, name), np.ufunc)
               or hasattr(getattr(np, name), "_implementation")]


def answer(function, args):
    """The result of a function of NumPy, or its Refusal; None where NumPy itself takes no such arguments."""
    try:
        return function(*args)
    except Refusal as refusal:
        return refusal
    except (TypeError, ValueError, AttributeError, DeprecationWarning):
        return None


@pytest.mark.parametrize("name", DISPATCHING)
def test_every_numpy_function_is_its_row_or_refused_by_its_own_name(name):
    """NumPy never makes an array of a Tensor without a word, and no refusal speaks of another function."""
    function, t = getattr(np, name), Tensor(POSITIVE)
    for args in ((t,), (t, t), ([t, t],), (t, t, t), (t, 1)):
        y = answer(function, args)
        if isinstance(y, Refusal):
            assert type(y) is BadType or function in guards.NUMPY
            assert_true_to(str(y), function.__name__)
        else:
            assert y is None or type(y) is Tensor or function in guards.COMPARISONS, f"np.{name} gave {y!r}"


def assert_true_to(text, name):
    """Rows and functions that a refusal names are there, those that it misses are not; exp is named for exp only."""
    for missing in re.findall(r"there is no ops\.([\w.]+)", text):
        assert not hasattr(ops, missing), text
        text = text.replace(f"there is no ops.{missing}", "")
    for module, there in re.findall(r"\b(ops|functions)\.(\w+)", text):
        assert hasattr(getattr(tinyae, module), there), text
    assert "exp" not in text.split("fix:")[1] or "exp" in name or name in ("prod", "sinh", "cosh", "result_type"), text


@pytest.mark.parametrize("name", refusals.INSTEAD)
def test_the_alternative_that_is_named_computes_the_same(name):
    """INSTEAD's entries are code."""
    function = np
    for part in name.split("."):
        function = getattr(function, part)
    x, y = POSITIVE[:, :2], OTHER[:, :2]
    arrays = (x[0], y[0]) if name == "outer" else (x, y)
    numpys = {"expand_dims": lambda: np.expand_dims(x, 0), "moveaxis": lambda: np.moveaxis(x, 0, 1),
              "squeeze": lambda: np.squeeze(x[None]), "take": lambda: np.take(x, [1, 0, 1], axis=0),
              "flip": lambda: np.flip(x, 0), "vstack": lambda: np.vstack([x, y]), "hstack": lambda: np.hstack([x, y]),
              "split": lambda: np.split(x, [1]), "broadcast_arrays": lambda: np.broadcast_arrays(x, y),
              "put": lambda: np.where(x > 1, 0.5, x), "add.reduce": lambda: np.add.reduce(x),
              "maximum.reduce": lambda: np.maximum.reduce(x)}
    two = {"dot", "inner", "outer", "vdot", "logaddexp", "hypot"}
    expected = numpys.get(name, lambda: function(*arrays[:2 if name in two else 1]))()
    names = {"t": Tensor(x), "x": Tensor(arrays[0]), "y": Tensor(arrays[1]), "ops": ops, "np": np, "tinyae": tinyae,
             "shape": (2, 2), "axes": (1, 0), "index": [1, 0, 1], "n": 1, "mask": x > 1, "value": 0.5}
    found = eval(refusals.INSTEAD[name], names)
    if name == "split":
        assert [f.shape for f in found] == [e.shape for e in expected]
    for f, e in zip(found, expected, strict=True) if name in ("split", "broadcast_arrays") else [(found, expected)]:
        assert type(f) is Tensor
        np.testing.assert_allclose(f.data, e, rtol=1e-12)


@pytest.mark.parametrize("call, words", [
    (lambda t: np.exp(t, dtype=np.float32), ("np.exp with dtype=", "ops.cast")),
    (lambda t: np.exp(t, out=np.zeros((2, 3))), ("np.exp with out=", "a = a + t")),
    (lambda t: np.zeros((2, 3)).__iadd__(t), ("np.add with out=", "array += t")),
    (lambda t: np.maximum(t, 0, where=False), ("np.maximum with where=", "np.maximum without it")),
    (lambda t: np.linalg.norm(t), ("np.linalg.norm", "ops.sqrt")), (lambda t: np.fft.fft(t), ("np.fft.fft",)),
    (lambda t: np.add.reduce(t), ("np.add.reduce", "ops.sum(t, axis=0)")),
    (lambda t: np.sum(t, dtype=np.float64), ("sum has no setting dtype",)),
    (lambda t: np.clip(t, a_min=0, a_max=1), ("clip has no setting a_min, a_max", "low, high")),
    (lambda t: np.pad(t, 1, mode="edge"), ("pad has no setting mode",))])
def test_what_a_row_does_not_do_is_refused_by_the_call_that_was_written(call, words):
    with refused(BadType, *words):
        call(Tensor(POSITIVE))


# ---- other names

def expressions():
    """HABITS: the name that people try, and the expression that its fix begins with, where it does."""
    for name, fix in refusals.HABITS.items():
        code = re.split(r"[;,] ", fix)[0].replace("transpose(...)", "transpose(1, 0)").replace("...", "-1")
        with contextlib.suppress(SyntaxError):
            yield name, compile(code, name, "eval")


@pytest.mark.parametrize("name, code", [*expressions()], ids=lambda x: x if type(x) is str else "")
def test_an_attribute_that_people_try_is_answered_with_code_that_runs(double, name, code):
    t = Tensor(POSITIVE)
    with refused(BadName, f"a Tensor has no {name}", refusals.HABITS[name][:20]):
        getattr(t, name)
    names = {"t": t, "x": t, "y": Tensor(OTHER.T) if "@" in refusals.HABITS[name] else 2.0, "np": np, "tinyae": tinyae,
             "Tensor": Tensor, "backend": backend, "value": 1.0}
    eval(code, names)


def test_most_habits_are_code():
    assert len([*expressions()]) > 0.8 * len(refusals.HABITS)
    assert not {*refusals.HABITS} & {*dir(Tensor([1.0]))}


def test_any_other_attribute_is_an_attribute_error(device):
    t = device.tensor(POSITIVE)
    assert not hasattr(t, "nonsense") and getattr(t, "nonsense", 5) == 5
    with refused(BadName, "a Tensor has no nonsense", "t.data.nonsense"):
        t.nonsense              # noqa: B018
    with pytest.raises(AttributeError):
        t.__nonsense__          # noqa: B018


@pytest.mark.parametrize("module, name, words", [
    ("ops", "softmax", "tinyae.functions.softmax"), ("ops", "dropout", "tinyae.functions.dropout"),
    ("ops", "conv2d", "tinyae.conv.conv2d"), ("functions", "tanh", "tinyae.ops.tanh"),
    ("functions", "sigmoid", "tinyae.ops.sigmoid"), ("functions", "max_pool2d", "tinyae.conv.max_pool2d"),
    ("ops", "affine", "tinyae.fused.affine")])
def test_a_function_that_stands_in_another_chapter_is_found(module, name, words):
    with pytest.raises(AttributeError, match=re.escape(words)):
        getattr(getattr(tinyae, module), name)
    there = tinyae
    for part in words.split(".")[1:]:
        there = getattr(there, part)
    assert callable(there)


@pytest.mark.parametrize("module", ["ops", "functions"])
def test_a_name_that_is_nowhere_is_an_attribute_error_as_ever(module):
    with pytest.raises(AttributeError, match=f"module 'tinyae.{module}' has no attribute 'nonsense'"):
        getattr(getattr(tinyae, module), "nonsense")        # noqa: B009


# ---- models that travel

def build(name, device="cpu", **settings):
    return models.MODELS[name](12, (10,), 3, rng=np.random.default_rng(0), device=device, **settings)


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("twin", [lambda m: pickle.loads(pickle.dumps(m)), copy.copy, copy.deepcopy],
                         ids=["pickle", "copy", "deepcopy"])
def test_a_model_pickles_and_copies(device, name, twin):
    """The twin reconstructs the same, its gradients are the same, and its shared weights are still shared."""
    model, x = build(name, device.name), device.array(np.random.default_rng(1).random((4, 12)))
    other = twin(model)
    assert type(other) is type(model) and other is not model
    np.testing.assert_array_equal(device.host(model.reconstruct(x)), device.host(other.reconstruct(x)))
    gradients = []
    for m in (model, other):
        loss = sum(m.losses(x, np.random.default_rng(2)).values())
        gradients.append(grad(loss, tinyae.params(m), unused="zero"))
    assert list(gradients[0]) == list(gradients[1])
    for mine, its in zip(*(g.values() for g in gradients), strict=True):
        np.testing.assert_array_equal(device.host(mine), device.host(its))


@pytest.mark.parametrize("settings", [{"scale": "sigma", "likelihood": "gaussian"}, {"activation": "elu"}])
def test_every_setting_of_a_vae_pickles(settings):
    model = build("vae", **settings)
    other = pickle.loads(pickle.dumps(model))
    x = np.random.default_rng(1).random((4, 12), np.float32)
    np.testing.assert_array_equal(model.reconstruct(x), other.reconstruct(x))


@pytest.mark.parametrize("choice", ACTIVATIONS)
def test_every_activation_pickles(choice):
    layer = pickle.loads(pickle.dumps(tinyae.layers.Dense(3, 2, activation=choice, rng=np.random.default_rng(0))))
    assert layer.activation is ACTIVATIONS[choice]


def test_a_deep_copy_has_parameters_of_its_own():
    model = build("autoencoder")
    other = copy.deepcopy(model)
    for mine, its in zip(tinyae.params(model).values(), tinyae.params(other).values(), strict=True):
        assert mine is not its
    assert all(a is b for a, b in zip(tinyae.params(model).values(), tinyae.params(copy.copy(model)).values(),
                                      strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_pickles_by_its_name(name):
    row = ROWS[name]
    assert pickle.loads(pickle.dumps(row)) is row
    assert row.__module__ in ("tinyae.ops", "tinyae.fused", "tinyae.conv") and row.__qualname__ == name


def test_an_op_made_of_a_lambda_is_refused_by_pickle():
    mine = op(lambda x: x * x, lambda g, z, x: 2 * g * x)
    with pytest.raises((pickle.PicklingError, AttributeError), match="op"):
        pickle.dumps(tinyae.layers.Dense(3, 2, activation=mine, rng=np.random.default_rng(0)))


def test_models_work_in_processes_that_are_spawned():
    """As on Windows and macOS: the model and its answer are pickled."""
    x = np.random.default_rng(1).random((4, 12), np.float32)
    several = [build(name) for name in ("vae", "conv_autoencoder", "linear")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for model, y in zip(several, pool.map(operator.methodcaller("reconstruct", x), several), strict=True):
            np.testing.assert_array_equal(y, model.reconstruct(x))


# ---- what print and a notebook show

@pytest.mark.parametrize("name", models.MODELS)
def test_a_model_prints_its_summary(device, name):
    model = build(name, device.name)
    lines = str(model).splitlines()
    assert lines[0].split() == ["layer", "kind", "parameters"]
    total = sum(p.size for p in tinyae.params(model).values())
    assert lines[-1].split() == ["total", f"{total:,}"]
    with_outputs = tinyae.summary(model, (12,)).splitlines()
    assert {line.split()[0] for line in with_outputs if "(others)" not in line} - {line.split()[0] for line in lines} \
        == set(), "print shows every layer that is called"
    assert sum(int(line.split()[-1].replace(",", "")) for line in lines[1:-1]) == total
    assert repr(model) == f"<{type(model).__name__}, {total:,} parameters; print it for its layers>"


def test_every_layer_and_model_prints():
    classes = [c for module in (tinyae.layers, models) for c in map(vars(module).get, module.__all__)
               if isinstance(c, type)]
    assert len(classes) > 25
    for kind in classes:
        assert kind.__str__ is tinyae.summary, f"{kind.__name__}: name it in the call of `printed` in its __init__.py"


def test_a_stack_and_a_layer_print_too():
    rng = np.random.default_rng(0)
    stack = tinyae.layers.Sequential(tinyae.layers.Dense(3, 2, rng=rng), tinyae.layers.Dropout(0.5))
    assert [line.split() for line in str(stack).splitlines()] == [
        ["layer", "kind", "parameters"], ["0", "Dense", "8"], ["1", "Dropout", "0"], ["total", "8"]]
    assert repr(stack) == "<Sequential, 8 parameters; print it for its layers>"
    assert str(stack[0]).splitlines()[1].split() == ["Dense", "Dense", "8"]


def test_a_notebook_shows_a_tensor_as_a_table(device):
    t = device.tensor([1.0, 2.0]) * 3
    for fact in ("[3.0, 6.0]", "<th>shape</th><td>(2,)", "float32", "made by</th><td>mul", device.name):
        assert fact in t._repr_html_()
    large = device.tensor(np.zeros((28, 28)))._repr_html_()
    assert "(28, 28)" in large and "leaf" in large and "0.0" not in large
    odd = op(lambda x: x + 0, lambda g, z, x: g)
    odd.__name__ = "<b>"
    assert "&lt;b&gt;" in odd(t)._repr_html_()
