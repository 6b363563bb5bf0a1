""".npy and .npz: what is read, what is refused, and that a file larger than memory costs none."""
import io
import mmap
import pickle
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile

import numpy as np
import pytest

from tinyae import data
from tinyae.data import arrays, checks
from tinyae.errors import BadFile, BadType, BadValue, Refusal

GREY = np.arange(20 * 4 * 3, dtype=np.uint8).reshape(20, 4, 3)
FLOATS = (GREY / 255).astype(np.float32)


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def test_npy_is_mapped_and_split(tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    train, test = data.load(tmp_path / "a.npy")
    assert isinstance(train.images.base.base, mmap.mmap) and train.labels is test.labels is None
    assert (train.images == GREY[:18]).all() and (test.images == GREY[18:]).all()
    with pytest.raises(ValueError, match="read-only"):
        train.images[0] = 0


@pytest.mark.parametrize("n, k", [(2, 1), (9, 1), (19, 1), (20, 2), (100_000, 10_000), (200_000, 10_000)])
def test_the_test_set_is_the_last_tenth(n, k):
    train, test = arrays.split(data.Dataset(np.arange(n), np.arange(n)))
    assert len(test.images) == k and len(train.images) == n - k
    assert (np.concatenate([train.labels, test.labels]) == np.arange(n)).all()


@pytest.mark.parametrize("images", [
    GREY, GREY[..., None], np.stack([GREY] * 3, -1), np.asfortranarray(GREY), GREY[::-1, :, ::2],
    FLOATS, FLOATS.astype(">f4"), FLOATS.astype(np.float64), FLOATS.astype(np.float16), np.asfortranarray(FLOATS),
], ids=lambda a: f"{a.dtype.str}{a.shape}")
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_every_kind_of_images_gives_the_same_batches(tmp_path, images, kind):
    path = tmp_path / f"a.{kind}"
    np.save(path, images) if kind == "npy" else np.savez_compressed(path, images)
    train, _ = data.load(path)
    x = data.batch(train.images, np.array([3, 1]))
    assert x.dtype == np.float32 and x.dtype.isnative and x.flags.c_contiguous
    expected = images[[3, 1]].reshape(2, -1) / (255 if images.dtype == np.uint8 else 1)
    np.testing.assert_allclose(x, expected.astype(float), rtol=1e-6)


def test_npz_with_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY, labels=np.arange(20), names=np.array(["other"], object))
    train, test = data.load(tmp_path / "a.npz")
    assert (train.labels == np.arange(18)).all() and (test.labels == [18, 19]).all()


def test_npz_with_a_test_set(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY, test_images=GREY[:5], test_labels=np.arange(5))
    train, test = data.load(tmp_path / "a.npz")
    assert len(train.images) == 20 and train.labels is None and (test.labels == np.arange(5)).all()


def with_nan(images):
    images = images.copy()
    images[7, 2, 1] = np.nan
    return images


IMAGES_REFUSED = [
    ("NaN", with_nan(FLOATS), BadValue, "image 7 .*\n.*\n.*nan at pixel 7"),
    ("infinity", FLOATS + np.float32(np.inf), BadValue, "image 0"),
    ("beyond 1", FLOATS * 1.2, BadValue, r"a pixel outside \[0, 1\]"),
    ("below 0", FLOATS - 0.5, BadValue, r"a pixel outside \[0, 1\]"),
    ("0 to 255 as floats", FLOATS * 255, BadValue, r"scale the images to \[0, 1\]"),
    ("int64", GREY.astype(int), BadType, r"astype\(np.uint8\)"),
    ("bool", GREY > 9, BadType, "got: +bool"),
    ("complex", FLOATS * 1j, BadType, "got: +complex"),
    ("text", np.full((3, 4, 4), "x"), BadType, "does not hold images"),
    ("structure", np.zeros((3, 4, 4), "u1,u1"), BadType, "does not hold images"),
    ("dates", np.zeros((3, 4, 4), "M8[s]"), BadType, "does not hold images"),
    ("flat", GREY.reshape(20, -1), BadValue, r"images.reshape\(n, h, w\)"),
    ("scalar", np.uint8(3), BadValue, "does not hold images"),
    ("five dimensions", GREY[None, None], BadValue, "does not hold images"),
    ("two channels", np.stack([GREY, GREY], -1), BadValue, "does not hold images"),
    ("channels first", np.zeros((5, 3, 8, 8), np.uint8), BadValue, "moveaxis"),
    ("no images", GREY[:0], BadValue, "does not hold images"),
    ("no pixels", GREY[:, :, :0], BadValue, "does not hold images"),
    ("one image", GREY[:1], BadValue, "at least 2"),
]


@pytest.mark.parametrize("kind", ["npy", "npz"])
@pytest.mark.parametrize("images, error, words", [case[1:] for case in IMAGES_REFUSED],
                         ids=[case[0] for case in IMAGES_REFUSED])
def test_what_is_no_set_of_images_is_refused(tmp_path, images, error, words, kind):
    path = tmp_path / f"a.{kind}"
    np.save(path, images) if kind == "npy" else np.savez(path, images=images)
    with pytest.raises(error, match=words) as caught:
        data.load(path)
    assert str(path) in str(caught.value) or "image" in str(caught.value)


@pytest.mark.parametrize("labels, error, words", [
    (np.arange(19), BadValue, r"shape \(20,\)"),
    (np.eye(20, dtype=int), BadValue, r"labels.argmax\(1\)"),
    (np.arange(20.0), BadType, "return_inverse"),
    (np.array(list("abcde") * 4), BadType, "return_inverse"),
    (np.arange(20) - 1, BadValue, "below 0"),
], ids=["too few", "one-hot", "floats", "text", "negative"])
def test_what_are_no_labels_is_refused(tmp_path, labels, error, words):
    np.savez(tmp_path / "a.npz", images=GREY, labels=labels)
    with pytest.raises(error, match=words):
        data.load(tmp_path / "a.npz")


def test_test_images_of_another_size_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY, test_images=GREY[:, :2])
    with pytest.raises(BadFile, match="two kinds"):
        data.load(tmp_path / "a.npz")


def test_arrays_without_a_name_we_know_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=GREY, y=GREY)
    with pytest.raises(BadFile, match="an array called images"):
        data.load(tmp_path / "a.npz")


class Trap:
    """Unpickling this would raise SystemExit, which no handler of ours would catch."""

    def __reduce__(self):
        return sys.exit, ("the pickle ran",)


@pytest.mark.parametrize("content", [
    b"", b"\x93NUMPY", b"not at all", npy(GREY)[:-1], npy(GREY) + b"\0", npy(GREY)[:40], pickle.dumps(Trap()),
    npy(np.array([Trap()], object)), npy(GREY).replace(b"(20, 4, 3)", b"(-20,-4,3)"),
    npy(GREY).replace(b"(20, 4, 3)", b"(2**20,3) "), npy(GREY).replace(b"\x01\x00", b"\x09\x00", 1)],
    ids=["empty", "magic", "text", "cut", "more", "header cut", "pickle", "objects", "negative", "code", "version"])
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_damaged_files_are_refused(tmp_path, content, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content)
    else:
        path.write_bytes(content)
    with pytest.raises(BadFile, match="cannot read"):
        data.load(path)
    path.write_bytes(content)
    with pytest.raises(BadFile):
        data.load(path)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_objects_are_refused_for_what_they_are(tmp_path, kind):
    path, ragged = tmp_path / f"a.{kind}", np.array([GREY[0], GREY[0, :2]], object)
    np.save(path, ragged) if kind == "npy" else np.savez(path, images=ragged)
    with pytest.raises(BadFile, match="Python objects; those are never loaded"):
        data.load(path)


def test_nan_in_a_large_file_is_found_when_its_batch_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "CHECK_BYTES", 100)
    np.save(tmp_path / "a.npy", with_nan(FLOATS))
    train, _ = data.load(tmp_path / "a.npy")
    data.batch(train.images, np.array([6, 8]))
    with pytest.raises(BadValue, match="image 7 has"):
        data.batch(train.images, np.array([6, 7]))


def test_a_zip_bomb_takes_no_memory(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((1000, 256, 256), np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 2**17
    tracemalloc.start()
    try:
        with pytest.raises(BadFile, match="promises more"):
            arrays.load_npz(tmp_path / "a.npz", limit=2**20)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_header_that_lies_takes_no_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", npy(GREY).replace(b"(20, 4, 3)", b"(2000000000, 4, 3)"[:10]))
        archive.writestr("labels.npy", npy(np.zeros((10, 10))).replace(b"(10, 10)", b"(9**9,)"))
    tracemalloc.start()
    try:
        with pytest.raises(Refusal):
            data.load(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_file_of_20_gb_takes_no_memory(tmp_path):
    """Sparse, so it takes no disk either: 27 million images, batches from all over it."""
    path = tmp_path / "huge.npy"
    shape = (20 * 2**30 // 784, 28, 28)
    try:
        np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    except OSError as error:
        pytest.skip(f"no sparse file of 20 GB here: {error}")
    code = textwrap.dedent("""
        import sys, time, numpy as np
        from tinyae import data
        def memory():    # anonymous: pages of the mapped file belong to the system and are given back at need
            status = open("/proc/self/status").read()
            return int(status.split("RssAnon:")[1].split()[0]) * 1024
        train, test = data.load(sys.argv[1], progress=False)
        assert len(test.images) == 10_000
        rng = np.random.default_rng(0)
        step = lambda: data.batch(train.images, rng.integers(0, len(train.images), 128)).sum()
        step()
        before, start = memory(), time.perf_counter()
        assert sum(step() for _ in range(200)) == 0
        print(memory() - before, (time.perf_counter() - start) / 200)
    """)
    done = subprocess.run([sys.executable, "-c", code, path], stdout=subprocess.PIPE, check=True)
    grown, seconds = done.stdout.split()
    assert int(grown) < 2**20, f"{int(grown):,} bytes"
    assert float(seconds) < 0.25, f"{float(seconds):.3f} s a batch: the system reads more than it is asked for"
