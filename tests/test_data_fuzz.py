"""Readers against real files that have been damaged at random: images or a Refusal, and no more memory than agreed.

HYPOTHESIS_PROFILE=thorough tries 1 000 damages for each of the twelve kinds of file.
"""
import gzip
import io
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from tinyae.data import arrays, folder, idx, pictures
from tinyae.errors import Refusal

LIMIT = 1 << 20                # bytes that a reader is allowed
SPARE = 2 << 20                # and what the machinery around it may take
GREY = np.random.default_rng(0).integers(0, 256, (12, 9, 7), np.uint8)


def saved(save, *args, **options):
    content = io.BytesIO()
    save(content, *args, **options)
    return content.getvalue()


def picture(kind, mode, **options):
    return saved(Image.fromarray(GREY[0]).convert(mode).save, kind, **options)


IDX = idx.header(GREY.shape) + GREY.tobytes()
NPY = saved(np.save, GREY)
FILES = {
    "idx": IDX,
    "idx.gz": gzip.compress(IDX),
    "npy": NPY,
    "floats.npy": saved(np.save, GREY / 255),
    "npz": saved(np.savez, images=GREY, labels=np.arange(12)),
    "packed.npz": saved(np.savez_compressed, images=GREY, test_images=GREY),
    "png": picture("PNG", "L"),
    "alpha.png": picture("PNG", "RGBA"),
    "palette.png": picture("PNG", "P"),
    "jpg": picture("JPEG", "RGB"),
    "gif": picture("GIF", "P"),
    "bmp": picture("BMP", "RGB"),
}

places = st.floats(0, 1, exclude_max=True)    # of the file's length: small files and large ones alike
damages = st.lists(min_size=1, max_size=4, elements=st.one_of(
    st.tuples(st.just("flip"), places, st.integers(0, 7)),
    st.tuples(st.just("write"), places, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("write"), places, st.sampled_from([4 * b"\xff", b"\x7f" + 3 * b"\xff", bytes(8), 8 * b"9"])),
    st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("cut"), places, st.none()),
    st.tuples(st.just("remove"), places, st.integers(1, 40)),
    st.tuples(st.just("repeat"), places, st.integers(1, 200)),
))


def damaged(content, damages):
    content = bytearray(content)
    for kind, place, what in damages:
        i = int(place * len(content))
        if kind == "flip" and content:
            content[i] ^= 1 << what
        elif kind == "write":
            content[i:i + len(what)] = what
        elif kind == "insert":
            content[i:i] = what
        elif kind == "cut":
            del content[i:]
        elif kind == "remove":
            del content[i:i + what]
        elif kind == "repeat":
            content[i:i] = content[i:i + what]
    return bytes(content)


def read(path):
    if path.suffix == ".npy":
        return arrays.load_npy(path)[0].images
    if path.suffix == ".npz":
        return arrays.load_npz(path, LIMIT)[0].images
    if "idx" in path.name:
        return idx.read(path, 3, LIMIT)
    return folder.load(path.parent, LIMIT)[0].images


@pytest.fixture(scope="module", params=FILES)
def path(request, tmp_path_factory):
    """A file of each kind; a picture has a whole one beside it."""
    path = tmp_path_factory.mktemp("fuzz") / f"b.{request.param}"
    if path.suffix in pictures.suffixes():
        path.with_name(f"a{path.suffix}").write_bytes(FILES[request.param])
        path.with_name(f"c{path.suffix}").write_bytes(FILES[request.param])
    path.write_bytes(FILES[request.param])
    assert read(path)[0].shape[:2] == (9, 7)
    return path


@given(damages)
@example([("cut", 0.0, None)])
@example([("write", 0.0, b"\x80\x04K\x01.")])    # a pickle
def test_only_refusals_and_no_more_memory_than_agreed(path, damages):
    path.write_bytes(damaged(FILES[path.name[2:]], damages))
    patched = pytest.MonkeyPatch()
    patched.setattr(Image, "MAX_IMAGE_PIXELS", LIMIT // 8)    # what Pillow thinks safe, for machines of this size
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* pictures left out")
            images = read(path)
        assert images.dtype == np.uint8 or images.dtype.kind == "f"
    except Refusal as refusal:
        assert refusal.fix and refusal.got is not None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        patched.undo()
    assert peak < LIMIT + SPARE, f"{peak:,} bytes"


@given(st.binary(max_size=200))
def test_any_bytes_in_an_archive(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", NPY[:8] + content)
    with pytest.raises(Refusal):
        arrays.load_npz(path, LIMIT)
