"""Text goes where it can: streams that are absent, closed, full or gone, narrow encodings, a notebook, 80 columns."""
from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import tiny_runs

from tinyae import console
from tinyae.demo import cli
from tinyae.train import diagnose, history

ROOT = Path(__file__).parents[1]
VAE = [sys.executable, str(ROOT / "demos" / "vae.py")]
FLAGS = ["--data", "small.npy", "--epochs", "2", "--hidden", "6", "--latent", "2", "--batch-size", "8", "--samples",
         "2", "--out", "run"]
FIT = [sys.executable, "-c", "import tiny_runs; tiny_runs.run('run', report=__import__('tinyae').console.say)"]


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("small.npy", np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8))
    no_plots = tmp_path / "no_plots" / "matplotlib.py"        # plots take a second
    no_plots.parent.mkdir()
    no_plots.write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(no_plots.parent), str(ROOT), str(ROOT / "tests")]))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    return tmp_path


def shell(redirected: str, command: list[str], **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(["sh", "-c", f'"$@" {redirected}', "sh", *command], capture_output=True, text=True,
                          env=os.environ | environment, errors="replace", timeout=60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("redirected", [">/dev/full", ">&-", "2>&-", ">&- 2>&-", "2>/dev/full", ">/dev/full 2>&1"])
@pytest.mark.parametrize("command", [[*VAE, *FLAGS], FIT, [FIT[0], "-u", *FIT[1:]]],
                         ids=["demo", "library", "library-unbuffered"])
def test_a_run_does_not_die_of_its_log(redirected, command, small):
    ended = shell(redirected, command)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
    assert Path("run", "weights.npz").exists()
    if redirected == ">/dev/full" and command[:2] == VAE:
        assert ended.stderr == ("note: stdout cannot be written to (No space left on device), so some lines are "
                                "missing there\n")


def test_a_library_s_run_goes_on_without_its_reader(small):
    """As in `| head`: each line meets a closed pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(FIT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"") and Path("run", "weights.npz").exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_every_encoding_takes_the_lines_of_a_run(encoding, small):
    ended = subprocess.run([*VAE, *FLAGS], capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.decode(encoding)
    mark = "·" if encoding in ("latin-1", "cp1252", "utf-8", "utf-16") else "-"
    assert f"epoch 1/2 {mark} train reconstruction" in said


@pytest.mark.parametrize("flags", [["-O"], ["-OO"], ["-u"], ["-W", "error"], ["-X", "dev"]])
def test_python_may_be_told_to_be_strict_or_to_leave_things_out(flags, small):
    ended = subprocess.run([VAE[0], *flags, VAE[1], *FLAGS], capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stderr == ""


def test_a_run_needs_no_home_and_no_environment(small):
    environment = {name: os.environ[name] for name in ("PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    ended = subprocess.run([*VAE, *FLAGS], capture_output=True, text=True, env=environment)
    assert ended.returncode == 0 and ended.stderr == ""


def test_a_terminal_that_is_closed_saves_the_run(small):
    """The shell's SIGHUP, and a stdout that answers with an error from then on."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*VAE, *FLAGS, "--epochs", "1000000"], stdout=theirs, stderr=theirs,
                               start_new_session=True)
    os.close(theirs)
    seen = b""
    while b"epoch       2/" not in seen:
        seen += os.read(ours, 1000)
    os.close(ours)
    process.send_signal(1)
    assert process.wait(timeout=60) == 129
    assert Path("run", "last.npz").exists() and not Path("run", ".lock").exists()


# ---- in this process

class Full(io.RawIOBase):
    def __init__(self, number: int):
        self.number = number

    def writable(self) -> bool:
        return True

    def write(self, content):
        raise OSError(self.number, os.strerror(self.number))


def stream(raw: io.RawIOBase, encoding: str = "ascii") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding)


class Closed(io.StringIO):
    def __init__(self):
        super().__init__()
        self.close()


class Bare:
    """What some notebooks and services put in the place of stdout."""

    def __init__(self):
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("out", [None, Closed(), stream(Full(28)), stream(Full(5)), stream(Full(32)), Bare()])
def test_say_never_fails(out, monkeypatch):
    monkeypatch.setattr(sys, "stdout", out)
    console.say("epoch 1/2 · \udcff")
    if isinstance(out, Bare):
        assert out.text == "epoch 1/2 · \\udcff\n"


@pytest.mark.parametrize("err", [None, Closed(), stream(Full(28)), Bare()])
@pytest.mark.parametrize("out", [None, Closed(), stream(Full(28)), Bare()])
def test_safe_streams_take_everything_and_are_put_back(out, err, monkeypatch):
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    show = warnings.showwarning
    with console.safe_streams():
        print("text")
        print("text", file=sys.stderr, flush=True)
        warnings.showwarning("careful", UserWarning, "file", 1)
        with console.bar(3) as bar:
            bar.update()
    assert (sys.stdout, sys.stderr, warnings.showwarning) == (out, err, show)
    if isinstance(err, Bare):
        assert err.text.endswith("text\nnote: careful\n")


def test_a_reader_who_leaves_ends_the_program(monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream(Full(32)))
    with pytest.raises(SystemExit) as stop, console.safe_streams():
        print("text")
    assert stop.value.code == 1


def test_warnings_and_refusals_show_no_control_characters(capsys):
    assert console.printable("a\x1b]0;title\x07 ·\nb\u202e") == "a\\x1b]0;title\\x07 ·\nb\\u202e"
    with console.safe_streams():
        warnings.showwarning("a\x1b[2J", UserWarning, "file", 1)
    assert capsys.readouterr().err == "note: a\\x1b[2J\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("terms", [1, 3, 9])
def test_a_progress_line_fits_the_terminal_and_80_columns_and_cuts_the_terms_last(columns, terms, monkeypatch):
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("COLUMNS", str(columns))
    with console.bar(100, desc="epoch 12", unit=" steps", mininterval=0) as bar:
        bar.set_postfix({f"term {k}": f"{k}.00" for k in range(terms)}, refresh=False)
        bar.update(50)
        bar.refresh()
    lines = [line for line in re.split("[\r\n]", err.getvalue()) if "%" in line]
    assert lines and max(map(len, lines)) < min(columns, 80)
    assert "epoch 12  50%, term 0=0.00" in lines[-1]
    assert ("steps/s" in lines[-1]) == (terms < 3 and columns > 40)


def test_a_notebook_has_its_own_bar(monkeypatch):
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=lambda **settings: settings))
    assert console.bar(3, desc="epoch 1", shown=True) == {
        "total": 3, "leave": False, "disable": False, "desc": "epoch 1"}
    assert console.bar(3, shown=False)["disable"] is True


def test_results_on_another_drive_are_shown_by_their_own_path(tmp_path, monkeypatch, capsys):
    for error in (ValueError("path is on mount 'D:', start on mount 'C:'"), FileNotFoundError(2, "no current folder")):
        def fail(*args, error=error):
            raise error
        monkeypatch.setattr(os.path, "relpath", fail)
        cli.show(tmp_path)
        assert str(tmp_path / "weights.npz") in capsys.readouterr().out


# ---- the lines of an epoch

def row(phase: str, terms: int, epoch: int = 3) -> history.Row:
    losses = {f"a rather long name {k}": 123.456 for k in range(terms)}
    return history.row(epoch, 10, phase, 4.1, train=losses, test=losses)


@pytest.mark.parametrize("phases", [1, 2, 3])
@pytest.mark.parametrize("terms", [1, 2, 6])
def test_an_epoch_s_lines_fit_80_columns_and_say_each_thing_once(phases, terms):
    notes = ["dead relu: " + ", ".join(f"decoder.{k} 3/400" for k in range(9)), "3/20 latents in use"]
    lines = history.lines([row(f"phase {k}", terms) for k in range(phases)], 1000, notes)
    assert len(lines) == phases
    said = "\n".join(lines)
    assert max(map(len, said.split("\n"))) <= 80
    together = " ".join(said.split())
    for words in ("dead relu", "decoder.8 3/400", "3/20 latents in use", " 4.1 s"):
        assert together.count(words) == 1
    assert together.count("a rather long name 0") == phases
    assert together.count(f"{123.456:.2f}") == phases * terms * 2


def test_phases_that_share_units_name_them_once(tmp_path):
    """All relus are dead: the encoder's bias is far below 0. Three phases see them."""
    lines: list[str] = []
    model = tiny_runs.models.Adversarial(16, (8,), 2, rng=np.random.default_rng(0))
    for name, p in tiny_runs.params(model).items():
        if name.endswith("b") and "encoder.0" in name:
            p.data = p.data - 1000
    tiny_runs.fit(model, epochs=2, report=lines.append)
    assert len(lines) == 1 + 3 * 2
    for epoch in (lines[1:4], lines[4:]):
        assert "\n".join(epoch).count("encoder.0 8/8") == 1
        assert [bool(re.search(r"\d s$", line, re.M)) for line in epoch] == [False, False, True]


def test_a_layer_applied_several_times_is_dead_only_if_it_is_dead_each_time():
    layer = tiny_runs.vae().encoder if hasattr(tiny_runs.vae(), "encoder") else tiny_runs.vae().body
    x = np.full((3, 16), 1, np.float32)
    (first,) = [p for name, p in tiny_runs.params(layer).items() if name.endswith("W")]
    first.data = np.abs(first.data)
    peaks = diagnose.relu_peaks(tiny_runs.ops.sum(layer(x)) + tiny_runs.ops.sum(layer(-x)), tiny_runs.params(layer))
    assert len(peaks) == 1 and (next(iter(peaks.values())) > 0).all()
