"""docs/your_own_data.md: each program is at most 20 lines of code, and runs on small data of the same kind."""
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyae.errors import BadValue

PAGE = (Path(__file__).parents[1] / "docs" / "your_own_data.md").read_text()
PROGRAMS = [(title, code) for title, text in re.findall(r"\n## (.*?)\n(.*?)(?=\n## |\Z)", PAGE, re.S)
            for code in re.findall(r"```python\n(.*?)```", text, re.S)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """sensors.csv, my_pictures/ in two classes, in colour, of several sizes."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(400, 2))
    table = hidden @ rng.normal(size=(2, 8)) + 0.1 * rng.normal(size=(400, 8))
    label = rng.random(400) < 0.1
    table[label] += 2 * rng.normal(size=(label.sum(), 8))
    rows = [",".join([*(f"{x:.4f}" for x in row), str(int(y))]) for row, y in zip(table, label, strict=True)]
    (folder / "sensors.csv").write_text("\n".join([",".join([*"abcdefgh", "label"]), *rows]))
    for kind, axis in (("ring", 0), ("stripe", 1)):
        (folder / "my_pictures" / kind).mkdir(parents=True)
        for i in range(24):
            y, x = np.mgrid[:64 + i % 2, :64]
            wave = np.hypot(x - 32, y - 32) if axis == 0 else x + y
            grey = 127 + 120 * np.sin(wave / 4 + i)
            colour = np.stack([grey, 255 - grey, np.full_like(grey, 40 + 60 * axis)], -1)
            Image.fromarray(colour.astype(np.uint8)).save(folder / "my_pictures" / kind / f"{i:02}.png")
    return folder


def test_there_are_seven_jobs():
    assert len({title for title, _ in PROGRAMS}) == 7 and len(PROGRAMS) == 8


@pytest.mark.parametrize("title, code", PROGRAMS, ids=[f"{title}-{i}" for i, (title, _) in enumerate(PROGRAMS)])
def test_a_program_is_short(title, code):
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    assert max(map(len, code.splitlines())) <= 120


@pytest.mark.filterwarnings("ignore:.*columns is scaled")
@pytest.mark.parametrize("title, code", PROGRAMS, ids=[f"{title}-{i}" for i, (title, _) in enumerate(PROGRAMS)])
def test_a_program_runs(title, code, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    if "encoder.json\").read" in code:          # the other process; its files are those of the program before it
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
        assert done.stdout.endswith("\n(8, 20)\n"), done.stderr
        return
    names = {}
    exec(compile(code, f"docs/your_own_data.md: {title}", "exec"), names)
    out = capsys.readouterr().out
    if "score" in names:
        normal, other = (names["score"][names["test"].labels == label] for label in (0, 1))
        assert np.median(other) > 3 * np.median(normal)
    if "found" in names:
        assert "test accuracy: 1.0" in out
    if "restored" in names:
        assert float(out.rsplit(" ", 1)[1]) < 0.2
    if "drawn" in names:
        assert names["drawn"].shape == (10, 16, 16, 3) and names["drawn"].std(axis=0).max() < 1
    if "samples" in names:
        with Image.open(folder / "samples.png") as sheet:
            assert sheet.width > 300
        assert (folder / "runs" / "pictures" / "weights.npz").exists()
    if "tuned" in names:
        encoder = names["model"].encoder[0].W.numpy(), names["tuned"].encoder[0].W.numpy()
        assert not np.array_equal(*encoder) and np.abs(encoder[0] - encoder[1]).max() < 0.01


DEMOS = Path(__file__).parents[1] / "demos"


def demo(name, flags, monkeypatch):
    """The figures of a run of demos/NAME.py, here."""
    monkeypatch.setattr(sys, "argv", [name, *flags.split(), "--out", f"{name}-run"])
    runpy.run_path(str(DEMOS / f"{name}.py"))["run"]()
    return json.loads(Path(f"{name}-run", "result.json").read_text())["figures"]


@pytest.mark.filterwarnings("ignore:.*columns is scaled")
def test_the_demo_of_anomalies_beats_a_coin_on_a_table(folder, tmp_path, monkeypatch):
    """Of the plain table of the page, PCA finds as much: its normal rows lie in a plane."""
    monkeypatch.chdir(tmp_path)
    figures = demo("anomaly", f"--data {folder / 'sensors.csv'} --hidden 32 --latent 2 --epochs 30 --batch-size 32",
                   monkeypatch)
    assert figures["area under ROC"] > 0.8 and figures["area under ROC, PCA"] > 0.9
    for name in ("unusual.png", "roc.png"):
        assert (tmp_path / "anomaly-run" / name).stat().st_size > 1000


def test_the_demo_of_classes_draws_what_is_asked_for(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = demo("conditional", f"--data {folder / 'my_pictures'} --size 12 --hidden 64 --latent 2 --epochs 90 "
                   "--batch-size 8", monkeypatch)
    assert figures["drawings read as asked, %"] > 90 and figures["test images read right, %"] > 90
    with Image.open(tmp_path / "conditional-run" / "asked-090.png") as sheet:
        assert np.asarray(sheet).std() > 20


@pytest.mark.parametrize("name", ["anomaly", "conditional"])
def test_the_demos_refuse_images_without_classes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.arange(640, dtype=np.uint8).reshape(10, 8, 8))
    with pytest.raises(BadValue, match=r"no classes|two classes or more"):
        demo(name, "--data a.npy", monkeypatch)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_images_too_small_to_pool_are_refused_before_the_training(shape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.resize(np.arange(0, 250, 11, dtype=np.uint8), (20, *shape)))
    with pytest.raises(BadValue, match="at least 2 x 2 pixels"):
        demo("conv_winner_take_all", "--data a.npy", monkeypatch)
    assert not Path("conv_winner_take_all-run", "history.csv").exists()
