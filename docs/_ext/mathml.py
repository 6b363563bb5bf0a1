"""Formulae as MathML, made at build time: the page needs no script for them, only the font in _static."""
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

log = logging.getLogger(__name__)


def mathml(node: nodes.Node, display: str) -> str:
    """The formula of a node; warns of what latex2mathml would garble."""
    if "&" in node.astext() or "\\begin" in node.astext():
        log.warning("write this formula without alignment: %s", node.astext(), location=node)
    return convert(node.astext(), display=display)


def inline(self: Any, node: nodes.Node) -> None:
    self.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(self: Any, node: nodes.Node) -> None:
    self.body.append(f'<div class="math" tabindex="0">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("config-inited", lambda app, config: setattr(config, "html_math_renderer", "mathml"))
    return {"parallel_read_safe": True}
