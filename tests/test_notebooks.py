"""The notebooks: without outputs, and every cell runs."""
from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def test_there_are_two_of_them():
    assert [path.stem for path in NOTEBOOKS] == ["first_gradient", "vae_on_your_own_pictures"]


@by_name
def test_a_notebook_is_kept_without_outputs(path):
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(path))
    assert path.stat().st_size < 20_000


@by_name
def test_every_cell_runs(path, tmp_path, monkeypatch):
    """In one namespace, one cell after the other, as a kernel does it."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in cells(path):
            exec(compile("".join(cell["source"]), f"{path.name}, {cell['id']}", "exec"), names)
    SAYS[path.stem](names, printed.getvalue(), tmp_path)


def first_gradient(names: dict[str, Any], printed: str, folder: Path) -> None:
    assert "expected: -0.5 by differences" in printed and "got:      -0.25 by grad" in printed  # as the text says
    assert "True\n" in printed                                                                  # the mended row
    assert abs(names["w"].data - [0.5, -1.5, 2.0]).max() < 0.05


def vae_on_your_own_pictures(names: dict[str, Any], printed: str, folder: Path) -> None:
    (first, _), (last, kl) = names["history"][0], names["history"][-1]
    assert last < first - 10 and kl > 1                     # it has learned, and its code has not collapsed
    assert {path.name for path in folder.iterdir()} == {"reconstructions.png", "samples.png"}


SAYS = {f.__name__: f for f in (first_gradient, vae_on_your_own_pictures)}


def test_your_own_pictures_fit_in_where_the_notebook_says(tmp_path, monkeypatch):
    """FOLDER is the one line to change."""
    image = pytest.importorskip("PIL.Image")
    for i in range(30):
        image.new("L", (20, 20), 8 * i).save(tmp_path / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    source = "\n".join("".join(cell["source"]) for cell in cells(FOLDER / "vae_on_your_own_pictures.ipynb")[:2])
    assert "\nFOLDER = None" in source
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(source.replace("\nFOLDER = None", f"\nFOLDER = {str(tmp_path)!r}"), names)
    assert names["x"].shape == (27, 14 * 14)


@by_name
def test_jupyter_runs_it(path, tmp_path):
    """Where nbclient and ipykernel are installed: in a real kernel, with what it shows."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output["output_type"] for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "error" not in shown and "execute_result" in shown
