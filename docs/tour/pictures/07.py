"""The lines of the program: a bar for each array, from the line that makes it to the last that reads it."""
import re

from matplotlib.figure import Figure


def draw(cells: dict) -> Figure:
    lines = [line.split("#")[0].strip() for line in str(cells["program"]).splitlines()[1:-1]]
    lines = [line for line in lines if line]
    made = {line.split(" = ")[0]: i for i, line in enumerate(lines) if " = " in line}
    backward = made["loss"] + 1
    axes = (figure := Figure(figsize=(8, 3.6))).add_subplot()
    axes.axhspan(-0.5, backward - 0.5, color="#f4f4f0")
    for x, (name, start) in enumerate(made.items()):
        readers = [i for i, line in enumerate(lines) if re.search(rf"\b{name}\b", line.split(" = ")[-1])]
        end = max(readers, default=start)
        end = len(lines) if name == "loss" or name.startswith("g_") else end
        color = "#b03a2e" if start < backward <= end and name != "loss" else "#4a6fa5"
        axes.plot([x, x], [start, end], "-", color=color, linewidth=5, solid_capstyle="butt")
        axes.plot([x, x], [start - 0.1, start + 0.1], "-", color=color, linewidth=12, solid_capstyle="butt")
        axes.text(x, start - 0.35, name, ha="center", va="bottom", fontsize=9)
    axes.set_yticks(range(len(lines)), [line if len(line) < 44 else line[:41] + "..." for line in lines],
                    family="monospace", fontsize=8)
    axes.text(len(made) - 0.6, backward / 2 - 0.5, "forward", ha="right", va="center", color="#555")
    axes.text(len(made) - 0.6, backward, "backward", ha="right", va="center", color="#555")
    axes.set(xlim=(-0.6, len(made) - 0.4), ylim=(len(lines), -1.2))
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure
