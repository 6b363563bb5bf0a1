"""data · recognise: what a path leads to, and what a file is by its first bytes, whatever its name says."""
from __future__ import annotations

import gzip
import os
import stat
import zlib
from pathlib import Path

from ..errors import BadFile, BadValue

HEAD = 512      # bytes that tell the kind of a file
AGAIN = "fetch it again"
UNPACK = "unpack it, then give the folder"
PICTURE = ("a single picture", "give the folder that holds the pictures")
ARRAY = ("an array that np.save wrote", "let its name end in .npy")
ZIP = ("a zip archive", f"{UNPACK}; if np.savez wrote it, let its name end in .npz")
ARRAYS = (ARRAY, ZIP)
IDX = ("an IDX file", "let its name end in -ubyte")
GZIP = ("a file compressed with gzip", "gunzip it, or tar -xf if it is an archive")
# The first bytes of a file, in lower case; what it is; what to do with it.
KINDS = [
    (b"<", "a web page", f"open it in an editor, it may say why it came instead of the data; then {AGAIN}"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "git lfs pull, in the repository"),
    (b"\x93numpy", *ARRAY), (b"pk\x03\x04", *ZIP),
    (b"\0\0\x08", *IDX), (b"\x1f\x8b", *GZIP),
    (b"\x89hdf", "an HDF5 file", "np.save('images.npy', h5py.File(path)[name][:])"),
    (b"matlab 5", "a MATLAB file", "np.save('images.npy', scipy.io.loadmat(path)[name])"),
    (b"par1", "a Parquet file", "pandas.read_parquet(path).to_csv('table.csv', index=False)"),
    (b"\x80", "a pickle, which is never loaded, because loading can run any code",
     "open it with the program it came with, then np.save(path, images)"),
    (b"rar!", "an archive", UNPACK), (b"7z\xbc\xaf", "an archive", UNPACK), (b"bzh", "an archive", UNPACK),
    (b"\xfd7zxz", "an archive", UNPACK), (b"%pdf", "a PDF", "save its pictures in a folder, then give the folder"),
    *[(magic, *PICTURE) for magic in (b"\x89png", b"\xff\xd8\xff", b"gif8", b"bm", b"riff", b"ii*\0", b"mm\0*")],
]


def expanded(path: str | os.PathLike) -> Path:
    """path with ~ replaced by the home folder. BadValue: there is no such user, or no home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BadValue(f"there is no home folder for {path}", expected="a user of this machine after ~", got=error,
                       fix="write the path in full") from error


def look(path: Path) -> os.stat_result | None:
    """The status of a file or folder; None if nothing is there. BadFile: the system does not say."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:      # ValueError: a zero byte in the name
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> BadFile:
    name = str(path) if len(str(path)) <= 200 else f"{str(path)[:80]}..."
    return BadFile(f"cannot read {name}", expected="a file or folder that this user may read",
                   got=getattr(error, "strerror", None) or error, fix="check the path and its rights")


def special(status: os.stat_result) -> str:
    """A word for anything but a file or a folder; empty for these."""
    mode = status.st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


def head(path: Path) -> bytes:
    """The first bytes of a file. BadFile: it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise unreadable(path, error) from error


def unpacked(path: Path) -> bytes:
    """The first bytes inside a file compressed with gzip; empty if they cannot be unpacked."""
    try:
        with gzip.open(path) as file:
            return file.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def kind(start: bytes) -> tuple[str, str] | None:
    """What a file that begins with these bytes is, and what to do with it; None if that is not known."""
    if not start:
        return "an empty file", AGAIN
    if start[257:262] == b"ustar":
        return "an archive", UNPACK
    return next(((what, fix) for magic, what, fix in KINDS if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
                 .startswith(magic)), None)
