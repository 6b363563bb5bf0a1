"""The checks of a change, each under a name. .ci/run and .pre-commit-config.yaml call them from here.

    .venv/bin/nox                   lint, then all tests
    .venv/bin/nox -s quick          the tests that take five seconds
    .venv/bin/nox -l                every check with what it does

Most run in the environment that nox was started from; `docs`, `oldest` and `newest` make one of their own in .nox.
"""
import configparser
import os
import shutil
import subprocess
import sys

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = False       # nox says which Python is missing, and goes on

SETUP = configparser.ConfigParser()
SETUP.read("setup.cfg")
OLDEST, NEWEST = SETUP["options"]["python_requires"].removeprefix(">="), "3.13"


def interpreter(version: str) -> str:
    """A Python of this version: python3.x if it starts, or else pyenv's, whose python3.x may be there and not start.

    Without either, the version itself: nox then says that there is no such Python.
    """
    for command in (f"python{version}", f'"$(pyenv prefix "$(pyenv latest {version})")/bin/python"'):
        ask = "import sys; print(sys.executable) if sys.version.startswith(sys.argv[1]) else sys.exit(1)"
        found = subprocess.run(f"{command} -c '{ask}' {version}.", shell=True, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        if found.returncode == 0:
            return found.stdout.strip()
    return version


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """The whole suite; arguments after -- go to pytest."""
    session.run(sys.executable, "-m", "pytest", *session.posargs)


@nox.session(python=False)
def quick(session: nox.Session) -> None:
    """The plan of the house, the rows, the README: five seconds."""
    session.run(sys.executable, "-m", "pytest", "tests/test_house.py", "tests/test_ops.py", "tests/test_kernels.py",
                "tests/test_readme.py")


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """ruff and mypy."""
    session.run(sys.executable, "-m", "ruff", "check", ".")
    session.run(sys.executable, "-m", "mypy")


@nox.session(python=False)
def museum(session: nox.Session) -> None:
    """Put every published mistake into the library, break every vjp: a test must catch each."""
    session.run(sys.executable, "tests/museum/run.py")


@nox.session(python=interpreter(NEWEST))
def docs(session: nox.Session) -> None:
    """Build the site and test all pages in a browser; TINYAE_PYODIDE names a folder with NumPy's wheel for it."""
    session.install("-e", ".[docs,browser,tensorboard,test]")
    shutil.rmtree("site", ignore_errors=True)
    folder = os.environ.get("TINYAE_PYODIDE")
    wheels = ["-D", f"pyodide={folder}"] if folder else []
    session.run("python", "-m", "sphinx", "-W", "-E", "-q", *wheels, "docs", "site")
    session.run("python", "-m", "pytest", "tests/pages", "tests/test_report.py", *session.posargs,
                env={"TINYAE_SITE": "site"})


@nox.session(python=interpreter(OLDEST))
def oldest(session: nox.Session) -> None:
    """The suite on the oldest Python, with the oldest packages that setup.cfg allows."""
    required = SETUP["options"]["install_requires"].split()
    suite(session, *(package.replace(">=", "==") + ".*" for package in required))


@nox.session(python=interpreter(NEWEST))
def newest(session: nox.Session) -> None:
    """The suite on the newest Python, with the newest packages."""
    suite(session)


def suite(session: nox.Session, *packages: str) -> None:
    """One thread, because oldest and newest run side by side in .ci/run."""
    session.install("-e", ".[test]", *packages)
    session.run("python", "-m", "pytest", *session.posargs, env={"OPENBLAS_NUM_THREADS": "1"})
