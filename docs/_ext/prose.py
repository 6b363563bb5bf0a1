"""Docstrings and comments as Markdown."""
import ast
import inspect
import re


def markdown(text: str) -> str:
    """A docstring as Markdown: `code` and lists stay, indented lines become a block of code, signs stay signs."""
    parts, code = [], []
    for line in [*text.splitlines(), ""]:
        if code or (line.startswith("    ") and (not parts or not parts[-1])):
            if line.startswith("    ") or not line:
                code.append(line)
                continue
            parts += [fence(code), ""]
            code = []
        parts.append(escaped(line))
    return "\n".join([*parts, fence(code)] if code else parts)


def fence(lines: list[str]) -> str:
    """A fenced block: Python if it is Python, else plain text."""
    text = inspect.cleandoc("\n" + "\n".join(lines)).strip("\n")
    try:
        ast.parse(text)
        language = "python"
    except SyntaxError:
        language = "text"
    return f"````{language}\n{text}\n````\n"


def escaped(line: str) -> str:
    """The line with Markdown's signs escaped, but not `code`, *emphasis* and the names of pages, which become links."""
    pieces = re.split(r"(`[^`]+`|(?<![\w*])\*\w+\*(?![\w*])|docs/\w+\.md)", line)
    return "".join(re.sub(r"^docs(/\w+\.md)$", r"[docs\1](\1)", piece) if i % 2 else
                   re.sub(r"([\\*_<>$|#\[\]{}~^])", r"\\\1", piece) for i, piece in enumerate(pieces))
