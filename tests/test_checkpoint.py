"""A checkpoint is right, or it is refused with the reason; files are whole, or they are not there."""
from __future__ import annotations

import io
import json
import math
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import refused

from tinyae import files
from tinyae.errors import BadFile
from tinyae.train import checkpoint

META = {"epoch": 3, "losses": [0.1, math.inf], "state": 2**127 + 1, "text": "ä"}
ARRAYS = {"param/encoder.0.W": np.arange(12, dtype=np.float32).reshape(3, 4), "optimizer/0.0/t": np.array(7),
          "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "nothing": np.zeros((0, 5))}
PLACE = Path("run/last.npz")
CONTENT = checkpoint.pack(META, ARRAYS)


def same(arrays):
    return arrays.keys() == ARRAYS.keys() and all(
        (a.dtype, a.shape, a.tobytes()) == (ARRAYS[name].dtype, ARRAYS[name].shape, ARRAYS[name].tobytes())
        for name, a in arrays.items())


def test_what_is_saved_is_loaded(tmp_path):
    checkpoint.save(tmp_path / "last.npz", META, ARRAYS)
    meta, arrays = checkpoint.load(tmp_path / "last.npz", 1 << 20)
    assert meta == META and same(arrays)


def test_numpy_opens_it_without_pickles(tmp_path):
    (tmp_path / "last.npz").write_bytes(CONTENT)
    with np.load(tmp_path / "last.npz", allow_pickle=False) as archive:
        assert same({name: archive[name] for name in archive.files if name != "meta"})
        assert json.loads(archive["meta"].tobytes()) == META


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def zipped(compression=zipfile.ZIP_STORED, **entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(shape, dtype="<f4", body=b""):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    return header.getvalue() + body


META_ENTRY = npy((2,), "|u1", b"{}")
STRANGERS = {
    "nothing": (b"", "another kind"),
    "text": (b"epoch 1\n", "another kind"),
    "a pickle": (pickle.dumps({"W": 1}), "a pickle, which is never opened"),
    "a plain .npz": (npz(W=np.zeros(3)), "an archive of another program"),
    "cut short": (CONTENT[:-1], "cut short"),
    "cut in half": (CONTENT[:len(CONTENT) // 2], "cut short"),
    "two bytes": (b"PK", "cut short"),
    "trailing bytes": (CONTENT + b"\0", "another program"),
    "a newer version": (checkpoint.sealed(npz(), version=2), "format 0002"),
    "no meta": (checkpoint.sealed(npz(W=np.zeros(3))), "meta"),
    "meta that is no JSON": (checkpoint.sealed(npz(meta=np.zeros(3, np.uint8))), "JSON"),
    "meta that is a list": (checkpoint.sealed(npz(meta=np.frombuffer(b"[]", np.uint8))), "dictionary"),
    "meta of brackets": (checkpoint.sealed(npz(meta=np.frombuffer(b"[" * 10**6, np.uint8))), "recursion"),
    "no .npy": (checkpoint.sealed(zipped(meta=b"hello")), "magic"),
    "objects of the right size": (checkpoint.sealed(zipped(**{"W.npy": npy((2,), "|O", bytes(16))})), "OBJECT"),
    "objects": (checkpoint.sealed(npz(meta=np.array([{}], object))), "declares"),
    "a huge claim": (checkpoint.sealed(zipped(**{"meta.npy": META_ENTRY, "W.npy": npy((10**6, 10**6))})), "declares"),
    "a negative claim": (checkpoint.sealed(zipped(**{"meta.npy": META_ENTRY, "W.npy": npy((-1, 4))})), "declares"),
    "a zip bomb": (checkpoint.sealed(zipped(zipfile.ZIP_DEFLATED, **{"meta.npy": npy((10**8,), "|u1", bytes(10**8))})),
                   "compressed"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_are_refused_with_the_reason_and_without_memory(name):
    content, word = STRANGERS[name]
    tracemalloc.start()
    try:
        with refused(BadFile, word, str(PLACE)):
            checkpoint.unpack(content, PLACE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(content) + 2_000_000, f"{peak:,} bytes for a file of {len(content):,}"


def test_a_file_larger_than_the_model_needs_is_not_read(tmp_path):
    with open(tmp_path / "last.npz", "wb") as file:
        file.truncate(20 << 30)     # sparse: it takes no space
    tracemalloc.start()
    try:
        with refused(BadFile, "at most 1,000,000 bytes"):
            checkpoint.load(tmp_path / "last.npz", 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", ["missing.npz", ".", "missing/last.npz"])
def test_what_is_no_file_is_refused(tmp_path, place):
    with refused(BadFile, "cannot use"):
        checkpoint.load(tmp_path / place, 1 << 20)


def test_every_flipped_bit_is_noticed():
    for place in range(len(CONTENT)):
        flipped = bytearray(CONTENT)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(BadFile):
            checkpoint.unpack(bytes(flipped), PLACE)


@given(st.data())
def test_mutated_files_give_their_content_or_a_refusal(data):
    """Bytes changed, cut and repeated; half of the time sealed again, so that the parsers see the damage too."""
    content = bytearray(CONTENT)
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(len(content), start + 64)))
        content[start:stop] = data.draw(st.binary(max_size=64))
    if data.draw(st.booleans()):
        try:
            content = bytearray(checkpoint.sealed(bytes(content)))
        except Exception:       # no archive any more, says zipfile, in one of its many ways
            return
    try:
        meta, arrays = checkpoint.unpack(bytes(content), PLACE)
    except BadFile:
        return
    assert isinstance(meta, dict) and all(isinstance(a, np.ndarray) and not a.dtype.hasobject for a in arrays.values())


def test_a_write_replaces_the_whole_file(tmp_path):
    files.write(tmp_path / "a", b"first, and longer")
    files.write(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    files.write(tmp_path / "a", b"first")

    def fail(*args):
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        monkeypatch.setattr(files.os, step, fail)
        with refused(BadFile, "cannot write", "No space left on device"):
            files.write(tmp_path / "a", b"second")
        monkeypatch.undo()
        assert (tmp_path / "a").read_bytes() == b"first"
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
