"""The drawn digits: the same bytes everywhere, the character of handwriting, and the file they are kept in."""
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from tinyae import data
from tinyae.data import Dataset, cached, digits, fingerprint
from tinyae.data.cached import kept

NAME = f"digits-{digits.SHA256[:8]}-seed0.npz"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and sets small enough to draw in no time."""
    monkeypatch.setenv("TINYAE_DATA", str(tmp_path / "kept"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(digits, "TRAIN", 500)
    monkeypatch.setattr(digits, "TEST", 250)
    return tmp_path / "kept"


def load() -> tuple[Dataset, Dataset]:
    return digits.load(progress=False)


@pytest.fixture(scope="module")
def drawn():
    return digits.draw(4000, np.random.RandomState(1))


def spread(images):
    """How many principal components hold 50, 90 and 95 % of the variance of the first 300 images."""
    x = images[:300].reshape(300, -1) / 255
    x = x - x.mean(0)
    values = np.linalg.eigvalsh(x @ x.T)[::-1]    # those of the covariance, and quicker
    return np.searchsorted(np.cumsum(values) / values.sum(), (0.5, 0.9, 0.95)) + 1


def test_one_seed_draws_these_bytes_on_every_machine():
    """Computed with Python 3.10 and NumPy 2.0.0, Python 3.13 and NumPy 2.5.5, with AVX-512 and without AVX2."""
    images, labels = digits.draw(500, np.random.RandomState(0))
    assert hashlib.sha256(images).hexdigest()[:16] == "16d61a4a70e4595a"
    assert hashlib.sha256(labels).hexdigest()[:16] == "420ef59af8a24884"


def test_the_whole_set_has_its_sum():
    """Changed on purpose: the new sum in digits.py, here nothing. Files of the old drawing then have another name."""
    rng = np.random.RandomState(0)
    parts = [digits.draw(digits.CHUNK, rng) for _ in range(70_000 // digits.CHUNK)]
    images, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert fingerprint(Dataset(images[:60_000], labels[:60_000]),
                       Dataset(images[60_000:], labels[60_000:])) == digits.SHA256


@pytest.mark.parametrize("change", [
    lambda train, test: (train._replace(images=train.images[::-1]), test),      # an earlier drawing: same sizes
    lambda train, test: (train, test._replace(labels=test.labels + np.uint8(1))),
    lambda train, test: tuple(part._replace(images=part.images[:, :3, :3]) for part in (train, test))],
    ids=["other digits", "other labels", "other pixels"])
def test_a_file_of_another_drawing_is_drawn_again(cache, monkeypatch, change):
    drawn = digits.draw_sets(0, progress=False)
    monkeypatch.setattr(digits, "SHA256", fingerprint(*drawn))
    monkeypatch.setattr(digits, "WHOLE", (0, 500, 250))
    cache.mkdir()
    path = cache / f"digits-{digits.SHA256[:8]}-seed0.npz"
    path.write_bytes(cached._packed(*change(*drawn)))
    assert fingerprint(*load()) == digits.SHA256 == fingerprint(*cached.kept(path, (500, 250)))
    monkeypatch.setattr(digits, "draw", None)
    assert fingerprint(*load()) == digits.SHA256


def test_a_drawing_that_is_not_the_published_one_is_told(monkeypatch):
    """The drawing code was changed and the sum was not, or a machine computes otherwise."""
    monkeypatch.setattr(digits, "WHOLE", (0, 500, 250))
    with pytest.warns(UserWarning, match="not those of the published figures"):
        load()


def test_a_fingerprint_is_of_every_byte_of_shape_and_dtype(monkeypatch):
    images = np.arange(600, dtype=np.uint8).reshape(6, 10, 10) // 3
    sums = {fingerprint(Dataset(images, None)), fingerprint(Dataset(images, np.arange(6))),
            fingerprint(Dataset(images[:, :, ::-1], None)), fingerprint(Dataset(images.reshape(6, 5, 20), None)),
            fingerprint(Dataset(images.view(np.int8), None)), fingerprint(Dataset(images[:5], None))}
    assert len(sums) == 6
    whole = fingerprint(Dataset(images, np.arange(6)))
    monkeypatch.setattr("tinyae.data.dataset.READ_BYTES", 130)
    assert fingerprint(Dataset(np.asfortranarray(images), np.arange(6))) == whole


def test_another_seed_draws_other_digits():
    (a, _), (b, _) = (digits.draw(10, np.random.RandomState(seed)) for seed in (0, 1))
    assert (a != b).any(axis=(1, 2)).all()


def test_ink_and_spread_are_those_of_handwriting(drawn):
    """MNIST has 9 or 10, 60 to 62 and 94 to 96 components, depending on which 300 images are taken."""
    images, _ = drawn
    assert images.dtype == np.uint8 and images.shape[1:] == (28, 28)
    assert 0.125 < images.mean() / 255 < 0.137
    fifty, ninety, most = spread(images)
    assert 8 <= fifty <= 11 and 55 <= ninety <= 66 and 88 <= most <= 101, (fifty, ninety, most)


def test_ink_and_spread_are_close_to_mnist(drawn, shared_data):
    mnist, _ = data.load(shared_data / "mnist")
    np.testing.assert_allclose(drawn[0].mean(), mnist.images.mean(), rtol=0.03)
    np.testing.assert_allclose(spread(drawn[0]), spread(mnist.images), rtol=0.15)


def test_each_digit_is_as_frequent_and_in_the_middle(drawn):
    images, labels = drawn
    assert (np.bincount(labels, minlength=10) > 330).all()
    ink = images / images.sum(axis=(1, 2), keepdims=True)
    middle = (ink.sum(1) @ np.arange(28), ink.sum(2) @ np.arange(28))
    assert np.abs(np.array(middle) - 13.5).max() < 1.5
    assert (images[:, [0, -1]] > 0).mean() < 0.01, "ink on the border"


def test_mnist_recognises_them(drawn, shared_data):
    """A classifier fitted to real handwriting reads most of them, with their labels."""
    mnist, _ = data.load(shared_data / "mnist")
    known = mnist.images[:10_000].reshape(-1, 784).astype(np.float32)
    seen = drawn[0][:500].reshape(-1, 784).astype(np.float32)
    nearest = ((known * known).sum(1) - 2 * seen @ known.T).argmin(1)
    accuracy = (mnist.labels[:10_000][nearest] == drawn[1][:500]).mean()
    assert accuracy > 0.75, accuracy


def test_they_are_drawn_once(cache, monkeypatch):
    first = load()
    monkeypatch.setattr(digits, "draw", None)
    again = load()
    assert [p.name for p in cache.iterdir() if p.suffix] == [NAME]
    for a, b in zip(first, again, strict=True):
        assert (a.images == b.images).all() and (a.labels == b.labels).all()
    assert (len(first[0].images), len(first[1].images)) == (500, 250)


@pytest.mark.parametrize("damage", [
    lambda content: content[:-1000], lambda content: content[:50_000] + b"!" + content[50_001:],
    lambda content: b"", lambda content: b"\0" * len(content)], ids=["cut", "one byte", "empty", "zeros"])
def test_a_damaged_file_is_drawn_again(cache, damage):
    first = load()
    path = cache / NAME
    path.write_bytes(damage(path.read_bytes()))
    assert (load()[0].images == first[0].images).all()
    assert kept(path, (500, 250)) is not None


def test_a_file_of_another_set_is_drawn_again(cache):
    cache.mkdir()
    np.savez(cache / NAME, images=np.zeros((20, 28, 28), np.uint8))
    assert len(load()[0].images) == 500


def test_where_nothing_can_be_written_they_come_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").touch()    # below a file nobody can write, root included
    monkeypatch.setenv("TINYAE_DATA", str(tmp_path / "file" / "kept"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="drawn anew each time: .*cannot be written") as caught:
        train, _ = load()
    assert len(caught) == 1 and len(train.images) == 500


def test_if_the_first_folder_cannot_be_written_the_next_is(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TINYAE_DATA", str(tmp_path / "file"))
    load()
    assert (tmp_path / "cache" / "tinyae" / NAME).exists()


def test_of_processes_at_once_one_draws_and_the_others_wait(cache):
    code = ("from tinyae.data import digits; digits.TRAIN, digits.TEST = 500, 250; draw_sets = digits.draw_sets; "
            "digits.draw_sets = lambda *args: print('drawn') or draw_sets(*args); "
            "train, _ = digits.load(progress=False); print(train.images.sum())")
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = "".join(process.communicate()[0] for process in processes).split()
    assert all(process.returncode == 0 for process in processes)
    assert sorted(said) == 3 * [str(load()[0].images.sum())] + ["drawn"]
