"""data · cached: draw a set of images once, then read it from a file."""
from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import files
from ..errors import Refusal
from . import arrays, cache
from .dataset import Dataset


def load(name: str, sizes: tuple[int, int], draw: Callable[[], tuple[Dataset, Dataset]],
         data_dir: str | os.PathLike | None = None) -> tuple[Dataset, Dataset]:
    """(train, test) of these sizes from name.npz; if there is none, from draw().

    What draw() returns is written to the first writable folder of `cache.folders`. A damaged file is drawn again.
    """
    paths = [folder / f"{name}.npz" for folder in cache.folders(data_dir)]
    found = next(filter(None, (kept(path, sizes) for path in paths)), None)     # its folder may be read-only
    if found:
        return found
    drawn = None
    for path in paths:
        try:
            with cache.locked(path.parent):
                if found := kept(path, sizes):      # another process drew it while this one waited
                    return found
                drawn = drawn or draw()
                files.write(path, _packed(*drawn))
                return drawn
        except OSError as error:    # noqa: PERF203, at most three rounds
            reason = getattr(error, "got", error.strerror)
    warnings.warn(f"the {name.partition('-')[0]} are drawn anew each time: {paths[-1]} cannot be written ({reason}); "
                  "set $TINYAE_DATA to a writable folder", stacklevel=3)
    return drawn or draw()


def kept(path: Path, sizes: tuple[int, int]) -> tuple[Dataset, Dataset] | None:
    """(train, test) from path; None if it is missing, damaged or of other sizes."""
    if not path.is_file():
        return None
    try:
        train, test = arrays.load_npz(path)
    except Refusal:
        return None
    return (train, test) if (len(train.images), len(test.images)) == sizes else None


def _packed(train: Dataset, test: Dataset) -> bytes:
    content = io.BytesIO()
    np.savez(content, images=train.images, labels=np.asarray(train.labels),
             test_images=test.images, test_labels=np.asarray(test.labels))
    return content.getvalue()
