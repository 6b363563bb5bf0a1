"""Runs on several ranks, compared with the same run on one. Started by mpiexec; rank 0 prints what it saw as JSON.

    mpiexec -n 3 python ranks.py compare FOLDER     each rank trains alone, then as one of 2 and one of 3
    mpiexec -n 2 python ranks.py endless FOLDER     a run without end, to be stopped; each rank writes its pid
    mpiexec -n 2 python ranks.py one-fails FOLDER   rank 1 meets an image that no other rank sees
    mpiexec -n 2 python ranks.py other-data FOLDER  rank 1 has other images
"""
from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tiny_runs
from mpi4py import MPI

from tinyae import models, train
from tinyae.errors import BadValue
from tinyae.train import distributed
from tinyae.train.interrupt import Interrupted
from tinyae.train.loader import Loader
from tinyae.train.metrics import LossSums
from tinyae.train.schedule import as_stages

WORLD = MPI.COMM_WORLD
ALONE = MPI.COMM_SELF


def vae() -> list[train.Phase]:
    return tiny_runs.one_phase(tiny_runs.vae(), lr=1e-3)


def adversarial() -> models.Adversarial:
    return models.Adversarial(16, (8,), 2, rng=np.random.default_rng(0))


# Schedules and settings. 50 images: a batch of 8 leaves one of 2, fewer than there are ranks.
RUNS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "203 steps": (vae, {"epochs": 29}),
    "layer-wise, then two phases in turns": (tiny_runs.stages, {"epochs": [3, 3], "seed": 3}),
    "adversarial": (adversarial, {"epochs": 5}),
    "a batch of 2": (vae, {"epochs": 2, "batch_size": 2}),
    "a batch of 1": (vae, {"epochs": 2, "batch_size": 1}),
    "float64": (lambda: tiny_runs.one_phase(tiny_runs.vae(dtype=np.float64)), {"epochs": 2}),
}


def losses(schedule: Any, **settings: Any) -> np.ndarray:
    """Train; -> every loss of every step and test batch, and those of the history."""
    seen = []
    record = LossSums.record

    def recording(sums: LossSums, phase: Any, images: int, terms: dict[str, Any]) -> None:
        seen.extend(t.item() for t in terms.values())
        record(sums, phase, images, terms)
    LossSums.record = recording         # type: ignore[method-assign]
    rows = tiny_runs.fit(schedule, **settings)
    LossSums.record = record            # type: ignore[method-assign]
    return np.array(seen + history(rows))


def history(rows: list[dict[str, Any]]) -> list[float]:
    return [value for row in rows for name, value in row.items() if name.startswith(("train_", "test_"))]


def parameters(schedule: Any) -> bytes:
    """The bytes of all parameters of a schedule or a model."""
    return b"".join(p.data.tobytes() for stage in as_stages(schedule) for phase in stage for p in phase.params.values())


def compare(comm: Any) -> Iterator[tuple[str, Any]]:
    """(run, [the largest relative difference of a loss from that of one process, whether all ranks end equal])."""
    for name, (make, settings) in RUNS.items():
        schedule = make()
        together = losses(schedule, communicator=comm, **settings)
        same = len(set(comm.allgather(parameters(schedule)))) == 1
        yield name, [float(abs(together / alone(name) - 1).max()), same] if comm.rank == 0 else None


@cache
def alone(name: str) -> np.ndarray:
    make, settings = RUNS[name]
    return losses(make(), communicator=ALONE, **settings)


def raised(kind: type[BaseException], act: Callable[[], Any]) -> str:
    try:
        act()
    except kind as error:
        return str(error)
    return "nothing"


def resume(comm: Any, folder: Path) -> dict[str, Any]:
    """A run that is interrupted on the ranks of comm by a signal to the last, and goes on alone."""
    rank, last = comm.rank, comm.size - 1
    out = folder / f"rank-{rank}"

    def interrupting() -> Any:
        (stage,) = vae()
        calls = iter(range(10**6))

        def losses(batch: Any, rng: Any) -> Any:
            if next(calls) == 20 and rank == last:
                os.kill(os.getpid(), signal.SIGINT)
            return stage.losses(batch, rng)
        return [stage._replace(losses=losses)]

    message = raised(Interrupted, lambda: tiny_runs.fit(interrupting(), communicator=comm, epochs=4, out=out))
    messages = comm.allgather(message.replace(str(out), "OUT"))
    tiny_runs.fit(vae(), communicator=comm, epochs=5, out=out, resume=True)
    folders = comm.allgather(str(out))
    if rank > 0:
        return {}
    rows = tiny_runs.fit(vae(), communicator=ALONE, epochs=6, out=out, resume=True)
    whole = tiny_runs.fit(vae(), communicator=ALONE, epochs=6)
    return {"messages": messages, "folders": [Path(path).exists() for path in folders],
            "difference": float(abs(np.divide(history(rows), history(whole)) - 1).max())}


class Counting(np.ndarray):
    """Images that count how many of them are read."""
    read = 0

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, np.ndarray):
            Counting.read += len(key)
        return super().__getitem__(key)


def reading(comm: Any) -> list[int]:
    """How many images each rank reads in an epoch of 48 training images and 20 test images, in batches of 6."""
    training, test = tiny_runs.images(48)
    Counting.read, checked = 0, 2 * 6            # check_losses reads a batch whole and in halves
    tiny_runs.fit(vae(), data=(training.images.view(Counting), test.images.view(Counting)), batch_size=6,
                  communicator=comm)
    return comm.allgather(Counting.read - checked)


def unequal(comm: Any) -> dict[str, list[str]]:
    """What the ranks say after a parameter has changed on the last, and after the last has drawn more noise."""
    is_last = comm.rank == comm.size - 1
    (phase,) = vae()

    def meddle(epoch: int) -> None:
        if is_last:
            p = next(iter(phase.params.values()))
            p.data = p.data + 1e-3

    def noisy(batch: Any, rng: Any) -> Any:
        if is_last:
            rng.random((1,), dtype=np.float32)
        return phase.losses(batch, rng)
    return {what: comm.allgather(raised(BadValue, lambda run=run, on_epoch=on_epoch: tiny_runs.fit(
                run, epochs=3, on_epoch=on_epoch, communicator=comm)).partition("\n")[0])
            for what, run, on_epoch in (("noise", [phase._replace(losses=noisy)], None),
                                        ("parameters", [phase], meddle))}


def stopping(comm: Any) -> list[list[int]]:
    """The epochs of each rank's history and the lines that it reports; rank 0 alone wants to stop after the second."""
    lines: list[str] = []

    def stop(epoch: int) -> None:
        if comm.rank == 0 and epoch == 2:
            raise train.StopTraining
    rows = tiny_runs.fit(vae(), epochs=5, on_epoch=stop, communicator=comm, report=lines.append)
    return comm.allgather([len(rows), len(lines)])


def refusals(comm: Any) -> dict[str, list[str]]:
    """What each rank says of a loss that cannot be shared out, and of a rate at which numbers overflow."""
    sparse = models.Sparse(16, (), 8, rng=np.random.default_rng(0))
    diverging = tiny_runs.one_phase(tiny_runs.vae(), lr=1e30)
    return {name: comm.allgather(raised(BadValue, lambda run=run: tiny_runs.fit(run, communicator=comm)))
            for name, run in {"sparse": sparse, "diverging": diverging}.items()}


def compare_all(folder: Path) -> None:
    pair = WORLD.Split(0 if WORLD.rank < 2 else MPI.UNDEFINED, WORLD.rank)
    seen = {}
    for comm in [pair, WORLD] if WORLD.rank < 2 else [WORLD]:
        seen[comm.size] = {"runs": dict(compare(comm)), "resumed": resume(comm, folder / str(comm.size)),
                           "read": reading(comm), "unequal": unequal(comm), "stopped": stopping(comm),
                           "refused": refusals(comm)}
    if WORLD.rank == 0:
        print(json.dumps(seen))


def endless(folder: Path) -> None:
    def lose_patience(epoch: int) -> None:
        """From the first epoch's end, wait as long as the test says: the start may take longer."""
        distributed.world().timeout = float(os.environ.get("PATIENCE", 30))
    try:
        tiny_runs.fit(vae(), epochs=10**6, out=folder / "run", checkpoint_steps=1, on_epoch=lose_patience)
    except Interrupted as stop:
        print(stop, file=sys.stderr, flush=True)
        sys.exit(128 + stop.signum)


def one_fails(folder: Path) -> None:
    batch = Loader.batch

    def failing(*args: Any) -> Any:
        if WORLD.rank == 1:
            raise BadValue("image 7 has a pixel outside [0, 1]", expected="", got="", fix="")
        return batch(*args)

    def spoil(epoch: int) -> None:
        Loader.batch = failing          # type: ignore[method-assign]
    tiny_runs.fit(vae(), epochs=3, on_epoch=spoil, out=folder / "run")


def other_data(folder: Path) -> None:
    training, test = tiny_runs.images()
    if WORLD.rank == 1:
        training = training._replace(images=255 - training.images)
    tiny_runs.fit(vae(), data=(training, test), out=folder / "run")


if __name__ == "__main__":
    if sys.argv[1] != "compare":
        Path(sys.argv[2], f"{WORLD.rank}.pid").write_text(str(os.getpid()))
    {"compare": compare_all, "endless": endless, "one-fails": one_fails,
     "other-data": other_data}[sys.argv[1]](Path(sys.argv[2]))
