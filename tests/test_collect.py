"""Every process collects the same tests in the same order: pytest-xdist, --lf and reports tell tests by their ids."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_ids_are_the_same_in_another_process(request: pytest.FixtureRequest):
    """An id must not hold an address, a time, a random number or the order of a set."""
    here = [item.nodeid for item in request.session.items]
    files = dict.fromkeys(str(item.path) for item in request.session.items)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qo", "addopts=", "-p", "no:cacheprovider", *files]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1],
                           env=os.environ | {"PYTHONHASHSEED": "1", "PYTEST_ADDOPTS": ""})
    assert ended.returncode == 0, ended.stdout
    chosen = set(here)                                          # this process may leave some out, by -k or -m
    assert [line for line in ended.stdout.splitlines() if line in chosen] == here
