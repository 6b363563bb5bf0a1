"""data · roles: which array of an archive holds the images, whatever its name."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import BadFile

NAMES = ("images", "labels", "test_images", "test_labels")
Seen = tuple[tuple[int, ...], np.dtype]     # shape and dtype


def chosen(seen: dict[str, Seen], path: Path) -> dict[str, str]:
    """The name of the array for each of NAMES, if shapes and dtypes leave one choice. BadFile: they do not.

    Images are numbers in three or four dimensions; labels are as many integers in one dimension, or (n, 1). A name with
    test in it belongs to the test set; one with val does so if there is no other.
    """
    images = {part: [name for name, (shape, dtype) in seen.items()
                     if _part(name) == part and dtype.kind in "uifb" and len(shape) in (3, 4) and min(shape) > 0]
              for part in ("", "test", "val")}
    tests = images["test"] or images["val"]
    if len(images[""]) != 1 or len(tests) > 1:
        found = ", ".join(f"{name} {dtype} {shape}" for name, (shape, dtype) in sorted(seen.items())) or "no arrays"
        raise BadFile(f"{path} has no images" if not images[""] else f"{path} has images under several names",
                      expected="an array called images, or a single array that can be images, (n, h, w[, c])",
                      got=found, fix="np.savez(path, images=images, labels=labels); images.reshape(n, h, w) if flat")
    found_roles = {"images": images[""][0], "labels": _labels(seen, images[""][0])}
    if tests:
        found_roles |= {"test_images": tests[0], "test_labels": _labels(seen, tests[0])}
    return {role: name for role, name in found_roles.items() if name}


def _labels(seen: dict[str, Seen], images: str) -> str:
    """The only array that can be labels of these images; empty if there is none or more than one."""
    n = seen[images][0][0]
    found = [name for name, (shape, dtype) in seen.items()
             if _part(name) == _part(images) and dtype.kind in "ui" and shape in ((n,), (n, 1))]
    return found[0] if len(found) == 1 else ""


def _part(name: str) -> str:
    name = name.lower()
    return "test" if "test" in name else "val" if "val" in name and "values" not in name else ""
