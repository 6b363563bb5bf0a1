"""Layers, params, save, load and summary: which Tensors an object owns, in which order, and what shapes it gives."""
import copy
import io
import os
import pickle
import subprocess
import sys
import zipfile
from functools import partial

import numpy as np
import pytest

from tinyae import Tensor, grad, load_params, ops, params, summary, train
from tinyae.errors import BadFile, BadValue
from tinyae.layers import ACTIVATIONS, INITIALIZERS, Conv2D, ConvTranspose2D, Dense, Dropout, Sequential, load, save
from tinyae.models import VAE, Autoencoder, ConvStacked
from tinyae.optim import Adam

f4 = np.float32


def dense(n=4, k=3, **settings):
    return Dense(n, k, rng=np.random.default_rng(0), **settings)


def test_dense_is_f_of_xw_plus_b(rng):
    layer = dense(activation="tanh")
    layer.b.data = np.array([1, 2, 3], f4)
    x = rng.standard_normal((5, 4)).astype(f4)
    np.testing.assert_allclose(layer(x).data, np.tanh(x @ layer.W.data + [1, 2, 3]), rtol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_name_and_by_function(name, rng):
    x = rng.standard_normal((5, 4)).astype(f4)
    assert np.array_equal(dense(activation=name)(x).data, dense(activation=ACTIVATIONS[name])(x).data)


@pytest.mark.parametrize(("name", "variance"), [("he_normal", 2 / 300), ("he_uniform", 2 / 300),
                                                ("glorot_normal", 2 / 500), ("glorot_uniform", 2 / 500)])
def test_initialisers_have_the_variance_of_their_paper(name, variance):
    W = dense(300, 200, init=name).W.data
    assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)
    assert abs(W.var() / variance - 1) < 5 * np.sqrt(2 / W.size)
    assert ("uniform" in name) == (np.abs(W).max() < 1.01 * np.sqrt(3 * variance))
    assert W.dtype == f4 and not dense(300, 200, init=name).b.data.any()


def test_one_seed_gives_one_net_in_any_dtype():
    assert np.array_equal(dense().W.data, dense().W.data)
    np.testing.assert_allclose(dense().W.data, dense(dtype=np.float64).W.data, rtol=1e-7)


def test_dropout_layer_and_sequential_pass_the_rng_on(rng):
    net = Sequential(Dropout(0.5), ops.relu, partial(ops.leaky_relu, slope=0.1), Dropout(0.5))
    x = np.ones((50, 40), f4)
    assert np.array_equal(net(x), x)                                    # no rng, no corruption
    assert 0.15 < (net(x, rng) != 0).mean() < 0.35 and set(np.unique(net(x, rng))) == {0, 4}


def test_params_have_dotted_names_in_order_of_definition():
    names = list(params(Autoencoder(6, (5,), 2, rng=np.random.default_rng(0))))
    assert names == ["encoder.0.W", "encoder.0.b", "encoder.1.W", "encoder.1.b",
                     "decoder.0.W", "decoder.0.b", "decoder.1.W", "decoder.1.b"]


def test_params_lists_a_shared_tensor_once_under_its_first_name():
    layer = dense()
    assert list(params({"a": layer, "b": [layer, layer.W]})) == ["a.W", "a.b"]


def test_parameters_go_out_as_arrays_and_come_back():
    a, b = dense(), dense(init="he_normal")
    load_params(b, {name: p.numpy() for name, p in params(a).items()})
    assert np.array_equal(a.W.data, b.W.data)
    for wrong, word in (({"W": a.W.numpy()}, "b"), ({"W": a.W.numpy().T, "b": a.b.numpy()}, "(3, 4)"),
                        ({"W": a.W.numpy() + 1, "b": a.b.numpy().astype(float)}, "float64")):
        with pytest.raises(ValueError, match="fix:") as refusal:
            load_params(b, wrong)
        assert word in str(refusal.value) and np.array_equal(a.W.data, b.W.data)


# ---- save and load

OWNERS = {
    "VAE": lambda seed, device: VAE(12, (10,), 3, rng=np.random.default_rng(seed), device=device.name),
    "tied convolutions": lambda seed, device: ConvStacked(
        (6, 6), (2,), 3, rng=np.random.default_rng(seed), device=device.name),
    "list of Tensors": lambda seed, device: [device.tensor(np.random.default_rng(seed).random(shape))
                                             for shape in ((), (0, 2), (3, 2))],
    "float64 and a Fortran array": lambda seed, device: {
        "file": device.tensor(np.random.default_rng(seed).random((3, 2)).T, np.float64),
        "a/b.npy": device.tensor(seed)},
}


@pytest.mark.parametrize("make", OWNERS.values(), ids=OWNERS)
def test_load_restores_what_save_wrote(make, device, tmp_path):
    one, other = make(1, device), make(2, device)
    before = {name: p.numpy().copy() for name, p in params(one).items()}
    save(one, tmp_path / "weights")
    load(other, str(tmp_path / "weights"))
    for name, p in params(other).items():
        assert np.array_equal(p.numpy(), before[name]) and p.dtype == before[name].dtype and p.data is not \
            params(one)[name].data and type(p.data) is type(params(one)[name].data)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as archive:
        assert archive.files == list(before)


def test_load_gives_parameters_a_new_birth():
    """A loss computed before a load is stale afterwards, as after any change of a parameter."""
    layer = dense()
    loss = ops.sum(layer(np.ones((1, 4), f4)))
    load_params(layer, {name: p.numpy() for name, p in params(layer).items()})
    with pytest.raises(BadValue, match="changed after it was used"):
        grad(loss, params(layer))


def test_save_keeps_a_suffix_and_replaces_the_file_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "weights.bin"
    for seed in (0, 1):
        layer = Dense(4, 3, rng=np.random.default_rng(seed))
        save(layer, path)
        loaded = dense(init="he_normal")
        load(loaded, path)
        assert np.array_equal(loaded.W.data, layer.W.data)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.bin"]
    before = path.read_bytes()
    monkeypatch.setattr("os.urandom", lambda n: b"\xaa" * n)
    (tmp_path / f"weights.bin.{'aa' * 8}.tmp").mkdir()                  # the temporary file cannot be opened
    with pytest.raises(BadFile, match="cannot write"):
        save(dense(), path)
    assert path.read_bytes() == before


def test_load_reads_the_weights_of_a_run(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 2, 2), np.uint8)
    trained, fresh = (Autoencoder(4, (3,), 2, rng=np.random.default_rng(seed)) for seed in (0, 1))
    phase = train.Phase(trained.losses, params(trained), Adam(params(trained)))
    train.fit([phase], (images, images), epochs=1, batch_size=10, out=tmp_path, report=None)
    load(fresh, tmp_path / "weights.npz")
    for one, other in zip(params(trained).values(), params(fresh).values(), strict=True):
        assert np.array_equal(one.data, other.data)


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def npz_of_a_lying_header():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive, archive.open("W.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, {"descr": "<f4", "fortran_order": False, "shape": (1 << 45,)})
    return content.getvalue()


W, B = np.ones((4, 3), f4), np.ones(3, f4)
WHOLE = npz(W=W, b=B)


@pytest.mark.parametrize(("content", "error", "words"), [
    (None, BadFile, ["cannot load", "No such file"]),
    (b"", BadFile, ["BadZipFile"]),
    (b"hello", BadFile, ["BadZipFile"]),
    (WHOLE[:-30], BadFile, ["cannot load"]),
    (WHOLE.replace(W.tobytes(), np.zeros_like(W).tobytes()), BadFile, ["Bad CRC"]),
    (pickle.dumps({"W": W, "b": B}), BadFile, ["BadZipFile"]),
    (npz(W=W, b=np.array([{}] * 3)), BadFile, ["allow_pickle=False"]),
    (npz_of_a_lying_header(), BadFile, ["cannot load"]),
    (npz(W=W), BadValue, ["array names must be parameter names", "W, b", "no array called b"]),
    (npz(W=W, b=B, c=B), BadValue, ["array names must be parameter names", "also an array called c"]),
    (npz(W=W.T, b=B), BadValue, ["array W must have", "(4, 3) float32", "(3, 4) float32"]),
    (npz(W=W, b=B.astype(float)), BadValue, ["array b must have", "(3,) float64", "astype(np.float32)"]),
    (npz(W=W, b=B.astype(">f4")), BadValue, ["array b must have", ">f4"]),
])
def test_load_refuses_a_file_that_does_not_fit_and_changes_nothing(content, error, words, tmp_path):
    layer, path = dense(), tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    before = layer.W.data, layer.b.data
    with pytest.raises(error) as refusal:
        load(layer, path)
    assert layer.W.data is before[0] and layer.b.data is before[1]
    for word in ["expected:", "got:", "fix:", "weights.npz", *words]:
        assert word in str(refusal.value)


def test_a_pickle_inside_the_file_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    (tmp_path / "weights.npz").write_bytes(npz(W=np.array([Trap()], object), b=B))
    with pytest.raises(BadFile, match="allow_pickle=False"):
        load(dense(), tmp_path / "weights.npz")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("call", [lambda: save([], "empty"), lambda: save(dense().W.data, "array"),
                                  lambda: save(dense(), ""), lambda: load(dense(), "")])
def test_save_and_load_refuse_what_they_cannot_use(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((BadFile, BadValue), match=r"expected:[\s\S]*got:[\s\S]*fix:"):
        call()
    assert not list(tmp_path.iterdir())


def test_params_takes_leaves_only_and_survives_cycles():
    layer = dense()
    layer.owner = layer
    layer.remembered = layer(np.ones((1, 4), f4))                       # made by an op, so it is no parameter
    assert list(params(layer)) == ["W", "b"]


def test_order_of_params_does_not_change_with_the_hash_seed():
    code = ("import numpy as np; from tinyae import params; from tinyae.models import VAE;"
            "print(list(params(VAE(6, (5,), 2, rng=np.random.default_rng(0)))))")
    orders = {subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": s}, check=True,
                             capture_output=True).stdout for s in ("0", "1", "2")}
    assert len(orders) == 1


def test_a_copied_model_learns_on_its_own():
    a = dense()
    b = copy.deepcopy(a)
    b.W.data = b.W.data + f4(1)
    assert not np.array_equal(a.W.data, b.W.data)
    x = np.ones((1, 4), f4)
    assert list(grad(ops.sum(b(x)), params(b))) == ["W", "b"]


def test_summary_of_a_model_a_stack_and_a_layer():
    model = VAE(784, (400,), 20, rng=np.random.default_rng(0))
    lines = summary(model, (784,)).splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters"]
    assert lines[1].split() == ["body.0", "Dense", "(400,)", "314,000"]
    assert lines[-1].split() == ["total", "652,824"]
    assert [line.split()[0] for line in lines[1:-1]] == ["body.0", "mu", "log_var", "decoder.0", "decoder.1"]
    assert isinstance(model.mu, Dense)                                  # the stand-ins are gone
    stack = Sequential(dense(4, 3), ops.relu, Dropout(0.5), dense(3, 2))
    assert [line.split()[:2] for line in summary(stack, (4,)).splitlines()[1:-1]] == [
        ["0", "Dense"], ["2", "Dropout"], ["3", "Dense"]]
    assert summary(dense(), (4,)).splitlines()[1].split() == ["Dense", "Dense", "(3,)", "15"]


def test_summary_counts_what_no_layer_owns():
    class Scaled:
        def __init__(self):
            self.dense, self.scale = dense(), Tensor(2.0)

        def __call__(self, x, rng=None):
            return self.dense(x) * self.scale

    lines = [line.split() for line in summary(Scaled(), (4,)).splitlines()]
    assert lines[1:] == [["dense", "Dense", "(3,)", "15"], ["(others)", "1"], ["total", "16"]]


def test_summary_puts_the_layers_back_when_the_shapes_do_not_fit():
    model = VAE(784, (4,), 2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="fix:"):
        summary(model, (10,))
    assert isinstance(model.mu, Dense) and isinstance(model.body[0], Dense)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: dense()(np.zeros((2, 5), f4)), ["Dense(4, 3)", "x (n, 4)", "(2, 5) float32", "Dense(5, 3)"]),
    (lambda: dense()(np.zeros((2, 2, 2), f4)), ["x.reshape(len(x), -1)"]),
    (lambda: dense()(np.zeros((2, 4))), ["float32", "float64", "astype(np.float32)"]),
    (lambda: dense()(np.zeros((2, 4), int)), ["int64", "astype(np.float32)"]),
    (lambda: dense(0, 3), ["n_in must be a positive integer", ">= 1", "0"]),
    (lambda: dense(4, 2.5), ["n_out must be a positive integer", "2.5"]),
    (lambda: dense(activation="rely"), ["activation", "relu", "'rely'"]),
    (lambda: dense(init="he"), ["init", "he_normal", "'he'"]),
    (lambda: dense(device="gpu"), ["device", "'gpu'", "cuda"]),
    (lambda: Dropout(1.5), ["rate", "1.5"]),
    (lambda: VAE(4, (), 2, rng=np.random.default_rng(0)), ["hidden"]),
    (lambda: VAE(4, (3,), 2, beta=-1, rng=np.random.default_rng(0)), ["beta"]),
])
def test_refusals_say_expected_got_fix(call, words):
    with pytest.raises((ValueError, TypeError)) as refusal:
        call()
    for word in ["expected:", "got:", "fix:", *words]:
        assert word in str(refusal.value)


def test_every_initialiser_is_tested():
    assert set(INITIALIZERS) == {"he_normal", "he_uniform", "glorot_normal", "glorot_uniform"}


def no_memory(n, k, rng):
    raise MemoryError


@pytest.mark.parametrize("make, size", [
    (lambda rng: Dense(10**7, 10**7, rng=rng), 8 * 10**14), (lambda rng: Dense(np.int64(2**40), 2**40, rng=rng), 2**83),
    (lambda rng: Conv2D(10**6, 10**6, rng=rng), 72 * 10**12), (lambda rng: Dense(3, 2, init=no_memory, rng=rng), 48),
    (lambda rng: ConvTranspose2D(10**6, 10**6, rng=rng), 72 * 10**12)])
def test_a_layer_that_no_memory_holds_says_how_much_it_asked_for(make, size, rng):
    with pytest.raises(BadValue, match=f"expected: {size:,} bytes"):
        make(rng)
