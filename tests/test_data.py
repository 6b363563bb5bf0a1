"""Images by name, batches of them, and the command line."""
import subprocess
import sys

import numpy as np
import pytest

from tinyae import backend, data
from tinyae.data import __main__ as command_line
from tinyae.data import cache, creatures, dataset, digits
from tinyae.demo import cli
from tinyae.errors import BadFile, BadType, BadValue

GREY = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("TINYAE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setattr(digits, "TRAIN", 500)
    monkeypatch.setattr(digits, "TEST", 250)
    return tmp_path


# batches

def test_batch_of_bytes_is_divided_by_255():
    x = data.batch(GREY, np.array([3, 0]))
    assert x.shape == (2, 64) and x.dtype == np.float32
    np.testing.assert_allclose(x, GREY[[3, 0]].reshape(2, -1) / 255, rtol=1e-7)
    assert x.max() == 1 and x.min() == 0, "255 must become 1 exactly, or a loss refuses it"


def test_batch_of_floats_is_kept():
    images = np.random.default_rng(0).random((4, 3, 5, 3))
    assert (data.batch(images, np.arange(4)) == images.reshape(4, 45).astype(np.float32)).all()


def test_batch_is_read_only_down_to_its_base():
    for images in (GREY, GREY / 255, (GREY / 255).astype(np.float32)):
        x = data.batch(images, np.arange(3))
        assert not x.flags.writeable and x.base is None
        assert images.flags.writeable


def test_batch_shares_no_memory_with_the_images():
    images = (GREY / 255).astype(np.float32)
    assert not np.shares_memory(data.batch(images, np.arange(4)), images)


def test_empty_batch():
    assert data.batch(GREY, np.arange(0)).shape == (0, 64)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-3, 1.001, 1e300])
def test_batch_names_the_image_that_is_wrong(value):
    images = GREY / 255
    images[2, 1, 3] = value
    with pytest.raises(BadValue, match=r"image 2 (.|\n)*at pixel 11"):
        data.batch(images, np.array([0, 2, 1]))


def test_batch_of_integers_is_refused():
    with pytest.raises(BadType, match="uint8"):
        data.batch(GREY.astype(int), np.arange(2))


# on the GPU

@pytest.mark.parametrize("there", [True, False], ids=["kept there", "too large for it"])
@pytest.mark.parametrize("images", [GREY, GREY / 255, (GREY / 255).astype(np.float32)], ids=lambda x: str(x.dtype))
def test_batches_on_the_gpu_are_those_of_the_cpu(gpu, monkeypatch, images, there):
    free = 2 * images.nbytes - (not there)
    monkeypatch.setattr(dataset, "free_memory", lambda: free)
    monkeypatch.setattr(dataset, "UPLOAD_BYTES", 3 * images[0].nbytes)      # which does not divide the set
    settled, index = data.to_device_if_it_fits(images, "cuda"), np.array([3, 0, 1])
    assert backend.device_of(settled) == ("cuda" if there else "cpu")
    x = data.batch(settled, backend.to_device(index, "cuda") if there else index, "cuda")
    assert backend.device_of(x) == "cuda"
    np.testing.assert_allclose(gpu.host(x), data.batch(images, index), rtol=1e-7, strict=True)


def test_batches_of_a_set_on_the_gpu_upload_and_wait_for_nothing(double):
    settled, index = data.to_device_if_it_fits(GREY, "cuda"), backend.to_device(np.array([3, 0]), "cuda")
    with double.counting() as n:
        data.batch(settled, index, "cuda")
    assert (n.launches, n.uploads, n.syncs) == (2, 0, 0)
    with double.counting() as n:
        data.batch(GREY, np.array([3, 0]), "cuda")
    assert (n.launches, n.uploads, n.syncs) == (1, 1, 0)            # of bytes, a quarter of what they become


def test_floats_are_checked_on_their_way_to_the_gpu(double, monkeypatch):
    images = GREY / 255
    images[2, 1, 3] = 1.5
    monkeypatch.setattr(dataset, "UPLOAD_BYTES", 1)
    with pytest.raises(BadValue, match=r"image 2 (.|\n)*at pixel 11"):
        data.to_device_if_it_fits(images, "cuda")


def test_images_for_the_cpu_stay_themselves():
    assert data.to_device_if_it_fits(GREY, "cpu") is GREY


# names

def test_digits_by_default():
    train, test = data.load("digits", progress=False)
    assert train.images.shape == (500, 28, 28) and len(test.labels) == 250
    assert list(data.SOURCES) == ["digits", "creatures", "moon", "fashion-mnist", "mnist"]


@pytest.mark.parametrize("name, words", [
    ("mnits", "did you mean mnist"), ("fashion", "fashion-mnist"), ("", "a path that does not exist"),
    ("no/such/folder", "digits, creatures, moon, fashion-mnist, mnist"), ("gone.npy", "a path that does not exist"),
    (__file__, "neither .npy nor .npz")])
def test_an_unknown_name_is_refused(name, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadValue, match=words):
        data.load(name)


@pytest.mark.parametrize("name", [None, 3, GREY, ["mnist"]], ids=["None", "number", "array", "list"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(BadType, match="a name or a path"):
        data.load(name)


def test_published_files_that_are_missing_are_named_with_the_folder(home):
    with pytest.raises(BadFile) as caught:
        data.load("fashion-mnist", home / "there", download=False)
    assert f"put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte " \
           f"(or the same with .gz) into {home / 'there' / 'fashion-mnist'}" in str(caught.value)


def test_where_data_is_looked_for(home, monkeypatch):
    assert cache.folders() == [cache.platform_cache()]
    monkeypatch.setenv("TINYAE_DATA", "~/data")
    assert cache.folders("here") == [cache.Path("here"), cache.Path.home() / "data", cache.platform_cache()]


@pytest.mark.parametrize("platform, variable, place", [
    ("linux", "XDG_CACHE_HOME", "tinyae"), ("win32", "LOCALAPPDATA", "tinyae"),
    ("linux", None, ".cache/tinyae"), ("darwin", None, "Library/Caches/tinyae"),
    ("win32", None, "AppData/Local/tinyae")])
def test_the_cache_folder_of_each_platform(home, monkeypatch, platform, variable, place):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name)
    if variable:
        monkeypatch.setenv(variable, str(home))
    monkeypatch.setattr(cache.Path, "home", lambda: home)
    monkeypatch.setattr(cache.sys, "platform", platform)
    assert cache.platform_cache() == home / place


def test_without_a_home_the_digits_come_all_the_same(home):
    """No $HOME, and a user whom the system does not know: a container."""
    code = ("import os, pathlib, warnings; from tinyae.data import digits\n"
            "def home(*_): raise RuntimeError('no home')\n"
            "pathlib.Path.home = home; os.environ.pop('XDG_CACHE_HOME', 0); digits.TRAIN, digits.TEST = 500, 250\n"
            "print(len(digits.load(progress=False)[0].images))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "500\n" and "there is no home folder; set $TINYAE_DATA" in done.stderr, done.stderr


def test_without_a_home_published_sets_say_what_to_give(monkeypatch):
    monkeypatch.setattr(cache, "platform_cache", lambda: cache.Path("~nosuchuser").expanduser())
    with pytest.raises(BadFile, match=r"no home folder(.|\n)*TINYAE_DATA"):
        data.load("mnist", download=False)


@pytest.mark.parametrize("name", ["digits", "creatures", "mnist"])
def test_a_home_that_may_not_be_read_is_passed_over(home, monkeypatch, name):
    """os.path.isfile is False there, and mkdir is refused: what is drawn is drawn; the published set says why."""
    (home / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
    if name == "mnist":
        with pytest.raises(BadFile, match=r"cannot be kept(.|\n)*Not a directory"):
            data.load(name)
    else:
        monkeypatch.setattr(creatures, "TRAIN", 40)
        monkeypatch.setattr(creatures, "TEST", 10)
        with pytest.warns(UserWarning, match="drawn anew each time"):
            data.load(name, progress=False)


# the command line

def run(*arguments):
    done = subprocess.run([sys.executable, "-m", "tinyae.data", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_list_names_what_there_is():
    status, out, err = run("list")
    assert status == 0 and not err
    assert all(f"{name} " in out and text in out for name, text in data.SOURCES.items())


@pytest.mark.parametrize("arguments", [["--help"], ["fetch", "--help"]])
def test_help(arguments):
    status, out, _ = run(*arguments)
    assert status == 0 and "usage: python -m tinyae.data" in out


@pytest.mark.parametrize("arguments", [[], ["steal"], ["fetch"], ["fetch", "digits", "--datadir"]])
def test_wrong_usage_has_status_2(arguments):
    status, out, err = run(*arguments)
    assert status == 2 and not out
    assert [line.split(":")[0].strip() for line in err.splitlines()[1:]] == ["expected", "got", "fix"]
    assert "--help" in err


def test_a_refusal_has_status_2_and_no_traceback():
    status, out, err = run("fetch", "minst")
    assert status == 2 and not out
    assert [line.split(":")[0].strip() for line in err.splitlines()[1:]] == ["expected", "got", "fix"]


def test_fetch_makes_a_set_ready(home, capsys):
    assert command_line.main(["fetch", "digits", "--data-dir", str(home / "there")]) == 0
    assert "digits is ready: 500 images (28, 28) to train on, 250 to test with" in capsys.readouterr().out
    assert list((home / "there").glob("digits-*.npz"))


def test_ctrl_c_ends_a_fetch_in_a_line(monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(command_line, "load", stopped)
    with pytest.raises(SystemExit, match="130"):
        cli.main(lambda: command_line.main(["fetch", "mnist"]))
    assert capsys.readouterr().err == "\nstopped; the next fetch goes on from what has come\n"


# classes in the batches

@pytest.mark.parametrize("white, dtype", [(255, np.uint8), (1, np.float32)])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_labels_come_with_every_batch(white, dtype, colours):
    images = np.random.default_rng(0).integers(0, 2, (9, 2, 3, *colours)).astype(dtype)
    sets = data.with_classes(data.Dataset(images[:6], np.array([0, 1, 0, 1, 0, 1])),
                             data.Dataset(images[6:], np.array([3, 0, 1]), None, tuple("abcd")))
    x = data.batch(sets[1].images, np.array([2, 0]))
    assert x.shape == (2, images[0].size + 4) and sets[0].images.dtype == dtype and sets[1].classes == tuple("abcd")
    assert (x[:, -4:] == [[0, 1, 0, 0], [0, 0, 0, 1]]).all()
    assert (x[:, :-4] * white == images[[8, 6]].reshape(2, -1)).all()


def test_without_labels_there_are_no_classes():
    with pytest.raises(BadValue, match="no classes"):
        data.with_classes(data.Dataset(GREY, None), data.Dataset(GREY, np.zeros(4, int)))


# show

def show(path, *flags):
    return command_line.main(["show", str(path), *flags])


def coloured(home):
    from PIL import Image
    for kind, hue in (("cat", 60), ("dog", 200)):
        (home / kind).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(np.full((20, 12, 3), (hue, 5 * i, 255 - hue), np.uint8)).save(home / kind / f"{i}.png")


def test_show_prints_what_is_trained_on_and_draws_it(home, capsys):
    from PIL import Image
    coloured(home / "pets")
    assert show(home / "pets", "--out", str(home / "sheet.png")) == 0
    out, err = capsys.readouterr()
    assert "15 images to train on and 1 for the test, 20 x 12, colour; 2 classes, cat: 8 + 0, dog: 7 + 1" in out
    assert "range      0 to 200 (uint8)" in out and "a model sees 0.000 to 0.784" in out
    assert f"SHA-256    {data.fingerprint(*data.load(home / 'pets', progress=False))}" in out
    assert out.endswith(f"picture    {home / 'sheet.png'}\n") and not err
    sheet = np.asarray(Image.open(home / "sheet.png").convert("RGB")).reshape(-1, 3)
    for hue in (60, 200):
        assert (sheet == (hue, 10, 255 - hue)).all(1).any(), "a class is not on the sheet"


@pytest.mark.parametrize("size, shape", [("9", "9 x 9"), ("10x7", "10 x 7"), ("10X7", "10 x 7")])
def test_show_takes_a_size(home, capsys, size, shape):
    coloured(home / "pets")
    show(home / "pets", "--size", size, "--out", str(home / "sheet.png"))
    assert f", {shape}, colour" in capsys.readouterr().out


@pytest.mark.parametrize("flags, words", [
    (["--size", "0"], "--size out of range"), (["--size", "4x5x6"], "HEIGHTxWIDTH"), (["--size", "a"], "got:      'a'"),
    (["--size", "-3"], "--size"), (["--out", "a.jpg"], "--out must be a PNG(.|\n)*a.png"),
    (["--out", "no/folder/a.png"], "cannot write no/folder/a.png")])
def test_show_refuses(home, flags, words):
    coloured(home / "pets")
    with pytest.raises((BadValue, BadFile), match=words):
        show(home / "pets", *flags)


@pytest.mark.parametrize("make", [
    lambda path: np.save(path.with_suffix(".npy"), GREY), lambda path: np.savez(path.with_suffix(".npz"), a=GREY / 255),
    lambda path: path.with_suffix(".csv").write_text("a,b\n0.5,1\n0.2,0\n1,1\n"),
    lambda path: np.save(path.with_suffix(".npy"), np.resize(GREY, (3, 300, 1000)))])
def test_show_takes_every_kind_of_file(home, monkeypatch, make):
    make(home / "a")
    monkeypatch.chdir(home)
    (path,) = home.glob("a.*")
    assert show(path) == 0
    assert 100 < (home / "contact-sheet.png").stat().st_size < 200_000
