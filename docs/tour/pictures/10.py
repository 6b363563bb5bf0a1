"""The decoded plane of a VAE's two latents: codes at equal steps of probability under N(0, 1)."""
import numpy as np
from matplotlib.figure import Figure


def draw(cells: dict) -> Figure:
    side, steps = cells["side"], cells["steps"]
    rows = cells["plane"].reshape(side, side, 14, 14)
    sheet = np.vstack([np.hstack([np.pad(image, 1, constant_values=0.9) for image in row]) for row in rows])
    axes = (figure := Figure(figsize=(5.4, 5.6), dpi=150)).add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    places, names = [8, 8 + 16 * (side - 1)], [f"{z:.1f}" for z in (steps[0], steps[-1])]
    axes.set(xticks=places, xticklabels=names, yticks=places, yticklabels=names[::-1],
             xlabel="first number of the code", ylabel="second number")
    axes.spines[:].set_visible(False)
    return figure
