"""The site: these pages, the README, the museum, the demos and the docstrings, as HTML that asks no other host.

    python -m sphinx -W docs site                       what `nox -s docs` runs
    python -m sphinx -W -D pyodide=FOLDER docs site     live cells without another host: FOLDER has NumPy's wheel
    python -m http.server --directory site              then open http://localhost:8000
"""
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext"), str(DOCS.parent / "tests")]

import tinyae  # noqa: E402

project, author, release = "tinyae", "the authors of tinyae", tinyae.__version__
html_title = "tinyae"
extensions = ["myst_parser", "mathml", "repository", "reference", "gallery", "museum_wall", "beside", "live",
              "pyodide_parts", "the_v", "access"]
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline", "attrs_block"]
myst_heading_anchors = 4
myst_url_schemes = ["http", "https", "mailto", "source", "demo"]      # the last two: _ext/repository.py
exclude_patterns = ["_ext", "_static"]
add_module_names = smartquotes = False

html_theme = "furo"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_show_sphinx = html_show_copyright = False
html_theme_options = {"top_of_page_buttons": [], "footer_icons": [],
                      "light_css_variables": {"color-brand-primary": "#8a3b12", "color-brand-content": "#8a3b12",
                                              "color-brand-visited": "#6b4a7a"},
                      "dark_css_variables": {"color-brand-primary": "#f0a878", "color-brand-content": "#f0a878",
                                             "color-brand-visited": "#c9a6d9"}}
