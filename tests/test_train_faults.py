"""What happens to a run around it: kills, a full disk, a folder that goes away."""
from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_runs
from support import refused

from tinyae.errors import BadFile
from tinyae.train import checkpoint

resource = pytest.importorskip("resource", reason="limits and signals of POSIX")
KILLS = 100


def test_a_hundred_kills_change_nothing(tmp_path, capsys):
    seed = secrets.randbelow(2**32)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    killer = subprocess.run([sys.executable, Path(__file__).with_name("killer.py"), tmp_path, str(KILLS), str(seed)],
                            capture_output=True, text=True, env=environment, timeout=300)
    assert killer.returncode == 0, f"seed {seed}: {killer.stderr}"
    report = json.loads(killer.stdout)
    with capsys.disabled():
        print(f"  killed {report['kills']}, ended bit-identical: {report['equal']} (seed {seed})")
    assert sum(report["kills"].values()) == KILLS
    assert report["equal"], f"seed {seed}: the killed run ended differently"


@pytest.fixture
def half_way(tmp_path):
    """The folder of a run that stopped after three of four epochs, and its last checkpoint."""
    def stop(epoch):
        if epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_runs.run(tmp_path / "run", on_epoch=stop)
    return tmp_path / "run"


def test_a_full_disk_leaves_the_last_checkpoint(half_way):
    before = (half_way / "last.npz").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))     # bytes: config.json fits, a checkpoint does not
    try:
        with refused(BadFile, "cannot write", "last.npz"):
            tiny_runs.run(half_way, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (half_way / "last.npz").read_bytes() == before
    assert not list(half_way.glob("*.tmp"))
    tiny_runs.run(half_way, resume=True)
    tiny_runs.run(half_way.parent / "whole")
    assert tiny_runs.outcome(half_way) == tiny_runs.outcome(half_way.parent / "whole")


def test_a_folder_deleted_under_the_run(tmp_path):
    with refused(BadFile, "cannot write", "No such file"):
        tiny_runs.run(tmp_path / "run", on_epoch=lambda epoch: shutil.rmtree(tmp_path / "run"))


@pytest.mark.parametrize("resume", [False, True])
def test_a_path_below_a_file_is_no_folder(tmp_path, resume):
    (tmp_path / "file").write_text("mine")
    with refused(BadFile, "file/run"):
        tiny_runs.run(tmp_path / "file" / "run", resume=resume)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("damage, word", [
    (lambda content: content[:len(content) // 2], "cut short"),
    (lambda content: content[:1000] + b"?" + content[1001:], "SHA-256"),
    (lambda content: b"", "another kind")])
def test_a_damaged_checkpoint_is_refused_and_the_best_one_serves(half_way, damage, word):
    last, best = half_way / "last.npz", half_way / "best.npz"
    last.write_bytes(damage(last.read_bytes()))
    with refused(BadFile, word, "best.npz"):
        tiny_runs.run(half_way, resume=True)
    shutil.copy(best, last)     # what the refusal says
    tiny_runs.run(half_way, resume=True)
    tiny_runs.run(half_way.parent / "whole")
    assert tiny_runs.outcome(half_way) == tiny_runs.outcome(half_way.parent / "whole")


def test_every_file_of_a_run_is_written_at_once_or_not_at_all(half_way):
    assert {path.suffix for path in half_way.iterdir()} == {".npz", ".json", ".csv"}
    checkpoint.load(half_way / "best.npz", 1 << 20)
