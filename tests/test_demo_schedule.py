"""The demo of schedules stops by itself, and each of the things that it shows is one line."""
from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_console import Full, stream

from tinyae import data, train
from tinyae.data import digits
from tinyae.data.dataset import Dataset

DEMO = Path(__file__).parents[1] / "demos" / "schedule.py"


@pytest.fixture
def few_digits(tmp_path, monkeypatch):
    def load(name):
        assert name == "digits"
        images, labels = digits.draw(1200, np.random.RandomState(0))        # in the place of 70 000
        return Dataset(images, labels), None

    monkeypatch.setattr(data, "load", load)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("few_digits")
def test_it_draws_slows_down_and_stops(tmp_path, monkeypatch, capsys):
    rates, fit = [], train.fit

    def spy(*args, lr, **settings):
        return fit(*args, lr=lambda epoch: rates.append(lr(epoch)) or rates[-1], **settings)

    monkeypatch.setattr(train, "fit", spy)
    runpy.run_path(str(DEMO), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    epochs = re.split(r"\n(?=epoch )", "\n".join(lines[:-1]))[1:]              # an epoch may take several lines
    assert epochs[-1].endswith("stopped: no better in 4 epochs") and 5 < len(epochs) < 200
    assert epochs[0].endswith("best so far") and ["best so far" in line for line in epochs[-5:]] == [True] + [False] * 4
    assert rates == sorted(rates, reverse=True) and rates[0] == 2e-3 and rates[-1] < 1.9e-3
    assert re.search(rf"least loss on unseen images: \S+ nats, after {len(epochs) - 4} epochs", lines[-1])
    assert np.asarray(Image.open(tmp_path / "runs" / "schedule.png")).std() > 50


@pytest.mark.usefixtures("few_digits")
def test_a_full_log_does_not_end_it(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "fit", lambda *_, on_epoch, **__: on_epoch(1, [{"test_total": 1.0}]))
    disk = Full(28)
    full = stream(disk)
    full.reconfigure(line_buffering=True)               # each line fails, not the last flush
    monkeypatch.setattr(sys, "stdout", full)
    runpy.run_path(str(DEMO), run_name="__main__")
    assert Path(tmp_path, "runs", "schedule.png").exists()
    disk.write = len                                    # there is room again: Python 3.13 reports a close that fails
    full.close()


def test_each_means_is_one_line():
    code = DEMO.read_text()
    for n, words in ((1, "save_reconstructions("), (2, "if min(losses)"), (3, "lambda epoch: ")):
        (line,) = [line for line in code.splitlines() if f"# {n}. " in line]
        assert words in line
