"""What the theme leaves out: blocks that scroll take the keyboard's focus, and headings of the sidebar have a level."""
from typing import Any


def mend(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = context["body"].replace("<pre>", '<pre tabindex="0">')
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", mend, priority=900)        # after the theme
    return {"parallel_read_safe": True}
