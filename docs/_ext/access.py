"""What the theme leaves out: blocks that scroll take the keyboard's focus, headings of the sidebar have a level, the
two sidebars have names, the search has a heading, and a table's empty corner is no header.
"""
from pathlib import Path
from typing import Any


def mend(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        body = context["body"].replace("<pre>", '<pre tabindex="0">')
        context["body"] = body.replace('<th class="head"><p></p></th>', "<td></td>")
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


# What only the theme's templates hold: before, after.
THEME = (('<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="All pages">'),
         ('<aside class="toc-drawer">', '<aside class="toc-drawer" aria-label="On this page">'),
         ('<div id="search-results"></div>', '<h1>Search</h1>\n<div id="search-results"></div>'))


def name(app: Any, error: Any) -> None:
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = named = page.read_text(encoding="utf-8")
        for before, after in THEME:
            if after not in text:                       # a page of an earlier build has it
                named = named.replace(before, after)
        if named != text:
            page.write_text(named, encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", mend, priority=900)        # after the theme
    app.connect("build-finished", name)
    return {"parallel_read_safe": True}
