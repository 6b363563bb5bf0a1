"""Tables: CSVs of many makers, and arrays that a program holds."""
import gzip

import numpy as np
import pytest

from tinyae import data
from tinyae.data import tables
from tinyae.errors import BadFile, BadType, BadValue

pytestmark = pytest.mark.filterwarnings("ignore:the images are dark")
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (30, 16))
LABELS = RNG.integers(0, 3, 30)


def write(path, rows, header=None, separator=","):
    lines = [separator.join(map(str, row)) for row in ([header] if header else []) + [list(row) for row in rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def load_all(path):
    """All images and labels in the order of the rows."""
    train, test = data.load(path, progress=False)
    places = np.arange(len(train.images) + len(test.images)) % 10 == min(9, len(train.images))
    images, labels = np.empty((len(places), *train.images.shape[1:]), train.images.dtype), np.empty(len(places), int)
    images[~places], images[places] = train.images, test.images
    if train.labels is None:
        return images, None, train
    labels[~places], labels[places] = train.labels, test.labels
    return images, labels, train


@pytest.mark.parametrize("make", [
    lambda p: write(p, np.c_[LABELS, PIXELS], ["label", *(f"pixel{i}" for i in range(16))]),            # Kaggle
    lambda p: write(p, np.c_[LABELS, PIXELS]),                                                          # without names
    lambda p: write(p, np.c_[PIXELS, LABELS], [*(f"1x{i}" for i in range(16)), "Class"]),               # at the end
    lambda p: write(p, np.c_[np.arange(30), PIXELS, LABELS], ["", *map(str, range(16)), "target"]),     # pandas' index
    lambda p: write(p, [[f'"{i}"', *row, label] for i, (row, label) in enumerate(zip(PIXELS, LABELS, strict=True))],
                    [*(f'"V{i}"' for i in range(16)), '"Species"']),                                    # R's row names
    lambda p: write(p, np.c_[LABELS, PIXELS], ["label", *(f"p{i}" for i in range(16))], ";"),
    lambda p: write(p, np.c_[LABELS, PIXELS], None, "\t"),
    lambda p: write(p, np.c_[LABELS, PIXELS], None, "   "),
    lambda p: write(p, np.c_[LABELS.astype(float), PIXELS.astype(float)], ['"label"', *(f'"p{i}"' for i in range(16))]),
], ids=["kaggle", "bare", "last", "pandas", "R", "semicolons", "tabs", "spaces", "quoted floats"])
@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_tables_of_pixels_with_labels(tmp_path, make, suffix):
    images, labels, _ = load_all(make(tmp_path / f"a{suffix}"))
    assert images.dtype == np.uint8 and (images == PIXELS.reshape(30, 4, 4)).all() and (labels == LABELS).all()


def test_pandas_header_of_numbers_is_no_picture(tmp_path):
    images, labels, _ = load_all(write(tmp_path / "a.csv", PIXELS, [str(i) for i in range(16)]))
    assert len(images) == 30 and labels is None


def test_compressed_with_a_mark_of_byte_order_and_windows_ends(tmp_path):
    text = "\ufefflabel," + ",".join(f"p{i}" for i in range(16)) + "\r\n" + "".join(
        ",".join(map(str, [label, *row])) + "\r\n" for label, row in zip(LABELS, PIXELS, strict=True))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    images, labels, _ = load_all(tmp_path / "a.csv.gz")
    assert (images == PIXELS.reshape(30, 4, 4)).all() and (labels == LABELS).all()


def test_any_table_of_numbers_is_scaled_by_column_with_a_note(tmp_path):
    table = RNG.normal([0, 100, -5, 7], [1, 30, 0.1, 0], (40, 4))
    with pytest.warns(UserWarning, match=r"each of the 4 columns is scaled to \[0, 1\]"):
        images, labels, _ = load_all(write(tmp_path / "a.csv", table, ["a", "b", "c", "d"]))
    assert images.shape == (40, 1, 4) and images.dtype == np.float32 and labels is None
    low, high = table[:, :3].min(0), table[:, :3].max(0)
    np.testing.assert_allclose(images[:, 0, :3], (table[:, :3] - low) / (high - low), atol=1e-5)
    assert (images[:, 0, 3] == 0).all()
    assert data.batch(images, np.arange(3)).shape == (3, 4)


def test_numbers_in_0_1_stay_as_they_are(tmp_path):
    table = RNG.random((20, 3)).round(3)
    images, *_ = load_all(write(tmp_path / "a.csv", table))
    np.testing.assert_allclose(images[:, 0], table, rtol=1e-6)


@pytest.mark.parametrize("columns", [9, 10, 16, 17, 50])
def test_a_table_with_as_many_columns_as_a_square_or_one_more_is_no_picture(tmp_path, columns):
    table = RNG.random((20, columns)).round(3)
    images, labels, _ = load_all(write(tmp_path / "a.csv", table))
    assert images.shape == (20, 1, columns) and labels is None


def test_a_column_of_words_is_the_labels(tmp_path):
    """As the irises have them, with every tenth row for the test: the file is sorted by class."""
    words = np.repeat(["setosa", "versicolor", "virginica"], 10)
    rows = [[*row, word] for row, word in zip(RNG.random((30, 5)).round(3), words, strict=True)]
    _, labels, train = load_all(write(tmp_path / "iris.data", rows))
    assert train.classes == ("setosa", "versicolor", "virginica") and (labels == np.repeat([0, 1, 2], 10)).all()


@pytest.mark.parametrize("text, error, words", [
    ("", BadValue, "an empty file"), ("\n \n", BadFile, "is empty"), ("x\n,1\ncat,2\n", BadFile, "cannot read"),
    ("a,b\nx,y\nz,w\n", BadFile, "more than one column of words"),
    ("class,a\n1,1\n,2\n", BadValue, "without a label(.|\n)*row 1"),
    ("a,b,c\n1,x,y\n2,z,w\n", BadFile, r"got: +b \(x\), c \(y\)"), ("1,2\n3\n", BadFile, "2 cells, then 1"),
    ("1,2\n,3\n4,5\n", BadFile, "string ''"), ("1,2\n3,nan\n", BadValue, "nan in row 1, column 1 of the numbers"),
    ("1,2\n3,inf\n", BadValue, "no number"), ("label,pixel0\n5,0\n", BadValue, "a table of 1 x 1 numbers"),
    ("1,2\n3,4\nx,5\n", BadFile, "could not convert string 'x'"), ("word\nanother\n", BadFile, "no column of numbers"),
    ("class,a\n0.5,1\n1.5,2\n", BadValue, "must be whole numbers"), ("class,a\n-1,1\n1,2\n", BadValue, "below 0"),
    ("class,a\n99999,1\n1,2\n", BadValue, "too many classes")])
def test_tables_that_are_none_say_why(tmp_path, text, error, words):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(error, match=words):
        data.load(tmp_path / "a.csv")


@pytest.mark.parametrize("content, words", [
    (b"<html>Sign in", "a web page"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    (b"PAR1...", "a Parquet file(.|\n)*pandas.read_parquet"), (b"", "an empty file")])
@pytest.mark.parametrize("name", ["a.csv", "a.data", "a.npy", "a.npz", "a.bin"])
def test_what_came_instead_is_told(tmp_path, content, words, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((BadFile, BadValue), match=words):
        data.load(tmp_path / name)


def test_a_table_that_is_too_long_is_refused_unread(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 10**6))
    with pytest.raises(BadFile, match="larger than what is read as text"):
        tables.load(tmp_path / "a.csv.gz", limit=10**5)


# arrays in memory

GREY = RNG.integers(0, 256, (20, 6, 5)).astype(np.uint8)


class Frame:
    """What pandas offers NumPy: a table through __array__."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def pixels(*args, **options):
    train, test = data.from_arrays(*args, **options)
    return np.insert(train.images, [9, 18], test.images, axis=0)


@pytest.mark.parametrize("make", [list, lambda x: [image.tolist() for image in x], lambda x: x.astype(np.int64),
                                  lambda x: x[..., None], lambda x: [image.astype(np.int32) for image in x], Frame])
def test_images_as_programs_hold_them(make):
    assert (pixels(make(GREY)).reshape(GREY.shape) == GREY).all()


def test_floats_up_to_255_are_divided_with_a_note():
    with pytest.warns(UserWarning, match="floats up to 255, so they are divided by 255"):
        images = pixels(np.where(GREY.max() == GREY, 255, GREY).astype(np.float64))
    np.testing.assert_allclose(images, np.where(GREY.max() == GREY, 255, GREY) / 255, rtol=1e-6)


@pytest.mark.parametrize("c", [1, 3])
def test_channels_first_are_moved_with_a_note(c):
    first = np.stack([GREY + np.uint8(i) for i in range(c)], 1)
    with pytest.warns(UserWarning, match="come first; they are moved last"):
        assert (pixels(first) == np.moveaxis(first, 1, -1)).all()


def test_bool_is_black_and_white():
    assert (pixels(GREY > 99) == np.where(GREY > 99, 255, 0)).all()


def test_a_frame_of_pixels_and_one_of_anything():
    assert (pixels(Frame(PIXELS[:20])) == PIXELS[:20].reshape(20, 4, 4)).all()
    with pytest.warns(UserWarning, match="the table: each of the 3 columns is scaled"):
        images = pixels(Frame(RNG.normal(size=(20, 3))))
    assert images.shape == (20, 1, 3) and (images.min(), images.max()) == (0, 1)


@pytest.mark.parametrize("labels, classes", [
    (np.arange(20) % 3, ()), ((np.arange(20) % 3)[:, None], ()), (list(range(20)), ()),
    (["b", "a"] * 10, ("a", "b")), (Frame(np.array(["b", "a"] * 10, object)), ("a", "b"))])
def test_labels_as_programs_hold_them(labels, classes):
    train, test = data.from_arrays(GREY, labels)
    assert train.labels.shape == (18,) and train.classes == test.classes == classes
    if classes:
        assert list(train.labels[:3]) == [1, 0, 1]


def test_a_test_set_that_is_given():
    train, test = data.from_arrays(GREY, np.arange(20) % 2, GREY[:4], [0, 1, 1, 0])
    assert (test.images == GREY[:4]).all() and list(test.labels) == [0, 1, 1, 0] and len(train.images) == 20


@pytest.mark.parametrize("args, error, words", [
    (([GREY[0], GREY[0, :2]],), BadType, r"arrays of 2 shapes, \(2, 5\) to \(6, 5\)"),
    (("digits",), BadType, r"data.load\(name\)"), ((None,), BadType, "numbers of one shape"),
    ((GREY / 255 - 0.5,), BadValue, r"\(images - -0"), ((GREY.astype(int) * 9,), BadType, "astype"),
    ((GREY / 255 * np.nan,), BadValue, "nan at pixel 0"),
    ((np.zeros((5, 8, 8, 4), np.uint8),), BadValue, r"images\[\.\.\., :3\]"),
    ((GREY, np.eye(20, dtype=int)), BadValue, r"labels.argmax\(1\), since they are one-hot"),
    ((GREY, np.arange(20).reshape(4, 5)), BadValue, r"labels.reshape\(-1\)"),
    ((GREY, np.arange(40).reshape(20, 2)), BadValue, "save the labels of these same images"),
    ((GREY, np.arange(20) * 10**6), BadValue, r"too many classes(.|\n)*return_inverse=True"),
    ((GREY, np.arange(20) + 0.5), BadType, "return_inverse"),
    ((GREY, None, GREY[:, :2]), BadValue, "must fit the images"), ((GREY, [0] * 20, GREY), BadValue, "come together"),
    ((Frame(np.array([["a", 1]] * 4, object)),), BadType, "select_dtypes")])
def test_what_is_no_set_is_refused_with_the_right_fix(args, error, words):
    with pytest.raises(error, match=words):
        data.from_arrays(*args)


@pytest.mark.parametrize("make, fix", [
    (lambda x: x * 255, "images / 255"), (lambda x: x * 2 - 1, "(images - -1) / 2"), (lambda x: x * 4, "images / 255"),
    (lambda x: x * 1000, "(images - 0) / 1000")])
def test_the_fix_for_floats_is_the_one_that_helps(tmp_path, make, fix):
    images = make(np.linspace(0, 1, 360).reshape(10, 6, 6))
    np.save(tmp_path / "a.npy", images)
    with pytest.raises(BadValue) as caught:
        data.load(tmp_path / "a.npy")
    assert f"scale the images to [0, 1]: {fix}, for these" in str(caught.value)


def test_load_names_the_call_for_arrays():
    with pytest.raises(BadType, match=r"data.from_arrays\(images, labels\)"):
        data.load(GREY)
