"""Left: a row is copied. Right: the gradients of the copies are added up, column by column."""
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def grid(axes, x: float, y: float, cells: list, color: str, bold: bool = False) -> None:
    for i, row in enumerate(cells):
        for j, text in enumerate(row):
            axes.add_patch(Rectangle((x + j, y - i), 1, -1, fc=color, ec="#4a6fa5", lw=0.8))
            axes.text(x + j + 0.5, y - i - 0.5, text, ha="center", va="center", weight="bold" if bold else "normal")


def draw(cells: dict) -> Figure:
    g = cells["g"]
    n, k = g.shape
    axes = (figure := Figure(figsize=(7.2, 3.6))).add_subplot()
    b = [[f"$b_{j}$" for j in range(k)]]
    for x, title, top, table, bottom in (
            (0, "forward: b (3,) is copied to (4, 3)", b, b * n, None),
            (8, "backward: g (4, 3) is summed to (3,)", None, [[f"{v:g}" for v in row] for row in g],
             [[f"{v:g}" for v in cells["g_b"]]])):
        axes.text(x + k / 2, 2.6, title, ha="center", color="#555", fontsize=10)
        if top:
            grid(axes, x, 1.9, top, "#fdf0dc", True)
        grid(axes, x, 0, table, "#eaf1fb")
        if bottom:
            grid(axes, x, -n - 0.9, bottom, "#fdf0dc", True)
        for j in np.arange(k) + x + 0.5:
            start, end = (0.85, 0.1) if top else (-n - 0.05, -n - 0.8)
            axes.annotate("", (j, end), (j, start), arrowprops={"arrowstyle": "-|>", "color": "#b03a2e"})
    axes.set(xlim=(-2, 13), ylim=(-6.1, 3))
    axes.set_aspect("equal")
    axes.axis("off")
    return figure
