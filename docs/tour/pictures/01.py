"""The graph of L = h * h with h = w * x + b: a box for each Tensor, a slope on each arrow."""
from matplotlib.figure import Figure

PLACES = {"w": (0, 2), "x": (0, 1), "b": (0, 0), "p": (1, 1.5), "h": (2, 0.75), "L": (3, 0.75)}


def draw(cells: dict) -> Figure:
    h, L = cells["h"], cells["L"]
    tensors = {"w": cells["w"], "x": cells["x"], "b": cells["b"], "p": h.args[0], "h": h, "L": L}
    names = {t: name for name, t in tensors.items()}
    signs = {cells["add"]: "+", cells["mul"]: "·"}
    axes = (figure := Figure(figsize=(7.2, 3))).add_subplot()
    for name, t in tensors.items():
        x, y = PLACES[name]
        made = f" = {f' {signs[t.op]} '.join(names[a] for a in t.args)}" if t.op else ""
        axes.text(x, y, f"{name}{made}\n{t.data:g}", ha="center", va="center", linespacing=1.5,
                  bbox={"boxstyle": "round,pad=0.5", "fc": "#eaf1fb" if t.op else "#f4f4f0", "ec": "#4a6fa5"})
        for i, a in enumerate(t.args):
            slope = t.op.vjps[i](1.0, t.data, *[arg.data for arg in t.args])
            bend = 0.28 * (1 - 2 * i) if t.args[0] is t.args[1] else 0.0
            (x0, y0), (x1, y1) = PLACES[names[a]], (x, y)
            axes.annotate("", (x1 - 0.3, y1 + bend / 2), (x0 + (0.3 if a.op else 0.13), y0 + bend / 2), arrowprops={
                "arrowstyle": "-|>", "color": "#555", "connectionstyle": f"arc3,rad={-bend}"})
            axes.text((x0 + x1) / 2, (y0 + y1) / 2 + bend * 1.25, f"{slope:g}", color="#b03a2e", ha="center",
                      va="center", bbox={"fc": "white", "ec": "none", "pad": 1.5})
    axes.set(xlim=(-0.4, 3.4), ylim=(-0.5, 2.5))
    axes.axis("off")
    return figure
