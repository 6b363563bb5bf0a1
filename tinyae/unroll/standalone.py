"""unroll · standalone: a program as one file that needs nothing but NumPy.

Above the program, the file holds the source of each function that the program calls, of each that these call, and so
on. Types, checks and what serves the GPU are left out: the shapes are known, and the arrays are NumPy's.
"""
from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from .. import backend, kernels, tensor
from ..errors import BadType
from . import buffers
from .words import literal, spelled

# The file has these instead of functions that ask for the device.
INSTEAD = {
    backend.device_of: "def device_of(x):\n    return 'cpu'",
    backend.is_array: "def is_array(x):\n    return isinstance(x, np.ndarray)",
    backend.ones: "def ones(n, like):\n    return np.ones(n, like.dtype)",
    backend.normal: "def normal(rng, like):\n    return rng.standard_normal(like.shape, like.dtype)",
    backend.uniform: "def uniform(rng, like):\n    return rng.random(like.shape, like.dtype)",
    backend.add_at: "def add_at(z, key, g):\n    np.add.at(z, key, g)",
    backend.freeze: "def freeze(x):\n    return x",
    tensor.data_of: "def data_of(x):\n    return x",
    kernels._array: "def _array(k, x):\n    k = np.asarray(k)\n    return k if k.size else k.astype(np.intp)",
    buffers.keep: "def keep(x, mask, out=None):\n    bits = f'i{x.itemsize}'\n"
                  "    z = np.multiply(x.view(bits), mask, out=None if out is None else out.view(bits))\n"
                  "    return z.view(x.dtype)",
}

HEAD = '''"""A loss and its gradients as straight-line NumPy, written by tinyae's unroll.

{doc}
"""
{imports}import numpy as np

'''
TAIL = '''

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    values, {results} = step({arguments})
    print("values:", *values)
    for {result} in {all}:
        print("{result} of shape", {result}.shape, "and norm", np.linalg.norm({result}))
'''
GRADIENTS = {"results": "gradients", "result": "gradient", "all": "gradients"}
PARAMETERS = {"results": "parameters", "result": "parameter", "all": "[parameters]"}      # end to end in one array


def standalone(source: str, called: dict[Any, str], examples: list[str], whole_step: bool = False) -> str:
    """The file's text. called: what the program calls, and its name; examples: an expression for each argument of step.

    whole_step: whether step returns new parameters instead of gradients.
    """
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    parts = Parts({name: _code(f) for f, name in called.items() if name in names})
    returned = "the new parameters" if whole_step else "[the gradients]"
    doc = f"step(...) returns [the losses], {returned}. The functions above it are those that it calls."
    indent = len("    values, gradients = step(") + whole_step
    imports = "\n".join([*sorted(parts.imports.values()), ""]) + "\n" * bool(parts.imports)
    return (HEAD.format(doc=doc, imports=imports) + "\n".join(parts.constants.values()) + "\n\n\n"
            + "\n\n\n".join(parts.written.values()) + "\n\n\n" + source.rstrip()
            + TAIL.format(arguments=(",\n" + " " * indent).join(examples), **(PARAMETERS if whole_step else GRADIENTS)))


class Parts:
    """The functions that a program calls, directly or not, and what these take from elsewhere, as text by name."""

    def __init__(self, called: dict[str, Any]):
        self.names: dict[Any, str] = {}
        self.constants: dict[str, str] = {}
        self.imports: dict[str, str] = {}
        self.written: dict[str, str] = {}
        for name, f in called.items():
            self.names.setdefault(f, name)
        for name, f in called.items():
            self.add(f)
            if self.names[f] != name:                           # two rows with one forward
                self.written[name] = f"{name} = {self.names[f]}"

    def add(self, f: Any) -> str:
        """Write f, and before it what it calls; -> its name."""
        if "." in spelled(f):                                   # of NumPy
            return spelled(f)
        if f not in self.names:
            self.names[f] = self.free(f.__name__)
        name = self.names[f]
        if name not in self.written:
            self.written[name] = ""                             # it may call itself
            text = INSTEAD.get(f) or ast.unparse(self.function(f, name))
            self.written[name] = self.written.pop(name) or text
        return name

    def free(self, name: str) -> str:
        """The name, or one like it that is not taken."""
        while name in (*self.names.values(), *self.constants, *self.imports, "np", "step") or hasattr(builtins, name):
            name += "_"
        return name

    def function(self, f: Any, name: str) -> ast.AST:
        tree = ast.parse(textwrap.dedent(inspect.getsource(f))).body[0] if isinstance(f, FunctionType) else None
        if not isinstance(tree, ast.FunctionDef):               # a lambda, a class, an object
            raise BadType("a program can be saved if its rows call functions with a source of their own",
                          got=f"{f!r:.60}", expected="def name(x): ...",
                          fix="def in place of lambda; numbers in place of objects")
        tree.name, tree.decorator_list, tree.returns = name, [], None
        return ast.fix_missing_locations(_Plain(self, f).visit(tree))

    def outside(self, name: str, x: Any) -> str:
        """The name of what a function takes from its module or from the function around it."""
        module = (getattr(x, "__module__", None) or "").split(".")[0]
        if isinstance(x, FunctionType) or hasattr(x, "forward"):
            return self.add(_code(x))
        if callable(x) and module in sys.stdlib_module_names and not isinstance(x, FunctionType):
            line = f"from {module} import {x.__name__}"
            if self.imports.get(x.__name__) != line:
                name = self.free(x.__name__)
                self.imports[name] = line + f" as {name}" * (name != x.__name__)
            return x.__name__ if self.imports.get(x.__name__) == line else name
        if callable(x):
            return self.add(x) if not isinstance(x, type) or "." not in spelled(x) else spelled(x)
        text = str(literal(x, {}))
        if self.constants.get(name) != f"{name} = {text}":
            name = self.free(name)
            self.constants[name] = f"{name} = {text}"
        return name


class _Plain(ast.NodeTransformer):
    """The body of f without types and checks, in which every global name is that of the file."""

    def __init__(self, parts: Parts, f: FunctionType):
        around = dict(zip(f.__code__.co_freevars, (cell.cell_contents for cell in f.__closure__ or ()), strict=True))
        self.parts, self.is_ours, self.space = parts, f.__module__.startswith(__package__.split(".")[0]), (
            f.__globals__ | around)
        self.local = {*_locals(f.__code__)} - around.keys()

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return self.visit(ast.Assign([node.target], node.value)) if node.value is not None else None

    def visit_If(self, node: ast.If) -> Any:
        for_gpu = re.match(r"device_of\(\w\) == 'cuda'", ast.unparse(node.test))
        if for_gpu or isinstance(node.body[0], ast.Raise):
            return [self.visit(statement) for statement in node.orelse] or None
        return self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> Any:
        if node.finalbody or not all(isinstance(handler.body[-1], ast.Raise) for handler in node.handlers):
            return self.generic_visit(node)
        return [self.visit(statement) for statement in [*node.body, *node.orelse]]

    def visit_Expr(self, node: ast.Expr) -> Any:
        called = node.value.func if isinstance(node.value, ast.Call) else None
        is_check = isinstance(called, ast.Name) and called.id.strip("_").startswith(("check", "same_shape"))
        return None if is_check and self.is_ours else self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id not in self.local:
            module = self.space.get(node.value.id)
            if isinstance(module, ModuleType) and module is not np:
                return ast.Name(self.parts.outside(node.attr, getattr(module, node.attr)), node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.local or node.id not in self.space or self.space[node.id] is np:
            return node
        x = self.space[node.id]
        if x is getattr(builtins, node.id, None) or isinstance(x, ModuleType):
            return node
        return ast.Name(self.parts.outside(node.id, x), node.ctx)


def _locals(code: CodeType) -> Iterator[str]:
    """The variables of a function, and of those that it defines."""
    yield from (*code.co_varnames, *code.co_cellvars)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _locals(inner)


def _code(f: Any) -> Any:
    """The function behind a row, or behind a function that fuse has wrapped."""
    return inspect.unwrap(getattr(f, "forward", f))
