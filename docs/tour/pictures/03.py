"""The Jacobian of the matrix product, as the chapter's differences have built it."""
import numpy as np
from matplotlib.figure import Figure


def draw(cells: dict) -> Figure:
    J = np.where(np.abs(cells["J"]) < 1e-6, 0, cells["J"])
    axes = (figure := Figure(figsize=(7.2, 3.7))).add_subplot()
    axes.pcolormesh(J, cmap="RdBu_r", vmin=-4, vmax=4, edgecolors="#ddd", linewidth=0.5)
    for (j, i), value in np.ndenumerate(J):
        if value:
            axes.text(i + 0.5, j + 0.5, f"{value:.1f}", ha="center", va="center", fontsize=9)
    n, k = cells["X"].shape
    m = cells["Y"].shape[1]
    axes.set_xticks(np.arange(n * k) + 0.5, [f"$x_{{{a}{c}}}$" for a in range(n) for c in range(k)])
    axes.set_yticks(np.arange(n * m) + 0.5, [f"$z_{{{a}{b}}}$" for a in range(n) for b in range(m)])
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("empty cells are zero; each block is the transpose of Y", fontsize=10, color="#555")
    return figure
