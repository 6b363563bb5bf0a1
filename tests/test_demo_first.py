"""The first demo is short, trains, and says which picture it wrote."""
from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
from PIL import Image

from tinyae import data
from tinyae.data import digits
from tinyae.data.dataset import Dataset

DEMO = Path(__file__).parents[1] / "demos" / "first.py"


def test_it_trains_and_names_its_picture(tmp_path, monkeypatch, capsys):
    def load(name):
        assert name == "digits"
        images, labels = digits.draw(2000, np.random.RandomState(0))        # in the place of 70 000
        return Dataset(images, labels), Dataset(images[:40], labels[:40])

    monkeypatch.setattr(data, "load", load)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(DEMO), run_name="__main__")
    *epochs, last = capsys.readouterr().out.splitlines()
    losses = [float(re.fullmatch(r"epoch \d: (\S+) nats per image in the last batch", line)[1]) for line in epochs]
    assert len(losses) == 3 and losses == sorted(losses, reverse=True) and losses[-1] < 250
    (picture,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert last.endswith(f": {picture.relative_to(tmp_path)}")
    assert np.asarray(Image.open(picture)).std() > 50


def test_it_can_be_read_in_a_minute():
    code = DEMO.read_text().split('"""')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 25
