"""The size of Adam's steps for a constant gradient, with and without the bias correction."""
from matplotlib.figure import Figure


def draw(cells: dict) -> Figure:
    axes = (figure := Figure(figsize=(6.5, 3.4), layout="constrained")).add_subplot()
    shown = [0, 1, 2, 4, 7, 11, 16, 24, 39, 63, 99, 159, 249, 399, 639, 999, 1599, 2499, 3999, 6399, 9999]
    axes.semilogx(cells["t"][shown], cells["uncorrected"][shown], "--", color="#b03a2e", label="without correction")
    axes.axhline(1, color="#4a6fa5", label="with it")
    axes.set(xlabel="step", ylabel="size of the step / rate", ylim=(0, 7))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
