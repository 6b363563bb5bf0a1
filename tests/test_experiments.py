"""Experiments: figures are written to result.json and shown in one table with their targets."""
import argparse
import importlib.util
import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from support import refused

from tinyae import data
from tinyae.demo import experiments
from tinyae.errors import BadFile

ROOT = Path(__file__).parents[1]
DEMOS = {path.stem: path.read_text() for path in (ROOT / "demos").glob("*.py")}


@pytest.fixture(scope="module")
def quality():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")          # where its neighbours are
        spec = importlib.util.spec_from_file_location("quality", ROOT / "benchmarks" / "quality.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


class Asked(Exception):
    """Raised when a demo has read its flags and loads its data."""


@pytest.mark.parametrize("card", experiments.EXPERIMENTS, ids=lambda card: card.name)
def test_a_card_names_a_demo_and_flags_that_it_takes(card, monkeypatch):
    def load(name, folder, *, size):
        raise Asked(name)

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(sys, "argv", [card.demo, *shlex.split(card.flags)])
    with pytest.raises(Asked) as asked:
        runpy.run_path(str(ROOT / "demos" / f"{card.demo}.py"))["run"]()
    (name,) = asked.value.args
    assert name in data.SOURCES and card.flags.startswith(f"--data {name}")


def test_every_demo_that_writes_figures_has_a_card_and_every_card_a_name_of_its_own():
    demos = {name for name, text in DEMOS.items() if "experiments.write" in text}
    assert demos == {card.demo for card in experiments.EXPERIMENTS}
    assert len({card.name for card in experiments.EXPERIMENTS}) == len(experiments.EXPERIMENTS)


def test_a_result_holds_setting_seconds_machine_and_figures(tmp_path):
    history = [{"epoch": 1, "phase": "a", "seconds": 2.0}, {"epoch": 1, "phase": "b", "seconds": 2.0},
               {"epoch": 2, "phase": "a", "seconds": 3.0}, {"epoch": 1, "phase": "another run", "seconds": 1.0}]
    flags = argparse.Namespace(demo="vae", data="mnist", latent=2, seed=0, out="somewhere", resume=False, data_dir="x",
                               fingerprint="5f")
    experiments.write(tmp_path, flags, history, {"nats": 1 / 3})
    result = experiments.read(tmp_path / "result.json")
    assert result["setting"] == {"data": "mnist", "latent": 2, "seed": 0} and result["demo"] == "vae"
    assert result["fingerprint"] == "5f"
    assert result["seconds"] == 6.0 and result["figures"] == {"nats": 0.333333}
    assert "NumPy" in result["machine"]


def test_a_figure_is_judged_by_its_target(quality):
    card = experiments.Experiment("vae", "--data mnist", (
        experiments.at_most("a", 2, "A"), experiments.at_least("b", 2, "B"), experiments.Target("c", 1, 2, "C"),
        experiments.at_most("gone", 1, "D")))
    assert card.name == "vae-mnist"
    lines = quality.rows(card, {"figures": {"a": 2.0, "b": 1.0, "c": float("nan"), "free": 5.0}})
    assert [line[1:] for line in lines] == [
        ["a", "2", "<= 2", "A", "met"], ["b", "1", ">= 2", "B", "missed"], ["c", "nan", "1 to 2", "C", "missed"],
        ["free", "5", "", "", ""], ["gone", "none", "<= 1", "D", "missed"]]


def test_the_page_of_results_is_what_the_result_files_say(quality):
    if not quality.PAGE.exists():
        pytest.skip("no results yet: python benchmarks/quality.py")
    results = quality.stored()
    assert quality.PAGE.read_text() == quality.page(results)
    assert set(results) <= {card.name for card in experiments.EXPERIMENTS}
    for figure in re.findall(r"\| ([\d.e+-]+) \|", quality.PAGE.read_text()):
        assert any(figure == f"{value:.6g}" for result in results.values() for value in result["figures"].values())


@pytest.mark.parametrize("fingerprint", [None, "", "0" * 64, data.FINGERPRINTS["moon"], "98abafb2"])
def test_a_result_of_other_data_is_refused(fingerprint, quality):
    result = {"fingerprint": fingerprint, "machine": "m", "seconds": 1, "setting": {"seed": 0}, "figures": {"a": 1.0}}
    good = result | {"fingerprint": data.FINGERPRINTS["digits"]}
    assert "data 98abafb2" in quality.page({"vae-digits": good})
    with refused(BadFile, "vae-digits.json is a result of other data", str(fingerprint), "--missing"):
        quality.page({"linear-digits": good, "vae-digits": result})


def test_missing_runs_what_has_no_result_and_what_is_of_other_data(quality, monkeypatch, tmp_path):
    ran = []
    results = {job.name: {"fingerprint": data.FINGERPRINTS[job.flags.split()[1]]} for job in experiments.EXPERIMENTS}
    results |= {"vae-digits": {"fingerprint": "another"}, "linear-digits": {}}
    del results["interpolate-moon"]
    monkeypatch.setattr(quality, "stored", lambda: results)
    monkeypatch.setattr(quality, "page", lambda results: "")
    monkeypatch.setattr(quality, "rows", lambda job, result: [])
    monkeypatch.setattr(quality, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(quality, "run", lambda job, *_: ran.append(job.name))
    quality.full("", missing=True, report=False)
    assert ran == ["linear-digits", "interpolate-moon", "vae-digits"]


@pytest.mark.parametrize("name", ["linear-moon", "interpolate-moon"])
def test_a_quick_run_gives_the_published_figures_again(name, quality, capsys):
    assert quality.verify(name) == 0
    assert capsys.readouterr().out.count(" same |") >= 3


def test_every_quick_run_has_a_result_and_its_spread_over_seeds(quality):
    spread, published = json.loads(quality.SPREAD.read_text()), quality.stored()
    assert set(spread) == set(quality.QUICK)
    for name, figures in spread.items():
        assert figures.keys() == published[name]["figures"].keys()
        assert all(len(values) == len(quality.SEEDS) for values in figures.values())


@pytest.mark.parametrize("again, differing", [
    ({"a": 1.0, "b": 5.0}, 0), ({"a": 1.39, "b": 5.00004}, 0), ({"a": 1.41, "b": 5.0}, 1), ({"a": 0.5, "b": 5.1}, 2),
    ({"a": 1.0}, 1), ({"a": float("nan"), "b": 5.0}, 1)])
def test_a_figure_may_lie_as_far_off_as_seeds_make_it(again, differing, quality, monkeypatch, tmp_path):
    """Four standard deviations of 0.1 for a; b is the same for all seeds. Without a run, nothing is the same."""
    spread = tmp_path / "seeds.json"
    spread.write_text(json.dumps({"linear-digits": {"a": [1.0, 0.9, 1.1], "b": [5.0] * 3}}))
    monkeypatch.setattr(quality, "SPREAD", spread)
    monkeypatch.setattr(quality, "stored", lambda: {"linear-digits": {"figures": {"a": 1.0, "b": 5.0}}})
    monkeypatch.setattr(quality, "run", lambda *_, **environment: {"figures": again})
    assert quality.verify("linear-digits") == differing
    monkeypatch.setattr(quality, "run", lambda *_, **environment: None)
    assert quality.verify("linear-digits") == 2


def test_a_figure_is_verified_with_data_drawn_anew(quality, monkeypatch):
    """No cache of this machine may serve: every place where data is looked for is the new folder of the run."""
    places = []

    def run(job, flags, folder, **environment):
        places.append({**environment, "run": str(folder.parent)})
        assert not list(folder.parent.iterdir())
    monkeypatch.setattr(quality, "run", run)
    quality.verify("linear-digits")
    (used,) = places
    assert {"TINYAE_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"} <= used.keys() and len(set(used.values())) == 1


def test_the_spread_over_seeds_is_kept(quality, monkeypatch, tmp_path):
    monkeypatch.setattr(quality, "SPREAD", tmp_path / "seeds.json")
    monkeypatch.setattr(quality, "run", lambda job, flags, _: {"figures": {job.demo: int(flags.split("--seed ")[1])}})
    for name in ("linear-digits", "interpolate"):           # the second leaves the first
        assert quality.seeds(name) == 0
    assert json.loads((tmp_path / "seeds.json").read_text()) == {
        "linear-digits": {"linear": [1, 2, 3, 4, 5]}, "interpolate-moon": {"interpolate": [1, 2, 3, 4, 5]}}


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_published_set_has_its_fingerprint(name):
    try:
        sets = data.load(name, download=False, progress=False)
    except BadFile:
        pytest.skip(f"{name} is not here")
    assert data.fingerprint(*sets) == data.FINGERPRINTS[name]


def test_smoke_runs_a_demo_to_its_end_and_reports_one_that_fails(quality, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(quality, "few", lambda name, folder: tmp_path / "few.npz")
    made = {"demo": "linear", "figures": {"a": 1.5}, "setting": {}, "machine": "", "seconds": 0}
    script = "import sys, json, pathlib; out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]); "
    (tmp_path / "demos").mkdir()
    (tmp_path / "demos" / "linear.py").write_text(
        script + f"out.mkdir(); (out / 'result.json').write_text({json.dumps(made)!r})")
    (tmp_path / "demos" / "vae.py").write_text("raise SystemExit('no such thing')")
    monkeypatch.setattr(quality, "ROOT", tmp_path)
    assert quality.smoke("linear") == 0
    assert "1.5" in capsys.readouterr().out
    assert quality.smoke("vae") == 2            # one of them with two latents
    said = capsys.readouterr()
    assert "no such thing" in said.err and "failed" in said.out


def test_a_smoke_run_draws_digits_for_published_sets(quality, tmp_path, monkeypatch):
    loaded = []
    part = data.Dataset(np.zeros((600, 2, 2), np.uint8), np.zeros(600, np.intp))
    monkeypatch.setattr(quality.data, "load", lambda name: loaded.append(name) or (part, part))
    paths = [quality.few(name, tmp_path) for name in ("mnist", "fashion-mnist", "creatures")]
    assert [path.name for path in paths] == ["digits.npz", "digits.npz", "creatures.npz"]
    assert loaded == ["digits", "creatures"]
    with np.load(paths[0]) as held:
        assert [held[name].shape for name in ("images", "test_images")] == [(500, 2, 2), (100, 2, 2)]
