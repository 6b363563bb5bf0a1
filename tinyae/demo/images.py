"""demo · images: grids of pictures as PNG files.

Pictures come as a model returns them, (n, h * w * c) numbers in [0, 1], with their shape (h, w) or (h, w, c). Values
outside [0, 1] are clipped. Small pictures are enlarged by a whole factor, so that each pixel becomes a square.
"""
from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from .. import files
from ..errors import BadValue, printable

PAPER, INK = 235, 30        # grey levels of the background and of the title
GAP, PAIR_GAP = 2, 12       # pixels between pictures, and between pairs of rows
MARGIN = 8
LARGE = 56                  # pixels: smaller pictures are enlarged to about this height or width


def save_grid(path: str | Path, images: Any, shape: tuple[int, ...], *, columns: int = 10, title: str = "") -> None:
    """Draw n images row by row under a title, such as samples from a model or the weights of its units."""
    _save(path, _sheet(_pixels(images, shape), columns), title)


def save_reconstructions(path: str | Path, originals: Any, reconstructions: Any, shape: tuple[int, ...], *,
                         columns: int = 10, title: str = "upper rows: originals · lower rows: reconstructions") -> None:
    """Draw pairs of rows: originals, and directly below them their reconstructions."""
    both = np.stack([_pixels(originals, shape), _pixels(reconstructions, shape)])           # (2, n, h, w, 3)
    columns = min(columns, both.shape[1])
    blank = np.full((2, -both.shape[1] % columns, *both.shape[2:]), PAPER, np.uint8)        # fills the last row
    both = np.concatenate([both, blank], axis=1)
    rows = both.reshape(2, -1, columns, *both.shape[2:]).swapaxes(0, 1)                     # (pairs, 2, columns, ...)
    _save(path, _sheet(rows.reshape(-1, *both.shape[2:]), columns, pairs=True), title)


def save_manifold(path: str | Path, decode: Callable[[np.ndarray], Any], shape: tuple[int, ...], *,
                  side: int = 20) -> None:
    """Draw the decoded plane of two latents: side x side codes at equal steps of probability under N(0, 1).

    decode: codes (k, 2) float32 -> images (k, h * w * c) in [0, 1].
    """
    steps = [NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)]
    codes = np.array([(z1, z2) for z2 in reversed(steps) for z1 in steps], np.float32)
    save_grid(path, decode(codes), shape, columns=side, title=f"decoded codes: latent 1 to the right and latent 2 "
              f"upwards, from {steps[0]:.1f} to {steps[-1]:.1f}")


def signed(weights: Any) -> np.ndarray:
    """(n, d) numbers of either sign -> (n, d) in [0, 1]: 0 is grey, the largest |number| of a row black or white."""
    weights = np.asarray(weights)
    size = np.abs(weights).max(axis=1, keepdims=True, initial=0)
    return 0.5 + 0.5 * weights / np.where(size > 0, size, 1)


def _pixels(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """(n, h * w * c) in [0, 1] or uint8 -> (n, h', w', 3) uint8, enlarged if small."""
    h, w, c = (*shape, 1)[:3]
    images = np.asarray(images)
    if images.size == 0 or images.size != len(images) * h * w * c:
        raise BadValue("images must fit their shape", expected=f"(n, {h * w * c}), n >= 1 images of shape {shape}",
                       got=images.shape, fix="shape=images.shape[1:] of the data set")
    if images.dtype != np.uint8:
        images = np.clip(np.nan_to_num(images) * 255 + 0.5, 0, 255).astype(np.uint8)
    factor = max(1, LARGE // max(h, w))
    enlarged = images.reshape(-1, h, w, c).repeat(factor, axis=1).repeat(factor, axis=2)
    return np.broadcast_to(enlarged, (*enlarged.shape[:3], 3)) if c == 1 else enlarged


def _sheet(pictures: np.ndarray, columns: int, pairs: bool = False) -> np.ndarray:
    """(n, h, w, 3) -> (H, W, 3): the pictures in rows. pairs: a wider gap after every second row."""
    n, h, w, _ = pictures.shape
    columns = min(columns, n)
    tops = [row * (h + GAP) + row // 2 * (PAIR_GAP - GAP) * pairs for row in range(-(-n // columns))]
    sheet = np.full((tops[-1] + h, columns * (w + GAP) - GAP, 3), PAPER, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = tops[i // columns], i % columns * (w + GAP)
        sheet[top:top + h, left:left + w] = picture
    return sheet


def _save(path: str | Path, sheet: np.ndarray, title: str) -> None:
    """Write the sheet as a PNG, with a margin and the title above it. The text chunk "Title" repeats the title."""
    font, title = ImageFont.load_default(), printable(title)        # it may hold a folder's name
    _, _, width, height = (int(edge) for edge in font.getbbox(title))
    top = MARGIN + (height + MARGIN if title else 0)
    size = max(sheet.shape[1], width) + 2 * MARGIN, top + sheet.shape[0] + MARGIN
    page = Image.new("RGB", size, (PAPER, PAPER, PAPER))
    page.paste(Image.fromarray(sheet), (MARGIN, top))
    ImageDraw.Draw(page).text((MARGIN, MARGIN), title, fill=(INK, INK, INK), font=font)
    content, chunks = io.BytesIO(), PngImagePlugin.PngInfo()
    chunks.add_text("Title", title)
    page.save(content, "PNG", pnginfo=chunks)
    files.write(path, content.getvalue())
