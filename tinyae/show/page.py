"""show · page: one HTML file that needs nothing else: no server, no network, no other file."""
from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from .. import files

HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def write(path: str | Path, title: str, body: str, scripts: tuple[str, ...] = (), data: Any = None) -> None:
    """Write the page: body is HTML, scripts are files beside this one, data is what they find in the constant DATA."""
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    code = "\n".join((HERE / name).read_text(encoding="utf-8") for name in scripts)
    style = (HERE / "page.css").read_text(encoding="utf-8")
    files.write(path, f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
<script>
"use strict";
const DATA = {text};
{code}</script>
</body>
</html>
""".encode(errors="backslashreplace"))      # a file's name may hold bytes that are no text
