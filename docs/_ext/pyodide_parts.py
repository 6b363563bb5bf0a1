"""The parts with which the page runs Python, in _static/live: Pyodide, NumPy for the browser, tinyae.

Pyodide's core is fetched here, once, and becomes part of the site. NumPy's wheel comes from Pyodide's own distribution
when a reader presses Run, or from the folder that -D pyodide=FOLDER names, and then the site is complete in itself.
"""
from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.util import logging

ROOT = Path(__file__).parents[2]
VERSION = "314.0.7"
CORE = f"https://registry.npmjs.org/pyodide/-/pyodide-{VERSION}.tgz"
SHA512 = "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A=="
FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
PACKAGES = ("tinyae", "tqdm")                   # pure Python, zipped as they are installed here
MUSEUM = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")     # for the museum
WHEELS = ("numpy", "pillow")
log = logging.getLogger(__name__)


def core(cache: Path) -> bytes:
    """The npm package `pyodide`, from the cache or the network; of this sum, or refused."""
    kept = cache / CORE.rpartition("/")[2]
    if not kept.exists():
        with urllib.request.urlopen(CORE, timeout=60) as answer:
            data = answer.read()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(data)
    data = kept.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != SHA512:
        kept.unlink()
        raise ValueError(f"{CORE} has another SHA-512 than this build expects")
    return data


def zipped(packages: tuple[str, ...], folders: tuple[Path, ...] = ()) -> bytes:
    """The packages' Python files and licences, and the Python files of more folders."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in packages:
            spec = find_spec(package)
            top = Path(spec.origin) if spec.submodule_search_locations is None else Path(spec.origin).parent
            licences = [*top.parent.glob(f"{package}-*.dist-info/**/LICEN*"), *top.parent.glob("LICENSE")]
            for path in [*([top] if top.is_file() else sorted(top.rglob("*.py"))), *licences[:1]]:
                archive.write(path, path.relative_to(top.parent).as_posix())
        for folder in folders:
            for path in sorted(folder.rglob("*.py")):
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return out.getvalue()


def wheels(folder: str) -> Iterator[Path]:
    """The wheels for the browser in a folder: NumPy's, and Pillow's if it is there."""
    for name in WHEELS:
        found = sorted(Path(folder).glob(f"{name}-*wasm32.whl"))
        if not found and name == "numpy":
            raise FileNotFoundError(f"-D pyodide={folder}: no numpy-*wasm32.whl in this folder")
        yield from found[-1:]


def assemble(app: Any, error: Exception | None) -> None:
    """Writes _static/live: Pyodide's core, the packages, the wheels, and a list of what there is."""
    if error or app.builder.format != "html":
        return
    live = Path(app.outdir) / "_static" / "live"
    live.mkdir(parents=True, exist_ok=True)
    try:
        package = core(ROOT / "build" / "pyodide")
    except OSError as reason:                       # without a network the pages are complete, and their cells text
        log.info("the cells will not run: %s cannot be had (%s)", CORE, reason)
        return
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name in (*FILES, "README.md"):
            (live / name).write_bytes(archive.extractfile(f"package/{name}").read())
    (live / "packages.zip").write_bytes(zipped(PACKAGES))
    museum = all(map(find_spec, MUSEUM))            # without pytest, the exhibits have no button
    if museum:
        (live / "museum.zip").write_bytes(zipped(MUSEUM, (ROOT / "tests" / "museum",)))
    own = list(wheels(app.config.pyodide)) if app.config.pyodide else []
    for wheel in own:
        shutil.copyfile(wheel, live / wheel.name)
    loaded = [live / name for name in (*FILES, "packages.zip", *(wheel.name for wheel in own))]
    parts = {"megabytes": round(sum(path.stat().st_size for path in loaded) / 1e6),
             "wheels": [wheel.name for wheel in own], "packages": list(WHEELS), "museum": museum,
             "distribution": f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"}
    (live / "parts.json").write_text(json.dumps(parts))


def setup(app: Any) -> dict[str, Any]:
    app.add_config_value("pyodide", "", "html", str)
    app.connect("build-finished", assemble)
    return {"parallel_read_safe": True}
