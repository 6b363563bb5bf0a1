"""unroll · watched: the objects that a function uses besides its arguments, to notice if one has changed.

A number such as a model's beta becomes part of the text. A program therefore remembers which numbers, Tensors and
arrays its function can reach: defaults, variables of enclosing functions, globals and attributes that its code names,
and everything that these hold. Before each run it asks whether they are still the same objects.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from inspect import unwrap
from operator import is_
from types import CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from ..backend import is_array
from ..tensor import Tensor

SIMPLE = (bool, int, float, complex, str, bytes, type(None))
MANY = 256                                      # entries: a longer list is a data set


class Watched:
    """The places (a dict or list, and a key) from which f takes the objects that it uses, and the objects there now."""

    def __init__(self, f: Callable):
        self.places: list[tuple[Any, Any]] = []
        self.seen: set[int] = set()
        f = unwrap(f)
        self._function(f if isinstance(f, FunctionType | MethodType | partial) else type(f).__call__.__get__(f))
        self.values = self._now()

    def are_the_same(self) -> bool:
        now = self._now()
        return len(now) == len(self.values) and all(map(is_, now, self.values))

    def changed(self) -> str:
        """What has changed, in a sentence; "" if a number has only been set to itself."""
        now = self._now()
        if len(now) < len(self.values):
            return "a list or a dict has become shorter"
        for (_, key), old, new in zip(self.places, self.values, now, strict=True):
            if old is not new and not (isinstance(old, SIMPLE) and type(old) is type(new) and old == new):
                return f"{key} was {old!r:.60}, and is {new!r:.60}"
        return ""

    def _now(self) -> list[Any]:
        try:
            return [place[key] for place, key in self.places]
        except (LookupError, ValueError):                       # ValueError: a variable that has been deleted
            return []

    def _function(self, f: Any) -> None:
        if isinstance(f, partial):
            self._value([f.args], 0, f.args)
            self._value([f.keywords], 0, f.keywords)
            f = f.func
        if isinstance(f, MethodType):
            names = set(_names(f.__func__.__code__)) if isinstance(f.__func__, FunctionType) else set()
            self._attributes(f.__self__, names)
            f = f.__func__
        if isinstance(f, FunctionType) and self._is_new(f):
            for name in ("__defaults__", "__kwdefaults__"):
                if getattr(f, name):
                    self._value(_Place(getattr, f, name), name, getattr(f, name))
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                with suppress(ValueError):                      # it may be empty
                    self._value(_Place(getattr, cell, "cell_contents"), name, cell.cell_contents)
            for name in _names(f.__code__):
                if name in f.__globals__ and not _is_ours(f.__globals__[name]):
                    self._value(f.__globals__, name, f.__globals__[name])

    def _attributes(self, x: Any, names: set[str] | None = None) -> None:
        """The attributes of x; with names, only those, and those that methods of these names name in turn."""
        if names is not None:
            todo = list(names)
            while todo:
                method = getattr(type(x), todo.pop(), None)
                new = set(_names(method.__code__)) - names if isinstance(method, FunctionType) else set()
                names |= new
                todo += new
        own = getattr(x, "__dict__", {})
        for name in dict.fromkeys(names or [*own, *(n for kind in type(x).__mro__[:-1] for n in vars(kind))]):
            of_class = getattr(type(x), name, self)             # self: nothing
            if name in own:
                self._value(own, name, own[name])
            elif isinstance(of_class, MemberDescriptorType) or (isinstance(of_class, SIMPLE) and name[:2] != "__"):
                with suppress(AttributeError):
                    self._value(_Place(getattr, x, name), name, getattr(x, name))

    def _value(self, place: Any, key: Any, value: Any) -> None:
        if isinstance(value, ModuleType | type):
            return
        self.places.append((place, key))
        if isinstance(value, (*SIMPLE, Tensor)) or is_array(value) or _is_ours(value):
            return
        if isinstance(value, FunctionType | MethodType | partial):
            self._function(value)
        elif not self._is_new(value):
            return
        elif isinstance(value, dict | list | tuple):
            self.places.append((_Place(len, value), "length"))
            if len(value) <= MANY:
                for k, part in value.items() if isinstance(value, dict) else enumerate(value):
                    self._value(value, k, part)
        else:
            self._attributes(value)

    def _is_new(self, x: Any) -> bool:
        new = id(x) not in self.seen
        self.seen.add(id(x))
        return new


class _Place:
    """A place with one entry under any key: get(*args)."""

    def __init__(self, get: Callable, *args: Any):
        self.get, self.args = get, args

    def __getitem__(self, key: Any) -> Any:
        return self.get(*self.args)


def _is_ours(f: Any) -> bool:
    """Whether f is a function of this library, which does not change."""
    return isinstance(f, FunctionType) and (f.__module__ or "").split(".")[0] == __package__.split(".")[0]


def _names(code: CodeType) -> Iterator[str]:
    """The globals and attributes that a function names, also in the functions that it defines."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
