"""data · published: the data sets that others publish as IDX files, known by the checksums of their contents."""
from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tinyae.data import cache, idx
from tinyae.data.dataset import Dataset
from tinyae.errors import BadFile


class Published(NamedTuple):
    """Where four IDX files are found, and the SHA-256 of each, uncompressed, in the order of idx.FILES."""

    description: str
    mirrors: tuple[str, ...]
    sha256: tuple[str, ...]


SETS = {
    "fashion-mnist": Published(
        "60 000 + 10 000 pictures of clothes 28x28 in ten classes (Xiao, Rasul and Vollgraf 2017; MIT licence)",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
         "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"),
        ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
         "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
         "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
         "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34")),
    "mnist": Published(
        "60 000 + 10 000 handwritten digits 28x28 (LeCun, Cortes and Burges 1998; CC BY-SA 3.0)",
        ("https://storage.googleapis.com/cvdf-datasets/mnist/",
         "https://ossci-datasets.s3.amazonaws.com/mnist/"),
        ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
         "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
         "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
         "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")),
}


def load(name: str, data_dir: str | os.PathLike | None = None, *,
         download: bool = True, progress: bool = True) -> tuple[Dataset, Dataset]:
    """(train, test) of a set in SETS, every file checked against its published sum."""
    places = [place for folder in cache.folders(data_dir)
              for place in (folder / name, folder / name.replace("-", "_"), folder)]
    paths = []
    for file in idx.FILES:
        found = next(filter(None, (idx.locate(place, file) for place in places)), None)
        if found is None:
            raise BadFile(f"{name} is not here: {file} is missing", expected=" ".join(idx.FILES),
                          got="nothing in " + ", ".join(str(place) for place in places),
                          fix=f"put the four files, with .gz or without, into {places[0]}")
        paths.append(found)
    return idx.pair(paths, classes=10)
