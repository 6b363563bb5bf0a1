"""demo · experiments: the results of a demo's run, and the results it should reach.

A demo that has figures ends by writing result.json into its run's folder. EXPERIMENTS lists the runs in the table of
results and the range in which each figure should lie. `python benchmarks/quality.py` runs them and writes the table.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import files
from ..train.history import Row, to_csv


class Target(NamedTuple):
    """The range [least, most] in which a figure of a run should lie, and the source of that range."""

    figure: str
    least: float
    most: float
    source: str

    @property
    def text(self) -> str:
        if self.least == -inf:
            return f"<= {self.most:g}"
        if self.least == self.most:
            return f"= {self.most:g}"
        return f">= {self.least:g}" if self.most == inf else f"{self.least:g} to {self.most:g}"

    def met(self, value: float) -> bool:
        return self.least <= value <= self.most


def at_most(figure: str, most: float, source: str) -> Target:
    return Target(figure, -inf, most, source)


def at_least(figure: str, least: float, source: str) -> Target:
    return Target(figure, least, inf, source)


class Experiment(NamedTuple):
    """A run of demos/DEMO.py with these flags, --data first, and targets for some of its figures."""

    demo: str
    flags: str
    targets: tuple[Target, ...] = ()

    @property
    def name(self) -> str:
        """The name of the result's file: vae --data mnist --latent 2 -> vae-mnist-latent-2."""
        return "-".join([self.demo, *self.flags.replace("--data ", "").replace("--", "").replace(",", "-").split()])


BOTH = ("mnist", "fashion-mnist")
PCA = {("mnist", 2): 43.645, ("mnist", 10): 26.714, ("mnist", 20): 18.454, ("mnist", 30): 13.866,
       ("fashion-mnist", 2): 36.139, ("fashion-mnist", 10): 19.092, ("fashion-mnist", 20): 14.664,
       ("fashion-mnist", 30): 12.243}       # squared error per test image with k components


def reference(name: str, k: int) -> Target:
    """PCA's known error. Finding it again shows that images and split are the published ones."""
    return Target("squared error of PCA", PCA[name, k] - 0.001, PCA[name, k] + 0.001,
                  "SVD in float64 of the 60 000 training images")


FOUND_PCA = (at_most("error / PCA's", 1.005, "Baldi & Hornik 1989: PCA is the only minimum"),
             at_most("largest angle to PCA's subspace, degrees", 2, "Baldi & Hornik 1989"))

EXPERIMENTS: list[Experiment] = [
    Experiment("linear", "--data digits", FOUND_PCA),
    Experiment("linear", "--data moon --latent 2 --batch-size 100", FOUND_PCA),
    *[Experiment("linear", f"--data mnist --latent {k}", (reference("mnist", k), *FOUND_PCA)) for k in (2, 10, 30)],
    Experiment("linear", "--data fashion-mnist --latent 30 --epochs 80", (reference("fashion-mnist", 30), *FOUND_PCA)),
    Experiment("autoencoder", "--data digits"),
    Experiment("autoencoder", "--data mnist --hidden 1000,500,250 --latent 30 --epochs 30", (
        reference("mnist", 30),
        at_most("squared error", 6, "PyTorch, same layers: 6.8 after 10 epochs; Hinton & Salakhutdinov 2006: 3.0"))),
    Experiment("autoencoder", "--data mnist --hidden 512,256 --latent 128 --betas 0.5,0.999"),
    *[Experiment("autoencoder", f"--data fashion-mnist --latent {k}", (
        reference("fashion-mnist", k),
        at_most("error / PCA's", 1, "our aim; PCA is the best of all linear codes"))) for k in (2, 10, 20, 30)],
    *[Experiment("denoising", f"--data {name}", (
        Target("gaussian 0.5: error of a copy", 195, 197, "the noise itself: 784 pixels of variance 0.25"),
        at_most("gaussian 0.5: error / that of a copy", 0.1, "our aim; a copy scores 1"))) for name in BOTH],
    *[Experiment("stacked", f"--data {name}", (
        Target("parameters", 281_734, 281_734, "784*300 + 300*150 weights, 300 + 150 + 300 + 784 biases"),
        at_most("largest difference of weights, layers / phases", 1e-6, "the same computation, written in two ways"),
        at_most("movement of the first layer while the second learns", 0, "its parameters are not in the list")))
      for name in BOTH],
    *[Experiment("dropout", f"--data {name}", (
        at_most("gap with / gap without", 1, "Srivastava et al. 2014: dropout narrows it"),)) for name in BOTH],
    *[Experiment("pretraining", f"--data {name}", (
        at_least("100 labels, gain", 0, "Erhan et al. 2010: it helps if labels are few"),)) for name in BOTH],
    Experiment("features", "--data digits", (
        at_least("activation by ascent / by the best image", 1, "the best of all images beats the best of the set"),)),
    Experiment("interpolate", "--data moon", (
        at_most("codes / pixels", 0.5, "our aim; 1 is no better than mixing pixels"),)),
    Experiment("anomaly", "--data digits", (
        at_least("area under ROC", 0.75, "our aim; 0.5 is no better than a coin"),
        at_least("area / PCA's", 1, "our aim; PCA is the best of all linear codes"))),
    Experiment("conditional", "--data digits", (
        at_least("drawings read as asked, %", 70, "our aim; a VAE that ignores the class reaches 10"),)),
    Experiment("vae", "--data digits"),
    Experiment("vae", "--data mnist --samples 5000", (
        at_most("nats per image", 107, "784-400-20 in PyTorch: 104 to 106 after 10 epochs"),)),
    *[Experiment("vae", f"--data mnist {flags}") for flags in (
        "--hidden 128 --latent 10", "--hidden 500,500 --activation elu", "--latent 2", "--scale sigma",
        "--likelihood gaussian")],
    Experiment("vae", "--data fashion-mnist", (
        at_most("nats per image", 245, "784-400-20 in PyTorch, same settings: 244.0 to 244.3"),)),
    *[Experiment("sparse", f"--data {name}", (
        Target("mean activation", 0.09, 0.11, "the target of its penalty, 0.1"),)) for name in BOTH],
    *[Experiment("contractive", f"--data {name}", (
        at_most("Jacobian norm / that of the plain net", 0.5, "our aim; Rifai et al. 2011: 0.73 against 17.5"),))
      for name in BOTH],
    *[Experiment("adversarial", f"--data {name}", (
        at_most("largest mean of a code", 0.5, "our aim; the prior's is 0"),
        at_most("covariance of the codes from the identity", 0.5, "our aim; the prior's is 0"))) for name in BOTH],
    Experiment("winner_take_all", "--data mnist --latent 2000 --epochs 5", (
        at_least("accuracy from codes, %", 98, "Makhzani & Frey 2015: 98.8; a TensorFlow run 98.6"),)),
    Experiment("winner_take_all", "--data fashion-mnist"),
    *[Experiment("gsn", f"--data {name}", (
        at_least("classes with 1 % of 1000 steps", 8, "our aim; there are 10"),)) for name in BOTH],
    *[Experiment("collapse", flags, (
        at_most("kl, at once", 0.1, "our aim; 0 is a full collapse"),
        at_least("kl, warm-up", 1, "our aim; the classes alone are 2.3 nats"))) for flags in (
            "--data digits", "--data mnist", "--data fashion-mnist --hidden 200,200,200,200")],
    *[Experiment("conv_autoencoder", f"--data {name}") for name in BOTH],
    Experiment("conv_stacked", "--data mnist"),
    Experiment("conv_denoising", "--data mnist", (
        at_most("convolutions: error / that of a copy", 0.1, "our aim; a copy scores 1"),)),
    Experiment("conv_winner_take_all", "--data mnist", (
        at_least("accuracy from maps, %", 97, "our aim; Makhzani & Frey 2015: 99.36 from 128 maps, with all labels"),)),
    Experiment("conv_winner_take_all", "--data fashion-mnist"),
    Experiment("conv_vae", "--data mnist --epochs 30", (
        at_most("nats per image, in training", 146.95, "Keras' example, 30 epochs: 140.15 + 6.80, in training"),)),
    Experiment("sprites", "--data creatures", (
        at_most("squared error per pixel", 0.02, "our aim; the mean image has 0.049"),
        at_least("R^2 of head size", 0.9, "our aim; 0 means no information about it"))),
]


def ratio(a: float, b: float) -> float:
    """a / b; nan if b is 0, as PCA's error is for images that are all equal."""
    return a / b if b else nan


def write(out: str | Path, flags: argparse.Namespace, history: Sequence[Row], figures: Mapping[str, float]) -> None:
    """Write out/result.json: demo, settings, fingerprint of the data, seconds of training, machine, figures by name.

    history: the rows of all models that the demo has trained, one after the other, with phases named by model. They
    become out/history.csv, which until then has those of the model that fit trained in this folder. Figures that are
    not finite are left out.
    """
    how = ("out", "page", "resume", "unroll", "captured", "data_dir")       # changes no figure
    setting = {name: value for name, value in vars(flags).items() if name not in (*how, "demo", "fingerprint")}
    epochs = {(row["epoch"], row["seconds"]) for row in history}        # all phases of an epoch repeat its seconds
    result = {"demo": flags.demo, "setting": setting, "fingerprint": flags.fingerprint, "machine": machine(),
              "seconds": round(sum(seconds for _, seconds in epochs), 1),
              "figures": {name: float(f"{value:.6g}") for name, value in figures.items() if isfinite(value)}}
    files.write(Path(out) / "history.csv", to_csv(list(history)).encode())
    files.write(Path(out) / "result.json", (json.dumps(result, indent=2) + "\n").encode())


def read(path: str | Path) -> dict[str, Any]:
    """The content of a result.json."""
    return json.loads(Path(path).read_text())


def machine() -> str:
    """The processor, its cores, the versions of Python and NumPy, and the number of BLAS threads if it was limited."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        chip = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):            # not Linux, or not on a PC
        chip = platform.processor() or platform.machine()
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    limited = f", OPENBLAS_NUM_THREADS={threads}" if threads else ""
    return f"{chip}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}{limited}"
