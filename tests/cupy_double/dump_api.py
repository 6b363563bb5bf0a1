"""Write api.json: the names and parameters of the installed CuPy, which the double holds its callers to.

    python tests/cupy_double/dump_api.py     once per CuPy release; it needs CuPy and no GPU

A signature is stored as the text of a parameter list, every default as None: "a, axis=None, out=None, keepdims=None".
"""
from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import cupy
import numpy as np

MODULES = ("", "linalg", "random", "lib.stride_tricks")


def without_defaults(parameters: str) -> str:
    """ "a, int axis=-1, *, out=None" -> "a, axis=None, *, out=None"; types are Cython's."""
    texts = []
    for text in filter(None, re.split(r",(?![^(\[]*[)\]])", parameters)):
        name, _, default = text.partition("=")
        texts.append(name.split()[-1] + ("=None" if default else ""))
    return ", ".join(texts)


def parameters_of(f: object) -> str | None:
    """The parameter list of a function; Cython functions tell theirs in the first line of their docstring."""
    try:
        signature = inspect.signature(f)
    except (ValueError, TypeError):
        first_line = (f.__doc__ or "").strip().partition("\n")[0]
        match = re.match(r"[\w.]+\((.*)\)", first_line)
        return match and without_defaults(match[1])
    plain = [p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else None)
             for p in signature.parameters.values()]
    return str(inspect.Signature(plain))[1:-1]


def device_array(x: np.ndarray) -> cupy.ndarray:
    """A CuPy array over host memory: every check that CuPy makes before it asks for a GPU runs on it."""
    memory = cupy.cuda.UnownedMemory(x.ctypes.data, x.nbytes, x, 0)
    return cupy.ndarray(x.shape, x.dtype, memptr=cupy.cuda.MemoryPointer(memory, 0))


def methods_of(ufunc: object) -> list[str]:
    """Those of a ufunc's methods that CuPy has: the others raise NotImplementedError."""
    x, i = device_array(np.ones(3, np.float32)), device_array(np.array([0, 1]))
    found = ["outer"]
    for method, args in ("at", (x, i, 1)), ("reduce", (x,)), ("accumulate", (x,)), ("reduceat", (x, i)):
        try:
            getattr(ufunc, method)(*args)
        except NotImplementedError:
            continue
        except Exception:     # anything later than the refusal, for want of a GPU
            pass
        found.append(method)
    return found


def main() -> None:
    if cupy.is_available():
        raise SystemExit("run this where CuPy finds no GPU: it would hand pointers to host memory to kernels")
    api: dict[str, object] = {"version": cupy.__version__}
    functions, ufuncs, same = {}, {}, []
    for module in MODULES:
        theirs, numpys = cupy, np
        for part in filter(None, module.split(".")):
            theirs, numpys = getattr(theirs, part), getattr(numpys, part, None)
        for name in dir(theirs):
            value, path = getattr(theirs, name), f"{module}.{name}".lstrip(".")
            if name.startswith("_") or inspect.ismodule(value):
                continue
            if value is getattr(numpys, name, cupy):
                same.append(path)
            elif type(value).__name__ == "ufunc":
                ufuncs[path] = methods_of(value)
            elif type(value).__name__ == "_GUFunc":
                functions[path] = parameters_of(value.__call__)
            elif callable(value) and not inspect.isclass(value):
                functions[path] = parameters_of(value)
    public = [name for name in dir(cupy.ndarray) if not name.startswith("_")]
    api |= {"functions": functions, "ufuncs": ufuncs, "same": same,
            "attributes": [n for n in public if not callable(getattr(cupy.ndarray, n))],
            "methods": {n: parameters_of(getattr(cupy.ndarray, n)) for n in public
                        if callable(getattr(cupy.ndarray, n))},
            "generator": {n: parameters_of(getattr(cupy.random.Generator, n))
                          for n in dir(cupy.random.Generator) if not n.startswith("_")}}
    Path(__file__).with_name("api.json").write_text(json.dumps(api, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
