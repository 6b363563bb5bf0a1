"""data · pictures: one picture file -> pixels, whatever its format, depth and colours."""
from __future__ import annotations

import io
import os
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:       # Pillow is imported when a picture is read: all other data does without it
    from PIL.Image import Image

MAX_FILE = 256 << 20    # bytes of one picture's file
UNSAFE = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}     # another program would run, or Pillow has no decoder


class Picture(NamedTuple):
    """pixels (h, w) or (h, w, 3): uint8; or (h, w) uint16, int32 or float32, which `eight_bits` makes uint8.

    size (height, width): of the file, before scaling. light: the picture is white or nearly so where it is opaque, and
    has transparent parts; None: it has none.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    light: bool | None = None


@cache
def suffixes() -> frozenset[str]:
    """The endings of all formats that Pillow opens here, in lower case."""
    from PIL import Image
    return frozenset(suffix for suffix, name in Image.registered_extensions().items()
                     if name in Image.OPEN and name not in UNSAFE)


def read(path: Path, size: tuple[int, int] | None = None, background: str = "white") -> Picture:
    """One picture, upright, scaled to size (height, width), on a background where it is transparent.

    It is grey, (h, w), if all its pixels are. A film gives its first frame. A file that cannot be read raises one of
    many kinds of exceptions.
    """
    from PIL import Image, ImageOps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")    # odd metadata does no harm
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        content = io.BytesIO(_bytes(path))    # given a file, Pillow allocates whatever a damaged length says
        with Image.open(content, formats=sorted(set(Image.OPEN) - UNSAFE)) as file:
            image: Image.Image = ImageOps.exif_transpose(file)
            if image.mode[0] in "IF":
                return Picture(_deep(image, size), (image.height, image.width))
            opaque = not image.has_transparency_data
            image = image.convert("RGBA")
    light = None if opaque else _light(np.asarray(image))
    wide: Any = size and size[::-1]
    flat = Image.alpha_composite(Image.new("RGBA", image.size, background), image).convert("RGB")
    pixels = np.asarray(flat if wide in (None, flat.size) else flat.resize(wide, Image.Resampling.LANCZOS))
    grey = (pixels == pixels[..., :1]).all()
    return Picture(pixels[..., 0] if grey else pixels, (image.height, image.width), light)


def _bytes(path: Path) -> bytes:
    if (size := os.stat(path).st_size) > MAX_FILE:
        raise ValueError(f"{size:,} bytes; at most {MAX_FILE:,} are read")
    return path.read_bytes()


def _deep(image: Image, size: tuple[int, int] | None) -> np.ndarray:
    """Grey of 16 or 32 bits or of floats, unchanged but for its size: Pillow would clip it at 255."""
    from PIL import Image
    pixels = np.asarray(image)
    if not np.isfinite(pixels).all():
        raise ValueError("it holds NaN or infinity")
    if size not in (None, pixels.shape):
        wide: Any = size and size[::-1]
        scaled = Image.fromarray(pixels.astype(np.float32)).resize(wide, Image.Resampling.LANCZOS)
        scaled = np.clip(np.asarray(scaled), pixels.min(), pixels.max())
        pixels = (scaled if pixels.dtype.kind == "f" else np.rint(scaled)).astype(pixels.dtype)
    return pixels


def _light(rgba: np.ndarray) -> bool | None:
    """True if the mean of the opaque parts is nearly white, None if nothing is transparent or nothing is opaque."""
    alpha = rgba[..., 3:].astype(np.float64)
    if alpha.min() == 255 or alpha.max() == 0:
        return None
    return bool((rgba[..., :3] * alpha).sum() / (3 * alpha.sum()) > 0.9 * 255)


def eight_bits(deep: list[np.ndarray]) -> tuple[list[np.ndarray], str]:
    """Pictures of more than 8 bits -> uint8 of the same contrast, and a note that says what was done.

    All pictures of a set are treated alike. Integers that end below 256, 1024, 4096 or 65536 have 8, 10, 12 or 16 bits,
    of which the upper 8 are kept; floats in [0, 1] become 0 to 255; other numbers are scaled from their range.
    """
    low, high = float(min(x.min() for x in deep)), float(max(x.max() for x in deep))
    integers = all(x.dtype.kind in "iu" for x in deep)
    if integers and low >= 0 and high < 1 << 16:
        bits = next(bits for bits in (8, 10, 12, 16) if high < 1 << bits)
        note = f"the brightest of the 16-bit pixels is {high:.0f}, so they are read as numbers of {bits} bits"
        return [(x >> (bits - 8)).astype(np.uint8) for x in deep], note if bits < 16 and high > 1 else ""
    base, span = (0.0, 1.0) if not integers and low >= 0 and high <= 1 else (low, high - low or 1.0)
    note = f"pixels from {low:.5g} to {high:.5g} are scaled to black and white"
    return ([np.rint((x.astype(np.float64) - base) * (255 / span)).astype(np.uint8) for x in deep],
            note if (base, span) != (0, 1) else "")
