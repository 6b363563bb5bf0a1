"""Benchmarks: every library trains the same model, figures mean what their names say, and commands run to the end."""
from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from functools import partial
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinyae import Tensor, conv, ops
from tinyae.unroll import cublas

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import command  # noqa: E402
import conditions  # noqa: E402
import convolution  # noqa: E402
import cpu_vs_gpu  # noqa: E402
import feeding  # noqa: E402
import growth  # noqa: E402
import launches  # noqa: E402
import libraries  # noqa: E402
import losses  # noqa: E402
import performance  # noqa: E402
import race  # noqa: E402
import step  # noqa: E402
import tables  # noqa: E402
import techniques  # noqa: E402
import unrolled  # noqa: E402
import workloads  # noqa: E402
from libraries import hand, tinyae  # noqa: E402
from workloads import WORKLOADS  # noqa: E402


def small(name: str) -> workloads.Workload:
    """The workload with few images, and a small image for the convolutional one."""
    w = WORKLOADS[name].sized(8)
    return workloads.Workload(**{**vars(w), "encoder": (16, 3, 4, 6), "latent": 5}) if w.kind == "conv_vae" else w


class Rows(losses.Ops):
    """The losses on tinyae's own rows; those without a row come from losses.Ops."""

    exp, log, log1p, abs, tanh, sum, matmul = map(staticmethod, (
        ops.exp, ops.log, ops.log1p, ops.abs, ops.tanh, ops.sum, ops.matmul))

    def maximum(self, x):
        return ops.maximum(x, 0)

    def mean(self, x):
        return ops.mean(x, axis=0)

    def reshape(self, x, shape):
        return ops.reshape(x, shape=shape)

    def conv(self, x, W, b):
        return conv.conv2d(x, W, stride=2, padding=1) + b

    def conv_transpose(self, x, W, b):
        size = tuple(2 * n for n in x.shape[1:3])
        return conv.conv_transpose2d(x, W, size=size, stride=2, padding=1) + b


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_model_s_first_loss_is_the_one_that_the_other_libraries_are_given(name):
    w = small(name)
    p = {name: Tensor(a) for name, a in workloads.weights(w).items()}
    x, target = workloads.batch(w)
    expected = losses.loss(w, Rows(), p, x, target, next(workloads.noise(w)))
    assert tinyae.build(w)().item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name != "W7"])
def test_by_hand_the_losses_fall_as_tinyae_s_do(name):
    w = small(name)
    ours, theirs = tinyae.build(w), hand.build(w)
    found, expected = ([float(side()) for _ in range(race.WARM)] for side in (ours, theirs))
    assert found == pytest.approx(expected, rel=1e-4) and len(set(found)) == len(found)


def test_products_are_those_of_every_layer_but_the_first_input_s_gradient():
    assert workloads.products(WORKLOADS["W8"]) == [(1, 2, 16), (2, 1, 16), (1, 16, 16), (16, 1, 16), (1, 16, 16),
                                                   (1, 16, 1), (16, 1, 1), (1, 1, 16)]
    w = small("W7")             # forward: patches times kernel, both ways, and the dense layers between
    forward = workloads.products(w)[0::3][:1] + workloads.products(w)[2::3]
    assert sum(map(prod, forward)) == 8 * (64 * 27 * 4 + 16 * 36 * 6 + 2 * 96 * 5 + 5 * 96 + 16 * 54 * 4 + 64 * 36 * 3)


def test_programs_that_are_timed_do_not_import_tinyae():
    """Its memory settings would make every library faster."""
    code = "import sys, step, libraries.hand; print('tinyae' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER)
    assert ran.stdout == "False\n"


def test_a_race_gives_figures_and_leaves_out_what_fails():
    makers = {name: partial(libraries.step, name, "W8") for name in ("hand", "products", "nobody")}
    figures, failed = race.run(makers | {"W7": partial(libraries.step, "hand", "W7")}, rounds=2, seconds=0.01)
    assert set(figures) == {"hand", "products"} and failed["W7"] == "dense layers only"
    assert failed["nobody"] == "ModuleNotFoundError: No module named 'libraries.nobody'"
    mine = figures["hand"]
    assert len(mine["rounds_ms"]) == 2 and min(mine["rounds_ms"]) > 0 and mine["steps"] >= 2
    assert mine["losses"] == pytest.approx([float(hand.build(WORKLOADS["W8"])())] * 6, rel=0.2)
    twice = {"rounds_ms": [2 * t for t in mine["rounds_ms"]]}
    assert race.ratio(mine, mine) == 1 and race.ratio(mine, twice) == 0.5


def test_step_runs_to_its_end_and_names_what_is_not_installed(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(libraries.MODULES, "another", "nothing_of_this_name")
    assert step.main(["--only", "W8", "--libraries", "another", "--rounds", "1", "--seconds", "0.01", "--out",
                      str(tmp_path)]) == 0
    result = json.loads((tmp_path / "step.json").read_text())
    assert set(result["workloads"]["W8"]["libraries"]) == {"tinyae", "tinyae_unrolled", "hand", "products"}
    assert result["costs"]["tinyae"]["operation_us"] > 0 and result["threads"] == "1" and "NumPy" in result["machine"]
    said = capsys.readouterr().out
    assert "| tinyae" in said and "another is left out: nothing_of_this_name is not installed" in said


def test_step_says_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit):
        command.start(lambda: step.main(["--only", "W9"]))
    assert "there are W1, W2" in capsys.readouterr().err


@pytest.mark.parametrize("line", [
    "feeding --images 10", "feeding --images 0", "feeding --images -1", "feeding --images many",
    "cpu_vs_gpu --batches 0", "cpu_vs_gpu --batches 1,x", "cpu_vs_gpu --batches ,", "cpu_vs_gpu --rounds 0",
    "cpu_vs_gpu --seconds 0", "convolution --rounds 0", "convolution --rounds -1", "convolution --threads 0",
    "step --rounds 0", "step --seconds nan", "step --threads 1.5", "techniques --rounds 0",
    "techniques --seconds -1", "techniques --nonsense", "growth --only none", "shares --only W0",
    "launches --only W0", "performance --only all", "quality --only none", "quality --missing 3"])
def test_flags_that_no_benchmark_can_take_are_refused_in_three_lines(line, monkeypatch, capsys):
    name, *flags = line.split()
    monkeypatch.setattr(sys, "argv", [f"benchmarks/{name}.py", *flags])
    with pytest.raises(SystemExit) as status:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert status.value.code == 2
    assert re.fullmatch(r".+\n  expected: .+\n  got:      .*\n  fix:      .+\n", capsys.readouterr().err)


def test_another_model_is_told_by_its_loss():
    def figures(loss):
        return {"losses": [loss] * race.WARM}
    steps = {"W1": {"libraries": {"hand": figures(2.0), "tinyae": figures(2.0001), "torch": figures(2.1)}}}
    assert step.disagreeing(steps) == ["W1: torch's loss is 2.1, not 2"]


def test_numbers_have_three_figures_and_tables_are_markdown():
    found = [tables.number(x) for x in (0.012345, 1.2345, 123.45, 12345.6, 0)]
    assert found == ["0.0123", "1.23", "123", "12,346", "0"]
    lines = tables.table(["a", "ms"], [["long name", "1"]]).splitlines()
    assert lines == ["| a         | ms |", "| --------- | -: |", "| long name |  1 |"]


def test_a_busy_machine_is_said():
    assert conditions.busy(0.0) == "" and "1.5 of" in conditions.busy(1.5)
    assert np.isfinite(conditions.others_now(0.01))


def test_no_more_than_no_cpu_is_idle(monkeypatch):
    """The difference of two clocks falls below 0 where the machine is idle."""
    monkeypatch.setattr(conditions, "others_cpu", lambda: 5.0)
    assert str(conditions.others_since(5.0, 0.5)) == str(conditions.others_since(5.02, 0.5)) == "0.0"
    assert conditions.others_since(4.0, 0.5) == 2.0
    assert not [path for path in FOLDER.glob("measured/*.json") if '"others": -' in path.read_text()]


@pytest.fixture
def cublas_of_the_double(double, monkeypatch):
    monkeypatch.setattr(cublas.Blas, "one", lambda: SimpleNamespace(matmul=double.product, use=lambda stream: None))


@pytest.mark.parametrize("name", ["W1", "W2", "W4", "W5", "W7", "W8"])
def test_a_captured_step_is_the_step(name, double, cublas_of_the_double):
    """Also beyond the end of the captured step's epoch, which W8 reaches."""
    w = small(name)
    one, other = tinyae.build(w, "cuda"), tinyae.build_captured(w)
    losses = [(float(one()), float(other())) for _ in range(70 if name == "W8" else 6)]
    assert [b for _, b in losses] == pytest.approx([a for a, _ in losses], rel=1e-5)


def test_cpu_vs_gpu_has_two_halves_where_there_is_a_gpu(double, cublas_of_the_double, tmp_path, capsys):
    with double.counting() as n:
        assert cpu_vs_gpu.main(["--only", "W2,W8", "--batches", "1,2", "--rounds", "2", "--seconds", "0.001",
                                "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "cpu_vs_gpu.json").read_text())
    found = result["workloads"]["W8"]["2"]
    assert set(found) == {"cpu", "cuda", "speedup"} and len(found["cuda"]["products"]) == 2
    assert len(found["cuda"]["captured"]) == 2
    assert n.launches > 100 and n.syncs > 2 * 2 * 2 * 2         # both workloads, batches, things measured, rounds
    said = capsys.readouterr().out
    assert "speed-up" in said and "captured ms" in said and "W8: " in said and "Captured: " in said
    assert (tmp_path / "cpu_vs_gpu.png").stat().st_size > 10_000


def test_without_a_gpu_the_cpu_s_half_runs_and_says_what_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert cpu_vs_gpu.main(["--only", "W8", "--batches", "4", "--rounds", "1", "--seconds", "0.001", "--out",
                            str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "CuPy cannot be imported" in said.err and "GPU" not in said.out


def test_launches_are_counted_with_and_without_fusing(tmp_path, capsys):
    assert launches.main(["--only", "W8", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "launches.json").read_text())["workloads"]["W8"]
    assert 0 < found["kernels"]["launches"] < found["without fusing"]["launches"]
    assert found["kernels"]["waits"] == 0 and "| W8 net" in capsys.readouterr().out


@pytest.mark.parametrize("speedups, sentence", [
    ({1: 2.0, 8: 3.0}, "the GPU wins from batch 1 on"), ({1: 0.1, 8: 1.0}, "the CPU wins up to batch 8"),
    ({1: 0.1, 100: 10.0}, "below batch 10 the CPU wins here, above it the GPU"),
    ({1: 2.0, 8: 0.5}, "the GPU wins for small batches only: the CPU is ahead at batch 8")])
def test_the_crossing_is_said_plainly(speedups, sentence):
    assert cpu_vs_gpu.crossing(speedups) == sentence


def test_growth_runs_to_its_end(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(growth, "SIZES", {name: sizes[:2] for name, sizes in growth.QUICK.items()})
    monkeypatch.setattr(growth, "REPEATS", 1)
    monkeypatch.setattr(growth, "SECONDS", 0.001)
    assert growth.main(["--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "growth.json").read_text())["growth"]
    assert set(result) == set(growth.GROWTHS) and all(cost["MB"] > 0 < cost["ms"] for cost in result["depth"].values())
    assert result["batch"]["64"]["MB"] > 1.01 * result["batch"]["16"]["MB"]
    assert result["images"]["1000"]["MB"] == pytest.approx(result["images"]["10000"]["MB"], rel=0.01)
    assert result["steps"]["10"]["MB"] == pytest.approx(result["steps"]["100"]["MB"], rel=0.2)
    assert "slope" in capsys.readouterr().out and (tmp_path / "growth.png").stat().st_size > 10_000


def test_a_slope_is_that_of_the_large_sizes():
    sizes = [1, 2, 10, 20, 100, 1000]
    assert growth.slope(sizes, [5 + n ** 2 for n in sizes]) == pytest.approx(2, abs=0.01)


@pytest.mark.slow
def test_every_twin_trains_the_same_model(tmp_path, capsys):
    """main ends with an error if one of them does not."""
    assert techniques.main(["--only", "W2", "--rounds", "1", "--seconds", "0.001", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "techniques.json").read_text())["workloads"]["W2"]
    assert set(result) == set(techniques.TWINS)
    assert result["freed memory is kept, not given back to the system"]["losses"] == result["tinyae"]["losses"]
    assert "page faults" in capsys.readouterr().out


def test_unrolled_steps_are_timed_beside_the_tape(tmp_path, capsys):
    assert unrolled.main(["--only", "W8", "--rounds", "1", "--seconds", "0.01", "--runs", "2",
                          "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "unrolled.json").read_text())["workloads"]["W8"]
    assert len(found["runs"]) == 2 and found["first_ms"] > 0
    for run in found["runs"]:
        assert run["tinyae_unrolled"]["losses"] == run["tinyae"]["losses"]
    assert re.search(r"W8 net 2-16-16-1, .* \d\.\d\d \d\.\d\d \|", capsys.readouterr().out)


def test_shares_add_up_to_the_whole(tmp_path):
    """In a process of its own: the clocks stay in the rows."""
    code = "import sys, shares; shares.ROUNDS, shares.SECONDS = 1, 0.05; shares.main(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", code, "--only", "W4,W8", "--out", str(tmp_path)], check=True, cwd=FOLDER)
    for found in json.loads((tmp_path / "shares.json").read_text())["workloads"].values():
        assert sum(found.values()) == pytest.approx(1, abs=0.01) and min(found.values()) >= 0
        assert found["products"] > 0 < found["Adam"]


def test_feeding_counts_batches_and_random_numbers_of_a_real_run(monkeypatch, tmp_path):
    monkeypatch.setattr(feeding, "EPOCHS", 1)
    assert feeding.main(["--images", "256", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "feeding.json").read_text())["models"]
    assert all(0 < ms["batches"] < ms["steps"] for ms in found.values())
    assert found["VAE 784-400-20"]["random numbers"] > 0 == found["autoencoder 784-256-128-20"]["random numbers"]


def test_layers_of_both_nets_lead_down_and_back_up():
    labels = [layer.label for layer in convolution.layers()]
    assert len(labels) == 16 and labels[10:12] == ["64x64, 64 -> 32, transposed", "128x128, 32 -> 3, transposed"]
    assert [layer.label for layer in convolution.layers() if layer.first] == ["128x128, 3 -> 32", "28x28, 1 -> 16"]


@pytest.mark.parametrize("transposed", [False, True])
def test_a_layer_alone_is_the_same_for_both_sides(transposed):
    layer = convolution.Layer("", transposed, (2, 7, 6, 3), (2, 4, 3, 5), first=False)
    ours = float(convolution.our_layer(layer)())
    assert np.isfinite(ours) and ours > 1
    pytest.importorskip("torch")
    assert float(convolution.their_layer(layer)()) == pytest.approx(ours, rel=1e-5)


def test_a_process_grows_by_its_step():
    make = partial(convolution.our_step, "convolutional autoencoder, 28x28, batch 128")
    assert 5 < convolution.memory(make, threads=1) < 100


def test_convolution_reports_ratios_where_there_are_two_sides():
    ours, theirs = {"rounds_ms": [2.0, 3.0], "step_MB": 10.0}, {"rounds_ms": [4.0, 6.0], "step_MB": 40.0}
    layers = [{"net": "a", "label": "8x8, 1 -> 2", "sides": {"tinyae": ours, "torch": theirs}}]
    both = convolution.report({"steps": {"a": {"tinyae": ours, "torch": theirs}}, "layers": layers})
    assert both.count("0.50") == 2 and "0.25" in both and "8x8" in both
    alone = convolution.report({"steps": {"a": {"tinyae": ours}}, "layers": []})
    assert "2.50" in alone and "0.50" not in alone


def test_the_page_on_gpus_says_what_was_measured():
    text, found = (FOLDER.parent / "docs" / "gpu.md").read_text(), performance.measured()
    for name, batches in found["h200"]["workloads"].items():
        assert f"- {name}: {cpu_vs_gpu.crossing({int(n): b['speedup'] for n, b in batches.items()})}.\n" in text
    c = {name: runs["C"] for name, runs in found["h200"]["steps"].items()}
    w5, w7, on_gpu = c["W5"], c["W7"], found["h200"]["time on the GPU in run A"]["W5"]
    assert f"W5 captured, {w5['captured'] / w5['torch graph']:.2f}" in text
    assert f"W5 call by call, {w5['tinyae'] / w5['torch, default Adam']:.2f}" in text
    assert (f"W7 call by call, {w7['tinyae'] / w7['torch, default Adam']:.2f}, and captured, "
            f"{w7['captured'] / w7['torch graph']:.2f}") in text
    assert f"took {on_gpu['tinyae']['max, min and mean']:.0f} of the {on_gpu['tinyae']['us']:.0f} micro" in text
    assert f"{found['launches']['workloads']['W7']['kernels']['launches']} instead of 307" in text
    apart = {name: v["apart"] for name, v in found["h200"]["losses of the CPU and the GPU in run A"].items()}
    assert f"by {apart['W1 float32']:.1e} after 20 steps" in text
    assert max(v for name, v in apart.items() if "float64" in name and "W3" not in name) < 1e-10 < apart["W3 float64"]


def test_the_page_is_what_the_measured_files_say():
    found = performance.measured()
    if not found:
        pytest.skip("nothing measured yet: python benchmarks/performance.py")
    assert performance.PAGE.read_text() == performance.page(found)
