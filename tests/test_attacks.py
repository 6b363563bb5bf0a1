"""A harness that attacks demos as they run (attacks.py): nothing that was saved is lost, without a traceback."""
from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="forks and signals of POSIX")
# How many tries; all of them, with those that take longer, by `pytest -m slow`.
SOME = {"kills": 12, "pairs": 6, "signals": 10, "disk": 4}
ALL = {"kills": 60, "pairs": 20, "signals": 10, "disk": 20}


def attack(kind: str, tries: int, folder: Path) -> dict[str, int]:
    seed = int(os.environ.get("TINYAE_SEED", secrets.randbelow(2**32)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, Path(__file__).with_name("attacks.py"), kind, folder / "here", str(tries), str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert ended.returncode == 0, f"TINYAE_SEED={seed}: {ended.stderr}"
    return json.loads(ended.stdout)


@pytest.mark.parametrize("kind", SOME)
def test_attacks_lose_nothing(kind, tmp_path):
    told = attack(kind, SOME[kind], tmp_path)
    assert sum(told.values()) >= SOME[kind]
    assert kind != "pairs" or told["a process is named"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_many_attacks_lose_nothing(kind, tmp_path, capsys):
    told = attack(kind, ALL[kind], tmp_path)
    with capsys.disabled():
        print(f"  {kind}: {told}")
    assert sum(told.values()) >= ALL[kind]
    assert kind != "pairs" or told["a process is named"] > 0
