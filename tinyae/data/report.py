"""data · report: what a set holds, in a line, and notes on what a model could not learn from."""
from __future__ import annotations

import warnings

import numpy as np

from .. import console
from ..errors import printable
from .checks import CHECK_BYTES
from .dataset import Dataset

DARK = 0.25         # the brightest pixel of a set that deserves a note
SHOWN = 12          # classes named in the line


def say(text: str, progress: bool = True) -> None:
    """Print a line to stdout, before the lines of the training."""
    if progress:
        console.say(text)


def note(text: str) -> None:
    """Warn of something in the data that may not be meant."""
    warnings.warn(printable(text), stacklevel=4)


def described(train: Dataset, test: Dataset) -> str:
    """How many images of which size and colours, and how many of each class."""
    shape, dtype = train.images.shape[1:], train.images.dtype
    colours = "colour" if shape[2:] == (3,) else "grey"
    n = len(train.images)
    text = (f"{n:,} image{'s' * (n != 1)} to train on and {len(test.images):,} for the test, "
            f"{' x '.join(map(str, shape[:2]))}, {colours}" + f", {dtype}" * (dtype != np.uint8))
    if train.labels is None:
        return text + "; no classes"
    return f"{text}; {counted(train, test)}"


def counted(train: Dataset, test: Dataset) -> str:
    """The classes, each with the number of its images for training + for the test."""
    held = [np.zeros(0, np.intp) if part.labels is None else part.labels for part in (train, test)]
    labels = np.unique(np.concatenate(held))
    numbers = [np.bincount(part, minlength=int(labels[-1]) + 1) for part in held]
    named = [f"{train.classes[i] if train.classes else i}: {numbers[0][i]:,} + {numbers[1][i]:,}"
             for i in labels[:SHOWN]]
    more = f", and {len(labels) - SHOWN:,} more" if len(labels) > SHOWN else ""
    return f"{len(labels):,} class{'es' * (len(labels) != 1)}, {', '.join(named)}{more}"


def contrast(train: Dataset, test: Dataset) -> tuple[Dataset, Dataset]:
    """The sets; uint8 images of 0 and 1 become images of 0 and 255. Notes say so, and what else looks wrong.

    Of a mapped file that is larger than CHECK_BYTES, the images that fit into it are looked at, and none is changed.
    """
    images = train.images
    whole = images.nbytes <= CHECK_BYTES or images.base is None
    some = images if whole else images[:max(1, CHECK_BYTES // images[0].nbytes)]
    top = some.max()
    if images.dtype == np.uint8 and top == 1 and whole and test.images.max() <= 1:
        note("the pixels are 0 and 1 only, so they are read as black and white, 0 and 255")
        return train._replace(images=images * np.uint8(255)), test._replace(images=test.images * np.uint8(255))
    bright = float(top) / (255 if images.dtype == np.uint8 else 1)
    if len(some) > 1 and all((image == some[0]).all() for image in some):
        note(f"all training images are equal, {'each of one grey' if (some[0] == top).all() else 'pixel by pixel'}, so "
             "a model has nothing to learn from them" + f"; the brightest pixel is {bright:.3f} of 1" * (bright < DARK))
    elif bright < DARK:
        note(f"the images are dark: the brightest pixel is {bright:.3f} of 1; scale them, unless that is meant")
    return train, test
