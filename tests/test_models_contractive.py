"""The contractive penalty by two routes: in closed form, and as the gradient of a gradient."""
import numpy as np
import pytest

from tinyae import Tensor, grad, ops, params
from tinyae.errors import BadValue
from tinyae.models import Contractive
from tinyae.models.contractive import closed_form, jacobian_norm
from tinyae.optim import Adam

f8 = np.float64


@pytest.fixture
def model():
    model = Contractive(7, (), 4, dtype=f8, rng=np.random.default_rng(0))
    model.encoder[0].b.data = np.linspace(-1, 1, 4)
    return model


def test_both_routes_give_one_value_and_one_gradient(model, rng):
    x = Tensor(rng.random((5, 7)))
    dense = model.encoder[0]
    one, other = closed_form(model.encode(x), dense.W), jacobian_norm(model.encode(x), x)
    np.testing.assert_allclose(one.data, other.data, rtol=1e-10)
    for g1, g2 in zip(*(grad(ops.mean(norm), [dense.W, dense.b]) for norm in (one, other)), strict=True):
        np.testing.assert_allclose(g1, g2, rtol=1e-10, atol=1e-14)


def test_the_norm_of_a_deep_encoder_is_that_of_its_jacobian_by_differences(rng):
    deep = Contractive(6, (5, 4), 3, dtype=f8, init="he_normal", rng=np.random.default_rng(0))
    x, step = rng.random((1, 6)), 1e-5
    J = [(deep.encode(x + e).data - deep.encode(x - e).data) / (2 * step) for e in step * np.eye(6)[:, None]]
    t = Tensor(x)
    np.testing.assert_allclose(jacobian_norm(deep.encode(t), t).item(), np.square(J).sum(), rtol=1e-8)


def test_one_random_direction_is_right_on_average(model, rng):
    x = Tensor(np.repeat(rng.random((1, 7)), 20_000, axis=0))
    h = model.encode(x)
    drawn, exact = jacobian_norm(h, x, np.random.default_rng(0)).data, jacobian_norm(h, x).data[0]
    assert abs(drawn.mean() - exact) < 4 * drawn.std() / np.sqrt(len(drawn))


def test_the_penalty_contracts(rng):
    """A few steps with a large weight shrink the Jacobian; without the penalty nothing does."""
    x, after = rng.random((30, 7)), {}
    for weight in (0.0, 100.0):
        model = Contractive(7, (), 4, weight, dtype=f8, rng=np.random.default_rng(0))
        optimizer = Adam(params(model), lr=0.01)
        for _ in range(100):
            optimizer.step(grad(sum(model.losses(x).values()), params(model)))
        after[weight] = closed_form(model.encode(x), model.encoder[0].W).data.mean()
    assert after[100.0] < 0.05 * after[0.0]
    with pytest.raises(BadValue, match="weight out of range"):
        Contractive(7, (), 4, weight=-0.1, rng=np.random.default_rng(0))
