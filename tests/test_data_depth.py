"""Depth and colour: what a model sees has the contrast that the picture has, or a note says that it has not."""
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms

from tinyae import data
from tinyae.data import pictures

RNG = np.random.default_rng(0)


def load(folder, make, n=11, suffix="png"):
    """All images of a folder with n pictures make(i), in the order of i."""
    for i in range(n):
        make(i).save(folder / f"{i:02}.{suffix}")
    train, test = data.load(folder, progress=False)
    test_index = min(9, n - 1)
    return np.insert(train.images, test_index, test.images, axis=0)


def noise(top, dtype):
    """A picture maker: n pictures of numbers from 0 to top - 1, and both of these in each."""
    def make(i):
        x = np.random.default_rng(i).integers(0, top, (9, 9))
        x[0, :2] = 0, top - 1
        return Image.fromarray(x.astype(dtype))
    return make


# 16 bits

@pytest.mark.parametrize("top, bits", [(1024, 10), (256, 8), (4096, 12), (700, 10)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_numbers_that_end_early_in_16_bits_keep_their_contrast(tmp_path, top, bits, suffix):
    with pytest.warns(UserWarning, match=f"16-bit pixels is {top - 1}, so they .* {bits} bits") as caught:
        images = load(tmp_path, noise(top, np.uint16), suffix=suffix)
    assert len(caught) == 1 and images.min() == 0 and images.max() == (top - 1) >> (bits - 8) >= 170


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_full_16_bits_need_no_note(tmp_path, suffix):
    images = load(tmp_path, noise(65536, np.uint16), suffix=suffix)
    assert (images.min(), images.max()) == (0, 255)


def test_all_pictures_are_scaled_alike(tmp_path):
    """A dark one stays darker than the others."""
    tops = iter([4000, *[2000] * 10])
    with pytest.warns(UserWarning, match="12 bits"):
        images = load(tmp_path, lambda i: Image.fromarray(np.full((4, 4), next(tops) + i, np.uint16)))
    assert images[:, 0, 0].tolist() == [250, *[(2000 + i) >> 4 for i in range(1, 11)]]


@pytest.mark.parametrize("top", [9000, 16384, 50])
def test_what_stays_dark_is_noted(tmp_path, top):
    with pytest.warns(UserWarning, match=r"the images are dark: the brightest pixel is 0\.\d+ of 1"):
        load(tmp_path, noise(top, np.uint16) if top > 255 else noise(top, np.uint8))


def test_sixteen_bits_are_resized_as_numbers(tmp_path):
    sizes = iter([(8, 8), *[(16, 16)] * 10])
    with pytest.warns(UserWarning, match="12 bits"):
        images = load(tmp_path, lambda i: Image.fromarray(np.full(next(sizes), 300 * (i + 1), np.uint16)))
    assert images.shape == (11, 8, 8)
    assert images[:, 4, 4].tolist() == [300 * (i + 1) >> 4 for i in range(11)]


@pytest.mark.parametrize("low, high, note", [(0, 1, None), (-1000, 3000, "from -1000 to 3000"), (0, 255, "to 255"),
                                             (0.5, 90000, "90000")])
def test_floats_and_signed_numbers(tmp_path, low, high, note):
    """Scans in Hounsfield units, and floats in TIFF."""
    def make(i):
        x = np.random.default_rng(i).uniform(low, high, (9, 9)).astype(np.float32)
        x[0, :2] = low, high
        return Image.fromarray(x)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images = load(tmp_path, make, suffix="tif")
    assert (images.min(), images.max()) == (0, 255)
    assert not caught if note is None else note in str(caught[0].message)


def test_a_float_picture_with_nan_is_left_out(tmp_path):
    def make(i):
        grey = (np.arange(16).reshape(4, 4) + i) / 30
        return Image.fromarray(np.where((np.eye(4) > 0) & (i == 3), np.nan, grey).astype(np.float32))
    with pytest.warns(UserWarning, match=r"03.tif \(ValueError: it holds NaN"):
        images = load(tmp_path, make, suffix="tif")
    assert len(images) == 10


# two levels

@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_of_0_and_1_are_black_and_white(tmp_path, dtype):
    with pytest.warns(UserWarning, match="0 and 1 only, so they are read as black and white"):
        images = load(tmp_path, noise(2, dtype))
    assert np.unique(images).tolist() == [0, 255]


@pytest.mark.parametrize("make", [
    lambda path, x: np.save(path.with_suffix(".npy"), x), lambda path, x: np.savez(path.with_suffix(".npz"), images=x),
    lambda path, x: np.savez(path.with_suffix(".npz"), images=x[:20], test_images=x[20:])])
def test_arrays_of_0_and_1_too(tmp_path, make):
    make(tmp_path / "a", RNG.integers(0, 2, (30, 8, 8)).astype(np.uint8))
    with pytest.warns(UserWarning, match="0 and 1 only"):
        train, test = data.load(next(tmp_path.iterdir()))
    assert data.batch(train.images, np.arange(9)).max() == data.batch(test.images, np.arange(3)).max() == 1


def test_a_mode_of_one_bit_needs_no_note(tmp_path):
    assert np.unique(load(tmp_path, lambda i: noise(2, bool)(i).convert("1"))).tolist() == [0, 255]


def test_a_mapped_file_that_is_large_is_noted_only(tmp_path, monkeypatch):
    monkeypatch.setattr("tinyae.data.report.CHECK_BYTES", 1000)
    np.save(tmp_path / "a.npy", RNG.integers(0, 2, (50, 8, 8)).astype(np.uint8))
    with pytest.warns(UserWarning, match="the brightest pixel is 0.004 of 1"):
        train, _ = data.load(tmp_path / "a.npy")
    assert train.images.max() == 1


# nothing to see

@pytest.mark.parametrize("make, words", [
    (lambda i: Image.new("L", (6, 6), 0), "all training images are equal, each of one grey.*brightest pixel is 0.000"),
    (lambda i: Image.new("L", (6, 6), 255), "each of one grey, so a model has nothing to learn"),
    (lambda i: Image.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6) * 7), "equal, pixel by pixel"),
    (lambda i: Image.new("RGB", (6, 6), (9, 200, 90)), "equal, pixel by pixel")])
def test_equal_pictures_are_noted(tmp_path, make, words):
    with pytest.warns(UserWarning, match=words):
        load(tmp_path, make)


# colours and transparency

def drawn(i, ink, paper=None):
    """A bar of ink on transparent, or on paper."""
    x = np.zeros((9, 9, 4), np.uint8)
    x[2:7, 1 + i % 5:4 + i % 5] = *ink, 255
    return Image.fromarray(x)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_white_on_transparent_is_seen(tmp_path, mode):
    def make(i):
        image = drawn(i, (255, 255, 255))
        if mode == "P":
            return image.convert("LA").convert("RGBA").quantize(4)
        return image.convert("LA" if mode == "LA" else "RGBA")
    with pytest.warns(UserWarning, match="white, so transparency becomes black"):
        images = load(tmp_path, make)
    assert np.unique(images).tolist() == [0, 255] and images.reshape(11, -1).max(1).min() == 255


def test_black_on_transparent_stays_on_white(tmp_path):
    images = load(tmp_path, lambda i: drawn(i, (0, 0, 0)))
    assert images[0, 0, 0] == 255 and images.min() == 0


def test_one_dark_picture_keeps_the_paper_white(tmp_path):
    images = load(tmp_path, lambda i: drawn(i, (0, 0, 0) if i == 4 else (255, 255, 255)))
    assert (images[:, 0, 0] == 255).all()


@pytest.mark.parametrize("mode, suffix", [("CMYK", "jpg"), ("CMYK", "tif"), ("YCbCr", "jpg"), ("LAB", "tif"),
                                          ("P", "png"), ("P", "gif"), ("RGB", "webp")])
def test_colours_in_every_model(tmp_path, mode, suffix):
    colours = [(250, 20, 20), (20, 240, 20), (20, 20, 250), (128, 128, 128)]

    def make(i):
        image = Image.new("RGB", (16, 16), colours[i % 4])
        if mode == "LAB":
            srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
            return ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
        return image.quantize(8) if mode == "P" else image.convert(mode)
    images = load(tmp_path, make, n=8, suffix=suffix).astype(int)
    assert images.shape == (8, 16, 16, 3)
    for i, image in enumerate(images):
        assert np.abs(image[8, 8] - colours[i % 4]).max() <= 24, (i, image[8, 8])


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_orientation_of_a_camera(tmp_path, turn):
    scene = np.arange(48, dtype=np.uint8).reshape(8, 6) * 5
    stored = {1: scene, 2: scene[:, ::-1], 3: scene[::-1, ::-1], 4: scene[::-1], 5: scene.T, 6: np.rot90(scene),
              7: scene[::-1, ::-1].T, 8: np.rot90(scene, -1)}[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    for i in range(2):
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"{i}.png", exif=exif)
    train, test = data.load(tmp_path)
    assert (test.images[0] == scene).all() and train.images.shape == (1, 8, 6)


def test_pillow_is_imported_for_pictures_only():
    code = ("import sys; sys.modules['PIL'] = None; import numpy as np; from tinyae import data; "
            "train, test = data.load('moon'); data.from_arrays([[[0.5, 1], [0, 0]]] * 20 + [[[0, 0], [0, 0]]]); "
            "print(len(train.images))")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.stdout == "6000\n", done.stderr


def test_no_format_runs_another_program():
    assert not {".eps", ".ps", ".wmf"} & pictures.suffixes() and {".png", ".webp", ".tif"} <= pictures.suffixes()
