"""layers · weights: save an object's parameters to a file, and load them again."""
from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..backend import Array, describe, device_of, to_device
from ..errors import BadFile, BadValue
from .parameters import params


def save(obj: Any, path: str | Path) -> None:
    """Write params(obj) to path: a plain .npz with one array per name, without pickles.

        save(model, "digits")               # writes digits.npz, which np.load opens too
        load(model, "digits")               # into a model that was built with the same settings

    A path without a suffix gets ".npz". The file is replaced as a whole, so a crash leaves the old one or the new one.
    Only parameters are saved, not the settings that obj was built with. BadFile: path cannot be written.
    """
    own = params(obj)
    if not own:
        raise BadValue("obj has no parameters to save", expected="a layer, a model, or a list or dict of Tensors",
                       got=describe(obj), fix="save(model, path): the object itself, not its methods or arrays")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, p in own.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, p.numpy(), allow_pickle=False)
    files.write(_as_npz(path), content.getvalue())


def load(obj: Any, path: str | Path) -> None:
    """Give obj's parameters the arrays that save(obj, path) wrote, or a run's weights.npz; all of them or none.

    A path without a suffix gets ".npz". BadFile: the file is missing, damaged or holds Python objects, which are never
    unpickled. BadValue: its arrays have other names, shapes or dtypes than params(obj).
    """
    path = _as_npz(path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {entry.filename.removesuffix(".npy"): np.lib.format.read_array(
                io.BytesIO(archive.read(entry)), allow_pickle=False) for entry in archive.infolist()}
    except Exception as error:      # NumPy and zipfile answer damaged bytes with a dozen kinds of exceptions
        raise BadFile(f"cannot load {path}", expected="an .npz that tinyae.save or a run wrote",
                      got=getattr(error, "strerror", None) or f"{type(error).__name__}: {error}",
                      fix="check the path, or save the object again: save(obj, path)") from error
    try:
        load_params(obj, arrays)
    except BadValue as misfit:
        raise BadValue(f"{path}: {misfit.what}", expected=misfit.expected, got=misfit.got, fix=misfit.fix) from None


def load_params(obj: Any, arrays: Mapping[str, Array]) -> None:
    """Give obj's parameters the arrays of the same names; all of them, or none and a BadValue.

    {name: p.numpy() for name, p in params(obj).items()} makes such a dictionary; save and load keep one in a file.
    """
    own, fix = params(obj), "build the object with the settings that the arrays were made with"
    for name in (*own, *arrays):
        if name not in own or name not in arrays:
            raise BadValue("array names must be parameter names", expected=f"one array for each of {', '.join(own)}",
                           got=f"{'no' if name in own else 'also an'} array called {name}", fix=fix)
    for name, p in own.items():
        if describe(arrays[name]) != describe(p.numpy()):
            raise BadValue(f"array {name} must have the shape and dtype of its parameter", expected=describe(p.numpy()),
                           got=describe(arrays[name]), fix=f"{fix}; cast on purpose: a.astype(np.{p.dtype})")
    for name, p in own.items():
        p.data = to_device(np.array(arrays[name]), device_of(p.data))


def _as_npz(path: str | Path) -> Path:
    path = Path(path)
    if not path.name:
        raise BadFile("a path must name a file", expected="the path of an .npz", got=repr(str(path)),
                      fix='save(model, "digits.npz")')
    return path if path.suffix else path.with_name(f"{path.name}.npz")
