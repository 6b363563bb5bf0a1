"""Kernels for one call of a function, as it is written and fused."""
from matplotlib.figure import Figure


def draw(cells: dict) -> Figure:
    plain = cells["plain"]
    axes = (figure := Figure(figsize=(6.5, 3), layout="constrained")).add_subplot()
    for shift, label, counts in ((-0.2, "as written", list(plain.values())), (0.2, "fused", [1] * len(plain))):
        axes.barh([i + shift for i in range(len(plain))], counts, height=0.4, label=label)
    axes.set(yticks=range(len(plain)), yticklabels=plain, xticks=range(0, 19, 3), xlabel="kernels")
    axes.invert_yaxis()
    axes.legend()
    return figure
