"""data · folder: images from a folder of pictures; the names of its subfolders are the labels."""
from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import BadFile
from .dataset import MAX_BYTES, Dataset, check_images

FORMATS = ("PNG", "JPEG", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")
MAX_FILE = 256 << 20    # bytes of one picture's file


def load(folder: Path, limit: int = MAX_BYTES) -> tuple[Dataset, Dataset]:
    """(train, test) from the pictures below `folder`, sorted by name; every tenth is a test image.

    All pictures are scaled to the size of the first. Only the first frame of a GIF is used, transparency becomes white,
    and the set is grey only if all pictures are. With subfolders, label i is the i-th of their sorted names. A picture
    that cannot be read, or is larger than Pillow considers safe, is left out with a warning. BadFile: the pictures
    together need more than `limit` bytes.
    """
    paths = sorted(path for place, _, names in os.walk(folder) for name in names
                   if name.lower().endswith(SUFFIXES) and not name.startswith(".")
                   and (path := Path(place, name)).is_file())    # a pipe would block for ever
    pictures: dict[Path, np.ndarray] = {}
    unread: dict[Path, Exception] = {}
    size = None
    for path in paths:
        try:
            picture = _read(path, size)
        except Exception as error:    # decoders answer damaged bytes with many kinds of exceptions
            unread[path] = error
            continue
        if size is None:
            size = picture.shape[1::-1]
            if (total := len(paths) * size[0] * size[1] * 3) > limit:
                raise BadFile(f"the pictures in {folder} do not fit into memory", expected=f"at most {limit:,} bytes",
                              got=f"{total:,} for {len(paths):,} of {size[1]} x {size[0]}, the size of {path.name}",
                              fix="make them smaller; these models are meant for 28 to 128 pixels per side")
        pictures[path] = picture
    if not pictures:
        raise BadFile(f"no picture can be read in {folder}", expected=f"files that end in {' '.join(SUFFIXES)}",
                      got=_some(unread) or "none", fix="check the path and the files")
    if unread:
        warnings.warn(f"{len(unread)} of {len(paths)} pictures left out: {_some(unread)}", stacklevel=2)
    images = check_images(_stack(list(pictures.values())), str(folder))
    return _split(Dataset(images, _labels([path.relative_to(folder) for path in pictures], folder)))


def _read(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """One picture, scaled to `size` (width, height): uint8 (h, w) if it is grey, else (h, w, 3)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")    # odd metadata does no harm
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        content = io.BytesIO(_bytes(path))    # given a file, Pillow allocates whatever a damaged length says
        with Image.open(content, formats=FORMATS) as file:
            image: Image.Image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):    # 16-bit grey, which Pillow would clip at 255
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    pixels = np.asarray(image if size is None or size == image.size else image.resize(size, Image.Resampling.LANCZOS))
    return pixels[..., 0] if (pixels == pixels[..., :1]).all() else pixels


def _bytes(path: Path) -> bytes:
    if (size := path.stat().st_size) > MAX_FILE:
        raise ValueError(f"{size:,} bytes; at most {MAX_FILE:,} are read")
    return path.read_bytes()


def _stack(pictures: list[np.ndarray]) -> np.ndarray:
    if all(picture.ndim == 2 for picture in pictures):
        return np.stack(pictures)
    images = np.empty((len(pictures), *pictures[0].shape[:2], 3), np.uint8)
    for image, picture in zip(images, pictures, strict=True):
        image[:] = picture if picture.ndim == 3 else picture[..., None]
    return images


def _labels(paths: list[Path], folder: Path) -> np.ndarray | None:
    """The index of each picture's subfolder; None if there are no subfolders."""
    loose = [path for path in paths if len(path.parts) == 1]
    if len(loose) == len(paths):
        return None
    if loose:
        raise BadFile(f"{folder} holds pictures beside its subfolders", expected="all pictures in subfolders, "
                      "which name the classes, or none", got=f"{len(loose)} outside, such as {loose[0]}",
                      fix="move or remove them")
    return np.unique([path.parts[0] for path in paths], return_inverse=True)[1]


def _split(data: Dataset) -> tuple[Dataset, Dataset]:
    n = len(data.images)
    test = np.arange(n) % 10 == min(9, n - 1)    # not the last tenth, which is the last class when sorted by name
    return (Dataset(data.images[~test], None if data.labels is None else data.labels[~test]),
            Dataset(data.images[test], None if data.labels is None else data.labels[test]))


def _some(unread: dict[Path, Exception]) -> str:
    first = [f"{path.name} ({type(error).__name__}: {error})" for path, error in list(unread.items())[:3]]
    return "; ".join(first) + ("; ..." if len(unread) > 3 else "")
