"""What is special to the linear, denoising, dropout and stacked autoencoders."""
import numpy as np
import pytest
from support import refused

from tinyae import Tensor, grad, ops, params, summary
from tinyae.errors import BadValue
from tinyae.functions import squared_error
from tinyae.layers import Dense, Sequential, TiedDense
from tinyae.models import Denoising, DropoutAutoencoder, LinearAutoencoder, Stacked
from tinyae.models.linear import PCA, largest_angle
from tinyae.optim import Adam
from tinyae.train import Phase, fit

f4, f8 = np.float32, np.float64


def seeded(n=0):
    return np.random.default_rng(n)


# ---- tied weights

def test_a_tied_gradient_is_the_sum_of_the_untied_ones(rng):
    x = rng.random((5, 6))
    dense = Dense(6, 4, activation="tanh", dtype=f8, rng=rng)
    tied = TiedDense(dense, activation="elu")
    V = Tensor(dense.W.data.T)                                              # (4, 6): a weight of its own
    (g,) = grad(ops.mean(squared_error(tied(dense(x)), x)), [dense.W])
    untied = ops.mean(squared_error(ops.elu(dense(x) @ V + tied.b), x))
    gW, gV = grad(untied, [dense.W, V])
    assert gW.any() and gV.any()
    np.testing.assert_allclose(g, gW + gV.T, rtol=1e-12)


def test_tied_layers_have_half_the_weights_and_each_is_counted_once():
    model = Stacked(784, (300,), 150, rng=seeded())
    weights = 784 * 300 + 300 * 150
    assert sum(p.size for p in params(model).values()) == weights + 300 + 150 + 300 + 784
    lines = [line.split() for line in summary(model, (784,)).splitlines()]
    assert [line[-1] for line in lines[1:]] == ["235,500", "45,150", "300", "784", "281,734"]


def test_tied_stays_tied_after_a_step(rng):
    dense = Dense(6, 4, rng=rng)
    net = Sequential(dense, TiedDense(dense))
    x = rng.random((3, 6)).astype(f4)
    Adam(params(net)).step(grad(ops.mean(squared_error(net(x), x)), params(net)))
    assert net[1].W is net[0].W and list(params(net)) == ["0.W", "0.b", "1.b"]


def test_tied_refuses_what_its_layer_never_gives(rng):
    with refused(BadValue, "TiedDense to Dense(6, 4)", "y (n, 4)", "(2, 6) float32"):
        TiedDense(Dense(6, 4, rng=rng))(np.zeros((2, 6), f4))


# ---- the linear autoencoder is PCA

def images_of_a_plane(rng, n=400, d=12, k=3):
    """n points near a k-dimensional plane, with another variance in each direction."""
    basis = np.linalg.qr(rng.standard_normal((d, k)))[0]
    return rng.standard_normal((n, k)) * (3.0, 2.0, 1.0) @ basis.T + 0.1 * rng.standard_normal((n, d)) + 0.5


def test_pca_is_that_of_the_singular_values(rng):
    x = images_of_a_plane(rng)
    pca = PCA([x[:150], x[150:]], 3)
    _, s, V = np.linalg.svd(x - x.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(pca.components @ V[:3].T), np.eye(3), atol=1e-8)
    error = squared_error(pca.decode(pca.encode(x)), x).mean()
    np.testing.assert_allclose(error, np.square(s[3:]).sum() / len(x), rtol=1e-9)


def test_trained_it_spans_the_principal_components_and_its_decoder_gives_them_back(rng, seed):
    x = images_of_a_plane(rng)
    model, pca = LinearAutoencoder(12, (), 3, dtype=f8, rng=rng), PCA([x], 3)
    for lr in (1e-2, 1e-3):
        optimizer = Adam(params(model), lr=lr)
        for _ in range(1500):
            optimizer.step(grad(model.losses(x)["reconstruction"], params(model)))
    best = squared_error(pca.decode(pca.encode(x)), x).mean()
    found = model.components(model.encode(x).data)
    assert best <= model.losses(x)["reconstruction"].item() < 1.005 * best, seed
    assert largest_angle(found, pca.components) < 2, seed
    np.testing.assert_allclose(np.abs(found @ pca.components.T), np.eye(3), atol=0.03, err_msg=f"seed {seed}")


def test_the_angle_between_subspaces():
    e = np.eye(5)
    slanted = np.stack([e[0], (e[1] + e[2]) / np.sqrt(2)])
    np.testing.assert_allclose([largest_angle(e[:2], e[:2]), largest_angle(e[:2], e[[0, 2]]),
                                largest_angle(e[:2], slanted)], [0, 90, 45], atol=1e-5)


# ---- denoising

@pytest.mark.parametrize(("noise", "expected"), [("gaussian", lambda x: 0.3 ** 2 * x.shape[1]),
                                                 ("masking", lambda x: np.square(x).sum(1).mean() * 0.3 / 0.7)])
def test_a_model_that_copies_scores_the_noise(noise, expected, rng, seed):
    """The target is the image as it was: a target with the same noise would make copying perfect."""
    x = rng.random((2000, 12))
    model = Denoising(12, (5,), 4, noise=noise, level=0.3, rng=rng, dtype=f8)
    model.encode = model.decode = lambda z: z if isinstance(z, Tensor) else Tensor(z)
    scored = model.losses(x, rng)["reconstruction"].item()
    np.testing.assert_allclose(scored, expected(x), rtol=0.05, err_msg=f"seed {seed}")
    assert model.losses(x)["reconstruction"].item() == 0                    # no rng, no noise


def test_noise_is_fresh_for_every_batch(rng):
    model, x = Denoising(12, (5,), 4, rng=rng), rng.random((3, 12)).astype(f4)
    one, other = model.corrupt(x, rng), model.corrupt(x, rng)
    assert not np.isclose(one, other).any() and np.array_equal(model.corrupt(x, None), x)


@pytest.mark.parametrize(("settings", "words"), [({"noise": "salt"}, ["gaussian or masking", "'salt'"]),
                                                 ({"noise": "masking", "level": 1.0}, ["rate", "1.0"]),
                                                 ({"level": -1}, ["sigma", "-1"])])
def test_noise_that_is_none_is_refused_before_training(settings, words):
    with refused(BadValue, *words):
        Denoising(12, rng=seeded(), **settings)


# ---- dropout

def test_dropout_stands_between_layers_and_needs_an_rng(rng):
    model, x = DropoutAutoencoder(12, (10, 9), 3, rate=0.5, rng=rng), rng.random((4, 12)).astype(f4)
    kinds = [type(layer).__name__ for layer in model.encoder]
    assert kinds == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]       # neither pixels nor codes are dropped
    assert [type(layer).__name__ for layer in model.decoder] == kinds
    assert np.array_equal(model.encode(x).data, model.encode(x).data)
    assert not np.array_equal(model.encode(x, seeded(1)).data, model.encode(x, seeded(2)).data)


# ---- stacked

def test_the_whole_stack_is_its_pairs_in_a_row(rng):
    model, x = Stacked(12, (10,), 3, l2=0.5, rng=rng), rng.random((4, 12)).astype(f4)
    low, high = model.pairs
    np.testing.assert_allclose(model.decode(model.encode(x)).data,
                               low.decode(high.decode(high.encode(low.encode(x)))).data)
    decay = sum(np.square(pair.encode.W.data).sum() for pair in model.pairs) / 4
    np.testing.assert_allclose(model.losses(x)["l2"].item(), decay, rtol=1e-6)


def schedules(model):
    """Two stages, the upper pair on the codes of the lower: as constants (one at a time), and on one graph."""
    low, high = model.pairs
    own = params(model)
    lower = {name: p for name, p in own.items() if name.startswith("pairs.0")}
    upper = {name: p for name, p in own.items() if name.startswith("pairs.1")}
    first = Phase(low.losses, lower, Adam(lower), "first")
    apart = Phase(lambda x, rng: high.losses(model.below(1, x).data), upper, Adam(upper), "second")
    graph = Phase(lambda x, rng: high.losses(model.below(1, x)), upper, Adam(upper), "second")
    return [first, apart], [first, graph]


def test_one_layer_at_a_time_and_phases_on_one_graph_give_the_same_numbers(seed):
    drawn = seeded(seed).random((40, 4, 3))
    models = [Stacked(12, (7,), 3, dtype=f8, rng=seeded(seed)) for _ in range(2)]
    for which, model in enumerate(models):
        fit(schedules(model)[which], (drawn[:30], drawn[30:]), epochs=[2, 3], batch_size=8, report=None)
    for (name, p), q in zip(params(models[0]).items(), params(models[1]).values(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=0, atol=1e-10, err_msg=f"{name}, seed {seed}")


def test_the_first_layer_stays_bit_identical_through_the_second_phase(rng):
    drawn, model = rng.random((40, 4, 3)), Stacked(12, (7,), 3, rng=rng)
    first, second = schedules(model)[1]
    fit([first], (drawn[:30], drawn[30:]), epochs=2, batch_size=8, report=None)
    before = {name: p.numpy().tobytes() for name, p in params(model).items()}
    fit([second], (drawn[:30], drawn[30:]), epochs=3, batch_size=8, report=None)
    same = {name for name, p in params(model).items() if p.numpy().tobytes() == before[name]}
    assert same == set(first.params)                                        # and the second layer's have all moved


def test_components_of_fewer_images_than_latents(rng):
    model = LinearAutoencoder(6, (), 4, rng=rng)
    found = model.components(model.encode(rng.random((3, 6), dtype=np.float32)).data)
    np.testing.assert_allclose(found @ found.T, np.eye(len(found)), atol=1e-6)


# ---- on the GPU

def test_components_take_codes_from_host_and_device(device, rng):
    model = LinearAutoencoder(12, (), 3, rng=rng, device=device.name)
    codes = model.encode(device.array(rng.random((20, 12)))).data
    found = model.components(codes)
    assert type(found) is np.ndarray and found.shape == (3, 12)
    np.testing.assert_allclose(model.components(device.host(codes)), found)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-6)
