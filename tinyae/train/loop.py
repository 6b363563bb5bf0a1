"""train: one loop for every model.

    phase = Phase(model.losses, params(model), Adam(params(model)))
    fit([phase], data.load("digits"), epochs=10, batch_size=128, seed=0, out="runs/first")

Nothing in the loop waits for the device: losses stay there as arrays, and the progress bar, the finiteness check
and the checkpoint share one read of them, at most once a second.
"""
from __future__ import annotations

import json
import math
import platform
import zlib
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import numpy as np
from tqdm import tqdm

from .. import __version__, files
from ..backend import Array, device_of, freeze, generator, to_device, to_host
from ..data import batch as rows_of
from ..data import to_device_if_it_fits
from ..errors import BadValue
from ..tensor import Tensor, grad
from . import checkpoint, diagnose, history
from .interrupt import Interrupt, Interrupted
from .metrics import Ledger, losses_of
from .schedule import Phase, Stage, as_stages, check_whole, parameters, split_epochs, stage_ends
from .state import Progress, put_back, take

__all__ = ["Phase", "fit", "split_epochs"]

SHUFFLE, NOISE, EVALUATION = 0, 1, 2    # streams: the generator of stream s in epoch e is default_rng([seed, s, e])
READ_EVERY = 1.0                        # seconds between two reads of the losses


def fit(schedule: Sequence[Phase | Stage], data: tuple[Any, Any], *, epochs: int | Sequence[int], batch_size: int,
        seed: int = 0, out: str | Path | None = None, resume: bool = False,
        on_epoch: Callable[[int], str | None] | None = None, config: dict[str, Any] | None = None,
        checkpoint_every: float = 30.0, checkpoint_steps: int | None = None,
        report: Callable[[str], None] | None = print) -> list[history.Row]:
    """Train the schedule on data = (train, test), data sets or arrays of images; -> the history's rows (history.py).

    epochs: one number for every stage, or a list of one for each.
    out: the run's folder. It gets config.json (config and the settings here), history.csv, last.npz and best.npz
        (checkpoints; the best is that of the least test loss of the stage's first phase) and, at the end, weights.npz
        (plain arrays). None: nothing is written.
    resume: go on from out/last.npz if it is there. On the CPU (same machine, same number of threads) the result is bit
        for bit that of a run never interrupted; on CUDA so from an epoch's start.
    on_epoch: called with each finished epoch (from 1) to draw pictures; what it returns ends the epoch's line.
    checkpoint_every, checkpoint_steps: seconds and steps between checkpoints in an epoch; every epoch ends with one.
    report: takes each epoch's line; None silences the run, progress bar included.

    Ctrl-C or SIGTERM finishes the step, saves and raises Interrupted; a second one stops at once. A loss, gradient
    or parameter that is not finite stops the run with a BadValue that names step, term and op; the checkpoint
    before stays.
    """
    run = _Run(schedule, data, epochs, batch_size, seed, out, on_epoch, checkpoint_every, checkpoint_steps, report)
    with np.errstate(all="ignore"), run.asked:      # numbers that are not finite: see stop_on_nonfinite
        run.start(resume, config or {})
        while run.at.epoch < run.ends[-1]:
            run.epoch()
        run.finish()
    return run.at.history


class _Run:
    """One call of fit. `at`, the parameters and the optimizers are its state, and what a checkpoint holds."""

    def __init__(self, schedule: Any, data: Any, epochs: Any, batch_size: int, seed: int, out: Any, on_epoch: Any,
                 checkpoint_every: float, checkpoint_steps: int | None, report: Any):
        check_whole("seed", seed, 0)
        check_whole("batch_size", batch_size, 1)
        check_whole("checkpoint_steps", 1 if checkpoint_steps is None else checkpoint_steps, 1)
        self.stages = as_stages(schedule)
        self.ends = stage_ends(epochs, len(self.stages))     # the epochs after which a stage is over
        self.train, self.test = _images(data)
        if batch_size > len(self.train):
            raise BadValue("the batch is larger than the data", expected=f"at most {len(self.train)}, all of the data",
                           got=f"batch_size={batch_size}", fix=f"batch_size={min(128, len(self.train))}")
        self.batch_size, self.seed, self.on_epoch, self.report = batch_size, seed, on_epoch, report
        self.checkpoint_every, self.checkpoint_steps = checkpoint_every, checkpoint_steps
        self.out = None if out is None else Path(out)
        self.params = parameters(self.stages)
        like = next(iter(self.params.values())).data
        self.device, self.dtype = device_of(like), like.dtype
        self.steps = math.ceil(len(self.train) / batch_size)
        self.facts = {"seed": seed, "batch_size": batch_size, "training images": _fingerprint(self.train),
                      "test images": _fingerprint(self.test), "epochs of the earlier stages": self.ends[:-1]}
        self.train, self.test = (to_device_if_it_fits(images, self.device) for images in (self.train, self.test))
        self.at, self.ledger, self.asked = Progress(), Ledger({}), Interrupt()
        self.read_at = self.saved_at = perf_counter()

    # From start to finish.

    def start(self, resume: bool, config: dict[str, Any]) -> None:
        """Claim the folder; go on where its checkpoint stands, if that is wanted and there is one."""
        if self.out is not None and not resume:
            files.claim(self.out)
        self.saved = take(self.stages, self.at, self.facts)
        last = self.out / "last.npz" if resume and self.out is not None else None
        if last is not None and last.exists():
            limit = checkpoint.OVERHEAD + 2 * sum(a.nbytes for a in self.saved[1].values())
            self.at = put_back(checkpoint.load(last, limit), self.stages, self.facts, last)
        settings = {"epochs": self.ends[-1], "batch_size": self.batch_size, "seed": self.seed, "device": self.device}
        versions = {"tinyae": __version__, "numpy": np.__version__, "python": platform.python_version()}
        self.write("config.json", json.dumps(settings | config | {"versions": versions}, indent=2) + "\n")
        self.say(f"{len(self.train):,} training and {len(self.test):,} test images, {self.steps} steps an epoch, on "
                 f"{self.device}" + f"; going on after epoch {self.at.epoch}, step {self.at.step}" * resume)
        self.save(self.noise())

    def epoch(self) -> None:
        """The steps that are left of the epoch under way; its test loss, pictures, checkpoint and line."""
        at, began = self.at, perf_counter() - self.at.seconds
        self.ledger = Ledger(at.sums)
        order, noise = self.order(), self.noise()
        with tqdm(total=self.steps, initial=at.step, desc=f"epoch {at.epoch + 1}", unit=" steps", leave=False,
                  disable=None if self.report else True) as bar:
            while at.step < self.steps:
                self.step(order, noise)
                at.step, at.seconds = at.step + 1, perf_counter() - began
                self.between_steps(bar, noise)
            self.read(bar)
        tested, peaks = self.evaluate()
        at.seconds = perf_counter() - began
        rows = [history.row(at.epoch + 1, (at.epoch + 1) * self.steps, phase.name, at.seconds,
                            train=self.ledger.per_image(phase, len(self.train)),
                            test=tested.per_image(phase, len(self.test))) for phase in self.stage()]
        self.end_epoch(rows, diagnose.troubles(peaks, self.params))

    def end_epoch(self, rows: list[history.Row], notes: list[str]) -> None:
        # The pictures come before the checkpoint: a run killed while it draws them draws them again.
        drawn = self.on_epoch(self.at.epoch + 1) if self.on_epoch else None
        best = math.inf if self.at.epoch in self.ends else self.at.best     # each stage has its own
        loss = rows[0]["test_total"]
        self.at = Progress(epoch=self.at.epoch + 1, best=min(best, loss), history=self.at.history + rows)
        self.save(None, is_best=loss < best)
        self.write("history.csv", history.to_csv(self.at.history))
        for row in rows:
            self.say(history.line(row, self.ends[-1], notes + ([drawn] if drawn else [])))

    def finish(self) -> None:
        self.write("history.csv", history.to_csv(self.at.history))     # again: a run may have been killed before it did
        self.write("weights.npz", checkpoint.npz({name: to_host(p.data) for name, p in self.params.items()}))

    # Within an epoch.

    def step(self, order: Array, noise: Any, look: bool = False) -> str | None:
        """One batch through every phase of the stage. look: examine it first; -> what is not finite, in words."""
        index = order[self.at.step * self.batch_size:(self.at.step + 1) * self.batch_size]
        batch = self.batch(self.train, index)
        for phase in self.stage():
            terms, total = losses_of(phase, batch, noise)
            gradients = grad(total, phase.params)
            if look and (bad := diagnose.first_bad(terms, total, gradients)):
                return bad
            phase.optimizer.step(gradients)
            self.ledger.note(phase, len(index), terms)
        return None

    def between_steps(self, bar: Any, noise: Any) -> None:
        """Read the losses, save, stop: each when it is due."""
        now, stop = perf_counter(), self.asked.signum
        counted = self.checkpoint_steps is not None and self.at.step % self.checkpoint_steps == 0
        save = stop or counted or now - self.saved_at >= self.checkpoint_every
        if save or now - self.read_at >= READ_EVERY:
            self.read(bar)
        if save:
            self.save(noise)
        if stop:
            raise Interrupted(f"stopped in epoch {self.at.epoch + 1} after step {self.at.step} of {self.steps}"
                              + (f", saved in {self.out}" if self.out else ""), stop, self.out)

    def read(self, bar: Any) -> None:
        """Add up the losses since the last read, and show them: the only wait for the device within an epoch."""
        if not self.ledger.read():
            self.stop_on_nonfinite()
        self.read_at = perf_counter()
        images = min(self.at.step * self.batch_size, len(self.train))
        bar.set_postfix({f"{phase.name} {term}".strip(): f"{loss:.2f}" for phase in self.stage()
                         for term, loss in self.ledger.per_image(phase, images).items()}, refresh=False)
        bar.update(self.at.step - bar.n)

    def evaluate(self) -> tuple[Ledger, dict[str, Array]]:
        """(the losses on the test images, the largest value of each relu unit there)."""
        tested = Ledger({})
        peaks: dict[str, Array] = {}
        for phase, images, terms, total in self.test_losses():
            tested.note(phase, images, terms)
            for layer, peak in diagnose.relu_peaks(total, self.params).items():
                peaks[layer] = np.maximum(peak, peaks[layer]) if layer in peaks else peak
        if not tested.read():
            self.stop_on_nonfinite()
        return tested, peaks

    def test_losses(self) -> Iterator[tuple[Phase, int, dict[str, Tensor], Tensor]]:
        """The stage's losses on the test images, batch by batch, with the same noise in every epoch."""
        rng = generator([self.seed, EVALUATION], self.device)
        for first in range(0, len(self.test), self.batch_size):
            index = np.arange(first, min(first + self.batch_size, len(self.test)))
            batch = self.batch(self.test, index)
            for phase in self.stage():
                yield phase, len(index), *losses_of(phase, batch, rng)

    def stop_on_nonfinite(self) -> NoReturn:
        """Replay from the last checkpoint, looking at every step, and name the first bad value."""
        good = self.at = put_back(self.saved, self.stages, self.facts, "the last checkpoint")
        place = f"epoch {good.epoch + 1}, step {good.step}"
        self.ledger = Ledger({})
        order, noise, bad = self.order(), self.noise(), None
        while bad is None and self.at.step < self.steps:
            bad = self.step(order, noise, look=True)
            self.at.step += 1
        where = f"epoch {self.at.epoch + 1}, step {self.at.step}"
        if bad is None:
            where = f"the test after epoch {self.at.epoch + 1}"
            bad = next(filter(None, (diagnose.first_bad(terms, total, {}) for *_, terms, total in self.test_losses())),
                       "a replay of the epoch did not meet it again")
        raise BadValue(f"the numbers went wrong: {where}", expected="finite losses and gradients", got=bad,
                       fix=f"a smaller learning rate (--lr); the last good checkpoint, {place}, is "
                           + (f"{self.out / 'last.npz'}" if self.out else "what the parameters hold now"))

    # What the above is made of.

    def stage(self) -> Stage:
        return self.stages[min(bisect(self.ends, self.at.epoch), len(self.stages) - 1)]

    def order(self) -> Array:
        order = np.random.default_rng([self.seed, SHUFFLE, self.at.epoch]).permutation(len(self.train))
        return to_device(order, device_of(self.train))

    def noise(self) -> Any:
        # On CUDA, where a state cannot be put back, the rest of an epoch draws from a stream of its own.
        rng = generator([self.seed, NOISE, self.at.epoch] + [self.at.step] * (self.at.step > 0), self.device)
        if self.at.noise:
            rng.bit_generator.state = self.at.noise
        return rng

    def batch(self, images: Any, index: Array) -> Array:
        return freeze(rows_of(images, index, self.device).astype(self.dtype, copy=False))

    def save(self, noise: Any, is_best: bool = False) -> None:
        """Keep all of the run in memory (for a replay) and in last.npz (for another day), unless it is not finite."""
        self.at.noise = noise.bit_generator.state if noise is not None and self.device == "cpu" else {}
        content = take(self.stages, self.at, self.facts)
        if not all(np.isfinite(a).all() for a in content[1].values()):
            self.stop_on_nonfinite()
        self.saved, self.saved_at = content, perf_counter()
        packed = checkpoint.pack(*content)
        if is_best:     # first: a run killed between the two writes does the epoch, and this write, again
            self.write("best.npz", packed)
        self.write("last.npz", packed)

    def write(self, name: str, content: bytes | str) -> None:
        if self.out is not None:
            files.write(self.out / name, content.encode() if isinstance(content, str) else content)

    def say(self, text: str) -> None:
        if self.report is not None:
            self.report(text)


def _images(data: Any) -> list[Any]:
    """The arrays of training and of test images."""
    parts: list[Any] = [getattr(part, "images", part) for part in data] if isinstance(data, tuple | list) else []
    shapes = [np.shape(part) for part in parts]
    if len(parts) != 2 or 0 in shapes[0] + shapes[1] or shapes[0][1:] != shapes[1][1:] or len(shapes[0]) < 2:
        raise BadValue("no images to train on and to test with", expected="(train, test), each images of one shape",
                       got=f"shapes {shapes}" if parts else type(data).__name__, fix='data.load("digits")')
    return parts


def _fingerprint(images: Any) -> str:
    """Shape, dtype and a checksum of some images: enough to notice that a run goes on with other data."""
    some = np.ascontiguousarray(images[::max(1, len(images) // 16)][:16])
    return f"{images.shape} {images.dtype} crc32 {zlib.crc32(some.tobytes()):08x}"
