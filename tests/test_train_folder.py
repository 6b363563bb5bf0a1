"""The folder of a run belongs to one process at a time, and a run in it is continued or refused, never begun over."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tiny_runs
from support import refused

from tinyae import files
from tinyae.errors import BadFile
from tinyae.train import checkpoint, folder, loop
from tinyae.train.interrupt import Interrupt, Interrupted
from tinyae.train.loader import checksum

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


def content(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


# ---- one process at a time

@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_a_second_run_in_the_folder_is_refused_while_the_first_goes_on(first, second, tmp_path):
    told = []

    def meanwhile(epoch):
        before = content(tmp_path)
        with refused(BadFile, "is in use") as nothing:
            tiny_runs.run(tmp_path, resume=second)
        told.append(nothing)
        assert content(tmp_path) == before

    tiny_runs.run(tmp_path, resume=first, on_epoch=meanwhile)
    assert len(told) == 4
    assert not (tmp_path / ".lock").exists()
    tiny_runs.run(tmp_path, resume=True)


HOLDER = """
import pathlib, sys
from tinyae.train import folder
with folder.hold(pathlib.Path(sys.argv[1]), new=False):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder until it is killed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True, env=environment)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("resume", [False, True])
def test_the_refusal_names_the_other_process_and_its_host(resume, tmp_path, holder):
    host = json.loads((tmp_path / ".lock").read_text())["host"]
    with refused(BadFile, "is in use by another run", f"process {holder.pid} on {host} writes into it"):
        tiny_runs.run(tmp_path, resume=resume)
    assert set(content(tmp_path)) == {".lock"}


def test_a_killed_process_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".lock").exists()
    tiny_runs.run(tmp_path)             # a new run: the killed one has left nothing
    assert not (tmp_path / ".lock").exists()


def test_a_process_that_has_not_written_its_name_yet(tmp_path, holder):
    os.truncate(tmp_path / ".lock", 0)
    with refused(BadFile, "a process that has just begun"):
        tiny_runs.run(tmp_path)


def test_a_lock_that_another_process_removed_is_taken_anew(tmp_path, monkeypatch):
    """Between open and lock the last owner may remove the file: a lock on it would hold nobody off."""
    original, left = folder._lock, [2]

    def late(handle):
        if left[0]:
            left[0] -= 1
            (tmp_path / ".lock").unlink()
        original(handle)

    monkeypatch.setattr(folder, "_lock", late)
    with folder.hold(tmp_path, new=False):
        monkeypatch.undo()
        with refused(BadFile, "is in use"), folder.hold(tmp_path, new=False):
            pass


def test_a_disk_without_locks_holds_nobody_off(tmp_path, monkeypatch):
    def none(handle):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(folder, "_lock", none)
    tiny_runs.run(tmp_path)
    tiny_runs.run(tmp_path, resume=True)


@posix
def test_two_paths_of_one_folder_are_one_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with folder.hold(tmp_path / "run", new=False), refused(BadFile, "is in use"):
        tiny_runs.run(tmp_path / "link")


def test_a_folder_kept_for_the_process_serves_its_runs_one_at_a_time(tmp_path):
    folder.keep(tmp_path, new=True)
    for resume in (False, True):
        tiny_runs.run(tmp_path, resume=resume)
        assert (tmp_path / ".lock").exists()
    with folder.hold(tmp_path, new=False), refused(BadFile, "is in use"), folder.hold(tmp_path, new=False):
        pass
    folder.release_all()
    assert not (tmp_path / ".lock").exists()


@pytest.mark.parametrize("ends, status", [
    ("", 0), ("sys.exit(3)", 3), ("1 / 0", 1), ("tiny_runs.run('run')", 0), ("os.chdir('/')", 0),
    ("shutil.rmtree('run')", 0)])
def test_a_program_that_ends_without_main_leaves_no_lock(ends, status, tmp_path):
    """However it ends; -X dev warns of a file that is left open."""
    code = ("import os, shutil, sys, tiny_runs; from tinyae.demo import cli; "
            f"cli.flags('x', '', ['--out', 'run']); {ends}")
    ended = subprocess.run([sys.executable, "-X", "dev", "-c", code], cwd=tmp_path, capture_output=True, text=True,
                           env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert ended.returncode == status and "ResourceWarning" not in ended.stderr, ended.stderr
    assert not (tmp_path / "run" / ".lock").exists()


@pytest.mark.parametrize("left", [[".lock"], ["config.json.tmp"], [".lock", f"config.json.{'0a' * 8}.tmp"]])
def test_a_run_killed_before_its_first_file_is_begun_again(left, tmp_path):
    for name in left:
        (tmp_path / name).touch()
    tiny_runs.run(tmp_path)
    assert not [path for path in tmp_path.iterdir() if files.ABANDONED.fullmatch(path.name)]


@pytest.mark.parametrize("mine", ["notes.txt", "config.json", ".hidden", "tmp"])
def test_other_files_are_somebody_s(mine, tmp_path):
    (tmp_path / mine).write_text("mine")
    with refused(BadFile, "is in use", "a folder with files in it"):
        tiny_runs.run(tmp_path)
    assert content(tmp_path) == {mine: b"mine"}


# ---- files that several write

def test_two_writers_of_one_file_leave_the_one_or_the_other(tmp_path):
    told: Counter[str] = Counter()

    def write(k):
        for _ in range(50):
            files.write(tmp_path / "last.npz", bytes([k]) * 100_000)
            told["written"] += 1

    threads = [threading.Thread(target=write, args=(k,)) for k in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {"written": 150}
    assert (tmp_path / "last.npz").read_bytes() in {bytes([k]) * 100_000 for k in (1, 2, 3)}
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path):
    names = {f"last.npz.{'ab' * 8}.tmp": False, f"a.png.{'01' * 8}.tmp": False, "mine.tmp": True, "last.npz": True,
             f"{'ab' * 8}.tmp": True, f"x.{'AB' * 8}.tmp": True}
    for name in names:
        (tmp_path / name).touch()
    files.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name for name, stays in names.items() if stays}


@pytest.mark.parametrize("number, word", [(28, "make room"), (27, "make room"), (2, "make the folder writable"),
                                          (13, "make the folder writable")])
def test_a_write_that_fails_says_what_would_help(number, word, tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", fail)
    with refused(BadFile, os.strerror(number), word, "is unchanged"):
        files.write(tmp_path / "a", b"1")


# ---- what a run is continued from

@pytest.fixture
def run(tmp_path):
    tiny_runs.run(tmp_path / "run")
    return tmp_path / "run"


def dangle(last: Path) -> None:
    last.unlink()
    last.symlink_to("nowhere.npz")


def circle(last: Path) -> None:
    last.unlink()
    last.symlink_to(last.name)


def pipe(last: Path) -> None:
    last.unlink()
    os.mkfifo(last)


def a_folder(last: Path) -> None:
    last.unlink()
    last.mkdir()


def endless(last: Path) -> None:
    last.unlink()
    last.symlink_to("/dev/zero")


@posix
@pytest.mark.parametrize("spoil, word", [
    (Path.unlink, "no last.npz, but best.npz, history.csv, weights.npz"), (dangle, "No such file"),
    (circle, "symbolic"), (pipe, "not a regular file"), (a_folder, "directory"), (endless, "not a regular file")])
def test_a_last_checkpoint_that_is_not_there_is_refused(spoil, word, run):
    spoil(run / "last.npz")
    before = content(run) if spoil in (Path.unlink, a_folder) else {}
    with refused(BadFile, "cannot", word, "best.npz"):
        tiny_runs.run(run, resume=True)
    assert not before or content(run) == before


@pytest.mark.parametrize("left", ["best.npz", "history.csv", "weights.npz"])
def test_any_result_of_a_run_keeps_it_from_being_begun_over(left, run):
    for path in run.iterdir():
        if path.name not in ("config.json", left):
            path.unlink()
    before = content(run)
    with refused(BadFile, f"no last.npz, but {left}"):
        tiny_runs.run(run, resume=True)
    assert content(run) == before


def test_what_the_refusal_says_helps(run):
    expected = tiny_runs.outcome(run)
    (run / "last.npz").unlink()
    shutil.copy(run / "best.npz", run / "last.npz")
    tiny_runs.run(run, resume=True)
    assert tiny_runs.outcome(run) == expected


def test_a_run_with_nothing_but_its_settings_begins(run):
    expected = tiny_runs.outcome(run)
    for path in run.iterdir():
        if path.name != "config.json":
            path.unlink()
    tiny_runs.run(run, resume=True)
    assert tiny_runs.outcome(run) == expected


FORGED = {
    "an epoch of 31 digits": {"epoch": 10**30}, "an epoch below 0": {"epoch": -5}, "an epoch too many": {"epoch": 5},
    "an epoch too few": {"epoch": 3}, "a truth for an epoch": {"epoch": True}, "a step below 0": {"step": -3},
    "a step beyond the epoch": {"step": 8}, "a step without its sums": {"step": 2},
    "seconds below 0": {"seconds": -1.0}, "no number of seconds": {"seconds": float("nan")},
    "no number for the best": {"best": float("nan")}, "a history of numbers": {"history": [1, 2, 3, 4, 5, 6]},
    "a history of strings": {"history": ["a"] * 6}, "no history": {"history": []},
    "sums of other phases": {"step": 1, "sums": {"none": {"total": 1.0}}},
    "sums that overflow": {"step": 1, "sums": {"elbo": {"kl": float("inf")}, "shrink": {"size": 1.0}}},
    "sums of lists": {"step": 1, "sums": {"elbo": [1.0], "shrink": {"size": 1.0}}},
    "a generator of another kind": {"noise": {"bit_generator": "MT19937"}}}


def forge(path: Path, progress: dict, **more) -> None:
    meta, arrays = checkpoint.load(path, 1 << 20)
    arrays |= more.pop("arrays", {})
    checkpoint.save(path, meta | {"progress": meta["progress"] | progress} | more, arrays)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_progress_is_refused_before_anything_is_written(name, run):
    forge(run / "last.npz", FORGED[name])
    before = content(run)
    with refused(BadFile, "cannot use", "the progress of a run"):
        tiny_runs.run(run, resume=True)
    assert content(run) == before


@pytest.mark.parametrize("spoil", [
    lambda row: row | {"epoch": 3}, lambda row: row | {"phase": "none"}, lambda row: row | {"test_total": None},
    lambda row: row | {"extra": 1.0}, lambda row: {**row, "seconds": "1"}, lambda row: row | {"train_total": 1e999}])
@pytest.mark.parametrize("place", [0, 5])
def test_a_forged_row_of_history_is_refused(place, spoil, run):
    meta, _ = checkpoint.load(run / "last.npz", 1 << 20)
    rows = meta["progress"]["history"]
    if "extra" in (changed := spoil(rows[place])) and place == 0:
        changed["epoch"] = 2            # the first row has only one other to differ from
    rows[place] = changed
    forge(run / "last.npz", {"history": rows})
    before = content(run)
    with refused(BadFile, "the progress of a run", "row of history" if "extra" in changed else ""):
        tiny_runs.run(run, resume=True)
    assert content(run) == before


def test_weights_that_are_not_finite_are_refused(run):
    _, arrays = checkpoint.load(run / "last.npz", 1 << 20)
    bad = arrays["param/mu.b"].copy()
    bad[0] = np.nan
    forge(run / "last.npz", {}, arrays={"param/mu.b": bad})
    with refused(BadFile, "cannot use", "finite numbers", "param/mu.b", "best.npz"):
        tiny_runs.run(run, resume=True)


@pytest.mark.parametrize("stopped", [1, "yes", [], None])
def test_whether_a_run_was_stopped_is_yes_or_no(stopped, run):
    forge(run / "last.npz", {}, stopped=stopped)
    with refused(BadFile, "stopped"):
        tiny_runs.run(run, resume=True)


def test_a_very_long_history_is_read(tmp_path):
    """Of so many epochs a checkpoint is larger than its arrays and any constant."""
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), out=tmp_path)
    meta, arrays = checkpoint.load(tmp_path / "last.npz", 1 << 20)
    (row,) = meta["progress"]["history"]
    epochs = checkpoint.OVERHEAD // len(json.dumps(row)) + 1000
    rows = [row | {"epoch": epoch + 1} for epoch in range(epochs)]
    meta["progress"] |= {"epoch": epochs, "history": rows}
    checkpoint.save(tmp_path / "last.npz", meta, arrays)
    assert (tmp_path / "last.npz").stat().st_size > checkpoint.OVERHEAD
    found = tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), epochs=epochs, out=tmp_path, resume=True)
    assert len(found) == epochs


@pytest.mark.parametrize("lr", [1e-3, 2e-2, 1e-2 + 1e-9])
def test_another_learning_rate_is_another_run(lr, tmp_path):
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), out=tmp_path)
    with refused(BadFile, "belongs to another run", "learning rates"):
        tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae(), lr=lr), epochs=2, out=tmp_path, resume=True)


def test_a_checkpoint_of_an_older_version_knows_fewer_facts(tmp_path):
    tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), out=tmp_path)
    meta, arrays = checkpoint.load(tmp_path / "last.npz", 1 << 20)
    for name in ("learning rates", "all training images", "all test images"):
        del meta["facts"][name]
    checkpoint.save(tmp_path / "last.npz", meta, arrays)
    assert len(tiny_runs.fit(tiny_runs.one_phase(tiny_runs.vae()), epochs=2, out=tmp_path, resume=True)) == 2


@pytest.mark.parametrize("side, image, pixel", [(0, 1, 0), (0, 49, 15), (1, 19, 3), (0, 25, 7)])
def test_one_pixel_of_one_image_makes_other_data(side, image, pixel, tmp_path):
    tiny_runs.run(tmp_path)
    other = [data.images.copy() for data in tiny_runs.images()]
    other[side].reshape(-1, 16)[image, pixel] ^= 1
    with refused(BadFile, "belongs to another run", "all training images" if side == 0 else "all test images"):
        tiny_runs.run(tmp_path, data=tuple(other), resume=True)


def test_the_fingerprint_of_large_data_looks_at_images_spread_over_all(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (1000, 8, 8), np.uint8)
    monkeypatch.setattr("tinyae.train.loader.CHUNK", 1000)
    whole = checksum(images)
    monkeypatch.setattr("tinyae.train.loader.CHUNK", 1 << 24)
    assert checksum(images) == whole                 # the size of a read does not matter
    monkeypatch.setattr("tinyae.train.loader.SUMMED", 6400)
    spread = checksum(images)
    for k in (0, 10, 500, 990):
        changed = images.copy()
        changed[k] ^= 1
        assert checksum(changed) != spread


# ---- signals

@pytest.mark.parametrize("signum", Interrupt.signals)
@pytest.mark.parametrize("epoch", [2, 4])
def test_a_signal_in_the_pictures_of_any_epoch_ends_the_program(signum, epoch, tmp_path):
    with pytest.raises(Interrupted) as stop:
        tiny_runs.run(tmp_path / "run", on_epoch=lambda e: os.kill(os.getpid(), signum) if e == epoch else None)
    assert (stop.value.signum, stop.value.out) == (signum, tmp_path / "run")
    if epoch == 4:
        assert str(stop.value) == f"stopped after the last epoch, saved in {tmp_path / 'run'}"
        assert (tmp_path / "run" / "weights.npz").exists()
    tiny_runs.run(tmp_path / "whole")
    tiny_runs.run(tmp_path / "run", resume=True)
    assert tiny_runs.outcome(tmp_path / "run") == tiny_runs.outcome(tmp_path / "whole")


@pytest.mark.parametrize("signum", Interrupt.signals)
def test_a_signal_that_the_process_ignores_stays_ignored(signum, tmp_path):
    before = signal.signal(signum, signal.SIG_IGN)
    try:
        rows = tiny_runs.run(tmp_path, on_epoch=lambda epoch: os.kill(os.getpid(), signum))
        assert signal.getsignal(signum) is signal.SIG_IGN
    finally:
        signal.signal(signum, before)
    assert len(rows) == 6


@posix
@pytest.mark.parametrize("first, second, at_once", [
    (signal.SIGTERM, signal.SIGINT, True), (signal.SIGHUP, signal.SIGTERM, True), (signal.SIGINT, signal.SIGTERM, True),
    (signal.SIGHUP, signal.SIGHUP, False), (signal.SIGTERM, signal.SIGHUP, False)])
def test_a_second_signal_stops_at_once_unless_it_is_a_closed_terminal_s(first, second, at_once, tmp_path, monkeypatch):
    original = loop.step

    def step(*args, **settings):
        os.kill(os.getpid(), first)
        os.kill(os.getpid(), second)
        original(*args, **settings)

    monkeypatch.setattr(loop, "step", step)
    with pytest.raises(Interrupted) as stop:
        tiny_runs.run(tmp_path)
    assert stop.value.out == tmp_path
    assert re.match("stopped at once" if at_once else "stopped in epoch 1 after step 1", str(stop.value))
