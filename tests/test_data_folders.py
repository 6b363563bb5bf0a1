"""Folders as people have them: parts, classes, links, what tools leave, and what is said about them."""
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tinyae import data
from tinyae.data import layout, recognise
from tinyae.errors import BadFile, BadValue

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3


def save(path, level=0, shape=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.resize(GREY + np.uint8(level), shape)).save(path)


def tree(root, counts):
    """Pictures in folders of these names; a picture's first pixel is its number."""
    number = 0
    for name, n in counts.items():
        for i in range(n):
            save(root / name / f"{i:02}.png", number)
            number += 1
    return root


def load(path, **options):
    train, test = data.load(path, **options)
    return [sorted(part.images[:, 0, 0].tolist()) for part in (train, test)], train, test


# parts

@pytest.mark.parametrize("train, test", [
    ("train", "test"), ("Train", "VAL"), ("training", "validation"), ("TRAIN", "Testing"), ("train", "valid")])
def test_parts_with_classes(tmp_path, train, test):
    counts = {f"{train}/cat": 3, f"{train}/dog": 2, f"{test}/cat": 2, f"{test}/dog": 1}
    numbers, one, other = load(tree(tmp_path, counts))
    assert numbers == [[0, 1, 2, 3, 4], [5, 6, 7]]
    assert one.classes == other.classes == ("cat", "dog")
    assert list(one.labels) == [0, 0, 0, 1, 1] and list(other.labels) == [0, 0, 1]


@pytest.mark.parametrize("counts", [
    {"train": 4, "test": 2}, {"images/train": 4, "images/val": 2}, {"a/b/train": 4, "a/b/valid": 2}])
def test_parts_without_classes_also_below_other_folders(tmp_path, counts):
    _, train, test = load(tree(tmp_path, counts))
    assert (len(train.images), len(test.images)) == (4, 2) and train.labels is test.labels is None


def test_parts_below_classes(tmp_path):
    numbers, train, test = load(tree(tmp_path, {"cat/train": 3, "cat/test": 1, "dog/train": 2, "dog/test": 1}))
    assert numbers == [[0, 1, 2, 4, 5], [3, 6]]
    assert list(train.labels) == [0, 0, 0, 1, 1] and list(test.labels) == [0, 1]


def test_of_three_parts_validation_is_left_out_and_said(tmp_path, capsys):
    numbers, *_ = load(tree(tmp_path, {"test": 2, "train": 3, "val": 4}))
    assert numbers == [[2, 3, 4], [0, 1]]
    assert "left out: 4 pictures of the validation part are not used" in capsys.readouterr().out


def test_a_train_among_other_vehicles_is_a_class(tmp_path):
    _, train, _ = load(tree(tmp_path, {"car": 3, "plane": 3, "train": 3}))
    assert train.classes == ("car", "plane", "train")


def test_a_class_of_one_part_has_the_same_number_in_the_other(tmp_path):
    _, train, test = load(tree(tmp_path, {"train/b": 2, "train/c": 2, "val/a": 1, "val/c": 1}))
    assert train.classes == ("a", "b", "c") and list(train.labels) == [1, 1, 2, 2] and list(test.labels) == [0, 2]


@pytest.mark.parametrize("counts, words", [
    ({"train/cat": 2, "test/cat": 2, "extra": 2}, "not only these(.|\n)*extra"),
    ({"test": 2, "val": 2}, "test and val without train"),
    ({"train": 2, "val": 2, "other/more": 1}, "not only these(.|\n)*other")])
def test_parts_that_leave_a_doubt_are_refused(tmp_path, counts, words):
    with pytest.raises(BadFile, match=words):
        data.load(tree(tmp_path, counts))


# what is passed over, followed, refused

@pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", ".git", "@eaDir", "__pycache__", ".thumbnails"])
def test_what_tools_leave_is_no_class(tmp_path, name):
    tree(tmp_path, {"cat": 5, "dog": 5, name: 3, f"cat/{name}": 3})
    _, train, _ = load(tmp_path)
    assert train.classes == ("cat", "dog") and len(train.images) == 9


def test_pictures_beside_hidden_folders_are_no_mixture(tmp_path):
    numbers, train, _ = load(tree(tmp_path, {"": 4, ".cache": 3, "__MACOSX/deep": 2}))
    assert numbers == [[0, 1, 2], [3]] and train.labels is None


def test_linked_classes_are_followed(tmp_path):
    tree(tmp_path / "elsewhere", {"whale": 5})
    tree(tmp_path / "here", {"cat": 4})
    (tmp_path / "here" / "whale").symlink_to(tmp_path / "elsewhere" / "whale")
    (tmp_path / "here" / "cat" / "extra.png").symlink_to(tmp_path / "elsewhere" / "whale" / "00.png")
    _, train, test = load(tmp_path / "here")
    assert train.classes == ("cat", "whale") and len(train.images) + len(test.images) == 10


@pytest.mark.parametrize("target", ["..", "../..", "."])
def test_a_circle_of_links_is_refused(tmp_path, target):
    tree(tmp_path / "here", {"cat": 4, "dog": 2})
    (tmp_path / "here" / "cat" / "again").symlink_to(target)
    with pytest.raises(BadFile, match=r"again\S* leads back to a folder above it(.|\n)*remove that link"):
        data.load(tmp_path / "here")


@pytest.mark.parametrize("suffix", ["webp", "tif", "tiff", "bmp", "ppm", "tga", "jp2", "ico"])
def test_formats_that_pillow_opens(tmp_path, suffix):
    for i in range(4):
        Image.fromarray(np.stack([GREY + np.uint8(i)] * 3, -1)).save(
            tmp_path / f"{i}.{suffix}", **{"lossless": True} if suffix == "webp" else {}, **(
                {"sizes": [(8, 8)]} if suffix == "ico" else {}))
    numbers, *_ = load(tmp_path)
    assert numbers == [[0, 1, 2], [3]]


def test_what_is_left_out_is_said_in_one_line(tmp_path, capsys):
    tree(tmp_path, {"": 3})
    for name in ("a.heic", "b.heic", "c.txt", "README"):
        (tmp_path / name).write_text("x")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nothing")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    load(tmp_path)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    assert line.startswith("left out: files that are no pictures, 2 x .heic, ")
    for words in ("1 x .txt", "1 x a name without an ending", "1 x a link to nothing", "1 x a pipe", "1 x a device"):
        assert words in line


def test_pictures_that_cannot_be_read_say_why(tmp_path):
    tree(tmp_path, {"": 3})
    contents = {"page.png": b"<html>403", "lfs.jpg": b"version https://git-lfs.github.com/spec/v1", "empty.gif": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    with pytest.warns(UserWarning, match="3 of 6 pictures left out") as caught:
        load(tmp_path)
    for words in ("page.png (UnidentifiedImageError: a web page)", "an empty file", "a Git LFS pointer"):
        assert words in str(caught[0].message)
    assert "BytesIO" not in str(caught[0].message)


def test_names_that_steer_a_terminal_are_escaped(tmp_path, capsys):
    tree(tmp_path, {"cat\x1b[31m": 5, "dog\u202e": 5})
    (tmp_path / "cat\x1b[31m" / "bad\x07.png").write_text("x")
    with pytest.warns(UserWarning, match=r"bad\\x07\.png"):
        load(tmp_path)
    out = capsys.readouterr().out
    assert r"cat\x1b[31m" in out and r"dog\u202e" in out
    assert all(c.isprintable() or c == "\n" for c in out)


def test_a_refusal_names_files_of_any_bytes(tmp_path):
    name = os.fsdecode(b"r\xff\x1b")
    with pytest.raises(BadValue) as caught:
        data.load(tmp_path / name / "a")
    str(caught.value).encode("ascii")


# sizes and classes

def test_sizes_are_said_and_chosen(tmp_path, capsys):
    for i, shape in enumerate([(8, 6), (16, 16), (5, 9), (8, 6)]):
        save(tmp_path / f"{i}.png", i, shape)
    _, train, _ = load(tmp_path)
    assert train.images.shape[1:] == (8, 6)
    assert ("pictures of 3 sizes, 5 x 9 to 16 x 16: all are scaled to 8 x 6, the size of 0.png; --size or size= "
            "chooses another" in capsys.readouterr().out)
    for size, shape in ((12, (12, 12)), ((4, 10), (4, 10))):
        assert load(tmp_path, size=size)[1].images.shape[1:] == shape
    assert "all are scaled to 4 x 10\n" in capsys.readouterr().out


@pytest.mark.parametrize("size", [0, -3, (4,), (4, 4, 3), 2.5, "64", 10**6])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    tree(tmp_path, {"": 3})
    with pytest.raises(BadValue, match="size must be a side"):
        data.load(tmp_path, size=size)


def test_size_is_for_pictures(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8), np.uint8))
    for name in ("moon", tmp_path / "a.npy"):
        with pytest.raises(BadValue, match="size is for folders of pictures"):
            data.load(name, size=14)


def test_classes_and_their_counts_are_said_before_training(tmp_path, capsys):
    tree(tmp_path, {"train/ant": 12, "train/bee": 3, "val/ant": 2})
    load(tmp_path)
    assert ("15 images to train on and 2 for the test, 8 x 8, grey; 2 classes, ant: 12 + 2, bee: 3 + 0\n"
            in capsys.readouterr().out)
    load(tmp_path, progress=False)
    assert not capsys.readouterr().out


def test_a_single_image_is_not_images(tmp_path, capsys):
    tree(tmp_path, {"train/ant": 1, "val/ant": 1})
    load(tmp_path)
    assert "1 image to train on and 1 for the test" in capsys.readouterr().out


def test_many_classes_are_counted_not_listed(tmp_path, capsys):
    tree(tmp_path, {f"c{i:03}": 2 for i in range(30)})
    load(tmp_path)
    assert "30 classes, c000: 1 + 1" in (said := capsys.readouterr().out) or "30 classes, c000: 2 + 0" in said
    assert "and 18 more" in said


# rights; root may read everything, so the system's answer is imitated

def denied(monkeypatch, name, function):
    real = getattr(os, function)

    def refuse(path, *args, **options):
        if os.fspath(path).endswith(name):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path, *args, **options)
    monkeypatch.setattr(os, function, refuse)


@pytest.mark.parametrize("name", ["dog", "here"])
def test_a_folder_that_may_not_be_read_is_named_and_not_left_out(tmp_path, monkeypatch, name):
    tree(tmp_path / "here", {"cat": 3, "dog": 3, "eel": 3})
    denied(monkeypatch, name, "listdir")
    with pytest.raises(BadFile, match=f"cannot read \\S*{name}\n(.|\n)*Permission denied"):
        data.load(tmp_path / "here")


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize("locked", ["here", "here/dog", "here/dog/01.png", "a.npy", "a.npz", "a.csv"])
def test_as_a_user_without_rights(tmp_path, locked):
    """Three lines, or a picture that is named as left out; never a traceback."""
    tree(tmp_path / "here", {"cat": 3, "dog": 3})
    tree(tmp_path / "first", {"cat": 3, "dog": 3})
    np.save(tmp_path / "a.npy", np.stack([GREY] * 4))
    np.savez(tmp_path / "a.npz", np.stack([GREY] * 4))
    (tmp_path / "a.csv").write_text("1,2\n3,4\n5,6\n")
    (tmp_path / locked).chmod(0)
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == 0 and not place.stat().st_mode & 1:
            place.chmod(place.stat().st_mode | 0o11)
    code = ("import os, sys; from tinyae import data; from tinyae.data import pictures; from PIL import Image;"
            "Image.init(); data.load(sys.argv[2], progress=False)\n"        # imports all that it needs, with rights
            "os.setgid(65534); os.setuid(65534)\n"
            "try: train, _ = data.load(sys.argv[1], progress=False); print(len(train.images))\n"
            "except OSError as error: print(error)")
    path = tmp_path / (locked if "." in locked and "/" not in locked else "here")
    done = subprocess.run([sys.executable, "-c", code, path, tmp_path / "first"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if locked.endswith("01.png"):
        assert done.stdout == "4\n" and "01.png (PermissionError: Permission denied)" in done.stderr
    else:
        assert "Permission denied" in done.stdout and "expected: " in done.stdout


# names and places that are odd

@pytest.mark.parametrize("name, words", [
    ("a" * 300, "File name too long"), ("~nosuchuser/pictures", "no home folder for ~nosuchuser"),
    ("x\0y", "null")])
def test_names_that_no_system_takes_are_refused(name, words):
    with pytest.raises((BadFile, BadValue), match=words) as caught:
        data.load(name)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("place", ["data_dir", "TINYAE_DATA"])
def test_a_data_folder_of_no_user_is_refused(monkeypatch, place):
    if place == "TINYAE_DATA":
        monkeypatch.setenv(place, "~nosuchuser/x")
    with pytest.raises(BadValue, match="no home folder for ~nosuchuser"):
        data.load("mnist", "~nosuchuser/x" if place == "data_dir" else None, download=False)


@pytest.mark.parametrize("make, words", [
    (os.mkfifo, "a pipe, which is neither"), (lambda path: path.symlink_to("/dev/zero"), "a device"),
    (lambda path: path.symlink_to("gone"), "a link to nothing"),
    (lambda path: path.symlink_to(path.name), "symbolic links")])
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "pictures"])
def test_what_is_neither_file_nor_folder_is_told_and_not_opened(tmp_path, make, words, name):
    make(tmp_path / name)
    with pytest.raises((BadFile, BadValue), match=words):
        data.load(tmp_path / name)


def test_every_kind_of_file_is_told_by_its_first_bytes():
    assert recognise.kind(b"")[0] == "an empty file"
    assert recognise.kind(b"\xef\xbb\xbf\r\n <!DOCTYPE HTML>")[0] == "a web page"
    assert recognise.kind(b"nothing known") is None
    assert recognise.kind(bytes(257) + b"ustar")[0] == "an archive"
    for magic, what, fix in recognise.KINDS:
        assert recognise.kind(magic.upper() + b"...")[0] == what and fix


def test_a_part_that_holds_nothing_but_damage_is_refused(tmp_path):
    tree(tmp_path, {"test": 3})
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_text("no picture")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(BadValue, match="no images to train on"):
        data.load(tmp_path)


def test_folders_are_read_in_the_order_of_their_names(tmp_path):
    tree(tmp_path, {"b/x": 1, "a": 2, "b/a": 1})
    paths = [path.relative_to(tmp_path).as_posix() for path in layout.files_below(tmp_path)]
    assert paths == sorted(paths)
