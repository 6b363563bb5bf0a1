"""layers · parameters: an object's Tensors by name, and how they are saved and loaded."""
from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..backend import Array, device, device_of, to_device
from ..errors import BadFile, BadValue
from ..refusals import describe
from ..tensor import Tensor


def params(obj: Any) -> dict[str, Tensor]:
    """Every leaf Tensor that obj owns, by dotted name, in order of definition. A shared (tied) Tensor is listed once,
    under its first name.

    obj may be a Tensor, a list, a dict, or any object with attributes. The order never depends on hashes.
    """
    names: dict[Tensor, str] = {}
    for name, tensor in _leaves(obj, "", ()):
        names.setdefault(tensor, name)
    return {name: tensor for tensor, name in names.items()}


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


def parameter(array: np.ndarray, where: str, dtype: Any) -> Tensor:
    """A host array as a Tensor of this dtype, on the device called `where`."""
    return Tensor(to_device(array.astype(dtype), device(where)))


def children(obj: Any) -> list[tuple[Any, Any]]:
    """(key, value) of everything that obj holds: the entries of a list or dict, the attributes of an object."""
    if isinstance(obj, list | tuple):
        return list(enumerate(obj))
    if isinstance(obj, dict):
        return list(obj.items())
    own = not isinstance(obj, type) and not hasattr(obj, "__code__")     # classes and functions own no parameters
    return list(getattr(obj, "__dict__", {}).items()) if own else []


def _leaves(obj: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    """(dotted name, Tensor) of every leaf below obj; above: the ids of the objects on the path to it."""
    if isinstance(obj, Tensor):
        if obj.op is None:
            yield name or "tensor", obj
    elif id(obj) not in above:                      # an object may refer back to its owner
        for key, child in children(obj):
            yield from _leaves(child, f"{name}.{key}" if name else str(key), (*above, id(obj)))


def _as_npz(path: str | Path) -> Path:
    path = Path(path)
    if not path.name:
        raise BadFile("a path must name a file", expected="the path of an .npz", got=repr(str(path)),
                      fix='save(model, "digits.npz")')
    return path if path.suffix else path.with_name(f"{path.name}.npz")
