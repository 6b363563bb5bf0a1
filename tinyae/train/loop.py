"""train · loop: one training loop for every model.

    fit(model, data.load("digits"), epochs=10, batch_size=128, lr=1e-3, seed=0, out="runs/first")

Nothing in the loop waits for the device. Losses stay there as arrays; the progress bar, the check for finite numbers
and the checkpoint share one read of them, at most once a second.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from .. import console
from ..backend import Array
from ..errors import BadValue
from ..tensor import grad
from . import diagnose, distributed, history
from .captured import Captured
from .diagnose import Examine, NonFinite
from .held_out import evaluate, test_losses
from .interrupt import Interrupt, Interrupted, run_callback
from .loader import Data, Loader
from .metrics import LossSums, losses_of
from .saver import Saver
from .schedule import Model, Phase, Rate, Stage, as_stages, constants, stage_ends
from .shares import check_losses
from .state import RunState

READ_EVERY = 1.0                        # seconds between two reads of the losses
OnEpoch = Callable[..., str | None]


def fit(model: Model | Sequence[Phase | Stage], data: Data, *, epochs: int | Sequence[int], batch_size: int = 128,
        lr: float | Rate | None = None, validation: float | None = None, seed: int = 0, out: str | Path | None = None,
        resume: bool = False, on_epoch: OnEpoch | None = None, config: dict[str, Any] | None = None,
        checkpoint_every: float = 30.0, checkpoint_steps: int | None = None, captured: bool = False,
        unrolled: bool = False, report: Callable[[str], None] | None = console.say,
        communicator: Any = None) -> list[history.Row]:
    """Train the model on data; -> the history's rows (history.py).

    model: an object with losses(batch, rng), or with players() that take turns, trained by Adam; or a list of stages
        (schedule.py) for other optimizers, frozen parameters and layer-wise training.
    data: (train, test), data sets or arrays of images; or one of them, with validation=0.1: a tenth of its images,
        drawn by the seed, is kept for the test.
    epochs: one number for every stage, or a list of one for each.
    lr: the model's learning rate, 1e-3 if left out; or a function of the epoch, counted from 0, as in
        lr=lambda epoch: 1e-3 * 0.5 ** epoch.
    out: the run's folder. It gets config.json (config, the settings here and sums of the images), history.csv, last.npz
        and best.npz (checkpoints; the best has the least test loss of its stage's first phase) and, at the end,
        weights.npz (plain arrays). None: nothing is written. A second run in the folder, also of another process, is
        refused.
    resume: go on from out/last.npz, with the model, settings and images that the run began with (others are refused);
        start anew if the folder holds no saved run. On the CPU (same machine, same number of threads) the result is bit
        for bit that of a run that was never stopped; on CUDA it is from an epoch's start.
    on_epoch: called with the number of each finished epoch (1, 2, ...), to draw pictures; if it has a parameter `rows`,
        also with the epoch's rows of the history, as in rows[0]["test_total"]. The text it returns ends the epoch's
        line. To stop early, it raises StopTraining("why"): the run ends as after its last epoch, and a resumed run
        stays ended.
    checkpoint_every, checkpoint_steps: seconds and steps between checkpoints in an epoch; every epoch ends with one.
    captured: on a GPU, record the step as a CUDA graph in every epoch, so that one launch starts it (see captured.py).
        For losses that do the same for every batch: what they do on the host happens twice in an epoch.
    unrolled: run each phase as a program (see tinyae.unroll), recorded anew in every epoch: the same bits, in less time
        for small nets. Losses that cannot be recorded are refused.
    report: receives each epoch's lines; None silences the run and its progress bar.
    communicator: of mpi4py, whose ranks share every batch (distributed.py); by default all processes that mpiexec has
        started. Rank 0 alone writes and reports. on_epoch is called on every rank, and rank 0's answer counts.

    Ctrl-C, SIGTERM or SIGHUP finishes the step, saves and raises Interrupted; a second one stops at once. If a loss,
    gradient or parameter is not finite, the run ends with a BadValue that names step, term and op; the last checkpoint
    stays.
    """
    stages = as_stages(model, lr)
    ends = stage_ends(epochs, len(stages))
    ranks = distributed.world() if communicator is None else distributed.Ranks(communicator)
    state = RunState(stages, ends, seed, unrolled, ranks)
    loader = Loader(data, validation, batch_size, seed, state.device, state.dtype)
    facts = loader.facts | {"epochs of the earlier stages": ends[:-1]} | constants(stages)
    saver = Saver(out if ranks.rank == 0 else None, checkpoint_every, checkpoint_steps, facts,
                  lambda: state.measure(loader.probe()))
    settings = {"epochs": ends[-1], "device": state.device} | loader.facts
    advance = Captured(step, state) if captured else step
    report = report if ranks.rank == 0 else None
    report_line = report or (lambda line: None)
    with ranks, np.errstate(all="ignore"), saver, Interrupt(saver.out) as interrupt:    # overflow: see `explain`
        try:
            if ranks.size > 1:
                check_losses(stages, loader)
            saver.begin(state, loader.steps, resume, settings | (config or {}))
            report_line(f"{loader}" + f"; going on after epoch {state.epoch}, step {state.step}" * resume)
            while not state.is_over:
                state.set_rates()
                order, began = loader.order(state.epoch), perf_counter() - state.seconds
                with console.bar(loader.steps, initial=state.step, desc=f"epoch {state.epoch + 1}", unit=" steps",
                                 shown=report is not None) as bar:
                    while state.step < loader.steps:
                        advance(state, loader, order)
                        state.seconds = perf_counter() - began
                        between_steps(state, loader, saver, interrupt, bar)
                    read_losses(state, loader, bar)
                tested, peaks = evaluate(state, loader)
                state.seconds = perf_counter() - began
                rows = rows_of(state, loader, tested)
                notes = diagnose.troubles(peaks, state.params) + run_callback(on_epoch, state, rows)
                saver.save(state, is_best=state.end_epoch(rows))
                saver.save_history(state)
                for line in history.lines(rows, ends[-1], notes):
                    report_line(line)
            saver.finish(state)
        except NonFinite:
            raise explain(state, loader, saver) from None
    return state.history


def step(state: RunState, loader: Loader, order: Array, examine: Examine | None = None) -> None:
    """One batch through every phase of the stage: losses, gradients, new parameters. `examine` sees each phase's."""
    index = order[state.step * loader.batch_size:(state.step + 1) * loader.batch_size]
    share = state.ranks.share(len(index))                                   # all of it, if there is one rank
    batch = loader.batch(loader.train, index[share.rows])                   # (k, pixels)
    for phase in state.stage:
        if state.unrolled and examine is None:
            terms = state.unrolled_step(phase)(batch, state.rng)
        else:
            terms, total = losses_of(phase, batch, share.noise(state.rng))
            gradients = grad(total, phase.params)
            if examine is not None:
                examine(terms, total, gradients)
            gradients, terms = state.ranks.mean(gradients, terms, share)    # of all ranks
            phase.optimizer.step(gradients)
        state.sums.record(phase, len(index), terms)
    state.step += 1


def between_steps(state: RunState, loader: Loader, saver: Saver, interrupt: Interrupt, bar: tqdm) -> None:
    """Read the losses, save and stop, when due."""
    stop = interrupt.signum         # read once: a later signal ends the run after the next step
    save = stop or saver.is_due(state.step)
    read = save or perf_counter() - state.sums.read_at >= READ_EVERY
    stop, save, read = state.ranks.largest(stop, save, read)       # what one rank must do, all do
    if read:
        read_losses(state, loader, bar)
    if save:
        saver.save(state)
    if stop:
        raise Interrupted(f"stopped in epoch {state.epoch + 1} after step {state.step} of {loader.steps}"
                          + (f", saved in {saver.out}" if saver.out else ""), stop, saver.out)


def read_losses(state: RunState, loader: Loader, bar: tqdm) -> None:
    """Sum the losses recorded since the last read, and show them: the only wait for the device within an epoch."""
    state.sums.read()
    state.ranks.check(state.params, state.rng)
    images = min(state.step * loader.batch_size, len(loader.train))
    bar.set_postfix({f"{phase.name} {term}".strip(): f"{loss:.2f}" for phase in state.stage
                     for term, loss in state.sums.per_image(phase, images).items()}, refresh=False)
    bar.update(state.step - bar.n)


def rows_of(state: RunState, loader: Loader, tested: LossSums) -> list[history.Row]:
    """The history's rows of the epoch under way, one for each phase."""
    epoch = state.epoch + 1
    return [history.row(epoch, epoch * loader.steps, phase.name, state.seconds,
                        train=state.sums.per_image(phase, len(loader.train)),
                        test=tested.per_image(phase, len(loader.test))) for phase in state.stage]


def explain(state: RunState, loader: Loader, saver: Saver) -> BadValue:
    """Replay from the last checkpoint, examining every step, to name the first number that is not finite.

    Each rank replays whole batches by itself, so all find the same. Afterwards the parameters are those of that
    checkpoint.
    """
    state.restore(saver.saved, "the last checkpoint")
    state.ranks = distributed.Ranks()
    good = f"epoch {state.epoch + 1}, step {state.step}"
    order, place = loader.order(state.epoch), ""
    try:
        while state.step < loader.steps:
            place = f"epoch {state.epoch + 1}, step {state.step + 1}"
            step(state, loader, order, diagnose.examine)
        place = f"the test after epoch {state.epoch + 1}"
        for *_, terms, total in test_losses(state, loader):
            diagnose.examine(terms, total, {})
        got = "a replay of the epoch did not meet it again"
    except NonFinite as found:
        got = str(found)
    state.restore(saver.saved, "the last checkpoint")
    where = f"{saver.out / 'last.npz'}" if saver.out else "what the parameters hold now"
    return BadValue(f"a number is not finite: {place}", expected="finite losses and gradients", got=got,
                    fix=f"a new run with a smaller learning rate (--lr); the last good checkpoint, {good}, is {where}")
