"""Convolution against its plain forms, its adjoints, and differences; pooling against one window at a time."""
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import assert_like, refused

from tinyae import Tensor, conv, conv_blocks, grad, gradcheck, ops
from tinyae.errors import BadType, BadValue

f4 = np.float32


@st.composite
def geometries(draw):
    """(x, W, y, how) of shapes that fit each other: odd and even sizes, kernels larger than the image, remainders."""
    a, b, stride, padding = (draw(st.integers(low, high)) for low, high in ((1, 4), (1, 4), (1, 4), (0, 3)))
    h, w = (draw(st.integers(max(1, k - 2 * padding), 8)) for k in (a, b))
    n, c, k = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 9])), draw(st.integers(1, 3))
    u, v = conv.conv_size(h, a, stride, padding), conv.conv_size(w, b, stride, padding)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x, W, y = (rng.standard_normal(shape) for shape in ((n, h, w, c), (a, b, c, k), (n, u, v, k)))
    return x, W, y, {"stride": stride, "padding": padding}


def plain(x, W, stride, padding):
    """The sum of the docstring, term by term."""
    (n, h, w, c), (a, b, _, k) = x.shape, W.shape
    z = np.zeros((n, conv.conv_size(h, a, stride, padding), conv.conv_size(w, b, stride, padding), k))
    for m, u, v, i, j, d, e in product(*map(range, (*z.shape[:3], a, b, c, k))):
        row, column = stride * u + i - padding, stride * v + j - padding
        if 0 <= row < h and 0 <= column < w:
            z[m, u, v, e] += x[m, row, column, d] * W[i, j, d, e]
    return z


def conv_transpose2d(x, W, y, how):
    return conv.conv_transpose2d(y, W, size=x.shape[1:3], **how)


def conv2d_kernel(x, W, y, how):
    return conv.conv2d_kernel(x, y, size=W.shape[:2], **how)


@given(geometries())
def test_conv2d_is_the_plain_sum(geometry):
    x, W, _, how = geometry
    np.testing.assert_allclose(conv.conv2d(x, W, **how), plain(x, W, **how), rtol=1e-12, atol=1e-12)


@given(geometries())
def test_the_three_rows_are_one_trilinear_form(geometry):
    """<conv2d(x, W), y> = <x, conv_transpose2d(y, W)> = <W, conv2d_kernel(x, y)>: no differences are needed."""
    x, W, y, how = geometry
    z = conv.conv2d(x, W, **how)
    size = 1e-12 * (np.linalg.norm(z) * np.linalg.norm(y) + 1)
    assert abs(np.sum(z * y) - np.sum(x * conv_transpose2d(x, W, y, how))) <= size
    assert abs(np.sum(z * y) - np.sum(W * conv2d_kernel(x, W, y, how))) <= size


@given(geometries(), st.integers(0, 4))
def test_gradients_to_second_order(geometry, which):
    x, W, y, how = geometry
    size = x.shape[1:3]
    gradcheck(*[(lambda x, W: conv.conv2d(x, W, **how), x, W),
                (lambda y, W: conv_transpose2d(x, W, y, how), y, W),
                (lambda x, y: conv2d_kernel(x, W, y, how), x, y),
                (lambda x, W, b: conv.conv2d_affine(x, W, b, **how), x, W, y[0, 0, 0]),
                (lambda y, W, b: conv.conv_transpose2d_affine(y, W, b, size=size, **how), y, W, x[0, 0, 0])][which])


@given(geometries())
def test_an_affine_row_is_its_linear_row_plus_a_bias(geometry):
    x, W, y, how = geometry
    b, c = y[0, 0, 0], x[0, 0, 0]
    np.testing.assert_allclose(conv.conv2d_affine(x, W, b, **how), plain(x, W, **how) + b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(conv.conv_transpose2d_affine(y, W, c, size=x.shape[1:3], **how),
                               conv_transpose2d(x, W, y, how) + c, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, conv_blocks.NARROW])               # the two orders of patches in memory
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_the_fast_forms_are_the_plain_forms(device, kernel, stride, channels, dtype, monkeypatch):
    """In two blocks, of images with an odd and an even side, seen in both orders of memory; with biases and without."""
    monkeypatch.setattr(conv_blocks, "images_at_once", lambda x, numbers: 2)
    rng = np.random.default_rng(kernel)
    for padding, (h, w), width, order in product((0, 1, 3), ((7, 8), (10, 5)), {kernel, 2}, "CF"):
        how, size = {"stride": stride, "padding": padding}, (h, w)
        u, v = conv.conv_size(h, kernel, **how), conv.conv_size(w, width, **how)
        x, W, y, b, c = (np.asarray(rng.standard_normal(shape), dtype, order) for shape in (
            (3, h, w, channels), (kernel, width, channels, 2), (3, u, v, 2), (2,), (channels,)))
        X, K, Y, B, C = (device.xp.array(a, order=order) for a in (x, W, y, b, c))
        z, image = conv.conv2d_plain(x, W, **how), conv.conv_transpose2d_plain(y, W, size, **how)
        for fast, plain in [(conv.conv2d(X, K, **how), z), (conv.conv2d_affine(X, K, B, **how), z + b),
                            (conv.conv_transpose2d(Y, K, size=size, **how), image),
                            (conv.conv_transpose2d_affine(Y, K, C, size=size, **how), image + c),
                            (conv.conv2d_kernel(X, Y, size=(kernel, width), **how),
                             conv.conv2d_kernel_plain(x, y, (kernel, width), **how))]:
            assert fast.dtype == plain.dtype == dtype
            bound = 40 * float(np.finfo(dtype).eps) * max(1.0, float(abs(plain).max()))
            np.testing.assert_allclose(device.host(fast), plain, rtol=0, atol=bound)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_conv_transpose_size_undoes_conv_size(places, kernel, stride, padding, rest):
    pixels = conv.conv_transpose_size(places, kernel, stride, padding, min(rest, stride - 1))
    if pixels >= 1:
        assert conv.conv_size(pixels, kernel, stride, padding) == places


@pytest.mark.parametrize("block", [1, 300, 1 << 20])
@pytest.mark.parametrize("channels", [1, conv_blocks.NARROW])
def test_devices_and_blocks_agree_and_float32_stays(device, block, channels, rng, monkeypatch):
    """Whatever the device, and however few images' patches there are at a time."""
    monkeypatch.setattr(conv_blocks, "BLOCK", dict.fromkeys(conv_blocks.BLOCK, block))
    x, W = rng.standard_normal((3, 5, 6, channels)), rng.standard_normal((3, 2, channels, 4))
    how = {"stride": 2, "padding": 1}
    z = conv.conv2d(x, W, **how)
    b, c = z[0, 0, 0], x[0, 0, 0]
    here = [device.tensor(a) for a in (x, W, z, b, c)]
    results = [conv.conv2d(here[0], here[1], **how), conv_transpose2d(here[0], here[1], here[2], how),
               conv2d_kernel(here[0], here[1], here[2], how), conv.conv2d_affine(here[0], here[1], here[3], **how),
               conv.conv_transpose2d_affine(here[2], here[1], here[4], size=x.shape[1:3], **how)]
    for got, like in zip(results, (here[2], here[0], here[1], here[2], here[0]), strict=True):
        assert_like(got.data, like)
        for g, parent in zip(grad(ops.sum(got), got.parents), got.parents, strict=True):
            assert_like(g, parent)
    np.testing.assert_allclose(device.host(results[0].data), plain(x, W, **how), rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(device.host(results[1].data), conv_transpose2d(x, W, z, how), rtol=2e-4, atol=1e-3)
    np.testing.assert_allclose(device.host(results[2].data), conv2d_kernel(x, W, z, how), rtol=2e-4, atol=1e-3)
    np.testing.assert_allclose(device.host(results[3].data), plain(x, W, **how) + b, rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(device.host(results[4].data), conv_transpose2d(x, W, z, how) + c, rtol=2e-4, atol=1e-3)


def test_nothing_waits_for_the_device(device, rng):
    x, W, b, c = (device.tensor(rng.standard_normal(shape)) for shape in ((2, 6, 6, 3), (3, 3, 3, 4), (4,), (3,)))
    with device.no_sync():
        pooled = conv.max_pool2d(conv.upsample2d(conv.conv2d_affine(x, W, b, stride=2, padding=1), size=3), size=2)
        z = conv.conv_transpose2d_affine(pooled, W, c, size=(8, 8), stride=2, padding=1)
        grad(ops.sum(conv.avg_pool2d(z, size=2)), [x, W, b, c])


def test_patches_are_not_kept():
    """The tape holds the image, the kernel and the result: backward makes the patches again."""
    z = conv.conv2d_affine(*(Tensor(np.ones(shape, f4)) for shape in ((2, 8, 8, 1), (3, 3, 1, 1), (1,))))
    assert [t.shape for t in z.args] == [(2, 8, 8, 1), (3, 3, 1, 1), (1,)] and z.data.base is None


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 12, 13])
def test_images_are_taken_in_equal_parts_of_at_most_a_block(n):
    """16 images, of which 12 fit: 8 and 8, since the arrays for one part serve all."""
    x = np.ones((n, 1), f4)
    step = conv_blocks.images_at_once(x, conv_blocks.BLOCK["cpu"] // 4 // 6)
    assert step <= 6 and -(-n // step) == -(-n // 6) and step * -(-n // step) - n < -(-n // step)


def test_no_images_at_all(device):
    x, y, W = (device.xp.ones(shape) for shape in ((0, 5, 5, 1), (0, 3, 3, 2), (3, 3, 1, 2)))
    assert conv.conv2d(x, W).shape == y.shape and conv.conv_transpose2d(y, W, size=(5, 5)).shape == x.shape
    kernel = device.host(conv.conv2d_kernel(x, y, size=(3, 3)))
    assert kernel.shape == W.shape and not kernel.any()


def test_a_gpu_kernel_refuses_more_numbers_than_it_can_count(device):
    x, limit = device.xp.ones((2, 1)), 1 << 32
    assert conv_blocks.images_at_once(x, limit - 1) == 1
    if device.id == "numpy":
        assert conv_blocks.images_at_once(x, limit) == 1
    else:
        with refused(BadValue, "an image is too large for a GPU", "crops of the image"):
            conv_blocks.images_at_once(x, limit)


# ---- pooling

def cells(x, size, reduce):
    n, h, w, c = x.shape
    z = np.empty((n, h // size, w // size, c))
    for u, v in product(range(h // size), range(w // size)):
        z[:, u, v] = reduce(x[:, u * size:(u + 1) * size, v * size:(v + 1) * size], axis=(1, 2))
    return z


@given(st.integers(1, 3), st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32))
def test_pooling_is_one_cell_at_a_time(size, more_rows, more_columns, seed):
    rng = np.random.default_rng(seed)
    shape = (2, size + more_rows, size + more_columns, 2)
    x = rng.permutation(int(np.prod(shape))).reshape(shape) / 7.0                       # no two alike
    np.testing.assert_array_equal(conv.max_pool2d(x, size=size), cells(x, size, np.max))
    np.testing.assert_allclose(conv.avg_pool2d(x, size=size), cells(x, size, np.mean), rtol=1e-12)
    big = conv.upsample2d(x, size=size)
    assert big.shape == (2, shape[1] * size, shape[2] * size, 2)
    np.testing.assert_array_equal(cells(big, size, np.min), x)
    np.testing.assert_array_equal(cells(big, size, np.max), x)
    row = (conv.max_pool2d, conv.avg_pool2d, conv.upsample2d)[seed % 3]
    gradcheck(lambda x: row(x, size=size), x)


def test_tied_winners_share_their_gradient():
    x = Tensor(np.ones((1, 2, 2, 1), f4))
    assert grad(ops.sum(conv.max_pool2d(x, size=2)), [x])[0].ravel().tolist() == [0.25] * 4


@pytest.mark.parametrize("row", [conv.max_pool2d, conv.avg_pool2d, conv.upsample2d])
def test_a_size_of_numpy_s_own_kind(row):
    x = Tensor(np.arange(16, dtype=f4).reshape(1, 4, 4, 1))
    np.testing.assert_array_equal(*[grad(ops.sum(row(x, size=size) * 2.0), [x])[0] for size in (np.int64(2), 2)])


@pytest.mark.parametrize("call", [
    lambda x, W: conv.conv2d(x, W), lambda x, W: conv.conv2d_kernel(x, W, size=(1, 1)),
    lambda x, W: conv.conv_transpose2d(x, W, size=(2, 2))])
def test_whole_numbers_are_refused_and_not_rounded_to(call):
    with refused(BadType, "floating-point", "int64"):
        call(np.ones((1, 2, 2, 1), int), np.full((1, 1, 1, 1), 0.5))


@pytest.mark.parametrize(("call", "words"), [
    (lambda: conv.conv2d(np.ones((1, 3, 8, 8)), np.ones((3, 3, 3, 2))), ["conv2d", "np.moveaxis", "(1, 3, 8, 8)"]),
    (lambda: conv.conv2d(np.ones((8, 8, 3)), np.ones((3, 3, 3, 2))), ["(8, 8, 3)"]),
    (lambda: conv.conv2d(np.ones((1, 8, 8, 3)), np.ones((3, 3, 3, 2)), stride=0),
     ["conv2d: stride must be >= 1 and padding >= 0", "stride=0"]),
    (lambda: conv.conv2d(np.ones((1, 8, 8, 3)), np.ones((3, 3, 3, 2)), padding=0.5), ["padding=0.5"]),
    (lambda: conv.conv2d(np.ones((1, 2, 8, 3)), np.ones((3, 3, 3, 2))), ["larger than the image", "2x8"]),
    (lambda: conv.conv_transpose2d(np.ones((1, 3, 3, 2)), np.ones((3, 3, 1, 2)), size=(6, 6)), ["(1, 4, 4, 2)"]),
    (lambda: conv.conv_transpose2d(np.ones((1, 3, 3, 2)), np.ones((3, 3, 1, 2)), size=6),
     ["conv_transpose2d: size must be two whole numbers >= 1", "size=(height, width)"]),
    (lambda: conv.conv2d_kernel(np.ones((1, 6, 6, 1)), np.ones((1, 3, 3, 2)), size=(3, 3, 1)), ["(3, 3, 1)", "two"]),
    (lambda: conv.conv2d(np.ones((1, 6, 6, 1)), np.ones((0, 3, 1, 2))), ["not empty"]),
    (lambda: conv.conv2d_kernel(np.ones((1, 6, 6, 1)), np.ones((1, 3, 3, 2)), size=(3, 3)), ["(1, 4, 4, 2)"]),
    (lambda: conv.conv2d_affine(np.ones((1, 8, 8, 3)), np.ones((3, 3, 3, 2)), np.ones(3)),
     ["one number for each channel", "(2,)", "(3,)"]),
    (lambda: conv.conv_transpose2d_affine(np.ones((1, 6, 6, 2)), np.ones((3, 3, 3, 2)), 0.5, size=(8, 8)),
     ["one number for each channel", "(3,)", "0.5"]),
    (lambda: conv.max_pool2d(np.ones((1, 3, 3, 1)), size=4), ["size=4"]),
    (lambda: conv.max_pool2d(np.ones((1, 4, 4, 1)), size=(2, 2)), ["max_pool2d: size must be one whole", "(2, 2)"]),
    (lambda: conv.upsample2d(Tensor(np.ones((1, 4, 4, 1))), size=(2, 2)), ["upsample2d: size must be one whole"]),
    (lambda: conv.avg_pool2d(np.ones((3, 3, 1)), size=2), ["(3, 3, 1)"]),
    (lambda: conv.upsample2d(np.ones((1, 3, 3, 1)), size=0), ["size=0"]),
])
def test_refusals(call, words):
    with refused(BadValue, *words):
        call()


@pytest.mark.parametrize("wrap", [np.asarray, Tensor])
@pytest.mark.parametrize(("row", "settings", "words"), [
    (conv.conv2d, {"dilation": 2, "groups": 1}, ["conv2d has no setting dilation or groups", "dilation=2, groups=1",
                                                 "conv2d(x, W, stride, padding)"]),
    (conv.conv_transpose2d, {"size": (8, 8), "output_padding": 1}, ["conv_transpose2d(y, W, size, stride, padding)"]),
    (conv.conv2d_kernel, {"kernel": 3}, ["conv2d_kernel(x, y, size, stride, padding)"]),
])
def test_a_setting_that_a_convolution_does_not_have(row, settings, words, wrap):
    with refused(BadType, *words):
        row(wrap(np.ones((1, 8, 8, 3))), wrap(np.ones((3, 3, 3, 2))), **settings)


@pytest.mark.parametrize("wrap", [np.asarray, Tensor])
@pytest.mark.parametrize("row", [conv.max_pool2d, conv.avg_pool2d, conv.upsample2d])
def test_a_setting_that_pooling_does_not_have(row, wrap):
    with refused(BadType, f"{row.__name__} has no setting stride", f"{row.__name__}(x, size)", "stride=2"):
        row(wrap(np.ones((1, 4, 4, 1))), size=2, stride=2)


def test_no_message_shows_a_private_name():
    for row in conv.ROWS.values():
        with pytest.raises((TypeError, ValueError)) as error:
            row(*[Tensor(np.ones((1, 4, 4, 1)))] * len(row.vjps), size=(4, 4), nonsense=1)
        assert "_" + row.__name__ not in str(error.value) and row.__name__ in str(error.value)
    with pytest.raises(TypeError, match=r"^conv_transpose2d\(\) missing .*'size'"):
        conv.conv_transpose2d(np.ones((1, 4, 4, 1)), np.ones((1, 1, 1, 1)))
