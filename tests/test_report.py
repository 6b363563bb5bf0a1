"""report.html: a run's folder in one page; a folder without a run is refused, and a failing report ends no run."""
from __future__ import annotations

import json
import os
import re
import shlex
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_runs
from PIL import Image
from support import refused

from tinyae.demo import cli, images, report, run_curves, run_page
from tinyae.errors import BadFile
from tinyae.train import history


def finished(out: Path) -> Path:
    """The folder of a run of 2 + 2 epochs, with a series of pictures and a result."""
    def draw(epoch: int) -> None:
        images.save_grid(out / f"samples-{epoch:03d}.png", np.random.default_rng(0).random((4, 16)), (4, 4),
                         title=f"seen <{epoch}>")
    tiny_runs.run(out, on_epoch=draw, config={"demo": "vae", "hidden": [8, 4], "data": "my pictures"})
    (out / "result.json").write_text(json.dumps({"figures": {"nats < 1": 0.5}, "machine": "one core"}))
    return out


def test_the_page_holds_the_run(tmp_path: Path):
    page = run_page.write(finished(tmp_path / "run-1")).read_text()
    assert len(page) < 2_000_000
    for words in ("vae: run-1", "nats &lt; 1", "<td>0.5</td>", "one core", "samples-004", "elbo kl: training",
                  "--hidden 8,4", "--data &#x27;my pictures&#x27;", "4 epochs", "samples-002.png: seen &lt;2&gt;"):
        assert words in page, words
    assert "<4>" not in page and page.count("data:image/png") == 4 and not re.search(r'(src|href)="?http', page)


def test_too_many_pictures_leave_some_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = finished(tmp_path / "run-1")
    monkeypatch.setattr(run_page, "ROOM", sum((out / f"samples-00{n}.png").stat().st_size for n in (2, 4)))
    page = run_page.write(out).read_text()
    assert page.count("data:image/png") == 2 and "samples-004" in page and "samples-002" in page
    assert "2 of 4 pictures; the folder has all" in page
    monkeypatch.setattr(run_page, "ROOM", 10)
    assert "samples-004.png is too large" in run_page.write(out).read_text()


@pytest.mark.parametrize("names, room, shown", [
    ("a b-1 b-2 b-3", 4, "b-1 b-2 b-3 a"), ("b-1 b-2 b-3 b-4 a-1 a-2 a-3 a-4", 4, "b-2 b-4 a-2 a-4"),
    ("a b-1 b-2 b-3", 3, "b-1 b-3 a"), ("a b-1 b-2 b-3", 2, "b-3 a"), ("a b-1 b-2", 1, "b-2")])
def test_each_series_gets_its_share_of_the_room_and_leaves_the_rest_to_longer_ones(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str, room: int, shown: str):
    for name in names.split():
        images.save_grid(tmp_path / f"{name}.png", np.zeros((1, 16)), (4, 4), title="t")
    monkeypatch.setattr(run_page, "ROOM", room * (tmp_path / f"{name}.png").stat().st_size)
    page = run_page.pictures(tmp_path)
    found = re.findall(r'<img alt="(.*?).png: t" src="[^"]*"( hidden)?>', page)
    assert sorted(name for name, _ in found) == sorted(shown.split())
    assert sorted(name for name, hidden in found if not hidden) == [
        max(name for name in shown.split() if name[0] == series) for series in "ab" if series in shown]


@pytest.mark.parametrize("name, content", [
    ("config.json", None), ("config.json", b"{"), ("config.json", b"[]"), ("history.csv", None), ("history.csv", b""),
    ("history.csv", b"epoch,step,phase\n"), ("history.csv", b"a,b\n1,2\n"), ("history.csv", b"epoch,phase\nx,\n"),
    ("history.csv", b"\xff"), ("result.json", b"{"), ("result.json", b'{"figures": [1]}'),
    ("result.json", b'{"figures": {"a": "1"}}'), ("result.json", b'{"figures": {"a": null}}'), ("result.json", b"[]"),
    ("config.json", b'{"versions": 3}'), pytest.param("config.json", b"[" * 100_000, id="config.json-deep")])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, name: str, content: bytes | None):
    file = finished(tmp_path / "run-1") / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with refused(BadFile, name):
        run_page.write(tmp_path / "run-1")


def test_a_run_that_has_not_ended_says_so(tmp_path: Path):
    out = finished(tmp_path / "run-1")
    assert "has not ended" not in run_page.write(out).read_text()
    (out / "result.json").unlink()              # the demo writes it after the training
    assert "has not ended" not in run_page.write(out).read_text()
    (out / "weights.npz").unlink()
    page = run_page.write(out).read_text()
    assert f"The run has not ended: 4 epochs so far. To continue it: <code>python demos/vae.py --resume {out}" in page


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_damaged_pictures_cost_only_themselves(tmp_path: Path):
    out = finished(tmp_path / "run-1")
    (out / "gone.png").symlink_to("nothing")
    os.mkfifo(out / "pipe.png")
    (out / "text.png").write_text("<script>")
    Image.new("L", (2, 2)).save(out / "photo.png", "JPEG")
    (out / "samples-003.png").write_bytes((out / "samples-003.png").read_bytes()[:20])
    page = run_page.write(out).read_text()
    assert page.count("data:image/png") == 3 and "3 of 4 pictures" in page and "text.png is too large" in page
    assert "photo.png is too large for this page, or damaged" in page
    assert 'max="2"' in page                    # the slider has a place for each picture that is there


def test_the_thousandth_epoch_comes_after_the_999th(tmp_path: Path, capsys: Any):
    for name in ("samples-998", "samples-999", "samples-1000", "before-2", "after-10", "curves", "roc"):
        images.save_grid(tmp_path / f"{name}.png", np.zeros((1, 16)), (4, 4), title=name)
    assert run_page.series(tmp_path)["samples"] == [tmp_path / f"samples-{n}.png" for n in (998, 999, 1000)]
    assert "after epoch" not in run_page.pictures(tmp_path) and "curves.png" not in run_page.pictures(tmp_path)
    assert 'hidden><img alt="samples-1000.png: samples-1000"' in run_page.pictures(tmp_path)
    run_page.show(tmp_path)
    shown = [Path(line.strip()).name for line in capsys.readouterr().out.split("numbers:")[0].splitlines()[1:]]
    assert shown == ["after-10.png", "before-2.png", "curves.png", "roc.png", "samples-1000.png"]


def test_the_end_of_a_run_says_where_the_explorer_is(tmp_path: Path, capsys: Any):
    run_page.show(tmp_path)
    assert "explorer" not in capsys.readouterr().out
    (tmp_path / "explorer.html").touch()
    run_page.show(tmp_path)
    assert re.search(r"explorer:\n  .*explorer\.html\n", capsys.readouterr().out)


def test_names_that_are_no_text_cost_no_page(tmp_path: Path):
    out = finished(tmp_path / "run-1")
    (out / "config.json").write_text(json.dumps({"demo": "vae", "data": "\udcff"}))      # as Python reads a byte 0xff
    assert "--data &#x27;\\udcff&#x27;" in run_page.write(out).read_text()


def test_losses_that_are_not_finite_are_said_and_not_drawn():
    rows = [history.row(n, n, "", 0.1, train={"a": value}, test={"a": np.nan})
            for n, value in enumerate([1.0, np.inf, 2.0], 1)]
    drawn = run_curves.curves(rows)
    assert drawn.count("<figure>") == 1         # the total of one term is that term
    assert "a: training 2, test nan after epoch 3" in drawn
    places = re.findall(r'(?:points|cx|cy|x|y)="([^"]*)"', drawn)
    assert places and not re.search("nan|inf", " ".join(places))


def test_a_panel_shows_its_phase_from_the_left_edge_to_the_right():
    rows = [history.row(n, n, phase, 0.1, train={"a": value + n}, test={"a": value + n})
            for n in (3, 4, 5) for phase, value in (("one", 0.0), ("two", 10.0))]
    drawn = run_curves.curves(rows)
    assert re.findall("<figcaption>(.*?)</figcaption>", drawn) == [
        "one a: training 5, test 5 after epoch 5", "two a: training 15, test 15 after epoch 5"]
    left, right = run_curves.LEFT + 8, run_curves.WIDE - 12
    lines = re.findall(r'<polyline class="train" points="([^"]*)"', drawn)[1:]      # [0]: of the legend
    assert [[float(point.split(",")[0]) for point in line.split()] for line in lines] == [
        [left, (left + right) / 2, right]] * 2


def test_one_epoch_is_not_one_epochs(tmp_path: Path):
    (tmp_path / "weights.npz").touch()
    for n, words in ((1, "1 epoch"), (2, "2 epochs")):
        assert f">{words}</p>" in run_page.state(tmp_path, {}, [{"epoch": n, "phase": ""}], {})


def test_a_long_run_has_a_short_page():
    rows = [history.row(n, n, phase, 0.1, train={"a": 1 / n, "b": 2.0}, test={"a": 1 / n, "b": 2.0})
            for n in range(1, 5001) for phase in ("one", "two")]
    drawn = run_curves.curves(rows)
    assert len(drawn) < 200_000 and drawn.count("<figure>") == 6
    first, *_, last = re.findall(r'<polyline class="train" points="([^"]*)"', drawn)[1].split()     # [0]: of the legend
    assert last == f"{run_curves.WIDE - 12:.1f},{run_curves.HIGH - 30:.1f}"       # epoch 5000, the lowest loss
    assert len(first) > 3


def test_the_command_repeats_the_run():
    argv = ["--hidden", "none", "--latent", "3", "--lr", "2e-05", "--data", "it's mine", "--size", "48x64", "--unroll",
            "--scale", "sigma", "--page"]
    def settings(argv: list[str]) -> dict[str, Any]:
        return vars(cli.flags("vae", "", argv, hidden=[400], latent=20, scale="log_var", page=False))
    page = run_page.settings(settings(argv) | {"versions": {"numpy": "2"}, "fingerprint": "ab"})
    assert '<th scope="row">fingerprint</th>' in page
    shown = page.split('command">')[1].split("</pre>")[0]
    command = shlex.split(re.sub("<.*?>", "", shown).replace("&#x27;", "'").replace("&quot;", '"'))
    assert command[:2] == ["python", "demos/vae.py"] and settings(command[2:]) == settings(argv)


def test_the_folder_one_stands_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(finished(tmp_path / "run-1"))
    assert "<h1>vae: run-1</h1>" in run_page.write(Path(".")).read_text()


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


def test_a_bad_command_gets_three_lines(monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.setattr(sys, "argv", ["report"])
    with pytest.raises(SystemExit) as end:
        report.main()
    assert end.value.code == 2 and re.search("RUN\n  expected: .*\n  got: .*\n  fix: ", capsys.readouterr().err)


def events(folder: Path) -> dict[tuple[str, int], float]:
    """(chart, epoch) -> value of the only event file in the folder: records of length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.iterdir()
    content, found = file.read_bytes(), {}
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = Event.FromString(content[12:12 + length])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        content = content[16 + length:]
    return found


def test_event_files_for_tensorboard(tmp_path: Path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    run = finished(tmp_path / "run-1")
    assert report.tensorboard(run) == run / "tensorboard"
    for earlier in list(run.rglob("events.out.*")):
        earlier.rename(earlier.with_name("events.out.tfevents.1.earlier"))      # a name holds the second
    report.tensorboard(run)                     # replaces the files of the first call
    rows = history.read_csv(run / "history.csv")
    for side in ("train", "test"):
        wanted = {(f"{row['phase']}/{name.removeprefix(side + '_')}".lstrip("/"), row["epoch"]): np.float32(value)
                  for row in rows for name, value in row.items() if name.startswith(f"{side}_")}
        assert wanted and events(run / "tensorboard" / side) == wanted


def test_event_files_need_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setattr(sys, "argv", ["report", str(finished(tmp_path / "run-1")), "--tensorboard"])
    with pytest.raises(SystemExit) as end:
        report.main()
    said = capsys.readouterr()
    assert end.value.code == 2 and "fix:      pip install '.[tensorboard]'" in said.err
    assert said.out.strip().endswith("report.html")         # the page is there all the same
