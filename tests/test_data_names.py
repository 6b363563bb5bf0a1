"""Names: of the sets, of IDX files as people have them, and of the arrays in an archive."""
import gzip
import io
import zipfile

import numpy as np
import pytest

from tinyae import data
from tinyae.data import idx, sources
from tinyae.errors import BadFile, BadValue

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 6, 5)).astype(np.uint8)
LABELS = (np.arange(30) % 4).astype(np.uint8)
FOUR = dict(zip(idx.FILES, (IMAGES, LABELS, IMAGES[:10], LABELS[:10]), strict=True))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYAE_DATA", raising=False)


@pytest.mark.parametrize("name, source", [
    ("MNIST", "mnist"), ("Fashion_MNIST", "fashion-mnist"), ("FashionMNIST", "fashion-mnist"), ("Moon", "moon"),
    ("fashion mnist", "fashion-mnist"), ("DIGITS", "digits")])
def test_names_in_other_spellings(name, source, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "_named", lambda known, *_: (known, None))
    monkeypatch.setattr(sources.report, "described", lambda *_: "")
    assert data.load(name)[0] == source


def test_a_folder_of_that_name_comes_first(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "MNIST", {})
    assert len(data.load("MNIST")[0].images) == 30


def write(folder, names, packed=False, files=FOUR):
    """The four files under these names in place of MNIST's."""
    for file, array in files.items():
        path = folder / names.get(file, names["all"](file) if "all" in names else file)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = idx.header(array.shape) + array.tobytes()
        path.write_bytes(gzip.compress(content) if packed or path.suffix == ".gz" else content)
    return folder


@pytest.mark.parametrize("rename", [
    lambda f: f.replace("-idx", ".idx"), lambda f: f"{f}/{f}", lambda f: f"raw/deeper/{f}.gz", str.upper,
    lambda f: f"mymnist-{f}.gz", lambda f: f.replace("t10k", "test").replace("-idx3", "").replace("-idx1", ""),
    lambda f: f.replace("-idx3-ubyte", ".idx3-ubyte/") + f.split("-idx")[0] + ".idx3-ubyte" if "images" in f
    else f.replace("-idx", ".idx"), lambda f: f"{f}/{f}.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_folders_as_people_have_them(tmp_path, rename, packed):
    train, test = data.load(write(tmp_path, {"all": rename}, packed))
    assert (train.images == IMAGES).all() and (train.labels == LABELS).all() and (test.images == IMAGES[:10]).all()


@pytest.mark.parametrize("split", ["digits", "letters", "balanced"])
def test_emnist_stands_upright(tmp_path, split):
    files = {file: array.swapaxes(1, 2) if array.ndim == 3 else array for file, array in FOUR.items()}
    write(tmp_path, {"all": lambda f: f"emnist-{split}-{f.replace('t10k', 'test')}.gz"}, files=files)
    with pytest.warns(UserWarning, match="rows and columns exchanged"):
        train, _ = data.load(tmp_path)
    assert (train.images == IMAGES).all()
    with pytest.warns(UserWarning, match="rows and columns exchanged"):
        train, _ = data.load(tmp_path / f"emnist-{split}-train-images-idx3-ubyte.gz")
    assert train.images.shape == (27, 6, 5) and (train.labels[:3] == LABELS[:3]).all()


def test_several_sets_in_a_folder_are_not_mixed(tmp_path):
    for name in ("emnist-letters", "emnist-digits"):
        write(tmp_path, {"all": lambda f, name=name: f"{name}-{f}.gz"})
    with pytest.raises(BadFile, match=r"several sets(.|\n)*emnist-digits, emnist-letters"):
        data.load(tmp_path)


@pytest.mark.parametrize("name", [None, "images.idx3-ubyte", "somewhat.gz", "no-ending"])
def test_a_single_idx_file(tmp_path, name):
    """With its labels if they lie beside it under the matching name."""
    write(tmp_path, {})
    path = tmp_path / idx.FILES[0]
    if name:
        content = path.read_bytes()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    train, test = data.load(path)
    assert len(train.images) == 27 and (train.images[:9] == IMAGES[:9]).all() and (test.images[0] == IMAGES[9]).all()
    assert (train.labels is None) == bool(name)


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_what_is_missing_is_named(tmp_path, missing):
    write(tmp_path, {})
    (tmp_path / idx.FILES[missing]).unlink()
    with pytest.raises(BadFile, match=f"lacks {idx.FILES[missing]}(.|\n)*the file of images alone"):
        data.load(tmp_path)


def test_a_file_of_labels_names_that_of_the_images(tmp_path):
    write(tmp_path, {})
    with pytest.raises(BadFile, match=r"holds labels(.|\n)*give train-images-idx3-ubyte, or "):
        data.load(tmp_path / idx.FILES[1])


@pytest.mark.parametrize("content, words", [
    (b"<!DOCTYPE html>", "3c 21 44 4f: a web page"), (b"version https://git-lfs.g", "LFS pointer(.|\n)*git lfs pull"),
    (b"", "an empty file"), (b"PK\x03\x04...", "a zip archive(.|\n)*unpack"), (b"\x93NUMPY..", "np.save wrote"),
    (idx.header((4,)) + b"0123", "an IDX file of 1 dimensions(.|\n)*swapped"), (b"garbage!", "unknown bytes")])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_what_came_in_place_of_an_idx_file_is_told(tmp_path, content, words, suffix):
    write(tmp_path, {"all": lambda f: f + suffix})
    (tmp_path / f"{idx.FILES[0]}{suffix}").write_bytes(content)
    with pytest.raises(BadFile, match=words):
        data.load(tmp_path)


# archives of arrays

def archive(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("names", [
    ("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels"),
    ("X", "y", "X_test", "y_test"), ("trainX", "trainY", "testX", "testY"),
    ("data", "target", "val_data", "val_target")])
@pytest.mark.parametrize("column", [False, True])
def test_other_names_in_an_archive(tmp_path, names, column):
    labels = LABELS[:, None] if column else LABELS
    path = archive(tmp_path / "a.npz", **dict(zip(names, (IMAGES, labels, IMAGES[:7], labels[:7]), strict=True)))
    with pytest.warns(UserWarning, match=f"{names[0]} is taken as images, {names[1]} is taken as labels") as caught:
        train, test = data.load(path)
    assert f"{names[2]} is taken as test_images" in str(caught[0].message)
    assert (train.images == IMAGES).all() and (train.labels == LABELS).all()
    assert (test.images == IMAGES[:7]).all() and (test.labels == LABELS[:7]).all()


def test_of_three_parts_the_test_is_the_test(tmp_path):
    path = archive(tmp_path / "medmnist.npz", train_images=IMAGES, val_images=IMAGES[:5], test_images=IMAGES[:6],
                   train_labels=LABELS[:, None], val_labels=LABELS[:5, None], test_labels=LABELS[:6, None])
    with pytest.warns(UserWarning, match="is taken as"):
        train, test = data.load(path)
    assert (len(train.images), len(test.images)) == (30, 6) and train.labels.shape == (30,)


def test_the_only_array_that_can_be_images_is_taken(tmp_path):
    """As dSprites has them, beside an object that is never loaded, and several columns that could be labels."""
    path = archive(tmp_path / "a.npz", imgs=IMAGES, latents_values=RNG.random((30, 6)),
                   latents_classes=np.eye(30, 6, dtype=int), one=LABELS, other=LABELS,
                   metadata=np.array({"a": 1}, object))
    with pytest.warns(UserWarning, match=r"imgs is taken as images$"):
        train, _ = data.load(path)
    assert train.labels is None and (train.images == IMAGES[:27]).all()


def test_numbers_that_are_no_whole_ones_are_no_labels(tmp_path):
    path = archive(tmp_path / "a.npz", x_train=IMAGES, y_train=RNG.random(30))
    with pytest.warns(UserWarning, match="x_train is taken as images$"):
        assert data.load(path)[0].labels is None


@pytest.mark.parametrize("arrays, words", [
    ({"a": IMAGES, "b": IMAGES}, r"under several names(.|\n)*a uint8 \(30, 6, 5\), b uint8"),
    ({"X": IMAGES.reshape(30, -1), "y": LABELS}, r"has no images(.|\n)*X uint8 \(30, 30\)(.|\n)*reshape"),
    ({"words": np.array(["a"]), "y": LABELS}, "has no images"),
    ({"x_test": IMAGES, "y_test": LABELS}, "has no images")])
def test_an_archive_that_leaves_a_doubt_names_what_it_holds(tmp_path, arrays, words):
    with pytest.raises(BadFile, match=words):
        data.load(archive(tmp_path / "a.npz", **arrays))


@pytest.mark.parametrize("name", ["a.npz", "a.zip", "a"])
def test_an_archive_by_any_name(tmp_path, name):
    content = io.BytesIO()
    np.savez(content, images=IMAGES, labels=LABELS)
    (tmp_path / name).write_bytes(content.getvalue())
    assert len(data.load(tmp_path / name)[0].images) == 27


def test_a_zip_of_pictures_is_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("cat/0.png", b"...")
    with pytest.raises(BadValue, match=r"a zip archive(.|\n)*unpack it, then give the folder"):
        data.load(tmp_path / "a.zip")


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_npy_of_version_3_is_read(tmp_path, kind):
    content = io.BytesIO()
    np.lib.format.write_array(content, IMAGES, version=(3, 0))
    if kind == "npz":
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
            file.writestr("images.npy", content.getvalue())
    else:
        (tmp_path / "a.npy").write_bytes(content.getvalue())
    assert (data.load(tmp_path / f"a.{kind}")[0].images == IMAGES[:27]).all()


def test_an_archive_that_memory_cannot_hold_is_refused(tmp_path, monkeypatch):
    def full(*_, **__):
        raise MemoryError("Unable to allocate 3.7 GiB")
    path = archive(tmp_path / "a.npz", images=IMAGES)
    monkeypatch.setattr(np.lib.format, "read_array", full)
    with pytest.raises(BadFile, match=r"does not fit into memory(.|\n)*3.7 GiB(.|\n)*which is mapped"):
        data.load(path)


@pytest.mark.parametrize("suffix, content, words", [
    ("h5", b"\x89HDF\r\n", "an HDF5 file(.|\n)*h5py"), ("mat", b"MATLAB 5.0 MAT-file", "scipy.io.loadmat"),
    ("pkl", b"\x80\x04\x95", "a pickle, which is never loaded"),
    ("png", b"\x89PNG\r\n", "a single picture(.|\n)*folder"),
    ("tar.gz", gzip.compress(b"x", mtime=0), "compressed with gzip"), ("pt", b"\x80\x02", "a pickle"),
    ("7z", b"7z\xbc\xaf", "unpack"),
    ("py", b"print()", "neither .npy nor .npz")])
def test_files_of_other_kinds_are_told(tmp_path, suffix, content, words):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(BadValue, match=words):
        data.load(tmp_path / f"a.{suffix}")
