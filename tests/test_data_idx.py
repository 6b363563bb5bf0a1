"""IDX files: what is read, and that nothing else is."""
import gzip
import tracemalloc

import numpy as np
import pytest

from tinyae import data
from tinyae.data import idx
from tinyae.errors import BadFile, BadValue

pytestmark = pytest.mark.filterwarnings("ignore:the images are dark")

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([0, 9, 3, 3, 1], np.uint8)


def content(array):
    return idx.header(array.shape) + array.tobytes()


PACKED = gzip.compress(content(IMAGES), mtime=0)


def write_folder(folder, images=IMAGES, labels=LABELS, packed=False):
    for file in idx.FILES:
        array = images if "images" in file else labels
        written = content(array)
        (folder / (file + ".gz" * packed)).write_bytes(gzip.compress(written) if packed else written)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_four_files_is_read(tmp_path, packed):
    write_folder(tmp_path, packed=packed)
    for images, labels, *_ in data.load(tmp_path):
        assert images.dtype == labels.dtype == np.uint8
        assert (images == IMAGES).all() and (labels == LABELS).all()


def test_the_published_files_have_their_published_sums(shared_data):
    for name in ("mnist", "fashion-mnist"):
        train, test = data.load(name, shared_data, download=False)
        assert train.images.shape == (60_000, 28, 28) and test.images.shape == (10_000, 28, 28)
        assert train.labels.max() == test.labels.max() == 9


@pytest.mark.parametrize("written, words", [
    (b"", "nothing"),
    (b"\0\0\x08", "00 00 08"),
    (content(IMAGES)[:15], "not an IDX file"),
    (content(LABELS) + b"\0" * 8, "not an IDX file"),
    (b"\0\0\x0d\x03" + content(IMAGES)[4:], "not an IDX file"),        # floats
    (b"\x03\x08\0\0" + content(IMAGES)[4:], "not an IDX file"),        # little-endian
    (content(IMAGES)[:-1], "does not hold what its header says"),
    (content(IMAGES) + b"\0", "does not hold what its header says"),
    (idx.header((6, 4, 3)) + IMAGES.tobytes(), "does not hold"),
    (idx.header((2**32 - 1,) * 3) + IMAGES.tobytes(), "promises more"),
    (PACKED[:-1], "cannot read"),              # cut off
    (PACKED[:-8] + b"12345678", "CRC"),
    (PACKED + b"more", "cannot read"),
    (b"\x1f\x8b" + content(IMAGES), "cannot read"),
    (b"\x1f\x8b\x08" + bytes(7) + b"\x07", "invalid block type"),
    (b"<!DOCTYPE html><title>Log in to the network", "not an IDX file"),
])
def test_damage_is_refused(tmp_path, written, words):
    path = tmp_path / "file"
    path.write_bytes(written)
    with pytest.raises(BadFile, match=words):
        idx.read(path, 3)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadFile, match="cannot read"):
        idx.read(tmp_path / "file", 3)
    with pytest.raises(BadFile, match="cannot read"):
        idx.read(tmp_path, 3)


@pytest.mark.parametrize("images, labels, error, words", [
    (IMAGES, LABELS[:-1], BadFile, "does not match train-images-idx3-ubyte"),
    (IMAGES[:-1], LABELS, BadFile, "4 images"),
    (IMAGES[:0], LABELS[:0], BadValue, "does not hold images"),
    (IMAGES[:1], LABELS[:1], BadValue, "single image"),
])
def test_files_that_do_not_fit_together_are_refused(tmp_path, images, labels, error, words):
    write_folder(tmp_path, images, labels)
    with pytest.raises(error, match=words):
        data.load(tmp_path)


def test_a_label_beyond_the_classes_is_refused(tmp_path):
    write_folder(tmp_path)
    with pytest.raises(BadFile, match="labels 0 to 8"):
        idx.load([tmp_path / file for file in idx.FILES], classes=9)


def test_a_missing_file_is_named(tmp_path):
    write_folder(tmp_path)
    (tmp_path / idx.FILES[2]).unlink()
    with pytest.raises(BadFile, match=f"lacks {idx.FILES[2]}"):
        data.load(tmp_path)


def test_images_called_mnist_that_are_not_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_folder(tmp_path)
    with pytest.raises(BadFile, match="not the published file"):
        data.load("mnist", tmp_path, download=False)


@pytest.mark.parametrize("promised", [2**26, 2**33])
def test_a_small_file_that_unpacks_to_a_large_one_takes_no_memory(tmp_path, promised):
    """64 MB of zeros in 64 KB; the header tells the truth, or 8 GB."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx.header((promised >> 16, 256, 256)) + bytes(2**26)))
    tracemalloc.start()
    try:
        with pytest.raises(BadFile, match="promises more than is read"):
            idx.read(path, 3, limit=2**20)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_file_that_holds_more_than_it_says_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(content(IMAGES) + bytes(2**26)))
    tracemalloc.start()
    try:
        with pytest.raises(BadFile, match=r"got: +more"):
            idx.read(path, 3)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
