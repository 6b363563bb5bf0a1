"""benchmarks/scaling.py and sweep.py: the model recovers its constants, and runs go on where they were stopped."""
from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support import refused

from tinyae.errors import BadFile, BadValue

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import scaling  # noqa: E402
import sweep  # noqa: E402
import workloads  # noqa: E402

MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
needs_mpi = pytest.mark.skipif(not (MPIEXEC and importlib.util.find_spec("mpi4py")), reason="no mpi4py, or no mpiexec")


@pytest.mark.parametrize("name", scaling.SHARED)
def test_the_fit_recovers_what_a_step_costs(name):
    w = scaling.SHARED[name]
    fixed, rate, per_image = 2e-3, 40e9, workloads.flops(w) / w.batch
    machine = scaling.fit(w, [fixed + w.batch // n * per_image / rate for n in scaling.SHARES])
    assert machine.fixed == pytest.approx(fixed, rel=1e-6) and machine.rate == pytest.approx(rate, rel=1e-6)
    assert machine.message == 4 * sum(a.size for a in workloads.weights(w).values())


def test_the_link_is_recovered_from_messages():
    latency, bandwidth = scaling.link([2 * 5e-6 + 4 * n / 3e9 for n in scaling.MESSAGES])
    assert latency == pytest.approx(5e-6) and bandwidth == pytest.approx(3e9)


def test_a_step_on_four_ranks_by_hand():
    """1 ms + 10 images at 0.1 ms + 2 * 2 messages of 0.01 ms + 1.5 * 4 MB at 1 GB/s."""
    machine = scaling.Machine(fixed=1e-3, rate=1e9, operations=1e5, message=4e6)
    assert machine.step(4, 10, (1e-5, 1e9)) == pytest.approx(1e-3 + 1e-3 + 4e-5 + 6e-3)
    assert machine.step(1, 10, (1e-5, 1e9)) == pytest.approx(2e-3)


def test_the_page_shows_what_was_measured():
    page = (FOLDER.parent / "docs" / "distributed.md").read_text()
    shown = page.partition("<!-- scaling: begin -->\n")[2].partition("\n<!-- scaling: end -->")[0]
    assert shown == scaling.report(json.loads((FOLDER / "measured" / "scaling.json").read_text()))


@needs_mpi
def test_scaling_runs_to_its_end(tmp_path, capsys):
    assert scaling.main(["--only", "demo", "--rounds", "1", "--seconds", "0.02", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "scaling.json").read_text())
    printed = capsys.readouterr().out
    (alone, no_wait), (together, waited) = result["steps"]["demo"].values()
    assert no_wait == 0 and 0 < waited < together and alone > 0
    assert len(result["messages"]) == len(scaling.MESSAGES)
    assert "Predicted, not measured" in printed and "10 Gbit/s Ethernet: 30 us, 1.25 GB/s" in printed


def test_without_an_mpi_scaling_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with refused(BadValue, "several ranks need an MPI", "pip install"):
        scaling.main(["--quick"])


# ---- sweep

DEMO = '''
import json, sys
from pathlib import Path
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if "--resume" in flags:
    out, error = Path(flags["--resume"]), 100.0
else:
    out, error = Path(flags["--out"]), float(flags["--latent"]) + int(flags["--seed"])
if flags.get("--latent") == "-1":
    sys.exit("latent must be positive")
out.mkdir(exist_ok=True)
with open(Path(__file__).with_name("log"), "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
(out / "result.json").write_text(json.dumps({"figures": {"error": error}}))
'''


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    path = tmp_path / "demo.py"
    path.write_text(DEMO)
    return path


def swept(demo: Path, *line: str) -> tuple[int, list[dict]]:
    out = demo.parent / "out"
    status = sweep.main([str(demo), "--out", str(out), "--jobs", "2", *line])
    return status, json.loads((out / "sweep.json").read_text())["settings"]


def test_every_setting_runs_with_every_seed(demo, capsys):
    status, settings = swept(demo, "--grid", "latent=2,10", "--grid", "beta=1", "--seeds", "2", "--", "--epochs", "3")
    assert status == 0
    assert [(one["setting"], one["figures"]["error"]) for one in settings] == [
        ({"latent": "2", "beta": "1"}, [2.0, 3.0]), ({"latent": "10", "beta": "1"}, [10.0, 11.0])]
    lines = (demo.parent / "log").read_text().splitlines()
    assert len(lines) == 4 and all("--epochs 3" in line for line in lines)
    assert "| latent 10, beta 1 |    2 | 10.50 ± 0.71 |" in capsys.readouterr().out


def test_what_has_ended_is_not_run_again_and_what_was_stopped_goes_on(demo):
    swept(demo, "--grid", "latent=2", "--seeds", "2")
    out, log = demo.parent / "out", demo.parent / "log"
    log.unlink()
    stopped = sweep.folder_of(out, {"latent": "2"}, 1)
    (stopped / "result.json").unlink()
    (stopped / "last.npz").touch()
    status, settings = swept(demo, "--grid", "latent=2", "--seeds", "2")
    assert status == 0 and log.read_text() == f"--resume {stopped}\n"
    assert settings[0]["figures"]["error"] == [2.0, 100.0]


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_again(demo):
    sweep.folder_of(demo.parent / "out", {"latent": "2"}, 0).mkdir(parents=True)
    assert swept(demo, "--grid", "latent=2", "--seeds", "1")[0] == 0
    assert (demo.parent / "log").read_text().startswith("--out ")


def test_a_failed_run_is_named_and_the_others_go_on(demo, capfd):
    status, settings = swept(demo, "--grid", "latent=-1,4", "--seeds", "1")
    assert status == 1 and [one["runs"] for one in settings] == [0, 1]
    assert "latent--1_seed-0: status 1\nlatent must be positive" in capfd.readouterr().err


@pytest.mark.parametrize("line, words", [
    (["--grid", "latent=2", "--grid", "latent=3"], "--latent is given twice"),
    (["--grid", "latent=2", "--", "--latent", "3"], "--latent is given twice"),
    (["--grid", "latent=2", "--", "--latent=3"], "--latent is given twice"),
    (["--grid", "seed=1,2"], "--seeds 5"), (["--", "--seed", "3"], "--seeds 5"), (["--", "--out=x"], "before --")])
def test_a_flag_is_given_once_or_the_table_would_lie(demo, line, words):
    with refused(BadValue, "given twice", words):
        swept(demo, *line)
    assert not (demo.parent / "log").exists()


def test_a_folder_keeps_its_flags(demo):
    swept(demo, "--grid", "latent=2", "--seeds", "1", "--", "--epochs", "3")
    with refused(BadFile, "other flags", "'--epochs', '3'", "'--epochs', '4'"):
        swept(demo, "--grid", "latent=2", "--seeds", "1", "--", "--epochs", "4")
    assert swept(demo, "--grid", "latent=2,4", "--seeds", "1", "--", "--epochs", "3")[0] == 0
    assert len((demo.parent / "log").read_text().splitlines()) == 2


def test_flags_that_the_demo_refused_can_be_mended(demo):
    assert swept(demo, "--grid", "latent=-1", "--seeds", "1", "--", "--epohcs", "3")[0] == 1
    assert swept(demo, "--grid", "latent=2", "--seeds", "1", "--", "--epochs", "3")[0] == 0


def test_a_value_is_run_once_and_stays_in_the_folder(demo):
    status, settings = swept(demo, "--grid", "latent=2, 3,2", "--seeds", "1", "--grid", "data=../a b,c/d")
    assert status == 0 and [one["setting"]["latent"] for one in settings] == ["2", "2", "3", "3"]
    made = sorted(path.name for path in (demo.parent / "out").iterdir() if path.is_dir())
    assert made == [f"latent-{n}_data-{name}_seed-0" for n in (2, 3) for name in ("..%2Fa%20b", "c%2Fd")]


def test_the_chart_shows_a_figure_that_all_settings_have(demo, monkeypatch):
    shown = []
    monkeypatch.setattr(sweep, "draw", lambda found, figure, path: shown.append(figure))
    demo.write_text(DEMO.replace('"error": error', '"of " + flags["--latent"]: 1.0, "error": error'))
    swept(demo, "--grid", "latent=2,3", "--seeds", "1")
    swept(demo, "--grid", "latent=2,3", "--seeds", "1", "--figure", "of 3")
    assert shown == ["error", "of 3"]


def test_the_chart_shows_the_standard_deviation(tmp_path, monkeypatch):
    axes = pytest.importorskip("matplotlib.axes")
    drawn, real = [], axes.Axes.errorbar

    def errorbar(axis, x, y, yerr, **style):
        drawn.append((x, y, yerr))
        return real(axis, x, y, yerr, **style)
    monkeypatch.setattr(axes.Axes, "errorbar", errorbar)
    found = [{"setting": {"latent": name}, "figures": {"error": values}}
             for name, values in (("2", [1.0, 3.0]), ("3", []), ("4", [5.0]))]
    sweep.draw(found, "error", tmp_path / "sweep.png")
    assert drawn == [(0, 2.0, pytest.approx(np.sqrt(2))), (1, 5.0, 0.0)] and (tmp_path / "sweep.png").exists()


def test_a_figure_that_a_run_lacks_is_not_zero(demo):
    demo.write_text(DEMO.replace('"error": error', '**({"error": error} if error > 2 else {})'))
    assert swept(demo, "--grid", "latent=2", "--seeds", "2")[1][0]["figures"] == {"error": [3.0]}


def test_after_a_stop_no_run_begins(demo, tmp_path):
    stop = threading.Event()
    stop.set()
    assert sweep.run(demo, tmp_path / "run", ["--latent", "2", "--seed", "0"], 1, stop) is None
    assert not (tmp_path / "log").exists()


def test_runs_side_by_side_share_the_cores(demo, monkeypatch):
    demo.write_text(DEMO + "open(Path(__file__).with_name('threads'), 'w').write("
                           "__import__('os').environ['OPENBLAS_NUM_THREADS'])\n")
    monkeypatch.setattr(sweep.os, "cpu_count", lambda: 8)
    swept(demo, "--grid", "latent=2", "--seeds", "1")
    assert (demo.parent / "threads").read_text() == "4"         # of 8 cores, for each of 2 jobs


def test_a_demo_without_a_result_is_named(demo, capfd):
    demo.write_text("print('done')")
    assert swept(demo, "--seeds", "1", "--figure", "error")[0] == 1
    assert "seed-0: status 0, but no result.json" in capfd.readouterr().err


def test_a_run_that_fails_after_its_result_has_failed(demo, capfd):
    demo.write_text(DEMO + "sys.exit('too late')\n")
    assert swept(demo, "--grid", "latent=2", "--seeds", "1")[0] == 1
    assert "seed-0: status 1\ntoo late" in capfd.readouterr().err


def test_values_that_hold_commas():
    assert list(sweep.grid(["hidden=400;500,500"])) == [{"hidden": "400"}, {"hidden": "500,500"}]


@pytest.mark.parametrize("line, words", [
    (["--grid", "latent"], "must be FLAG=A,B"), (["--grid", "=3"], "must be FLAG=A,B"),
    (["--figure", "loss", "--grid", "latent=1"], "no run has a figure 'loss'; there are error")])
def test_what_cannot_be_swept_is_refused(demo, line, words):
    with refused(BadValue, words):
        swept(demo, *line)


def test_spread():
    assert sweep.spread([]) == "" and sweep.spread([2.0]) == "2.000"
    assert sweep.spread([1.0, 3.0]) == f"2.000 ± {np.sqrt(2):.1f}"
