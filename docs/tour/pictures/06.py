"""The tape of a small net: an arrow for each vjp that grad calls, marked where broadcasting is undone."""
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch


def draw(cells: dict) -> Figure:
    Tensor, ops, tape, rng = cells["Tensor"], cells["ops"], cells["tensor"].tape, cells["rng"]
    x, W, b, V, c = (Tensor(rng.normal(size=shape)) for shape in ((4, 3), (3, 2), (2,), (2, 3), (3,)))
    y = ops.mean(ops.square(ops.tanh(x @ W + b) @ V + c - x))
    past, wanted = tape(y), {W, b, V, c}
    live = set(wanted)
    for t in past:
        if not live.isdisjoint(t.parents):
            live.add(t)
    signs = {"matmul": "@", "add": "+", "sub": "−"}
    words = {x: "x", W: "W", b: "b", V: "V", c: "c"}
    axes = (figure := Figure(figsize=(9, 2.9))).add_subplot()
    for i, t in enumerate(past):
        color = "#fdf0dc" if t in wanted else "#eaf1fb" if t in live else "#eeeeee"
        axes.text(i, 0, words.get(t) or signs.get(t.op.__name__, t.op.__name__), ha="center", va="center",
                  bbox={"boxstyle": "round,pad=0.4", "fc": color, "ec": "#4a6fa5" if t in live else "#aaa"})
        for k, a in enumerate(t.args):
            if a not in live:
                continue
            j = next(j for j, p in enumerate(past) if p is a)
            summed = t.op.__name__ == "add" and a.shape != t.shape
            axes.add_patch(FancyArrowPatch((i - 0.08 * k, 0.32), (j + 0.08, 0.32), arrowstyle="-|>", mutation_scale=11,
                                           connectionstyle=f"arc3,rad={0.5 if i - j < 4 else 0.36}",
                                           lw=1 + summed, color="#b03a2e" if summed else "#4a6fa5"))
            if summed:
                axes.text((i + j) / 2, 0.36 + 0.175 * (i - j), "sum_to", color="#b03a2e", ha="center", fontsize=10,
                          bbox={"fc": "white", "ec": "none", "pad": 1})
    axes.text(len(past) / 2, -1.0, "yellow: wanted · blue: live · grey: needs no gradient", ha="center", color="#555",
              fontsize=10)
    axes.set(xlim=(-0.7, len(past) - 0.3), ylim=(-1.3, 1.9))
    axes.axis("off")
    return figure
