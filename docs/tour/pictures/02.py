"""Tensors in the order of their birth; arcs from each to its arguments, all to the left."""
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch


def draw(cells: dict) -> Figure:
    Tensor, tape = cells["Tensor"], cells["tape"]
    w, x, b = Tensor(2.0), Tensor(3.0), Tensor(-1.0)
    h = w * x + b
    past = tape(h * h + w)
    words = ["w", "x", "b", "w · x", "h", "h · h", "y"]
    axes = (figure := Figure(figsize=(7.2, 2.9))).add_subplot()
    for i, t in enumerate(past):
        axes.text(i, 0, words[i], ha="center", va="center",
                  bbox={"boxstyle": "round,pad=0.45", "fc": "#eaf1fb" if t.op else "#f4f4f0", "ec": "#4a6fa5"})
        axes.text(i, -0.75, f"born {t.born - past[0].born}", ha="center", va="center", color="#555", fontsize=9)
        for k, a in enumerate(t.args):
            j = past.index(a)
            bend = (0.45 if i - j < 5 else 0.3) + 0.3 * (t.args[0] is t.args[1]) * k
            axes.add_patch(FancyArrowPatch((i - 0.05 * k, 0.28), (j + 0.1, 0.28), arrowstyle="-|>", mutation_scale=12,
                                           connectionstyle=f"arc3,rad={bend}", color="#b03a2e"))
    axes.annotate("", (0.0, -1.2), (6.0, -1.2), arrowprops={"arrowstyle": "-|>", "color": "#555"})
    axes.text(3, -1.45, "grad goes this way: whatever uses a Tensor stands to the right of it", ha="center", va="top",
              color="#555", fontsize=10)
    axes.set(xlim=(-0.6, 6.6), ylim=(-1.9, 2.4))
    axes.axis("off")
    return figure
