"""data · cached: draw a set of images once, then read it from a file.

A file is read only if it holds what today's code would draw: its name contains a sum of the drawing, and where the sum
of the whole set is known, the file's content must have it.
"""
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
from .dataset import Dataset, fingerprint


def load(name: str, sizes: tuple[int, int], draw: Callable[[], tuple[Dataset, Dataset]],
         data_dir: str | os.PathLike | None = None, sha256: str | None = None) -> tuple[Dataset, Dataset]:
    """(train, test) of these sizes from name.npz; if there is none, from draw().

    What draw() returns is written to the first writable folder of `cache.folders`. A file that is damaged, or whose
    fingerprint is not sha256 (None: not known), is drawn again.
    """
    paths = [folder / f"{name}.npz" for folder in cache.folders(data_dir)]
    found = next(filter(None, (kept(path, sizes, sha256) for path in paths)), None)     # its folder may be read-only
    if found:
        return found
    drawn, reason = None, "there is no home folder"
    for path in paths:
        try:
            with cache.locked(path.parent):
                if found := kept(path, sizes, sha256):      # another process drew it while this one waited
                    return found
                drawn = drawn or _drawn(name, draw, sha256)
                files.write(path, _packed(*drawn))
                return drawn
        except OSError as error:    # noqa: PERF203, at most three rounds
            reason = f"{path} cannot be written ({getattr(error, 'got', error.strerror)})"
    warnings.warn(f"the {name.partition('-')[0]} are drawn anew each time: {reason}; set $TINYAE_DATA to a writable "
                  "folder", stacklevel=3)
    return drawn or _drawn(name, draw, sha256)


def kept(path: Path, sizes: tuple[int, int], sha256: str | None = None) -> tuple[Dataset, Dataset] | None:
    """(train, test) from path; None if it is missing, out of reach, damaged, of other sizes or of another sum."""
    if not os.path.isfile(path):        # False, not an error, for a folder that may not be read
        return None
    try:
        found = arrays.load_npz(path)
    except Refusal:
        return None
    if tuple(len(part.images) for part in found) != sizes or (sha256 and fingerprint(*found) != sha256):
        return None
    return found


def _drawn(name: str, draw: Callable[[], tuple[Dataset, Dataset]], sha256: str | None) -> tuple[Dataset, Dataset]:
    drawn = draw()
    if sha256 and (found := fingerprint(*drawn)) != sha256:
        warnings.warn(f"the {name.partition('-')[0]} drawn here are not those of the published figures: their SHA-256 "
                      f"begins with {found[:8]}, not with {sha256[:8]}; the drawing code has changed, or this machine "
                      "computes otherwise", stacklevel=4)
    return drawn


def _packed(train: Dataset, test: Dataset) -> bytes:
    content = io.BytesIO()
    np.savez(content, images=train.images, labels=np.asarray(train.labels),
             test_images=test.images, test_labels=np.asarray(test.labels))
    return content.getvalue()
