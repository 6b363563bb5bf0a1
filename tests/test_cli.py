"""Command lines: any input leads to a run, or to three lines, status 2 and no files."""
from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyae import data
from tinyae.demo import cli
from tinyae.demo.plots import terms
from tinyae.train.history import read_csv

DEMOS = Path(__file__).parents[1] / "demos"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with data of several kinds, and a run of two epochs in it."""
    monkeypatch.chdir(tmp_path)
    good = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    np.save("good.npy", good)
    np.save("one.npy", good[:1])
    np.save("flat.npy", good.reshape(-1))
    np.save("integers.npy", good.astype(np.int64))
    np.save("large.npy", good * 3.0)
    np.save("nan.npy", np.where(good > 250, np.nan, good / 255))
    np.save("objects.npy", np.array([{}] * 5), allow_pickle=True)
    np.savez("labels.npz", images=good, labels=np.arange(7))
    np.savez("named.npz", a=good, b=good)
    Path("empty.npy").touch()
    Path("text.npy").write_text("hello")
    Path("text.txt").write_text("hello")
    Path("empty").mkdir()
    Path("text").mkdir()
    Path("text", "a.png").write_text("hello")
    Path("occupied").mkdir()
    Path("occupied", "notes.txt").write_text("mine")
    return tmp_path


def demo(name: str, line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run python demos/NAME.py LINE in this process; return its status."""
    monkeypatch.setattr(sys, "argv", [f"demos/{name}.py", *line.split(" ")] if line else [f"demos/{name}.py"])
    monkeypatch.setattr("warnings.showwarning", None)       # main sets it; put back after the test
    with pytest.raises(SystemExit) as status:
        runpy.run_path(str(DEMOS / f"{name}.py"), run_name="__main__")
    return status.value.code


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SMALL = "--data good.npy --hidden 6 --latent 2 --epochs 2 --batch-size 8"
FLAGS = {
    "--latent": ["0", "-1", "2.5", "abc", "nan", "1000000000", ""],
    "--lr": ["-1", "0", "nan", "inf", "-inf", "1e-400", "abc"],
    "--hidden": ["abc", "0", "500,-1", "3,2.5", ",", ",".join("1" * 17), "10000000"],
    "--epochs": ["0", "-1", "abc", "1.5", "1000000000"],
    "--batch-size": ["0", "-1", "abc", "55"],
    "--seed": ["-1", "abc", "0.5", str(2**70)],
    "--device": ["gpu", ""],
    "--activation": ["Relu", "relu,elu", ""],
    "--beta": ["0", "-1", "nan", "abc"],
    "--likelihood": ["poisson", ""],
    "--scale": ["variance", ""],
    "--samples": ["0", "1.5", "abc"],
    "--data": ["nonsense", "missing.npy", "one.npy", "flat.npy", "integers.npy", "large.npy", "nan.npy", "objects.npy",
               "labels.npz", "named.npz", "empty.npy", "text.npy", "text.txt", "empty", "text", ""],
    "--out": ["occupied", "text.txt", "text.txt/below", "text.txt/far/below"],
    "--resume": ["missing", "empty", "text.txt", "occupied", "good.npy/below"],
}
LINES = [*(f"{SMALL} {flag} {value}" for flag, values in FLAGS.items() for value in values),
         "--lat 3", "--unknown", "--latent", "more", "--latent 2 3", "-x", f"{SMALL} --out a --resume b"]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.removeprefix(SMALL).strip() or "none")
def test_nonsense_is_refused(line, folder, monkeypatch, capsys):
    before = everything(folder)
    assert demo("vae", line, monkeypatch) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r".+\n  expected: .+\n  got:      .*\n  fix:      .+\n", said), said
    assert everything(folder) == before


@pytest.mark.parametrize("name, flag, values", [
    ("autoencoder", "--betas", ["0.9", "0.9,1", "-0.1,0.9", "0.9,nan", "abc,0.9", "0.9,0.99,0.999", ""]),
    ("autoencoder", "--beta", ["4"]), ("sparse", "--penalty", ["l2", ""]), ("linear", "--activation", ["relu"])])
def test_a_demo_s_own_flags_are_read_as_strictly_and_no_other_demo_takes_them(name, flag, values, folder, monkeypatch,
                                                                              capsys):
    before = everything(folder)
    for value in values:
        assert demo(name, f"{SMALL} {flag} {value}", monkeypatch) == 2
        assert flag in capsys.readouterr().err and everything(folder) == before


@pytest.mark.parametrize("name, line, key, value, other", [
    ("autoencoder", "--betas 0.5,0.99", "betas", [0.5, 0.99], "--betas 0.9,0.99"),
    ("sparse", "--penalty l1", "penalty", "l1", "--penalty kl"),
    ("vae", "--activation elu --likelihood gaussian --scale sigma --beta 4 --samples 20", "beta", 4.0, "--beta 5")])
def test_a_demo_s_own_flags_are_kept_with_the_run(name, line, key, value, other, folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert demo(name, f"{SMALL} --out run {line}", monkeypatch) == 0
    assert json.loads(Path("run/config.json").read_text())[key] == value
    assert demo(name, "--resume run --epochs 3", monkeypatch) == 0
    assert demo(name, f"--resume run {other}", monkeypatch) == 2
    assert capsys.readouterr().err.startswith(f"{other.split()[0]} conflicts with ")


@pytest.mark.parametrize("name", sorted(path.stem for path in DEMOS.glob("*.py") if "unrolled=" in path.read_text()))
def test_captured_reaches_the_training_of_every_demo(name, folder, monkeypatch, capsys):
    before = everything(folder)
    assert demo(name, "--data digits --epochs 9 --captured", monkeypatch) == 2
    assert capsys.readouterr().err.startswith("captured=True records a CUDA graph\n") and everything(folder) == before


def test_there_are_enough_cases():
    assert len(LINES) >= 60


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_a_demo_trains_draws_and_says_where(name, folder, monkeypatch, capsys):
    assert demo(name, SMALL, monkeypatch) == 0
    assert demo(name, SMALL, monkeypatch) == 0
    said = capsys.readouterr().out
    assert re.findall(r"\nepoch ([12]/2) · (?!linear)", said) == ["1/2", "2/2"] * 2
    for file in ("curves.png", "latents.png", "reconstructions-002.png", "history.csv", "weights.npz"):
        assert f"\n  runs/{name}-2/{file}\n" in said
    for path in re.findall(r"\n  (runs/\S+)", said):
        assert Path(path).stat().st_size > 0
    config = json.loads(Path(f"runs/{name}-1/config.json").read_text())
    assert (config["demo"], config["data"], config["hidden"], config["latent"]) == (name, "good.npy", [6], 2)


@pytest.mark.parametrize("name, models", [
    ("denoising", ["gaussian", "masking"]), ("dropout", ["with dropout", "without dropout"]),
    ("stacked", ["whole", *(f"{way}, layer {n}" for way in ("one layer at a time", "phases on one graph")
                            for n in (1, 2))])])
def test_a_report_shows_the_curves_of_every_model_that_a_demo_trains(name, models, folder, monkeypatch):
    """Also after --resume, which trains all but the first again."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for line in (f"{SMALL} --out run", "--resume run"):
        assert demo(name, line, monkeypatch) == 0
        rows = read_csv("run/history.csv")
        assert list(dict.fromkeys(row["phase"] for row in rows)) == models
        titles = [f"{model} {term}" for model in models for term in terms(rows, model)]
        assert re.findall("<figcaption>(.*?): training", Path("run", "report.html").read_text()) == titles


def test_without_matplotlib_a_demo_says_once_what_to_install(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert demo("vae", SMALL, monkeypatch) == 0
    assert capsys.readouterr().out.count("pip install '.[plots]'") == 1
    assert not list(folder.rglob("curves.png")) and list(folder.rglob("samples-002.png"))


def test_a_learning_rate_too_large_is_explained(folder, monkeypatch, capsys):
    assert demo("vae", f"{SMALL} --lr 1e3 --epochs 50", monkeypatch) == 2
    assert re.match(r"a number is not finite: epoch \d+, step \d+\n.*\n  got: .* in the result of \w+, shape .*\n"
                    r"  fix: .*--lr.* runs/vae-1/last.npz\n$", capsys.readouterr().err)


@pytest.mark.parametrize("signum, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(signum, status, folder):
    line = [sys.executable, str(DEMOS / "vae.py"), *SMALL.split(), "--epochs", "1000000"]
    for _ in range(2):      # the second time as the first told
        environment = os.environ | {"PYTHONPATH": str(DEMOS.parent)}
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        while not process.stdout.readline().startswith("epoch "):
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signum)
        _, said = process.communicate(timeout=60)
        assert process.returncode == status, said
        told = re.search(r"stopped in epoch .*saved in runs/vae-1\ncontinue with: python (.*)\n$", said)
        assert told, said
        line = [sys.executable, *shlex.split(told[1])]


def test_a_reader_who_leaves_ends_the_run_without_a_traceback(folder):
    line = shlex.join([sys.executable, str(DEMOS / "vae.py"), *SMALL.split(), "--epochs", "1000"])
    environment = os.environ | {"PYTHONPATH": str(DEMOS.parent)}
    ended = subprocess.run(f"{line} | head -n 1", shell=True, capture_output=True, text=True, env=environment,
                           timeout=60)
    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")


def test_help_shows_every_flag_with_its_default(folder, monkeypatch, capsys):
    assert demo("vae", "--help", monkeypatch) == 0
    said = " ".join(capsys.readouterr().out.split())
    for flag in [*cli.FLAGS, *(flag for flag in cli.SPECIAL if flag.key not in ("betas", "penalty"))]:
        assert f"--{flag.name} {flag.metavar}" in said
    for words in ("numbers in a code (default: 20)", "(default: 400)", "digits, creatures, moon, fashion-mnist, mnist"):
        assert words in said


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """A finished run of two epochs in `run`."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)        # plots are slow, and not the matter here
    demo("vae", f"{SMALL} --out run --seed 3 --lr 0.01", monkeypatch)
    capsys.readouterr()
    return folder / "run"


def test_config_and_result_hold_the_fingerprint_of_the_data(run, folder, monkeypatch, capsys):
    found = data.fingerprint(*data.load("good.npy", progress=False))
    for file in ("config.json", "result.json"):
        assert json.loads((run / file).read_text())["fingerprint"] == found
    np.savez("labels.npz", images=np.load("good.npy"), labels=np.arange(60) % 3)
    assert demo("vae", f"{SMALL} --data labels.npz --out classes", monkeypatch) == 0
    with_labels = json.loads((folder / "classes" / "result.json").read_text())["fingerprint"]
    assert with_labels != found and re.fullmatch("[0-9a-f]{64}", with_labels)


def test_resume_needs_no_other_flag_and_goes_on_with_more_epochs(run, folder, monkeypatch, capsys):
    assert demo("vae", "--resume run --epochs 4", monkeypatch) == 0
    assert capsys.readouterr().out.count("\nepoch ") == 2
    assert demo("vae", f"{SMALL} --out whole --seed 3 --lr 0.01 --epochs 4", monkeypatch) == 0
    with np.load("run/weights.npz") as one, np.load("whole/weights.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
    assert demo("vae", "--resume run --latent 2 --hidden 6 --data good.npy", monkeypatch) == 0     # the same again


@pytest.mark.parametrize("conflict", ["--seed 4", "--latent 3", "--hidden 6,6", "--lr 0.1", "--batch-size 9",
                                      "--epochs 1", "--out elsewhere", "--beta 2", "--activation elu", "--samples 7",
                                      "--likelihood gaussian", "--scale sigma", "--size 4"])
def test_resume_refuses_other_settings_by_name(conflict, run, folder, monkeypatch, capsys):
    before = everything(folder)
    assert demo("vae", f"--resume run {conflict}", monkeypatch) == 2
    assert capsys.readouterr().err.startswith(f"{conflict.split()[0]} conflicts with ")
    assert everything(folder) == before


def test_resume_goes_on_with_the_same_images_wherever_they_are(run, folder, monkeypatch, capsys):
    Path("good.npy").rename("moved.npy")
    assert demo("vae", "--resume run --epochs 3", monkeypatch) == 2
    assert "there is no data 'good.npy'" in capsys.readouterr().err
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    for place, epochs in (("../moved.npy", 3), (str(folder / "moved.npy"), 4)):
        assert demo("vae", f"--resume ../run --epochs {epochs} --data {place}", monkeypatch) == 0
        assert json.loads((run / "config.json").read_text())["data"] == place
    assert demo("vae", "--resume ../run --epochs 5", monkeypatch) == 0          # it remembers


@pytest.mark.parametrize("out", ["mine", "runs/vae-1"])
def test_data_of_a_relative_path_is_looked_for_beside_the_run(out, folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert demo("vae", f"{SMALL} --out {out}", monkeypatch) == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert demo("vae", f"--resume ../{out} --epochs 3", monkeypatch) == 0


OTHERS = {"beta": 2, "activation": "elu", "likelihood": "gaussian", "lr": 0.1, "seed": 4, "batch_size": 9,
          "size": [5, 5], "hidden": [7], "scale": "sigma"}


@pytest.mark.parametrize("key", OTHERS)
def test_resume_refuses_what_a_changed_config_would_train(key, run, folder, monkeypatch, capsys):
    """The settings of another run, whose folder got this run's last.npz."""
    (run / "config.json").write_text(json.dumps(json.loads((run / "config.json").read_text()) | {key: OTHERS[key]}))
    before = everything(folder)
    assert demo("vae", "--resume run --epochs 3", monkeypatch) == 2
    assert re.search("belongs to another run|other settings of the model|size is for folders", capsys.readouterr().err)
    assert everything(folder) == before


@pytest.mark.parametrize("spoil", [
    lambda images: np.concatenate([images[:59], 255 - images[59:]]), lambda images: images[:59],
    lambda images: (images / 255).astype(np.float32), lambda images: images[::-1]])
def test_resume_refuses_other_images_whatever_their_path(spoil, run, folder, monkeypatch, capsys):
    before = everything(run)
    images = np.load("good.npy")
    np.save("other.npy", spoil(images))
    assert demo("vae", "--resume run --epochs 3 --data other.npy", monkeypatch) == 2
    assert re.match("run/last.npz belongs to another run\n.* images", capsys.readouterr().err)
    assert demo("vae", "--resume run --epochs 3 --data labels.npz", monkeypatch) == 2
    np.save("good.npy", spoil(images))
    assert demo("vae", "--resume run --epochs 3", monkeypatch) == 2
    assert everything(run) == before


@pytest.mark.parametrize("spoil, word", [
    (lambda config: "[" * 100_000, "not valid JSON"), (lambda config: "1" * 10_000, "not valid JSON"),
    (lambda config: " " * (1 << 21) + "{}", "2,097,154 bytes"), (lambda config: "\udcff", "not valid JSON"),
    (lambda config: "{", "not valid JSON"), (lambda config: "[]", "something else"),
    (lambda config: json.dumps(config | {"demo": "autoencoder"}), "a run of autoencoder"),
    (lambda config: json.dumps({"demo": "vae"}), "without data"),
    (lambda config: json.dumps(config | {"latent": 0}), "--latent"),
    (lambda config: json.dumps(config | {"hidden": "wide"}), "--hidden"),
    (lambda config: json.dumps(config | {"epochs": None}), "--epochs"),
    (lambda config: json.dumps(config | {"lr": [1, 2]}), "--lr"),
    (lambda config: json.dumps(config | {"latent": 3}), "belongs to another run"),
])
def test_resume_reads_a_spoilt_config_as_strictly_as_flags(spoil, word, run, folder, monkeypatch, capsys):
    text = spoil(json.loads((run / "config.json").read_text()))
    (run / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    before = everything(folder)
    assert demo("vae", "--resume run", monkeypatch) == 2
    assert word in capsys.readouterr().err
    assert everything(folder) == before


# ---- degenerate data, little memory

DEGENERATE = {"black": np.zeros((40, 4, 4), np.uint8), "white": np.full((40, 4, 4), 255, np.uint8),
              "two": np.arange(32, dtype=np.uint8).reshape(2, 4, 4),
              "dots": np.arange(40, dtype=np.uint8).reshape(40, 1, 1)}


@pytest.mark.parametrize("name, line, kinds", [
    ("autoencoder", "", DEGENERATE), ("linear", "--hidden none", DEGENERATE), ("denoising", "", DEGENERATE),
    ("interpolate", "", DEGENERATE), ("vae", "--samples 2", DEGENERATE), ("dropout", "", ["white", "two"]),
    ("collapse", "", ["black", "two"]), ("contractive", "--hidden none", ["black", "dots"]),
    ("conv_stacked", "--hidden 2,2", ["black", "white"]), ("conv_denoising", "--hidden 2", ["black", "two"])])
@pytest.mark.filterwarnings("ignore:all training images are equal", "ignore:the images are dark")      # so they are
def test_data_of_which_there_is_nothing_to_learn_still_give_a_result(name, line, kinds, folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for kind in kinds:
        np.save("degenerate.npy", DEGENERATE[kind])
        shown = f"--data degenerate.npy --epochs 2 --batch-size 1 --hidden 6 --latent 1 --out {kind} {line}".split()
        assert demo(name, " ".join(shown), monkeypatch) == 0, capsys.readouterr().err
        figures = json.loads(Path(kind, "result.json").read_text())["figures"]
        assert figures and all(np.isfinite(value) for value in figures.values())


@pytest.mark.parametrize("said", ["Unable to allocate 75.0 GiB for an array with shape (100, 100)", ""])
def test_little_memory_is_a_refusal(said, folder, monkeypatch, capsys):
    def fail(*args, **settings):
        raise MemoryError(*[said] * bool(said))

    monkeypatch.setattr("tinyae.train.fit", fail)
    assert demo("vae", SMALL, monkeypatch) == 2
    got = re.escape(said or "a MemoryError")
    assert re.fullmatch(rf"out of memory\n  expected: .+\n  got:      {got}\n  fix:      .+\n", capsys.readouterr().err)


def test_widths_that_no_machine_holds_are_refused_with_the_bytes(folder, monkeypatch, capsys):
    assert demo("vae", f"{SMALL} --hidden 100000,100000,100000,100000", monkeypatch) == 2
    assert "80,000,000,000 bytes" in capsys.readouterr().err


def test_a_name_with_control_characters_reaches_no_terminal(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert demo("vae", f"{SMALL} --out a\x1b]0;b\x07", monkeypatch) == 0
    assert demo("vae", f"{SMALL} --out a\x1b]0;b\x07", monkeypatch) == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and "a\\x1b]0;b\\x07" in said.err
