"""Formulae as MathML, made at build time: the page needs no script for them, only the font in _static."""
import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

log = logging.getLogger(__name__)
BAR = re.compile(r'<mo (?:fence="false" )?stretchy="false">(&#x0007C;|&#x02016;)</mo>')
# a function's name in front of its argument, but not the base of a subscript, which must stay a single child
NAME = re.compile(r"(?<!<msub>)(?<!<msup>)(?<!<munder>)(?<!<msubsup>)(<mi>[a-z]{3,}</mi>)(?=<m[irsfn])(?!<mrow><mo)")


def mathml(node: nodes.Node, display: str) -> str:
    """The formula of a node, spaced as in TeX; warns of what latex2mathml would garble."""
    text = node.astext()
    if "&" in text or "\\begin" in text:
        log.warning("write this formula without alignment: %s", text, location=node)
    made = convert(re.sub(r"\\mathrm\{(\w+)\}", r"\\text{\1}", text), display=display)
    made = BAR.sub(r'<mo lspace=".06em" rspace=".06em" stretchy="false">\1</mo>', made)
    return NAME.sub(r'\1<mspace width=".167em"/>', made)


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
