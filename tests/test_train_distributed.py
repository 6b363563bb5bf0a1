"""A run on several ranks is the run of one process, and no rank waits for one that will not come."""
from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae import models, ops, params, train
from tinyae.backend import LOCAL_RANKS, device_of, gpu, normal, uniform
from tinyae.errors import BadValue
from tinyae.optim import Adam
from tinyae.train import checkpoint, distributed, shares
from tinyae.train.distributed import Ranks
from tinyae.train.history import read_csv
from tinyae.train.loader import Loader
from tinyae.train.schedule import as_stages
from tinyae.train.state import RunState

HERE = Path(__file__).parent
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
needs_mpi = pytest.mark.skipif(not (MPIEXEC and importlib.util.find_spec("mpi4py")), reason="no mpi4py, or no mpiexec")
PATIENCE = 60.0     # seconds until a test calls it a hang


def mpiexec(n: int, script: Path, *arguments: Any, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen([MPIEXEC or "mpiexec", "-n", str(n), sys.executable, str(script), *map(str, arguments)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent),
                                              "TINYAE_MPI_TIMEOUT": "30"} | environment)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """(status, stdout, stderr) of a process that must end by itself."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()         # mpiexec ends its ranks
        pytest.fail(f"it hangs; it printed {process.communicate(timeout=PATIENCE)}")
    return process.returncode, out, err


# ---- n ranks are one process

@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ranks.py saw on 2 and on 3 ranks."""
    status, out, err = ended(mpiexec(3, HERE / "ranks.py", "compare", tmp_path_factory.mktemp("ranks")))
    assert status == 0, err
    return json.loads(out)


@needs_mpi
@pytest.mark.parametrize("n", [2, 3])
def test_ranks_compute_what_one_process_computes(n, compared):
    runs = compared[str(n)]["runs"]
    assert len(runs) == 6
    for name, (difference, same) in runs.items():
        assert difference < (1e-14 if name == "float64" else 1e-6), name
        assert same, f"{name}: parameters differ between ranks"


@needs_mpi
@pytest.mark.parametrize("n", [2, 3])
def test_a_run_goes_on_on_another_number_of_ranks(n, compared):
    """Interrupted by a signal to the last rank alone; resumed by all; finished by one. Only rank 0 has a folder."""
    resumed = compared[str(n)]["resumed"]
    assert resumed["difference"] < 1e-6
    message = "stopped in epoch 3 after step 1 of 7"
    assert resumed["messages"] == [f"{message}, saved in OUT", *[message] * (n - 1)]
    assert resumed["folders"] == [True] + [False] * (n - 1)


@needs_mpi
def test_each_rank_reads_only_its_part(compared):
    """8 batches of 6 for training; 6, 6, 6 and 2 for the test, of which every rank reads at least one image."""
    assert compared["2"]["read"] == [8 * 3 + 3 * 3 + 1] * 2
    assert compared["3"]["read"] == [8 * 2 + 3 * 2 + 1] * 3


@needs_mpi
@pytest.mark.parametrize("n", [2, 3])
def test_what_ends_a_run_ends_it_on_every_rank(n, compared):
    seen = compared[str(n)]
    same = ["all ranks must have the same parameters and noise"] * n
    assert seen["unequal"] == {"noise": same, "parameters": same}
    assert seen["stopped"] == [2] * n
    for name, words in {"sparse": "the loss 'kl' must be a mean over the images",
                        "diverging": "a number is not finite: epoch 1, step 2"}.items():
        first, *others = seen["refused"][name]
        assert first.startswith(words)
        assert others == [first] * (n - 1)


@needs_mpi
def test_mpiexec_runs_a_demo_as_it_is(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    demo = HERE.parent / "demos" / "denoising.py"
    flags = ["--data", tmp_path / "pictures.npy", "--hidden", 8, "--latent", 2, "--epochs", 2, "--batch-size", 20]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for n in (1, 2):
        status, out, err = ended(mpiexec(n, demo, *flags, "--out", tmp_path / str(n), TMPDIR=str(temporary)))
        assert (status, err) == (0, "")
        assert out.count("epoch 2/2") == 2, "each of its two nets prints its lines once"
    assert {path.name for path in (tmp_path / "1").rglob("*")} == {path.name for path in (tmp_path / "2").rglob("*")}
    assert not list(temporary.iterdir())
    one, two = ([row["test_total"] for path in sorted((tmp_path / n).rglob("history.csv")) for row in read_csv(path)]
                for n in "12")
    assert len(one) == 2 * 2, "both of its nets, for two epochs"
    np.testing.assert_allclose(two, one, rtol=1e-6)


# ---- no rank waits for ever

@contextmanager
def endless(folder: Path, n: int = 2, **environment: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """(a run without end on n ranks that has written a checkpoint, the ranks' pids)."""
    process = mpiexec(n, HERE / "ranks.py", "endless", folder, **environment)
    pids: list[int] = []
    try:
        began = time.monotonic()
        while not (folder / "run" / "history.csv").exists():
            assert process.poll() is None and time.monotonic() - began < PATIENCE, process.communicate()
            time.sleep(0.02)
        pids = [int((folder / f"{rank}.pid").read_text()) for rank in range(n)]
        yield process, pids
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def assert_intact(folder: Path) -> None:
    """No rank is left, the last checkpoint loads, and the run goes on from it on one process."""
    began = time.monotonic()
    while left := [pid for pid in map(int, (path.read_text() for path in folder.glob("*.pid"))) if is_running(pid)]:
        assert time.monotonic() - began < 5, f"still running: {left}"
        time.sleep(0.02)
    meta, _ = checkpoint.load(folder / "run" / "last.npz", 1 << 20)
    epoch = meta["progress"]["epoch"] + 1
    rows = tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae(), lr=1e-3), epochs=epoch, out=folder / "run", resume=True)
    assert [row["epoch"] for row in rows] == list(range(1, epoch + 1))


def is_running(pid: int) -> bool:
    """Whether a thread of the process is there (its files are open as long), and no zombie that mpiexec has left."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            states.append(thread.read_text().rpartition(")")[2].split()[0])
    return any(state != "Z" for state in states)


def launchers(first: int, rank: int) -> list[int]:
    """The pids from mpiexec, the first, down to the parent of a rank."""
    parent = int(Path(f"/proc/{rank}/stat").read_text().rpartition(")")[2].split()[1])
    return [first] if parent == first else [*launchers(first, parent), parent]


@needs_mpi
def test_ctrl_c_saves_and_ends_all_ranks(tmp_path):
    with endless(tmp_path, 3) as (process, _):
        process.send_signal(signal.SIGINT)
        status, _, err = ended(process)
    assert status == 130
    assert err.count("stopped in epoch") == 3 and err.count("saved in") == 1
    assert_intact(tmp_path)


@needs_mpi
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_all(rank, tmp_path):
    with endless(tmp_path) as (process, pids):
        os.kill(pids[rank], signal.SIGKILL)
        status, out, err = ended(process)
    assert status == 9 and "Killed (signal 9)" in out + err
    assert_intact(tmp_path)


@needs_mpi
def test_a_rank_that_hangs_ends_all(tmp_path):
    with endless(tmp_path, PATIENCE="3") as (process, pids):
        os.kill(pids[1], signal.SIGSTOP)
        try:
            status, _, err = ended(process)
        finally:
            os.kill(pids[1], signal.SIGKILL)
    assert status == 1 and "rank 0 of 2 ends the run: another rank has not answered for 3 s" in err
    assert_intact(tmp_path)


@needs_mpi
@pytest.mark.parametrize("killed", [1, None], ids=["mpiexec", "all-above-the-ranks"])
def test_a_killed_launcher_leaves_no_rank(killed, tmp_path):
    """MPICH's hydra_pmi_proxy outlives mpiexec long enough to send SIGTERM; without both, only ranks can end ranks."""
    with endless(tmp_path) as (process, pids):
        for pid in launchers(process.pid, pids[0])[:killed]:
            os.kill(pid, signal.SIGKILL)
        status, *_ = ended(process)
        assert status == -signal.SIGKILL
        try:
            assert_intact(tmp_path)
        finally:
            for pid in filter(is_running, pids):        # else a failing test leaves them
                os.kill(pid, signal.SIGKILL)


@needs_mpi
def test_an_error_of_one_rank_ends_all(tmp_path):
    status, _, err = ended(mpiexec(2, HERE / "ranks.py", "one-fails", tmp_path))
    assert status == 2 and err.count("ends the run") == 1
    assert "rank 1 of 2 ends the run: image 7 has a pixel outside [0, 1]" in err
    assert_intact(tmp_path)


@needs_mpi
def test_ranks_with_other_data_are_refused(tmp_path):
    status, _, err = ended(mpiexec(2, HERE / "ranks.py", "other-data", tmp_path))
    assert status == 2 and "rank 1 of 2 ends the run: all ranks must train on the same data" in err


# ---- without MPI

def test_one_process_does_not_import_mpi4py():
    code = ("import sys, numpy as np; from tinyae import models, train; x = np.zeros((4, 2, 2), np.uint8)\n"
            "train.fit(models.Autoencoder(4, (), 1, rng=np.random.default_rng(0)), (x, x), epochs=1, batch_size=2)\n"
            "assert 'mpi4py' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=HERE.parent)


def test_mpiexec_of_another_mpi_is_refused(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "4")
    monkeypatch.setitem(sys.modules, "mpi4py", None)            # as if it were not installed
    with refused(BadValue, "mpiexec needs mpi4py", "the 4 processes of mpiexec"):
        distributed.world.__wrapped__()
    mpi = SimpleNamespace(COMM_WORLD=SimpleNamespace(rank=0, size=1))
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=mpi))
    with refused(BadValue, "must belong to the same MPI", "one that sees 1"):
        distributed.world.__wrapped__()


def of(rank: int, size: int) -> Ranks:
    ranks = Ranks()
    ranks.rank, ranks.size = rank, size
    return ranks


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("k", [1, 2, 3, 8, 99])
def test_shares_cover_the_batch_once(k, size):
    shares = [of(rank, size).share(k) for rank in range(size)]
    rows = [i for share in shares if share.weight for i in range(k)[share.rows]]
    assert rows == list(range(k))
    assert sum(share.weight for share in shares) == pytest.approx(1)
    assert all(range(k)[share.rows] for share in shares), "a rank without images has one to compute with"
    assert all(share.weight == pytest.approx(len(range(k)[share.rows]) / k) for share in shares if share.weight)


@pytest.mark.parametrize("draw", [normal, uniform])
def test_the_ranks_noise_is_that_of_one_process(draw):
    whole = np.random.default_rng(5)
    first, second = draw(whole, np.empty((8, 3), np.float32)), draw(whole, np.empty((4,), np.float32))
    shares = [of(rank, 3).share(8) for rank in range(3)]
    parts = []
    for share in shares:
        rng = share.noise(np.random.default_rng(5))
        parts.append(draw(rng, np.empty((8, 3), np.float32)[share.rows]))
        assert (draw(rng, np.empty((4,), np.float32)) == second).all(), "noise of no image is the same on every rank"
    assert (np.concatenate(parts) == first).all()


def test_a_share_of_everything_draws_as_ever():
    rng = np.random.default_rng(0)
    assert Ranks().share(8).noise(rng) is rng


MODELS = {"vae": models.VAE, "gsn": models.GSN, "denoising": models.Denoising, "contractive": models.Contractive,
          "adversarial": models.Adversarial}
SHARED = {"sparse": models.Sparse, "winner-take-all": models.WinnerTakeAll}


def check(schedule: Any) -> None:
    shares.check_losses(as_stages(schedule), Loader(tiny_runs.images(), None, 8, 0, "cpu", np.dtype(np.float32)))


@pytest.mark.parametrize("name", [*MODELS, "stages"])
def test_means_over_images_pass(name):
    check(tiny_runs.stages() if name == "stages" else MODELS[name](16, rng=np.random.default_rng(0)))


@pytest.mark.parametrize("name", SHARED)
def test_losses_of_a_whole_batch_are_refused(name):
    model = SHARED[name](16, latent=8, rng=np.random.default_rng(0))
    with refused(BadValue, "must be a mean over the images of a batch", "one process"):
        check(model)
    tiny_runs.fit(model)


def test_an_unrolled_step_is_one_process_s():
    with refused(BadValue, "unrolled=True runs whole steps of a single process", "2 ranks", "unrolled=False"):
        RunState(as_stages(tiny_runs.vae()), [1], 0, unrolled=True, ranks=of(0, 2))


def test_noise_that_is_not_drawn_per_image_is_refused():
    """Three codes for each image: rows of the ranks' draws are not rows of the whole draw."""
    model = tiny_runs.vae()

    def losses(batch: Any, rng: Any) -> dict[str, Any]:
        codes = rng.standard_normal((3 * len(batch), 2), dtype=np.float32)
        return {"size": ops.mean(ops.square(model.decode(codes)))}
    decoder = params(model.decoder)
    with refused(BadValue, "the loss 'size' must be a mean"):
        check([train.Phase(losses, decoder, Adam(decoder))])


def test_a_gpu_hands_over_page_locked_memory_unless_mpi_takes_its_own(device):
    """The message of a stand-in for a communicator, whose sum over the ranks is the array itself."""
    sent: list[type] = []

    class Request:
        Test = staticmethod(lambda: True)

    class Comm:
        def Iallreduce(self, place, x, op):
            sent.append(type(x))
            return Request

    ranks = of(0, 2)
    ranks.parent = os.getppid()
    ranks.comm, ranks.mpi = Comm(), SimpleNamespace(IN_PLACE=None, SUM=None)
    x = np.array([[1, 2], [3, 4]], np.float32)
    for ranks.takes_cuda in (False, True):
        total = ranks.allreduce(device.array(x))
        assert device_of(total) == device.name and (device.host(total) == x).all()
    assert sent == [np.ndarray, type(total)]


@pytest.mark.parametrize("local_rank, chosen", [("0", 0), ("3", 1), (None, None)])
def test_each_process_of_a_machine_takes_a_gpu_of_its_own(local_rank, chosen, monkeypatch):
    used: list[int] = []

    def device(number: int) -> Any:
        return SimpleNamespace(use=lambda: used.append(number))
    cuda = SimpleNamespace(Device=device, runtime=SimpleNamespace(getDeviceCount=lambda: 2))
    cupy = ModuleType("cupy")
    vars(cupy).update(is_available=lambda: True, cuda=cuda)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for name in LOCAL_RANKS:
        monkeypatch.delenv(name, raising=False)
    if local_rank is not None:
        monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", local_rank)
    gpu()
    gpu()
    assert used == ([] if chosen is None else [chosen])
