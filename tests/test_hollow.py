"""CuPy itself accepts every call that tinyae makes, on a GPU that computes nothing; see hollow/hollow.py.

Wants the packages that PACKAGES names, and gcc; skipped where one is missing, or where there is a GPU.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PACKAGES = {"cupy-cuda13x": "14.2.0", "nvidia-cuda-nvrtc": "13.0.88", "nvidia-cuda-runtime": "13.0.96",
            "nvidia-cuda-cccl": "13.0.85"}
REFUSALS = ("TypeError", "AttributeError", "NotImplementedError", "BadType", "Unsupported type", "disallowed")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    for package, version in PACKAGES.items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            pytest.skip(f"{package} not installed; pip install --no-deps "
                        + " ".join(f"{p}=={v}" for p, v in PACKAGES.items()))
        if found != version:
            pytest.skip(f"{package} is {found}, not {version}, whose C functions the driver replaces")
    if pytest.importorskip("cupy").is_available():
        pytest.skip("there is a GPU: the tests for CuPy run on it")
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    folder = tmp_path_factory.mktemp("hollow")
    paths = os.pathsep.join([str(HERE.parent), str(HERE / "hollow"), *filter(None, sys.path)])
    there = os.environ | {"HOLLOW": str(folder), "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": paths}
    subprocess.run([sys.executable, HERE / "hollow" / "hollow.py", folder], check=True, env=there)
    return there


@pytest.fixture(scope="module")
def asked(environment: dict[str, str]) -> dict[str, Any]:
    """What hollow/everything.py prints."""
    done = subprocess.run([sys.executable, "-W", "ignore", HERE / "hollow" / "everything.py"], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_cupy_refuses_nothing(asked):
    """Every case of the table of gradients, on arrays, on Tensors and to second order; every model's captured step."""
    assert asked["calls"] > 2500 and not asked["refused"]
    names = {re.split(r"[. ]", label.removeprefix("captured "))[0] for label in asked["left out"]}
    assert names <= {"index", "put", "winner_take_all", "conv_winner_take_all"}         # masks; sorting


def test_no_fused_function_falls_back(asked):
    """CuPy swallows an exception in a trace, and then fuses in a slower way."""
    assert asked["kernels"] > 40 and not asked["slow fusion"]


def test_a_captured_step_is_one_launch(asked):
    assert len(asked["launches"]) > 10
    for name, launches in asked["launches"].items():
        assert min(launches[:2]) > 10 and launches[2:] == [1, 1], name


def test_products_by_our_own_handle_of_cublas_are_numpy_s(asked):
    assert asked["products apart"] < 16


@pytest.mark.slow
def test_the_tests_for_cupy_fail_by_values_alone(environment, tmp_path):
    """Most of them fail, because the GPU computes nothing: by an assertion, not by a call that CuPy refuses."""
    report = tmp_path / "report.xml"
    subprocess.run([sys.executable, "-m", "pytest", "-p", "hollow", "-p", "no:cacheprovider", "-W",
                    "ignore::pytest.PytestAssertRewriteWarning", "--tb=line", f"--junitxml={report}",
                    "-k", "((cupy and not cupy_double) or no_more_memory) and not winner", "--ignore", __file__, HERE],
                   env=environment, stdout=subprocess.DEVNULL, cwd=HERE.parent)
    tests = list(ElementTree.parse(report).iter("testcase"))
    messages = {test.get("name"): wrong.get("message", "") for test in tests
                for wrong in (*test.findall("failure"), *test.findall("error"))}
    assert len(tests) > 700 and len(messages) < len(tests)
    assert not {name: text for name, text in messages.items() if any(word in text.splitlines()[0] for word in REFUSALS)}
