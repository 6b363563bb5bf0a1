"""report.html: a run's folder in one page; a folder without a run is refused, and a failing report ends no run."""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae.demo import cli, images, report, run_page
from tinyae.errors import BadFile


def finished(out: Path) -> Path:
    """The folder of a run of 2 + 2 epochs, with a series of pictures and a result."""
    def draw(epoch: int) -> None:
        images.save_grid(out / f"samples-{epoch:03d}.png", np.random.default_rng(0).random((4, 16)), (4, 4))
    tiny_runs.run(out, on_epoch=draw, config={"demo": "vae", "hidden": [8, 4], "data": "my pictures"})
    (out / "result.json").write_text(json.dumps({"figures": {"nats < 1": 0.5}, "machine": "one core"}))
    return out


def test_the_page_holds_the_run(tmp_path: Path):
    page = run_page.write(finished(tmp_path / "run-1")).read_text()
    assert len(page) < 2_000_000
    for words in ("vae: run-1", "nats &lt; 1", "<td>0.5</td>", "one core", "samples-004", "elbo kl: training",
                  "--hidden 8,4", "--data &#x27;my pictures&#x27;"):
        assert words in page, words
    assert page.count("data:image/png") == 4 and not re.search(r'(src|href)="?http', page)


def test_too_many_pictures_leave_some_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = finished(tmp_path / "run-1")
    monkeypatch.setattr(run_page, "ROOM", 2 * (out / "samples-004.png").stat().st_size)
    page = run_page.write(out).read_text()
    assert page.count("data:image/png") == 2 and "samples-004" in page and "samples-002" in page
    monkeypatch.setattr(run_page, "ROOM", 10)
    assert "samples-004.png is too large" in run_page.write(out).read_text()


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with refused(BadFile, "config.json"):
        run_page.write(tmp_path)


def test_a_failing_report_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    def fail(run: Path) -> Path:
        raise RuntimeError("no pencil")
    monkeypatch.setattr(run_page, "write", fail)
    cli.show(tmp_path)
    assert "note: no report.html, because no pencil" in capsys.readouterr().err


def test_the_command_says_where_the_page_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.setattr(sys, "argv", ["report", str(finished(tmp_path / "run-1"))])
    with pytest.raises(SystemExit) as end:
        report.main()
    assert end.value.code == 0 and capsys.readouterr().out.strip().endswith("report.html")


def test_event_files_for_tensorboard(tmp_path: Path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    report.tensorboard(finished(tmp_path / "run-1"))
    assert next((tmp_path / "run-1").glob("events.out.tfevents*")).stat().st_size > 500
