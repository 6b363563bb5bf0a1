"""```{chapter} layers```: the reference of a chapter, from its docstrings and signatures."""
from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from prose import markdown
from public import described, is_row, members, module_of, names
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]


class Chapter(SphinxDirective):
    """Markdown made of docstrings, parsed as if it stood in the page."""
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        chapter = self.arguments[0]
        module = module_of(chapter)
        self.env.note_dependency(inspect.getsourcefile(module))
        idea = inspect.getdoc(module).partition(": ")[2]
        parts = [f"[source](source:{place(module)}){{.aside}}\n", markdown(idea[0].upper() + idea[1:])]
        parts += ["```{py:currentmodule} tinyae" + f".{chapter}\n```"]
        for name in sorted(names(chapter), key=str.lower) if hasattr(module, "__all__") else names(chapter):
            parts += list(entry(name, getattr(module, name), module))
        return self.parse_text_to_nodes("\n\n".join(parts), allow_section_headings=True)


def entry(name: str, thing: Any, module: Any) -> Iterator[str]:
    """The Markdown of one public name."""
    if is_row(thing):
        yield directive("function", signature(name, thing.forward), *row(name, thing))
    elif isinstance(thing, type):
        inside = [directive("property" if isinstance(member, property) else "method",
                            name if isinstance(member, property) else signature(name, member, skip=1),
                            markdown(inspect.cleandoc(member.__doc__ or "Computes what the first line says.")), marks=4)
                  for name, member in members(thing)]
        own = signature(name, thing)
        kind = "exception" if issubclass(thing, Exception) else "class"
        yield directive(kind, own, source(thing), markdown(described(thing)), *inside, marks=6)
    elif callable(thing):
        yield directive("function", signature(name, thing), source(thing), markdown(described(thing)))
    else:
        yield directive("data", name, markdown(comment_above(name, module)), "```text\n" + ", ".join(thing) + "\n```")


def directive(kind: str, head: str, *body: str, marks: int = 5) -> str:
    return "\n".join(["`" * (marks + 3) + f"{{py:{kind}}} {head}", "\n\n".join(body), "`" * (marks + 3)])


def signature(name: str, thing: Any, skip: int = 0) -> str:
    """name(x, axis=None), with types where there are any and defaults as they are written, without self."""
    if isinstance(thing, np.ufunc):
        return f"{name}({', '.join('xy'[:thing.nin])})"
    if isinstance(thing, type) and issubclass(thing, Exception):
        return name
    found = inspect.signature(thing.__func__ if isinstance(thing, classmethod) else thing)
    kept = [p.replace(default=Text(p.default)) if p.default is not p.empty else p
            for p in [*found.parameters.values()][skip:]]
    returns = found.return_annotation if not isinstance(thing, type) else found.empty
    return name + str(found.replace(parameters=kept, return_annotation=returns)).replace("'", "")


class Text:
    """A default as a reader would write it."""

    def __init__(self, value: Any):
        self.value = value

    def __repr__(self) -> str:
        return getattr(self.value, "__name__", None) or repr(self.value).replace("'", '"')


def place(thing: Any) -> str:
    """tinyae/ops.py#L12 of a module, a class or a function."""
    file = Path(inspect.getsourcefile(thing)).relative_to(ROOT).as_posix()
    return file if inspect.ismodule(thing) else f"{file}#L{inspect.getsourcelines(thing)[1]}"


def source(thing: Any) -> str:
    return f"[source](source:{place(thing)}){{.aside}}"


def row(name: str, thing: Any) -> tuple[str, str, str]:
    """Where the row stands, what it does, and its own lines in the table, without the alignment."""
    for file in (thing.__module__.replace(".", "/") + ".py", "tinyae/tensor.py"):   # the engine has three rows itself
        text = (ROOT / file).read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
                lines = [re.sub(r"  +", " ", line.strip()) for line in
                         text.splitlines()[node.lineno - 1:node.end_lineno]]
                code = "\n    ".join(lines)
                where = f"[source](source:{file}#L{node.lineno}){{.aside}}"
                return where, markdown(thing.__doc__), f"```python\n{code}\n```"
    raise LookupError(name)


def comment_above(name: str, module: Any) -> str:
    """The comment lines directly above a table such as MODELS, where it is written."""
    for found in (module, *(m for m in vars(module).values() if inspect.ismodule(m))):
        lines = Path(inspect.getsourcefile(found)).read_text(encoding="utf-8").splitlines() if \
            str(getattr(found, "__name__", "")).startswith("tinyae") else []
        for i, line in enumerate(lines):
            if line.startswith((f"{name} =", f"{name}:")):
                start = i
                while start and lines[start - 1].startswith("#"):
                    start -= 1
                return "\n".join(text.removeprefix("# ") for text in lines[start:i])
    return ""


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("chapter", Chapter)
    return {"parallel_read_safe": True}
