"""Digits, the upright edges that a kernel finds in them, and what its transpose paints from these."""
import numpy as np
from matplotlib.figure import Figure

NAMES = ("x", "conv2d(x, W)", "its transpose")


def draw(cells: dict) -> Figure:
    sheet = np.vstack([np.hstack([np.pad(image.reshape(28, 28), 2, constant_values=0.9) for image in row])
                       for row in cells["rows"]])
    axes = (figure := Figure(figsize=(7.2, 2.2), dpi=150)).add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[32 * i + 16 for i in range(3)], yticklabels=NAMES)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
