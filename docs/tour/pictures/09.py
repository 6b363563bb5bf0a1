"""Test images: the originals, what PCA and the autoencoder make of them, with noise, and cleaned."""
import numpy as np
from matplotlib.figure import Figure

NAMES = ("original", "PCA, 4 numbers", "autoencoder, 4", "with noise", "cleaned")


def draw(cells: dict) -> Figure:
    sheet = np.vstack([np.hstack([np.pad(image.reshape(14, 14), 1, constant_values=0.9) for image in row[:10]])
                       for row in cells["rows"]])
    axes = (figure := Figure(figsize=(7.2, 3.2), dpi=150)).add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[16 * i + 8 for i in range(5)], yticklabels=NAMES)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
