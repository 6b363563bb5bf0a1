"""data · published: data sets that others publish as IDX files, verified by the checksums of their contents."""
from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from ..errors import BadFile
from . import cache, idx, idx_names
from .checks import MAX_FETCHED
from .dataset import Dataset


class Published(NamedTuple):
    """The addresses of four IDX files, and the SHA-256 of each, uncompressed, in the order of idx.FILES.

    fingerprint: that of both sets (dataset.fingerprint).
    """

    description: str
    mirrors: tuple[str, ...]
    sha256: tuple[str, str, str, str]
    fingerprint: str


SETS = {
    "fashion-mnist": Published(
        "60 000 + 10 000 pictures of clothes 28x28 in ten classes (Xiao, Rasul and Vollgraf 2017; MIT licence)",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
         "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
         "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"),
        ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
         "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
         "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
         "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        "cda0499ea98301318d197184b831bacf368ef1de32c7003d84519392f58ea496"),
    "mnist": Published(
        "60 000 + 10 000 handwritten digits 28x28 (LeCun, Cortes and Burges 1998; CC BY-SA 3.0)",
        ("https://storage.googleapis.com/cvdf-datasets/mnist/",
         "https://ossci-datasets.s3.amazonaws.com/mnist/"),
        ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
         "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
         "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
         "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        "9d88bc3e8bc6fa055d6c1c572542dd14ef9cc094e08915f17c9bcc0dd6b2680f"),
}


def load(name: str, data_dir: str | os.PathLike | None = None, *,
         fetch: bool = True, progress: bool = True) -> tuple[Dataset, Dataset]:
    """(train, test) of a set in SETS. BadFile: a file is missing, or its checksum is not the published one.

    The files, plain or .gz, may be in any of `cache.folders` or in its subfolder NAME or NA_ME. Missing files are
    downloaded into the subfolder NAME of the first, unless fetch=False.
    """
    places = [place for folder in cache.folders(data_dir)
              for place in (folder / name, folder / name.replace("-", "_"), folder)]
    if not places:
        raise BadFile(f"{name} cannot be looked for", expected="a folder in which data is kept", got="no home folder",
                      fix="--data-dir DIR, or $TINYAE_DATA")
    if fetch and None in _find(places):
        _fetch(name, places, progress)
    paths = _find(places)
    if None in paths:
        raise BadFile(f"{name} is not here, and fetching is switched off", expected=_missing(places),
                      got=f"neither these nor .gz of them in {', '.join(map(str, places))}", fix=_by_hand(places))
    train, test = idx.load(cast("list[Path]", paths), classes=10)
    arrays = (train.images, train.labels, test.images, test.labels)
    for path, array, sha256 in zip(paths, arrays, SETS[name].sha256, strict=True):
        _verify(cast(Path, path), cast(np.ndarray, array), sha256)
    return train, test


def _find(places: list[Path]) -> list[Path | None]:
    """The first path at which each of idx.FILES exists, None for a missing one."""
    return [next(filter(None, (idx_names.locate(place, file) for place in places)), None) for file in idx.FILES]


def _missing(places: list[Path]) -> str:
    return ", ".join(file for file, path in zip(idx.FILES, _find(places), strict=True) if path is None)


def _by_hand(places: list[Path]) -> str:
    return f"put {_missing(places)} (or the same with .gz) into {places[0].absolute()}"


def _fetch(name: str, places: list[Path], progress: bool) -> None:
    """Fetch the missing files, unless another process did so while this one waited."""
    mirrors, sums = SETS[name].mirrors, SETS[name].sha256
    home = places[0]
    from . import download  # late: where there is no network, as in a browser, there may be no ssl either
    try:
        with cache.locked(home):
            for file, path, sha256 in zip(idx.FILES, _find(places), sums, strict=True):
                if path is None:
                    urls = [f"{mirror}{file}.gz" for mirror in mirrors]
                    download.fetch(urls, home / f"{file}.gz", partial(_check, ndim=3 if "images" in file else 1,
                                                                      sha256=sha256), progress)
    except BadFile as refusal:
        raise BadFile(f"{name}: {refusal.what}", expected=refusal.expected, got=refusal.got,
                      fix=_by_hand(places)) from refusal
    except OSError as error:
        raise BadFile(f"{name} cannot be kept in {home}", expected="a writable folder with 30 MB free",
                      got=error.strerror or error, fix="choose another: --data-dir DIR, or $TINYAE_DATA") from error


def _check(path: Path, ndim: int, sha256: str) -> None:
    _verify(path, idx.read(path, ndim, MAX_FETCHED), sha256)


def _verify(path: Path, array: np.ndarray, sha256: str) -> None:
    if (found := idx.sha256(array)) != sha256:
        raise BadFile(f"{path} is not the published file", expected=f"content of SHA-256 {sha256}", got=found,
                      fix="delete it to fetch it again; for your own files, pass their folder as the data")
