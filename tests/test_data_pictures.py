"""Folders of pictures: sizes, colours, labels, and files that are damaged or too large."""
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tinyae import data
from tinyae.data import folder
from tinyae.errors import BadFile, BadValue

pytestmark = pytest.mark.filterwarnings("ignore:all training images are equal", "ignore:the images are dark")

GREY = np.arange(8 * 6, dtype=np.uint8).reshape(8, 6)
COLOUR = np.stack([GREY, GREY + 50, GREY + 100], -1)


def save(path, pixels=GREY, **options):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).save(path, **options)


def load_all(path):
    """Train and test set together, the test image of each ten last."""
    train, test = data.load(path)
    return np.concatenate([train.images, test.images])


def test_every_tenth_by_name_is_for_the_test(tmp_path):
    for i in range(25):
        save(tmp_path / f"{i:02}.png", GREY + i)
    train, test = data.load(tmp_path)
    assert train.labels is test.labels is None
    assert list(test.images[:, 0, 0]) == [9, 19]
    assert list(train.images[:, 0, 0]) == [i for i in range(25) if i not in (9, 19)]


@pytest.mark.parametrize("n", [2, 9])
def test_of_fewer_than_ten_the_last_is_for_the_test(tmp_path, n):
    for i in range(n):
        save(tmp_path / f"{i}.png", GREY + i)
    train, test = data.load(tmp_path)
    assert len(train.images) == n - 1 and (test.images == GREY + n - 1).all()


def test_subfolders_are_labels(tmp_path):
    for i in range(20):
        save(tmp_path / ("dogs" if i % 2 else "cats") / "more" / f"{i:02}.png", GREY + i)
    (tmp_path / "empty").mkdir()
    train, test = data.load(tmp_path)
    assert list(test.labels) == [0, 1]
    assert (train.labels == train.images[:, 0, 0] % 2).all()


def test_pictures_beside_subfolders_are_refused(tmp_path):
    save(tmp_path / "cats" / "a.png")
    save(tmp_path / "b.png")
    with pytest.raises(BadFile, match=r"beside its subfolders(.|\n)*b\.png"):
        data.load(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "PNG", "bmp", "gif", "jpg", "jpeg"])
def test_formats(tmp_path, suffix):
    for name in "ab":
        save(tmp_path / f"{name}.{suffix}")
    images = load_all(tmp_path)
    assert images.shape == (2, 8, 6)
    assert np.abs(images.astype(int) - GREY).max() <= (3 if "j" in suffix else 0)


def test_other_files_are_passed_over(tmp_path):
    for name in ("a.png", "b.png", "._a.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    assert len(load_all(tmp_path)) == 2


def test_one_picture_in_colour_makes_all_of_them_so(tmp_path):
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", COLOUR)
    save(tmp_path / "c.png", np.stack([GREY] * 3, -1))
    images = load_all(tmp_path)
    assert (images == np.stack([np.stack([GREY] * 3, -1), COLOUR, np.stack([GREY] * 3, -1)])).all()


def test_grey_saved_as_colour_is_grey(tmp_path):
    for name in "ab":
        save(tmp_path / f"{name}.png", np.stack([GREY] * 3, -1))
    assert load_all(tmp_path).shape == (2, 8, 6)


def test_transparent_is_white(tmp_path):
    clear = np.dstack([COLOUR, np.zeros_like(GREY)])
    clear[0, 0, 3] = 255
    for name in "ab":
        save(tmp_path / f"{name}.png", clear)
    images = load_all(tmp_path)
    assert (images[:, 0, 0] == COLOUR[0, 0]).all() and (images[:, 1:] == 255).all()


def test_sixteen_bits_keep_their_upper_half(tmp_path):
    for name in "ab":
        save(tmp_path / f"{name}.png", GREY.astype(np.uint16) * 256 + 77)
    assert (load_all(tmp_path) == GREY).all()


def test_palette_and_black_and_white(tmp_path):
    Image.fromarray(COLOUR).quantize(256).save(tmp_path / "a.png")
    Image.fromarray(GREY > 20).save(tmp_path / "b.png")
    images = load_all(tmp_path)
    assert (images[0] == COLOUR).all() and (images[1, ..., 0] == (GREY > 20) * 255).all()


def test_the_first_frame_of_a_film(tmp_path):
    frames = [Image.fromarray(GREY + i) for i in (0, 9)]
    for name in "ab":
        frames[0].save(tmp_path / f"{name}.gif", save_all=True, append_images=frames[1:])
    assert (load_all(tmp_path) == GREY).all()


def test_a_camera_held_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6    # orientation: the top of the scene is at the right
    for name in "ab":
        save(tmp_path / f"{name}.png", GREY, exif=exif)
    assert (load_all(tmp_path) == np.rot90(GREY, -1)).all()


def test_all_take_the_size_of_the_first(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", np.full((30, 40), 9, np.uint8))
    images = load_all(tmp_path)
    assert images.shape == (2, 8, 6) and (images[1] == 9).all()


def huge_png(side):
    """The head of a picture of side x side pixels."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))


@pytest.mark.parametrize("content, words", [
    (b"", "UnidentifiedImageError"), (b"not a picture", "UnidentifiedImageError"),
    (huge_png(10_000), "DecompressionBombWarning"), (huge_png(60_000), "DecompressionBombError")])
def test_what_cannot_be_read_is_named_and_left_out(tmp_path, content, words):
    for i, name in enumerate("abc"):
        save(tmp_path / f"{name}.png", 4 * GREY + i)
    for i in range(5):
        (tmp_path / f"bad{i}.png").write_bytes(content)
    with pytest.warns(UserWarning, match=rf"5 of 8 pictures left out: bad0\.png \({words}.*bad2.*; \.\.\.") as caught:
        assert load_all(tmp_path).shape == (3, 8, 6)
    assert len(caught) == 1


def test_if_none_can_be_read_that_is_refused(tmp_path):
    with pytest.raises(BadFile, match="no picture can be read"):
        data.load(tmp_path)
    (tmp_path / "a.png").write_bytes(huge_png(60_000))
    with pytest.raises(BadFile, match=r"a\.png \(DecompressionBombError"):
        data.load(tmp_path)


def test_one_picture_is_refused(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(BadValue, match="single image"):
        data.load(tmp_path)


def test_more_than_fits_into_memory_is_refused(tmp_path):
    for name in "ab":
        save(tmp_path / f"{name}.png")
    with pytest.raises(BadFile, match="288 for 2 of 8 x 6"):
        folder.load(tmp_path, limit=287)
    folder.load(tmp_path, limit=288)
