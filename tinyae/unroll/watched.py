"""unroll · watched: the objects that a function uses besides its arguments, to notice if one has changed.

A number such as a model's beta becomes part of the text. A program therefore remembers which numbers, Tensors and
arrays its function can reach: defaults, variables of enclosing functions, globals and attributes that its code names,
and everything that these hold. Before each run it asks whether they are still the same objects, and whether small
arrays still hold the same numbers. Code of this library, of Python and of installed packages is taken to stay as it is.
"""
from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, partial
from operator import is_
from types import CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..backend import is_array
from ..tensor import Tensor

SIMPLE = (bool, int, float, complex, str, bytes, type(None), np.generic)
MANY = 256                                      # entries: of a longer list, the entries themselves are not looked into
CONTENTS = (set, frozenset, deque, array, bytearray)
BY_NAME = {"getattr", "hasattr", "vars", "__dict__", "attrgetter", "eval", "exec"}     # attributes that no code names
NOT_CALLED = {"__init__", "__new__", "__repr__", "__str__", "__reduce__", "__init_subclass__"}      # by a loss


class Watched:
    """The places (a dict or list, and a key) from which f takes what it uses, and what is there now.

    tensors: the leaf Tensors among it, each with the name under which it was found. constants: arrays that a program
    reads anew in every call.
    """

    def __init__(self, f: Any, constants: Iterable[Any] = ()):
        self.places: list[tuple[Any, Any]] = []
        self.tensors: list[tuple[str, Tensor]] = []
        self.constants = [*constants]
        self.seen: set[Any] = {*map(id, self.constants)}       # what was met: ids, of some with the name of a part
        self.contents: list[tuple[Any, _Content]] = []          # arrays, and other things of which parts may change
        self.names: set[str] = set()                            # all names in the code that was met,
        self.modules: dict[str, ModuleType] = {}                # and modules, from which it may take some of them;
        self.owners: list[Any] = []                             # objects whose methods it calls, of which it may, too
        while _is_ours(f) and hasattr(f, "__wrapped__"):        # of a Step, say
            f = f.__wrapped__
        known = isinstance(f, FunctionType | MethodType | partial)
        call = f if known else type(f).__call__.__get__(f)
        self.home = _package(_module_of(call))                  # never taken to stay as it is
        self._function(call)
        met = None
        while met != (met := (len(self.names), len(self.modules), len(self.owners))):
            for module in [*self.modules.values()]:
                for name in sorted(self.names & vars(module).keys()):
                    if self._is_new((id(module), name)):
                        self._value(vars(module), name, vars(module)[name])
            for x in [*self.owners]:
                self._attributes(x, everything=bool(self.names & BY_NAME))
        self.places += [(content, f"the content of {key}") for key, content in self.contents
                        if key in self.names or not isinstance(key, str)]
        self.values = self._now()
        for found in (self.seen, self.names, self.modules, self.owners, self.contents):     # they have served
            found.clear()

    def are_the_same(self) -> bool:
        now = self._now()
        return len(now) == len(self.values) and all(map(is_, now, self.values))

    def changed(self) -> str:
        """What has changed, in a sentence; "" if a number has only been set to itself."""
        now = self._now()
        if len(now) < len(self.values):
            return "a list or a dict has become shorter"
        for (_, key), old, new in zip(self.places, self.values, now, strict=True):
            if old is not new and not (isinstance(old, SIMPLE) and type(old) is type(new) and repr(old) == repr(new)):
                return f"{key} was {old!r:.60}, and is {new!r:.60}"
        return ""

    def _now(self) -> list[Any]:
        try:
            return [place[key] for place, key in self.places]
        except (LookupError, ValueError, AttributeError):       # ValueError: a variable that has been deleted
            return []

    # ---- code

    def _function(self, f: Any) -> None:
        while isinstance(f, partial):
            self._value([f.args], 0, f.args)
            self._value([f.keywords], 0, f.keywords)
            f = f.func
        if isinstance(f, MethodType):
            if self._is_new((id(f.__self__), "owner")):
                self.owners.append(f.__self__)
            f = f.__func__
            self._name(f)
        if isinstance(f, FunctionType) and not _is_ours(f) and self._is_new(id(f)):
            names = self._name(f)
            self.names |= {*f.__code__.co_freevars} | {"__defaults__", "__kwdefaults__"}
            for name in ("__defaults__", "__kwdefaults__"):
                if getattr(f, name):
                    self._value(_Place(getattr, f, name), name, getattr(f, name))
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                with suppress(ValueError):                      # it may be empty
                    self._value(_Place(getattr, cell, "cell_contents"), name, cell.cell_contents)
            for name, value in vars(f).items():                 # f.k, and what a decorator has wrapped
                self._value(vars(f), name, value)
            for name in names:
                if name in f.__globals__:
                    self._value(f.__globals__, name, f.__globals__[name])
                elif isinstance(module := sys.modules.get(name), ModuleType):       # imported in f itself
                    self._module(module)

    def _name(self, f: Any) -> set[str]:
        """The names in f's code, from now on among all names."""
        names = {name for code in _code_of(f) for name in _names(code.__code__)}
        self.names |= names
        return names

    def _row(self, row: Any) -> None:
        """A user's row: its vjps run when a program is recorded, and then their numbers are part of the text."""
        for f in (row.forward, *(row.vjps if isinstance(row.vjps, tuple) else (row.vjps.each,))):
            self._function(getattr(f, "__wrapped__", f))        # without fuse

    def _module(self, module: ModuleType) -> None:
        if not _is_installed(module.__name__, self.home):
            self.modules[module.__name__] = module

    # ---- objects

    def _attributes(self, x: Any, everything: bool = True) -> None:
        """The attributes of x, or only those that are named in any code that was met."""
        kinds, own = type(x).__mro__[:-1], getattr(x, "__dict__", {})
        names = dict.fromkeys([*own, *(name for kind in kinds for name in vars(kind))])
        if everything and self._is_new((id(x), "number")):
            self.places.append((_Place(len, own), "number of attributes"))
        for name in names:
            is_special = name[:2] == "__"                       # x(y) names no __call__
            if not (everything or is_special or name in self.names) or not self._is_new((id(x), name)):
                continue
            found = [vars(kind)[name] for kind in kinds if name in vars(kind)]      # super() may ask for each of them
            for method in [f for part in found for f in _code_of(part) if name not in NOT_CALLED]:
                self._name(method)
                self._function(method)
            if name in own:
                self._value(own, name, own[name])
            elif isinstance(found[0], MemberDescriptorType) or not (is_special or hasattr(type(found[0]), "__get__")):
                with suppress(AttributeError):                  # a slot may be empty
                    self._value(_Place(getattr, x, name), name, getattr(x, name))

    def _class(self, kind: type) -> None:
        """What stands in a class, and what its methods use."""
        for name, value in [*vars(kind).items()]:
            for method in _code_of(value):
                if name not in NOT_CALLED - {"__init__"}:
                    self._function(method)
            if name[:2] != "__" and not hasattr(type(value), "__get__"):
                self._value(vars(kind), name, value)
        for base in kind.__bases__:
            self._value([base], 0, base)

    def _value(self, place: Any, key: Any, value: Any) -> None:
        if isinstance(value, ModuleType):
            self._module(value)
        elif isinstance(value, type):
            if not _is_installed(value.__module__, self.home) and self._is_new(id(value)):
                self._class(value)
        else:
            self.places.append((place, key))
            self._inside(key, value)

    def _inside(self, key: Any, value: Any) -> None:
        """What hangs on a value."""
        if _is_ours(value):
            if hasattr(value, "vjps") and not _is_ours(value.forward):
                self._row(value)
        elif isinstance(value, FunctionType | MethodType | partial):
            if not _is_installed(_module_of(value), self.home):
                self._function(value)
        elif isinstance(value, SIMPLE) or not self._is_new(id(value)):
            return
        elif isinstance(value, Tensor):
            if value.op is None:
                self.tensors.append((str(key), value))
        elif isinstance(value, np.ndarray):
            if value.size <= MANY and not value.dtype.hasobject:
                self.contents.append((key, _Content(value, np.ndarray.tobytes)))
        elif is_array(value):
            return
        elif isinstance(value, CONTENTS) or (isinstance(value, list | tuple) and len(value) > MANY):
            self.contents.append((key, _Content(value, tuple)))
        elif isinstance(value, dict | list | tuple):
            self.places.append((_Place(len, value), "length"))
            if len(value) <= MANY:
                for k, part in value.items() if isinstance(value, dict) else enumerate(value):
                    self._value(value, k, part)
        else:
            self._attributes(value)

    def _is_new(self, x: Any) -> bool:
        new = x not in self.seen
        self.seen.add(x)
        return new


class _Place:
    """A place with one entry under any key: get(*args)."""

    def __init__(self, get: Callable, *args: Any):
        self.get, self.args = get, args

    def __getitem__(self, key: Any) -> Any:
        return self.get(*self.args)


class _Content:
    """A place whose entry is the same object for as long as what x holds is the same."""

    def __init__(self, x: Any, copy: Callable):
        self.x, self.copy, self.last = x, copy, copy(x)

    def __getitem__(self, key: Any) -> Any:
        now = self.copy(self.x)
        if isinstance(now, bytes):
            same = now == self.last
        else:
            same = len(now) == len(self.last) and all(map(is_, now, self.last))
        self.last = self.last if same else now
        return self.last


def _module_of(f: Any) -> str:
    while isinstance(f, partial):
        f = f.func
    return getattr(getattr(f, "__func__", f), "__globals__", {}).get("__name__", "")


def _package(module: str) -> str:
    return module.split(".")[0]


def _is_ours(f: Any) -> bool:
    """Whether f is a function of this library, which does not change."""
    return isinstance(f, FunctionType) and _package(_module_of(f)) == _package(__name__)


@cache
def _is_installed(module: str, home: str) -> bool:
    """Whether a module is part of this library, of Python or of another package than f's own that was installed."""
    top = _package(module)
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    ours = top in (_package(__name__), "numpy") or (top in sys.stdlib_module_names and top != "__main__")
    return top != home and (ours or "site-packages" in file or "dist-packages" in file)


def _code_of(x: Any) -> list[FunctionType]:
    """The functions behind a function, a method, a property and their like, also those that a decorator has wrapped."""
    found: list[FunctionType] = []
    todo = [x.fget, x.fset] if isinstance(x, property) else [getattr(x, "func", x)]     # of a cached property, say
    while todo:
        f = todo.pop()
        f = getattr(f, "__func__", f)
        if isinstance(f, FunctionType) and f not in found:
            found.append(f)
            for cell in f.__closure__ or ():
                with suppress(ValueError):                      # it may be empty
                    todo += [cell.cell_contents] * isinstance(cell.cell_contents, FunctionType | MethodType)
        if "__wrapped__" in getattr(f, "__dict__", ()):
            todo.append(f.__wrapped__)                          # type: ignore[union-attr]
    return found


def _names(code: CodeType) -> Iterator[str]:
    """The globals and attributes that a function names, also in the functions that it defines."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
